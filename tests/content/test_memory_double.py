"""The place in memory, as a double: it counts, and fails where it is told to."""

import pytest

from airferry.content.errors import NotFoundError, UnreachableError
from airferry.content.memory import MemoryPlace
from airferry.content.protocol import ContentSource, Mounting


async def test_it_counts_calls_and_bytes() -> None:
    place = MemoryPlace(chunk_bytes=10)
    image = place.add_image("a", [b"0123456789abc"], tags=["v1"])
    await place.resolve_tag("a", "v1")
    await place.resolve_tag("a", "v1")
    async with place.open_blob("a", image.layers[0], 5) as stream:
        assert [chunk async for chunk in stream] == [b"56789abc"]
    assert place.calls["resolve_tag", "v1"] == 2
    assert place.read_bytes[image.layers[0].digest] == 8


async def test_it_fails_as_often_as_told() -> None:
    place = MemoryPlace()
    place.add_image("a", tags=["v1"])
    place.fail("resolve_tag", "v1", UnreachableError("no route"), times=2)
    for _ in range(2):
        with pytest.raises(UnreachableError):
            await place.resolve_tag("a", "v1")
    await place.resolve_tag("a", "v1")


async def test_it_breaks_off_in_the_middle_of_a_blob() -> None:
    place = MemoryPlace(chunk_bytes=10)
    blob = place.add_blob("a", b"x" * 100)
    place.fail("open_blob", blob.digest, UnreachableError("cut"), after_bytes=25)
    seen = b""
    with pytest.raises(UnreachableError):
        async with place.open_blob("a", blob) as stream:
            async for chunk in stream:
                seen += chunk
    assert len(seen) == 25


async def test_a_manifest_whose_blobs_are_not_there_is_refused() -> None:
    source, sink = MemoryPlace(), MemoryPlace()
    with pytest.raises(NotFoundError):
        await sink.write_manifest("a", source.add_image("a"))


async def test_mounting_can_be_turned_off() -> None:
    place = MemoryPlace(mounts=False)
    blob = place.add_blob("a", b"content")
    assert isinstance(place, Mounting)
    assert not await place.mount_blob("b", blob, "a")


def test_it_is_a_source() -> None:
    place: ContentSource = MemoryPlace()
    assert place.place.address == "memory.test"
