"""A mirror that cannot be reached costs one first contact a minute, not one for each image."""

import asyncio
import json
from pathlib import Path

import pytest

from airferry.content.errors import UnreachableError
from airferry.content.http import HttpContent, HttpSettings, MirroredSource
from airferry.content.http.transport import FailureKind
from airferry.errors import AirferryError
from airferry.oci import Descriptor, Digest
from airferry.oci.pull_rules import Mirror, PullRule, PullRules

from .scripted import HOST, FakeTime, Reply, ScriptedTransport, client, on
from .servers import answer, free_port, make_pair, serve

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
DIGEST = Digest.of(MANIFEST)
BLOB = Descriptor("x/y", DIGEST, len(MANIFEST))
MIRROR, SECOND = "m1.lan", "m2.lan"
IMAGES = [f"team/image{number}" for number in range(14)]


def rules(*mirrors: str, location: str = f"{HOST}/team", blocked: bool = False) -> PullRules:
    return PullRules(
        (PullRule(location, location, tuple(Mirror(f"{host}/team") for host in mirrors), blocked=blocked),)
    )


def pings(script: ScriptedTransport, host: str) -> int:
    return sum(sent.url == f"https://{host}/v2/" for sent in script.sent)


def dead(kind: FailureKind = FailureKind.CONNECT, host: str = MIRROR):  # type: ignore[no-untyped-def]
    return on("GET", f"https://{host}/v2/", Reply(fails=kind))


def images(host: str = HOST):  # type: ignore[no-untyped-def]
    replies = [Reply(body=MANIFEST, headers={"Content-Type": INDEX})]
    return [on("GET", f"https://{host}/v2/{path}/manifests/{DIGEST}", *replies) for path in IMAGES]


async def read_all(source: MirroredSource) -> None:
    found = await asyncio.gather(*(source.read_manifest(path, DIGEST) for path in IMAGES))
    assert {manifest.raw for manifest in found} == {MANIFEST}


FAILURES = {
    FailureKind.CONNECT: 2,
    FailureKind.CERTIFICATE: 1,
    FailureKind.NOT_TLS: 1,
    FailureKind.IDLE: 6,
}


@pytest.mark.parametrize(("kind", "tries"), FAILURES.items(), ids=[kind.name for kind in FAILURES])
async def test_many_images_meet_a_dead_mirror_once(kind: FailureKind, tries: int) -> None:
    content, script = client(dead(kind), on("GET", "/v2/"), *images())
    source = MirroredSource(content, HOST, rules(MIRROR))
    await read_all(source)
    assert pings(script, MIRROR) == tries
    await read_all(source)
    assert pings(script, MIRROR) == tries
    await content.close()


async def test_with_a_port_where_nothing_listens_it_is_the_same(tmp_path: Path) -> None:
    time, pair, mirror = FakeTime(), make_pair(tmp_path, "server"), f"127.0.0.1:{free_port()}"

    async def images_only(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer(writer, MANIFEST, Content_Type=INDEX)

    async with serve(images_only, pair.server_context()) as host:
        content = HttpContent(HttpSettings(ca_file=pair.crt), timing=time.timing)
        try:
            await read_all(MirroredSource(content, host, rules(mirror, location=f"{host}/team")))
            assert len(time.slept) == 1, "between the two tries of the only first contact"
        finally:
            await content.close()


async def test_a_mirror_that_comes_back_is_used_a_minute_later() -> None:
    time = FakeTime()
    content, script = client(
        on("GET", f"https://{MIRROR}/v2/", *[Reply(fails=FailureKind.CONNECT)] * 2, Reply()),
        on("GET", "/v2/"),
        *images(MIRROR),
        *images(),
        time=time,
    )
    source = MirroredSource(content, HOST, rules(MIRROR))
    await source.read_manifest(IMAGES[0], DIGEST)
    time.now_s += 59.0
    await source.read_manifest(IMAGES[0], DIGEST)
    assert pings(script, MIRROR) == 2
    time.now_s += 2.0
    await source.read_manifest(IMAGES[0], DIGEST)
    assert pings(script, MIRROR) == 3
    assert script.sent[-1].url.startswith(f"https://{MIRROR}/v2/team/")
    await content.close()


async def test_blobs_pass_a_dead_mirror_over_as_well() -> None:
    blobs = [on("GET", f"https://{HOST}/v2/{path}/blobs/{DIGEST}", Reply(body=MANIFEST)) for path in IMAGES]
    content, script = client(dead(), on("GET", "/v2/"), *blobs)
    source = MirroredSource(content, HOST, rules(MIRROR))

    async def read(path: str) -> bytes:
        async with source.open_blob(path, BLOB) as stream:
            return b"".join([chunk async for chunk in stream])

    assert await asyncio.gather(*(read(path) for path in IMAGES)) == [MANIFEST] * len(IMAGES)
    assert pings(script, MIRROR) == 2
    await content.close()


async def test_the_last_place_is_tried_anew_for_each_image() -> None:
    content, script = client(dead(), dead(host=SECOND), on("GET", "/v2/", Reply(fails=FailureKind.CONNECT)))
    source = MirroredSource(content, HOST, rules(MIRROR, SECOND))
    for path in IMAGES[:3]:
        with pytest.raises(UnreachableError) as caught:
            await source.read_manifest(path, DIGEST)
        assert f"{MIRROR}/{path}: cannot reach {MIRROR}: as the script says" in caught.value.message
        assert f"cannot read manifest {DIGEST} of {HOST}/{path}" in caught.value.message
    assert [pings(script, host) for host in (MIRROR, SECOND, HOST)] == [2, 2, 6]
    await content.close()


async def test_a_mirror_before_nothing_but_barred_places_is_the_last() -> None:
    content, script = client(dead())
    source = MirroredSource(content, HOST, rules(MIRROR, blocked=True))
    for path in IMAGES[:3]:
        with pytest.raises(AirferryError):
            await source.read_manifest(path, DIGEST)
    assert pings(script, MIRROR) == 6
    await content.close()


async def test_a_registry_without_mirrors_keeps_its_tries() -> None:
    content, script = client(on("GET", "/v2/", Reply(fails=FailureKind.CONNECT)))
    source = MirroredSource(content, HOST, PullRules())
    for place in (source, content.registry(HOST)):
        for path in IMAGES[:2]:
            with pytest.raises(UnreachableError):
                await place.read_manifest(path, DIGEST)
    assert pings(script, HOST) == 8
    await content.close()


async def test_a_place_that_was_passed_over_as_a_mirror_is_tried_when_it_is_asked_for_itself() -> None:
    content, script = client(dead(), on("GET", "/v2/"), *images())
    await MirroredSource(content, HOST, rules(MIRROR)).read_manifest(IMAGES[0], DIGEST)
    with pytest.raises(UnreachableError):
        await content.registry(MIRROR).read_manifest(IMAGES[0], DIGEST)
    assert pings(script, MIRROR) == 4
    await content.close()
