"""What every place that holds images promises, whatever it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from airferry.content.errors import NotFoundError
from airferry.content.memory import MemoryPlace
from airferry.content.protocol import BlobFetch, ByteStream, Mounting
from airferry.oci import ContentMismatchError, Descriptor, Digest, Manifest, mediatype

from .places import PLACES, AnyPlace, Opened

LARGE = bytes(range(256)) * 4096 * 3 + b"and an odd end"
SOURCE = "upstream/app"


@pytest.fixture(params=sorted(PLACES))
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    async with PLACES[request.param](tmp_path) as opened:
        yield opened


@pytest.fixture
def place(opened: Opened) -> AnyPlace:
    return opened.place


def fetch_from(source: MemoryPlace, blob: Descriptor) -> BlobFetch:
    return lambda offset: source.open_blob(SOURCE, blob, offset)


def fetch_of(*chunks: bytes) -> BlobFetch:
    @asynccontextmanager
    async def fetch(offset: int) -> AsyncIterator[ByteStream]:
        async def stream() -> AsyncIterator[bytes]:
            content = b"".join(chunks)[offset:]
            for start in range(0, len(content), 1000):
                yield content[start : start + 1000]

        yield stream()

    return fetch


async def copy(source: MemoryPlace, manifest: Manifest, opened: Opened, *tags: str) -> None:
    for child in manifest.children:
        await copy(source, source.manifests(SOURCE)[child.digest], opened)
    for blob in manifest.blobs:
        await opened.place.write_blob(opened.path, blob, fetch_from(source, blob))
    await opened.place.write_manifest(opened.path, manifest)
    for tag in tags:
        await opened.place.write_tag(opened.path, tag, manifest)


async def read_all(place: AnyPlace, path: str, blob: Descriptor, offset: int = 0) -> bytes:
    async with place.open_blob(path, blob, offset) as stream:
        return b"".join([chunk async for chunk in stream])


async def test_what_is_written_is_read_back(opened: Opened, place: AnyPlace) -> None:
    source = MemoryPlace()
    image = source.add_image(SOURCE, [LARGE, b"small"])
    await copy(source, image, opened, "v1")

    assert await place.resolve_tag(opened.path, "v1") == image.digest
    assert await place.read_manifest(opened.path, "v1") == image
    assert await place.read_manifest(opened.path, image.digest) == image
    assert await place.list_tags(opened.path) == ("v1",)
    for blob in image.blobs:
        assert await read_all(place, opened.path, blob) == source.blobs(SOURCE)[blob.digest]


async def test_a_blob_is_read_from_an_offset(opened: Opened, place: AnyPlace) -> None:
    blob = Descriptor("x/y", Digest.of(LARGE), len(LARGE))
    await place.write_blob(opened.path, blob, fetch_of(LARGE))
    assert await read_all(place, opened.path, blob, 1_000_001) == LARGE[1_000_001:]


async def test_an_index_and_its_children_keep_their_bytes(opened: Opened, place: AnyPlace) -> None:
    source = MemoryPlace()
    children = {name: source.add_image(SOURCE, [name.encode()]) for name in ("linux/amd64", "linux/arm64")}
    index = source.add_index(SOURCE, children)
    await copy(source, index, opened, "multi")

    assert (await place.read_manifest(opened.path, "multi")).raw == index.raw
    for child in children.values():
        assert (await place.read_manifest(opened.path, child.digest)).raw == child.raw
    assert await place.list_tags(opened.path) == ("multi",)


async def test_the_sink_says_what_it_has(opened: Opened, place: AnyPlace) -> None:
    source = MemoryPlace()
    image = source.add_image(SOURCE)
    assert not await place.has_blob(opened.path, image.blobs[0])
    assert not await place.has_manifest(opened.path, image.digest)
    assert await place.tag_digest(opened.path, "v1") is None
    await copy(source, image, opened, "v1")
    assert all([await place.has_blob(opened.path, blob) for blob in image.blobs])
    assert await place.has_manifest(opened.path, image.digest)
    assert await place.tag_digest(opened.path, "v1") == image.digest


async def test_what_is_not_there_is_not_found(opened: Opened, place: AnyPlace) -> None:
    source = MemoryPlace()
    await copy(source, source.add_image(SOURCE), opened, "v1")
    absent = Descriptor("x/y", Digest.of(b"absent"), 6)
    with pytest.raises(NotFoundError):
        await place.resolve_tag(opened.path, "v2")
    with pytest.raises(NotFoundError):
        await place.read_manifest(opened.path, "v2")
    with pytest.raises(NotFoundError):
        await place.read_manifest(opened.path, absent.digest)
    with pytest.raises(NotFoundError):
        async with place.open_blob(opened.path, absent):
            raise AssertionError("entered")


async def test_an_unknown_repository_is_not_found(opened: Opened, place: AnyPlace) -> None:
    with pytest.raises(NotFoundError):
        await place.list_tags("no/such")
    with pytest.raises(NotFoundError):
        await place.read_manifest("no/such", "v1")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"X" + LARGE[1:], id="a flipped byte"),
        pytest.param(LARGE[:-1], id="too few bytes"),
        pytest.param(LARGE + b"!", id="too many bytes"),
        pytest.param(b"", id="no bytes"),
    ],
)
async def test_wrong_bytes_never_get_a_name(opened: Opened, place: AnyPlace, sent: bytes) -> None:
    blob = Descriptor("x/y", Digest.of(LARGE), len(LARGE))
    with pytest.raises(ContentMismatchError):
        await place.write_blob(opened.path, blob, fetch_of(sent))
    assert not await place.has_blob(opened.path, blob)
    await place.write_blob(opened.path, blob, fetch_of(LARGE))
    assert await read_all(place, opened.path, blob) == LARGE


async def test_an_empty_blob_is_a_blob(opened: Opened, place: AnyPlace) -> None:
    blob = Descriptor("x/y", Digest.of(b""), 0)
    await place.write_blob(opened.path, blob, fetch_of(b""))
    assert await place.has_blob(opened.path, blob)
    assert await read_all(place, opened.path, blob) == b""


async def test_a_blob_that_is_there_is_not_fetched_again(opened: Opened, place: AnyPlace) -> None:
    source = MemoryPlace()
    blob = source.add_blob(SOURCE, LARGE)
    await place.write_blob(opened.path, blob, fetch_from(source, blob))
    await place.write_blob(opened.path, blob, fetch_from(source, blob))
    assert source.read_bytes[blob.digest] == len(LARGE)


async def test_the_same_blob_may_be_written_twice_at_once(opened: Opened, place: AnyPlace) -> None:
    source = MemoryPlace()
    blob = source.add_blob(SOURCE, LARGE)
    await asyncio.gather(*(place.write_blob(opened.path, blob, fetch_from(source, blob)) for _ in range(4)))
    assert await read_all(place, opened.path, blob) == LARGE


async def test_an_error_of_the_source_comes_through(opened: Opened, place: AnyPlace) -> None:
    source = MemoryPlace()
    blob = source.add_blob(SOURCE, LARGE)
    source.fail("open_blob", blob.digest, NotFoundError("gone"), after_bytes=100_000)
    with pytest.raises(NotFoundError, match="gone"):
        await place.write_blob(opened.path, blob, fetch_from(source, blob))
    assert not await place.has_blob(opened.path, blob)


async def test_a_tag_moves(opened: Opened, place: AnyPlace) -> None:
    source = MemoryPlace()
    old, new = source.add_image(SOURCE, [b"old"]), source.add_image(SOURCE, [b"new"])
    await copy(source, old, opened, "latest", "v1")
    await copy(source, new, opened, "latest")
    assert await place.resolve_tag(opened.path, "latest") == new.digest
    assert await place.resolve_tag(opened.path, "v1") == old.digest
    assert await place.list_tags(opened.path) == ("latest", "v1")
    assert await place.read_manifest(opened.path, old.digest) == old


async def test_writing_again_changes_nothing(opened: Opened, place: AnyPlace) -> None:
    source = MemoryPlace()
    image = source.add_image(SOURCE)
    await copy(source, image, opened, "v1")
    await copy(source, image, opened, "v1")
    assert await place.list_tags(opened.path) == ("v1",)
    assert await place.read_manifest(opened.path, "v1") == image


async def test_tags_are_listed_in_order(opened: Opened, place: AnyPlace) -> None:
    source = MemoryPlace()
    image = source.add_image(SOURCE)
    await copy(source, image, opened, "b", "a", "C", "v1.0-x_86", "0")
    assert await place.list_tags(opened.path) == ("0", "C", "a", "b", "v1.0-x_86")


async def test_what_refers_to_an_image_is_listed(opened: Opened, place: AnyPlace) -> None:
    source = MemoryPlace()
    image = source.add_image(SOURCE)
    signature = source.add_image(SOURCE, [b"a signature"], subject=image, artifact_type="application/x.signature")
    await copy(source, image, opened, "v1")
    await copy(source, signature, opened)
    (found,) = await place.list_referrers(opened.path, image.digest)
    assert (found.digest, found.artifact_type) == (signature.digest, "application/x.signature")
    assert found.size_bytes == signature.size_bytes
    assert await place.list_referrers(opened.path, signature.digest) == ()


async def test_a_manifest_without_a_media_type_keeps_its_bytes(opened: Opened, place: AnyPlace) -> None:
    source = MemoryPlace()
    config = source.add_blob(SOURCE, b"{}", mediatype.OCI_CONFIG)
    raw = (
        f'{{"schemaVersion": 2,\n "config": {{"mediaType": "{config.media_type}",'
        f' "digest": "{config.digest}", "size": 2}}, "layers": []}}'
    )
    image = Manifest.parse(raw.encode())
    await copy(source, image, opened, "plain")
    assert (await place.read_manifest(opened.path, "plain")).raw == raw.encode()


async def test_a_blob_is_taken_over_from_a_sibling(opened: Opened, place: AnyPlace) -> None:
    if opened.sibling is None or not isinstance(place, Mounting):
        return  # a place of one repository has no siblings
    blob = Descriptor("x/y", Digest.of(LARGE), len(LARGE))
    assert not await place.mount_blob(opened.path, blob, opened.sibling)
    await place.write_blob(opened.sibling, blob, fetch_of(LARGE))
    assert await place.mount_blob(opened.path, blob, opened.sibling)
    assert await place.has_blob(opened.path, blob)
    assert await read_all(place, opened.path, blob) == LARGE


async def test_closing_twice_is_fine(opened: Opened, place: AnyPlace) -> None:
    await place.close()
    await place.close()
