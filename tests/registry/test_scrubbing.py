"""Bit rot: it is found, it is not served any more, everybody hears which images it breaks, and a push heals it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airferry.oci import Digest
from airferry.oci.mediatype import OCI_INDEX
from airferry.registry import RegistryStore
from airferry.registry.scrubbing import Pace, Scrubbed, scrub
from airferry.registry.settings import DatabaseUrl
from airferry.registry.upkeep import scrub_and_note

from .conftest import Client, Start, image, index

FAST = Pace(None)


@dataclass
class Rotting:
    registry: Client
    root: Path
    other: RegistryStore
    """The same registry, as another process has it: it scrubs."""

    def file(self, digest: Digest) -> Path:
        return self.root / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex

    def flip(self, digest: Digest) -> None:
        """Change one bit, and no length and no time."""
        file = self.file(digest)
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(bytes(content))

    async def scrub(self) -> Scrubbed:
        return await scrub(self.other.storage, FAST)

    async def status(self, method: str, kind: str, digest: Digest | str, path: str = "a") -> int:
        return (await self.registry(method, f"/v2/{path}/{kind}/{digest}")).status


@pytest.fixture
async def rotting(start: Start, tmp_path: Path, database: Path | DatabaseUrl) -> AsyncIterator[Rotting]:
    place = database if isinstance(database, DatabaseUrl) else None
    registry = await start(RegistryStore.on_disk(tmp_path, place))
    other = RegistryStore.on_disk(tmp_path, place)
    yield Rotting(registry, tmp_path, other)
    await other.close()


async def test_what_is_whole_stays_as_it_is(rotting: Rotting) -> None:
    digest = await rotting.registry.push_image("a", "v1")
    assert await rotting.scrub() == Scrubbed(3, 7 + len(image()), ())
    assert await rotting.status("GET", "manifests", digest) == 200


@pytest.mark.parametrize("harm", ["flipped", "short", "gone"])
async def test_a_damaged_layer_is_found_not_served_and_healed(rotting: Rotting, harm: str) -> None:
    registry, layer = rotting.registry, Digest.of(b"layer")
    digest = await registry.push_image("a", "v1")
    await registry.push_image("b", "v2")
    if harm == "flipped":
        rotting.flip(layer)
    else:
        rotting.file(layer).write_bytes(b"lay") if harm == "short" else rotting.file(layer).unlink()
    (found,) = (await rotting.scrub()).damaged
    assert (found.digest, found.state) == (layer, "missing" if harm == "gone" else "changed")
    assert [(one.repository, one.digest, one.tags) for one in found.images] == [
        ("a", digest, ("v1",)),
        ("b", digest, ("v2",)),
    ]
    if harm != "gone":
        assert found.moved_to is not None
        assert Path(found.moved_to).read_bytes() != b"layer"
        assert Path(found.moved_to).parent == rotting.root / "quarantine"
    # Nobody is told that it is here, so that whoever has it pushes it again.
    for method in ("GET", "HEAD"):
        assert await rotting.status(method, "blobs", layer) == 404
    answer = await registry("GET", f"/v2/a/blobs/{layer}")
    assert (answer.code, "damaged" in answer.json["errors"][0]["message"]) == ("BLOB_UNKNOWN", True)
    answer = await registry("POST", f"/v2/c/blobs/uploads/?mount={layer}&from=a")
    assert answer.status == 202
    answer = await registry.push_manifest("a", "v3", image())
    assert (answer.status, answer.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    # It is known to be damaged until it is healed, and only then.
    assert [one.digest for one in (await rotting.scrub()).damaged] == [layer]
    await registry.push_blob("b", b"layer")
    assert (await registry("GET", f"/v2/a/blobs/{layer}")).body == b"layer"
    assert (await registry.push_manifest("a", "v3", image())).status == 201
    assert (await rotting.scrub()).damaged == ()


async def test_a_damaged_manifest_is_missing_even_where_it_is_remembered(rotting: Rotting) -> None:
    digest = await rotting.registry.push_image("a", "v1")
    assert await rotting.status("GET", "manifests", "v1") == 200
    rotting.flip(digest)
    (found,) = (await rotting.scrub()).damaged
    assert [(one.digest, one.tags) for one in found.images] == [(digest, ("v1",))]
    for target in ("v1", digest):
        for method in ("GET", "HEAD"):
            assert await rotting.status(method, "manifests", target) == 404
    assert (await rotting.registry.push_manifest("a", "v1", image())).status == 201
    assert await rotting.status("GET", "manifests", digest) == 200
    assert (await rotting.scrub()).damaged == ()


async def test_an_index_is_hit_by_what_its_images_lost_but_a_signature_is_not(rotting: Rotting) -> None:
    registry = rotting.registry
    digest = await registry.push_image("a", "v1")
    raw = index(image())
    assert (await registry.push_manifest("a", "list", raw, OCI_INDEX)).status == 201
    signature = image(subject={"mediaType": "x/y", "digest": digest, "size": 3}, layers=[])
    assert (await registry.push_manifest("a", "sig", signature)).status == 201
    rotting.flip(Digest.of(b"layer"))
    (found,) = (await rotting.scrub()).damaged
    assert {(one.digest, one.tags) for one in found.images} == {(digest, ("v1",)), (Digest.of(raw), ("list",))}


async def test_damage_that_nobody_links_any_more_breaks_no_image(rotting: Rotting) -> None:
    layer = await rotting.registry.push_blob("a", b"lonely")
    rotting.flip(layer)
    (found,) = (await rotting.scrub()).damaged
    assert (found.repositories, found.images) == (("a",), ())


async def test_what_is_stored_again_in_this_moment_is_left_alone(rotting: Rotting) -> None:
    layer = await rotting.registry.push_blob("a", b"layer")
    rotting.flip(layer)
    async with rotting.other.driver.holding(layer):
        assert (await rotting.scrub()).damaged == ()
    assert len((await rotting.scrub()).damaged) == 1


async def test_the_result_is_noted(rotting: Rotting) -> None:
    await rotting.registry.push_image("a", "v1")
    rotting.flip(Digest.of(b"{}"))
    seen: list[int] = []
    document = await scrub_and_note(rotting.other, rotting.root, FAST, seen.append)
    assert json.loads((rotting.root / "state/scrub.json").read_text()) == document
    assert (document["damaged"], document["objects"], sum(seen)) == (1, 3, document["bytes"])
    assert document["found"][0]["images"][0]["tags"] == ["v1"]
    assert document["finishedAt"].endswith("Z")


async def test_memory_is_looked_through_too() -> None:
    store = RegistryStore.in_memory()
    assert (await scrub(store.storage, FAST)).objects == 0
    await store.close()


async def test_no_more_is_read_than_the_rate_allows() -> None:
    now_s, waited = 100.0, []

    async def pause(seconds: float) -> None:
        nonlocal now_s
        waited.append(seconds)
        now_s += seconds

    pace = Pace(1000, pause=pause, clock=lambda: now_s)
    for _ in range(10):
        await pace.take(500)
    assert sum(waited) == pytest.approx(5.0)
    now_s += 1000  # idle time is not saved up
    await pace.take(2000)
    assert waited[-1] == pytest.approx(2.0)
