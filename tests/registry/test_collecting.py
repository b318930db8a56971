"""What garbage collection takes, what it leaves, and what it says, on every kind of store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from airferry.errors import AirferryError
from airferry.oci import Digest
from airferry.oci.mediatype import OCI_MANIFEST
from airferry.registry import RegistryStore
from airferry.registry.collecting import Collected, CollectionPolicy

from .conftest import descriptor, image, index
from .stored import Clock, pull, push_blob, push_manifest, store_in, stored

GRACE_S = 3600.0
POLICY = CollectionPolicy(GRACE_S)
NOW = CollectionPolicy(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[RegistryStore]:
    folder = None if request.param == "memory" else tmp_path
    places = {"memory": None, "sqlite": tmp_path / "metadata.sqlite"}
    database = places[request.param] if request.param in places else request.getfixturevalue("postgres_database")
    opened = store_in(folder, database, clock)
    yield opened
    await opened.close()


async def push_image(store: RegistryStore, path: str, *tags: str, layer: bytes = b"layer", **more: object) -> Digest:
    for content in (b"{}", layer):
        await push_blob(store, path, content)
    return await push_manifest(store, path, image((layer,), **more), *tags)


async def has_blob(store: RegistryStore, path: str, digest: Digest) -> bool:
    try:
        await store.blob(path, digest)
    except AirferryError as error:
        assert error.code == "not-found", error.message
        return False
    return True


async def has_manifest(store: RegistryStore, path: str, digest: Digest) -> bool:
    try:
        await store.manifest(path, digest)
    except AirferryError as error:
        assert error.code == "not-found", error.message
        return False
    return True


async def test_an_image_without_a_tag_is_kept_for_ever(store: RegistryStore, clock: Clock) -> None:
    digest = await push_image(store, "a")
    clock.now_s += 100 * 365 * 24 * 3600
    assert await store.collect(POLICY) == Collected()
    assert (await store.manifest("a", digest)).raw == image()
    assert await pull(store, "a", Digest.of(b"layer")) == b"layer"


async def test_a_blob_without_a_manifest_goes_after_the_grace_period(store: RegistryStore, clock: Clock) -> None:
    digest = await push_blob(store, "a", b"lonely")
    clock.now_s += GRACE_S - 1
    assert await store.collect(POLICY) == Collected()
    assert await stored(store) == {digest}
    clock.now_s += 1
    assert await store.collect(POLICY) == Collected(links=1, objects=1, freed_bytes=6)
    assert not await has_blob(store, "a", digest)
    assert await stored(store) == set()


async def test_a_dry_run_says_the_same_and_takes_nothing(store: RegistryStore, clock: Clock) -> None:
    deleted = await push_image(store, "a", "t", layer=b"some layer")
    await push_blob(store, "b", b"lonely")
    await push_image(store, "b", "kept", layer=b"kept")
    await store.driver.put(Digest.of(b"unknown"), b"unknown")
    await store.delete_manifest("a", deleted)
    clock.now_s += GRACE_S + 1
    before = await stored(store)
    policy = CollectionPolicy(GRACE_S, untagged_after_s=0)
    foretold = await store.collect(policy, is_dry_run=True)
    assert await stored(store) == before
    assert await store.tags("b") == ("kept",)
    assert await store.collect(policy) == foretold
    # Config and layer in a, and the lonely blob; the config's bytes are also b's.
    assert (foretold.links, foretold.objects) == (3, 4)
    assert foretold.freed_bytes == len(b"some layer") + len(b"lonely") + len(image((b"some layer",))) + len(b"unknown")
    assert await store.collect(policy) == Collected()


async def test_a_deleted_image_frees_its_bytes_after_the_grace_period(store: RegistryStore, clock: Clock) -> None:
    digest = await push_image(store, "a", "t")
    clock.now_s += 10 * GRACE_S
    await store.delete_manifest("a", digest)
    assert await store.collect(POLICY) == Collected()  # the grace period begins when the last reference goes
    clock.now_s += GRACE_S
    assert (await store.collect(POLICY)).freed_bytes == len(image()) + len(b"{}layer")
    assert await stored(store) == set()
    assert await push_image(store, "a", "t") == digest
    assert await pull(store, "a", Digest.of(b"layer")) == b"layer"


async def test_what_images_share_goes_with_the_last_of_them(store: RegistryStore, clock: Clock) -> None:
    first = await push_image(store, "a", "1")
    second = await push_image(store, "a", "2", annotations={"x": "y"})
    await store.mount_blob("b", Digest.of(b"layer"), "a", lambda path: True)
    await push_blob(store, "b", b"{}")
    third = await push_manifest(store, "b", image())
    for path, digest in (("a", first), ("a", second), ("b", third)):
        assert await pull(store, path, Digest.of(b"layer")) == b"layer"
        await store.delete_manifest(path, digest)
        clock.now_s += GRACE_S
        await store.collect(POLICY)
    assert await stored(store) == set()


async def test_a_blob_that_was_asked_for_stays_another_grace_period(store: RegistryStore, clock: Clock) -> None:
    digest = await push_blob(store, "a", b"layer")
    await push_blob(store, "a", b"{}")
    clock.now_s += GRACE_S
    await store.blob("a", digest)  # a client looks before it pushes, and now need not push
    await push_blob(store, "a", b"{}")
    await store.collect(POLICY)
    manifest = await push_manifest(store, "a", image())
    assert await has_manifest(store, "a", manifest)
    assert await pull(store, "a", digest) == b"layer"


async def test_a_foreign_layer_that_was_pushed_all_the_same_is_kept(store: RegistryStore, clock: Clock) -> None:
    kind = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    digest = await push_blob(store, "a", b"foreign")
    await push_blob(store, "a", b"{}")
    layers = [{**descriptor(b"foreign", kind), "urls": ["https://example.com/layer"]}]
    await push_manifest(store, "a", image((), layers=layers), "t")
    clock.now_s += GRACE_S
    await store.collect(POLICY)
    assert await pull(store, "a", digest) == b"foreign"


async def test_what_manifests_of_unknown_types_point_at_is_kept(store: RegistryStore, clock: Clock) -> None:
    digest = await push_blob(store, "a", b"anything")
    raw = b'{"mediaType":"application/x.own+json","parts":[{"digest":"%s"}]}' % digest.encode()
    await push_manifest(store, "a", raw)
    clock.now_s += GRACE_S
    await store.collect(POLICY)
    assert await has_blob(store, "a", digest)


async def test_untagged_manifests_go_only_when_the_policy_says_so(store: RegistryStore, clock: Clock) -> None:
    """Tagged images, the parts of tagged indexes and what refers to them stay, at any depth."""
    kept_child = await push_image(store, "a", layer=b"child")
    inner = index(image((b"child",)), annotations={"which": "inner"})
    await push_manifest(store, "a", inner)
    fields = {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": Digest.of(inner), "size": len(inner)}
    outer = index(manifests=[fields])
    kept_index = await push_manifest(store, "a", outer, "tagged")
    subject = descriptor(image((b"child",)), OCI_MANIFEST)
    kept_signature = await push_image(store, "a", layer=b"signature", subject=subject)
    on_top = descriptor(image((b"signature",), subject=subject), OCI_MANIFEST)
    kept_on_top = await push_image(store, "a", layer=b"on top", subject=on_top)
    gone = await push_image(store, "a", layer=b"old")
    gone_signature = await push_image(
        store, "a", layer=b"its signature", subject=descriptor(image((b"old",)), OCI_MANIFEST)
    )
    moved = await push_image(store, "a", "moving", layer=b"before")
    clock.now_s += GRACE_S
    await push_image(store, "a", "moving", layer=b"after")
    young = await push_image(store, "a", layer=b"young")

    found = await store.collect(CollectionPolicy(0, untagged_after_s=GRACE_S))
    assert found.manifests == 2
    kept = (kept_child, Digest.of(inner), kept_index, kept_signature, kept_on_top, moved, young)
    assert [await has_manifest(store, "a", digest) for digest in kept] == [True] * len(kept)
    assert [await has_manifest(store, "a", digest) for digest in (gone, gone_signature)] == [False, False]
    for content in (b"child", b"signature", b"on top", b"before", b"after", b"young"):
        assert await pull(store, "a", Digest.of(content)) == content
    assert not await has_blob(store, "a", Digest.of(b"old"))
    clock.now_s += GRACE_S
    assert (await store.collect(CollectionPolicy(0, untagged_after_s=GRACE_S))).manifests == 2  # moved and young


async def test_bytes_that_nobody_linked_are_removed_and_those_on_their_way_are_not(
    store: RegistryStore, clock: Clock
) -> None:
    digest = Digest.of(b"left by a crash")
    name = await store.driver.put(digest, b"left by a crash")
    async with store.driver.holding(digest):
        clock.now_s += GRACE_S + 1
        assert await store.collect(POLICY) == Collected()
        assert await store.driver.stat(name) is not None
    assert await store.collect(POLICY) == Collected(objects=1, freed_bytes=15)
    assert await store.driver.stat(name) is None


async def test_content_that_somebody_is_storing_again_is_left_alone(store: RegistryStore, clock: Clock) -> None:
    digest = await push_blob(store, "a", b"again")
    await push_blob(store, "a", b"other")
    clock.now_s += GRACE_S
    async with store.driver.holding(digest):
        found = await store.collect(POLICY)
    assert found == Collected(links=2, objects=1, freed_bytes=5)
    assert await stored(store) == {digest}


async def test_a_digest_of_the_other_algorithm_is_collected_too(store: RegistryStore, clock: Clock) -> None:
    upload_id = await store.begin_upload("a", "sha512")
    async with store.open_upload("a", upload_id) as upload:
        await upload.append([b"long"])
        await upload.finish(Digest.of(b"long", "sha512"))
    assert (await store.collect(NOW)).freed_bytes == 4
