"""Reading through the rules of registries.conf."""

import pytest

from airferry.content.errors import (
    BlockedError,
    InterruptedTransferError,
    NotFoundError,
    RegistryFailedError,
    UnreachableError,
)
from airferry.content.http import MirroredSource
from airferry.content.memory import MemoryPlace
from airferry.oci import Descriptor, Manifest
from airferry.oci.pull_rules import Mirror, PullFrom, PullRule, PullRules

DIGEST, TAG = PullFrom.DIGEST_ONLY, PullFrom.TAG_ONLY


class World:
    """Registries in memory by host; remembers which were asked for as insecure."""

    def __init__(self, *hosts: str) -> None:
        self.places = {host: MemoryPlace() for host in hosts}
        self.asked: list[tuple[str, bool | None]] = []

    def registry(self, host: str, *, insecure: bool | None = None) -> MemoryPlace:
        self.asked.append((host, insecure))
        return self.places[host]


def rules(*mirrors: Mirror, blocked: bool = False) -> PullRules:
    return PullRules((PullRule("quay.io/team", "quay.io/team", mirrors, blocked=blocked),))


FIRST, SECOND = Mirror("m1.lan/mirror"), Mirror("m2.lan/mirror", insecure=True)


@pytest.fixture
def world() -> World:
    return World("quay.io", "m1.lan", "m2.lan")


def publish(world: World, *repositories: str) -> Manifest:
    """Put the same image into each host/path, tagged v1."""
    image = None
    for repository in repositories:
        host, _, path = repository.partition("/")
        place = world.places[host]
        image = place.add_image(path, [b"a layer", b"another"], tags=("v1",))
    assert image is not None
    return image


async def read(source: MirroredSource, blob: Descriptor, offset: int = 0) -> bytes:
    async with source.open_blob("team/app", blob, offset) as stream:
        return b"".join([chunk async for chunk in stream])


async def test_the_first_mirror_that_has_it_serves_it(world: World) -> None:
    image = publish(world, "m2.lan/mirror/app", "quay.io/team/app")
    source = MirroredSource(world, "quay.io", rules(FIRST, SECOND))
    assert await source.read_manifest("team/app", image.digest) == image
    assert world.asked == [("m1.lan", None), ("m2.lan", True)]
    assert str(source.place) == "quay.io"


async def test_blobs_come_from_where_the_manifest_came_from(world: World) -> None:
    image = publish(world, "m2.lan/mirror/app", "quay.io/team/app")
    source = MirroredSource(world, "quay.io", rules(FIRST, SECOND))
    await source.read_manifest("team/app", image.digest)
    world.asked.clear()
    assert await read(source, image.layers[0]) == b"a layer"
    assert world.asked == [("m2.lan", True)]


async def test_a_blob_that_is_missing_there_comes_from_elsewhere_unlike_on_nodes(world: World) -> None:
    image = publish(world, "m1.lan/mirror/app", "quay.io/team/app")
    world.places["m1.lan"].fail("open_blob", image.layers[0].digest, NotFoundError("a hole"))
    source = MirroredSource(world, "quay.io", rules(FIRST))
    await source.read_manifest("team/app", image.digest)
    assert await read(source, image.layers[0], 2) == b"layer"


async def test_a_blob_that_breaks_off_for_good_goes_on_elsewhere(world: World) -> None:
    image = publish(world, "m1.lan/mirror/app", "quay.io/team/app")
    broken = InterruptedTransferError("broke off")
    world.places["m1.lan"].fail("open_blob", image.layers[0].digest, broken, after_bytes=3)
    source = MirroredSource(world, "quay.io", rules(FIRST))
    await source.read_manifest("team/app", image.digest)
    assert await read(source, image.layers[0]) == b"a layer"


async def test_a_blob_of_a_tag_mirror_comes_from_it(world: World) -> None:
    image = publish(world, "m1.lan/mirror/app")
    source = MirroredSource(world, "quay.io", rules(Mirror("m1.lan/mirror", pull_from=TAG)))
    assert await source.resolve_tag("team/app", "v1") == image.digest
    assert await source.read_manifest("team/app", "v1") == image
    assert await read(source, image.layers[1]) == b"another"


async def test_tags_are_listed_by_the_source_alone(world: World) -> None:
    publish(world, "m1.lan/mirror/app", "quay.io/team/app")
    source = MirroredSource(world, "quay.io", rules(FIRST))
    assert await source.list_tags("team/app") == ("v1",)
    assert world.asked == [("quay.io", None)]


async def test_a_place_that_is_barred_is_not_asked(world: World) -> None:
    publish(world, "quay.io/team/app")
    source = MirroredSource(world, "quay.io", rules(blocked=True))
    with pytest.raises(BlockedError, match=r"rule for 'quay\.io/team'"):
        await source.read_manifest("team/app", "v1")
    with pytest.raises(BlockedError):
        await source.list_tags("team/app")
    assert world.asked == []


async def test_one_failure_is_itself(world: World) -> None:
    source = MirroredSource(world, "quay.io", PullRules())
    with pytest.raises(NotFoundError) as caught:
        await source.read_manifest("team/app", "v1")
    assert "no place could" not in caught.value.message


async def test_several_failures_are_all_named_and_the_first_is_the_cause(world: World) -> None:
    down = UnreachableError("quay.io is down", hint="check the route")
    world.places["quay.io"].fail("read_manifest", "v1", down)
    source = MirroredSource(world, "quay.io", rules(FIRST))
    with pytest.raises(UnreachableError) as caught:
        await source.read_manifest("team/app", "v1")
    message = caught.value.message
    assert "m1.lan/mirror/app" in message and "quay.io is down" in message
    assert isinstance(caught.value.__cause__, NotFoundError)
    assert caught.value.hint == "check the route"


async def test_missing_everywhere_is_not_found_and_barred_does_not_count(world: World) -> None:
    source = MirroredSource(world, "quay.io", rules(FIRST, blocked=True))
    with pytest.raises(NotFoundError, match="no place could"):
        await source.read_manifest("team/app", "v1")
    with pytest.raises(NotFoundError, match="no place could"):
        await read(source, Descriptor("x/y", Manifest.parse(b'{"manifests":[]}').digest, 3))


async def test_referrers_that_a_mirror_lacks_come_from_the_source(world: World) -> None:
    image = publish(world, "m1.lan/mirror/app", "quay.io/team/app")
    upstream = world.places["quay.io"]
    signature = upstream.add_image("team/app", [b"signature"], subject=image, artifact_type="application/x.sig")
    source = MirroredSource(world, "quay.io", rules(FIRST))
    await source.read_manifest("team/app", image.digest)
    assert [item.digest for item in await source.list_referrers("team/app", image.digest)] == [signature.digest]
    assert await source.list_referrers("team/app", signature.digest) == ()


async def test_referrers_nobody_could_answer_for_are_an_error(world: World) -> None:
    image = publish(world, "quay.io/team/app")
    world.places["quay.io"].fail("list_referrers", image.digest, RegistryFailedError("broken"))
    source = MirroredSource(world, "quay.io", PullRules())
    with pytest.raises(RegistryFailedError):
        await source.list_referrers("team/app", image.digest)
