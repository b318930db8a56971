"""A disk that is full, and one that cannot be written to: real ones, of a few MiB."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from airferry.oci import Digest
from airferry.registry import RegistryStore, Settings, init, serve
from airferry.registry.drivers import FilesystemDriver
from airferry.registry.errors import NoSpaceError, ReadOnlyError
from airferry.registry.hashing import Hashing
from machine import may_mount, mounting

from .conftest import Client, image

MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    with may_mount(folder):
        mounting("-t", "tmpfs", "-o", "size=8m", "airferry-test", folder)
        yield folder


@pytest.fixture
async def registry(disk: Path, start) -> Client:
    return await start(RegistryStore.on_disk(disk))


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return filler


async def test_a_batch_that_does_not_fit_leaves_nothing_of_itself(disk: Path) -> None:
    driver = FilesystemDriver(disk)
    await driver.begin("u")
    hashing = Hashing("sha256")
    async with driver.open_upload("u", patience_s=0) as upload:
        await upload.append([b"kept"], hashing)
        with pytest.raises(NoSpaceError):
            await upload.append([bytes(MIB)] * 20, hashing)
        assert (upload.received_bytes, await driver.upload_size("u", 0)) == (4, 4)
        await upload.append([b"!"], hashing)
        await upload.complete(Digest.of(b"kept!"))
    assert hashing.hexdigest() == Digest.of(b"kept!").hex


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_an_upload_that_does_not_fit_is_507_and_works_when_there_is_space_again(
    registry: Client, disk: Path, method: str
) -> None:
    kept = await registry.push_blob("a", os.urandom(3 * MIB))
    (disk / "filler").write_bytes(bytes(3 * MIB))
    content = os.urandom(3 * MIB)
    digest = Digest.of(content)
    location = await registry.begin("a")
    answer = await registry(method, f"{location}?digest={digest}", content)
    assert (answer.status, answer.code) == (507, "UNKNOWN")
    assert (await registry("HEAD", f"/v2/a/blobs/{digest}")).status == 404
    assert (await registry("GET", f"/v2/a/blobs/{kept}")).status == 200
    (disk / "filler").unlink()
    received = int((await registry("GET", location)).headers["Range"].removeprefix("0-")) + 1
    rest = content[received:] if received > 1 else content
    assert (await registry("PUT", f"{location}?digest={digest}", rest)).status == 201
    assert (await registry("GET", f"/v2/a/blobs/{digest}")).body == content


async def test_a_manifest_that_does_not_fit_is_507_and_nothing_is_acknowledged(registry: Client, disk: Path) -> None:
    await registry.push_image("a", "before")
    raw = image(annotations={"x": "y" * 100_000})
    filler = fill(disk)
    answer = await registry.push_manifest("a", "t", raw)
    assert (answer.status, answer.code) == (507, "UNKNOWN")
    assert (await registry("POST", "/v2/a/blobs/uploads/")).status in (202, 507)
    assert (await registry("GET", "/v2/a/tags/list")).json["tags"] == ["before"]
    assert (await registry("GET", "/v2/a/manifests/before")).status == 200
    filler.unlink()
    assert (await registry.push_manifest("a", "t", raw)).status == 201
    assert (await registry("GET", "/v2/a/manifests/t")).body == raw


async def test_metadata_that_do_not_fit_are_507_and_recover(registry: Client, disk: Path) -> None:
    await registry.push_image("a", "before")
    filler = fill(disk)
    tags = "&".join(f"tag={'t' * 100}{number}" for number in range(60))
    statuses = {
        (await registry("POST", f"/v2/repo{number}/blobs/uploads/?mount={Digest.of(b'layer')}&from=a")).status
        for number in range(300)
    }
    assert statuses <= {201, 202, 507} and 507 in statuses
    digest = Digest.of(image())
    assert (await registry.push_manifest("a", f"{digest}?{tags}", image())).status == 507
    assert (await registry("GET", "/v2/a/tags/list")).json["tags"] == ["before"]
    filler.unlink()
    assert (await registry.push_manifest("a", f"{digest}?{tags}", image())).status == 201


async def test_a_read_only_disk_is_an_error_that_says_so(disk: Path) -> None:
    init(disk / "registry", ["localhost"])
    settings = Settings.read(disk / "registry", listen="127.0.0.1:0")
    mounting("-o", "remount,ro", disk)
    with pytest.raises(ReadOnlyError) as refused:
        async with serve(settings):
            pass
    assert refused.value.hint and "registry" in refused.value.message
