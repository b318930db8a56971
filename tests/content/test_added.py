"""What was added to a place is read before what the place holds, and all else is the place's own."""

import pytest

from airferry.content.added import AddedSource
from airferry.content.errors import NotFoundError
from airferry.content.memory import MemoryPlace
from airferry.content.protocol import ContentSource
from airferry.oci import Descriptor, Digest, Manifest


async def read(source: ContentSource, path: str, blob: Descriptor, offset: int = 0) -> bytes:
    async with source.open_blob(path, blob, offset) as stream:
        return b"".join([bytes(chunk) async for chunk in stream])


@pytest.fixture
def made() -> tuple[Manifest, Descriptor, bytes]:
    """A manifest and a layer that no place holds."""
    elsewhere = MemoryPlace()
    content = b"new" * 200_000
    manifest = elsewhere.add_image("a", (content,))
    return manifest, manifest.layers[0], content


async def test_new_content_is_read_from_any_offset_and_old_content_from_below(
    made: tuple[Manifest, Descriptor, bytes],
) -> None:
    manifest, layer, content = made
    place = MemoryPlace()
    old = place.add_image("olm/up", (b"old",), tags=("v1",))
    source = AddedSource(place.place, place, [manifest], {layer.digest: content})
    assert await source.read_manifest("olm/up", manifest.digest) == manifest
    assert await source.read_manifest("olm/up", "v1") == old
    assert await source.resolve_tag("olm/up", "v1") == old.digest
    assert await source.list_tags("olm/up") == ("v1",)
    for offset in (0, 1, len(content) - 1, len(content)):
        assert await read(source, "olm/up", layer, offset) == content[offset:]
    assert await read(source, "olm/up", old.layers[0]) == b"old"
    assert place.calls["open_blob", layer.digest] == 0


async def test_nothing_refers_to_what_is_new(made: tuple[Manifest, Descriptor, bytes]) -> None:
    manifest, layer, content = made
    place = MemoryPlace()
    old = place.add_image("a", tags=("v1",))
    signature = place.add_image("a", subject=old, artifact_type="x/signature")
    source = AddedSource(place.place, place, [manifest], {layer.digest: content})
    assert await source.list_referrers("a", manifest.digest) == ()
    assert [item.digest for item in await source.list_referrers("a", old.digest)] == [signature.digest]


async def test_on_nothing_there_is_what_was_added_alone(made: tuple[Manifest, Descriptor, bytes]) -> None:
    manifest, layer, content = made
    source = AddedSource(MemoryPlace().place, None, [manifest], {layer.digest: content})
    assert await read(source, "any", layer) == content
    assert await source.list_tags("any") == ()
    assert await source.list_referrers("any", manifest.digest) == ()
    with pytest.raises(NotFoundError):
        await source.read_manifest("any", Digest.of(b"other"))
    with pytest.raises(NotFoundError):
        await source.resolve_tag("any", "v1")
    await source.close()
