"""Cases 22, 23, 26, 29, 35 and 36: listings, races, deletes, and disks that fail."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from airferry.oci import Digest
from airferry.oci.mediatype import OCI_INDEX
from airferry.registry import Limits, RegistryStore

from ..conformance.conftest import registry_on
from ..conftest import Answer, Client, image, index
from ..test_full_disk import disk, fill
from .world import CONTENT, Door, is_well, refused

__all__ = ["disk"]

registry = registry_on("memory", "disk", "postgresql")
"""Order, pages and races are the database's business, so each of them is asked."""

MIB = 1024 * 1024


async def fastest(registry: Client, path: str) -> Answer:
    """Ask three times; the fastest answer shows what the registry needs, the others how busy this machine is."""
    took_s = []
    for _ in range(3):
        started_s = monotonic()
        answer = await registry("GET", path)
        took_s.append(monotonic() - started_s)
    assert min(took_s) < 0.1
    return answer


@pytest.mark.parametrize("path", ["/v2/_catalog", "/v2/a/tags/list"])
async def test_case_22_a_page_of_any_size_is_answered_at_once(registry: Client, path: str) -> None:
    await registry.push_image("a", "t")
    for n in ("1000000000000", "9" * 400, "9223372036854775808", "18446744073709551616"):
        assert (await fastest(registry, f"{path}?n={n}")).status == 200
    for n in ("-1", "-9223372036854775809", "1e9", "NaN", "1;drop", "%00"):
        refused(await fastest(registry, f"{path}?n={n}"), (400, "PAGINATION_NUMBER_INVALID"))
    assert (await registry("GET", f"{path}?last={'z' * 20_000}")).status == 200
    assert 400 <= (await registry("GET", f"{path}?last={'z' * 100_000}")).status < 500
    await is_well(registry)


async def test_case_23_sixteen_writers_of_one_tag_under_four_readers(disk_registry: Client) -> None:
    registry = disk_registry
    raws = [index(annotations={"n": str(number)}) for number in range(16)]
    assert (await registry.push_manifest("a", "moving", raws[0], OCI_INDEX)).status == 201
    done = asyncio.Event()

    async def write(raw: bytes) -> None:
        for _ in range(5):
            assert (await registry.push_manifest("a", "moving", raw, OCI_INDEX)).status == 201

    async def read() -> int:
        reads = 0
        while not done.is_set():
            answer = await registry("GET", "/v2/a/manifests/moving")
            assert (answer.status, answer.body in raws) == (200, True)
            reads += 1
        return reads

    readers = [asyncio.create_task(read()) for _ in range(4)]
    await asyncio.gather(*(write(raw) for raw in raws))
    done.set()
    assert all(await asyncio.gather(*readers))
    assert (await registry("GET", "/v2/a/manifests/moving")).body in raws


async def test_case_26_what_was_deleted_is_pushed_again(registry: Client) -> None:
    for _ in range(3):
        digest = await registry.push_image("a", "t")
        assert (await registry("GET", f"/v2/a/manifests/{digest}")).body == image()
        assert (await registry("DELETE", f"/v2/a/manifests/{digest}")).status == 202
        for content in (b"{}", b"layer"):
            assert (await registry("DELETE", f"/v2/a/blobs/{Digest.of(content)}")).status == 202
        refused(await registry.push_manifest("a", "t", image()), (400, "MANIFEST_BLOB_UNKNOWN"))


async def test_case_29_where_deletes_are_disabled_not_even_a_tag_is_deleted(start) -> None:
    registry = await start(RegistryStore.in_memory(), None, Limits(can_delete=False))
    digest = await registry.push_image("a", "t")
    for what in ("manifests/t", f"manifests/{digest}", f"blobs/{Digest.of(b'layer')}", "manifests/not-there"):
        refused(await registry("DELETE", f"/v2/a/{what}"), (405, "UNSUPPORTED"))
    assert (await registry("GET", "/v2/a/manifests/t")).body == image()


@pytest.fixture
async def small(disk: Path, start) -> Client:
    """A registry on a disk of a few MiB."""
    return await start(RegistryStore.on_disk(disk))


@pytest.fixture
def filler(disk: Path, small: Client) -> Iterator[Path]:
    """What fills that disk, to be removed for space to return."""
    file = fill(disk)
    yield file
    file.unlink(missing_ok=True)


@pytest.mark.parametrize("how", ["PATCH", "PUT", "POST"])
async def test_case_35_a_disk_that_fills_up_in_an_upload_is_507_and_heals(small: Client, disk: Path, how: str) -> None:
    registry = small
    location = await registry.begin("a")
    filler = fill(disk)
    content = bytes(2 * MIB)
    path = {
        "PATCH": location,
        "PUT": f"{location}?digest={Digest.of(content)}",
        "POST": f"/v2/a/blobs/uploads/?digest={Digest.of(content)}",
    }[how]
    refused(await registry(how, path, content), (507, "UNKNOWN"))
    assert (await registry("HEAD", f"/v2/a/blobs/{Digest.of(content)}")).status == 404
    assert (await registry("GET", "/v2/")).status == 200
    filler.unlink()
    await registry.push_blob("a", content)
    await is_well(registry)


async def test_case_35_a_disk_that_is_full_in_a_manifest_is_507_and_heals(small: Client, filler: Path) -> None:
    raw = index(annotations={"x": "y" * MIB})
    refused(await small.push_manifest("a", "t", raw, OCI_INDEX), (507, "UNKNOWN"))
    assert (await small("GET", "/v2/a/manifests/t")).status == 404
    filler.unlink()
    assert (await small.push_manifest("a", "t", raw, OCI_INDEX)).status == 201
    assert (await small("GET", "/v2/a/manifests/t")).body == raw


def stored(root: Path, content: bytes) -> Path:
    """The file whose bytes are ``content``, wherever the driver has it."""
    (file,) = [file for file in root.rglob("*") if file.is_file() and file.read_bytes() == content]
    return file


@pytest.mark.parametrize("damage", ["cut short", "made longer", "gone"])
async def test_case_36_a_blob_of_another_length_is_not_served_and_a_push_heals_it(
    disk_registry: Client, tmp_path: Path, damage: str
) -> None:
    registry = disk_registry
    digest = await registry.push_blob("a", CONTENT)
    file = stored(tmp_path, CONTENT)
    if damage == "gone":
        file.unlink()
    else:
        file.chmod(0o644)
        file.write_bytes(CONTENT[:-1] if damage == "cut short" else CONTENT + b"!")
    refused(await registry("GET", f"/v2/a/blobs/{digest}"), (404, "BLOB_UNKNOWN"))
    assert (await registry("HEAD", f"/v2/a/blobs/{digest}")).status == 404
    await registry.push_blob("a", CONTENT)
    assert (await registry("GET", f"/v2/a/blobs/{digest}")).body == CONTENT


async def test_case_36_a_manifest_with_a_flipped_bit_is_not_served(start, tmp_path: Path) -> None:
    first = await start(RegistryStore.on_disk(tmp_path))
    assert (await first.push_manifest("a", "t", index(), OCI_INDEX)).status == 201
    file = stored(tmp_path, index())
    file.chmod(0o644)
    file.write_bytes(index().replace(b"schemaVersion", b"schemaVersioo"))
    fresh = await start(RegistryStore.on_disk(tmp_path))
    refused(await fresh("GET", "/v2/a/manifests/t"), (404, "MANIFEST_UNKNOWN"))
    assert (await fresh.push_manifest("a", "t", index(), OCI_INDEX)).status == 201
    assert (await fresh("GET", "/v2/a/manifests/t")).body == index()


async def test_a_door_that_lets_everybody_in_changes_no_answer(start) -> None:
    registry = await start(RegistryStore.in_memory(), Door())
    await is_well(registry)
