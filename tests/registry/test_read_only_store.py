"""A store that only reads, of another make, behind the same handlers."""

from pathlib import Path

import pytest

from airferry.errors import AirferryError
from airferry.oci import Descriptor, Digest
from airferry.registry import ReadableStore, StoredBlob, StoredManifest, WritableStore

from .conftest import Client, image


class GoneError(AirferryError):
    code = "not-found"


class SpoiltError(AirferryError):
    code = "damaged"


class Shelf:
    """One image in one repository, its blobs in files: what a disk tree looks like from here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.digest = Digest.of(image())
        for content in (b"{}", b"layer"):
            (folder / Digest.of(content).hex).write_bytes(content)

    async def manifest(self, path: str, target: str) -> StoredManifest:
        if path != "openshift/release" or target not in ("4.20.1", self.digest):
            raise GoneError("not here")
        return StoredManifest(self.digest, "application/vnd.oci.image.manifest.v1+json", image())

    async def blob(self, path: str, digest: Digest) -> StoredBlob:
        file = self.folder / digest.hex
        if path != "openshift/release" or not file.exists():
            raise GoneError("not here")
        if digest == Digest.of(b"{}"):
            raise SpoiltError("flipped")
        return StoredBlob(digest, file.stat().st_size, file)

    async def tags(self, path: str, *, after: str | None = None, limit: int | None = None) -> tuple[str, ...]:
        if path != "openshift/release":
            raise GoneError("not here")
        return ("4.20.1",)

    async def repositories(self, *, after: str | None = None, limit: int | None = None) -> tuple[str, ...]:
        return ("openshift/release",)

    async def referrers(self, path: str, digest: Digest) -> tuple[Descriptor, ...]:
        return ()

    async def close(self) -> None:
        pass


@pytest.fixture
async def shelf(start, tmp_path: Path) -> Client:
    return await start(Shelf(tmp_path))


def test_the_reading_half_is_enough_to_read_and_not_to_write(tmp_path: Path) -> None:
    shelf: ReadableStore = Shelf(tmp_path)
    assert not isinstance(shelf, WritableStore)


async def test_it_serves_pulls(shelf: Client) -> None:
    assert (await shelf("GET", "/v2/openshift/release/manifests/4.20.1")).body == image()
    layer = Digest.of(b"layer")
    assert (await shelf("GET", f"/v2/openshift/release/blobs/{layer}", Range="bytes=1-2")).body == b"ay"
    assert (await shelf("GET", "/v2/openshift/release/tags/list")).json["tags"] == ["4.20.1"]
    assert (await shelf("GET", "/v2/_catalog")).json["repositories"] == ["openshift/release"]
    assert (await shelf("GET", f"/v2/openshift/release/referrers/{layer}")).json["manifests"] == []


@pytest.mark.parametrize(
    "path, code",
    [
        ("manifests/nope", "MANIFEST_UNKNOWN"),
        (f"blobs/{Digest.of(b'nope')}", "BLOB_UNKNOWN"),
        (f"blobs/{Digest.of(b'{}')}", "BLOB_UNKNOWN"),
    ],
)
async def test_its_own_errors_become_words_of_the_protocol(shelf: Client, path: str, code: str) -> None:
    answer = await shelf("GET", f"/v2/openshift/release/{path}")
    assert (answer.status, answer.code) == (404, code)


@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "blobs/uploads/"),
        ("PATCH", "blobs/uploads/x"),
        ("PUT", f"blobs/uploads/x?digest={Digest.of(b'x')}"),
        ("GET", "blobs/uploads/x"),
        ("DELETE", "blobs/uploads/x"),
        ("PUT", "manifests/t"),
        ("DELETE", "manifests/t"),
        ("DELETE", f"blobs/{Digest.of(b'x')}"),
    ],
)
async def test_it_refuses_to_be_written_to(shelf: Client, method: str, path: str) -> None:
    answer = await shelf(method, f"/v2/openshift/release/{path}", b"x" if method in ("PUT", "PATCH") else None)
    assert (answer.status, answer.code) == (405, "UNSUPPORTED")
