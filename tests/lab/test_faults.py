"""Each fault as a plain HTTP client meets it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
import pytest

from airferry.lab import Endpoint, Faults, Rule, Upstream
from airferry.lab.calls import Call
from airferry.lab.faults import (
    NOT_JSON_404,
    Answer,
    BreakOff,
    ExpireTokens,
    FlipByte,
    Length,
    Reset,
    Stall,
    TooFew,
    TooMany,
)

from .reading import ACCEPT, layers, token

Open = Callable[..., AbstractAsyncContextManager[tuple[Upstream, str, bytes, dict[str, str]]]]


@pytest.fixture
def spoiled(client, small, store) -> Open:
    """An upstream where ``effect`` befalls the first fetch of a layer: upstream, URL, true content, token."""
    layer = layers(store, small.digest)[-1]

    @asynccontextmanager
    async def open_upstream(effect, **rule) -> AsyncIterator[tuple[Upstream, str, bytes, dict[str, str]]]:
        faults = Faults([Rule(Endpoint.CDN, effect, containing=layer, **rule)])
        async with Upstream(store, faults=faults) as upstream:
            allowed = await token(client, upstream.url, small.release_repository)
            url = f"{upstream.url}/v2/{small.release_repository}/blobs/{layer}"
            yield upstream, url, store.read(layer), allowed
            if rule.get("times", 1) is not None:
                async with client.get(url, headers=allowed) as again:
                    assert await again.read() == store.read(layer), "the fault is over"

    return open_upstream


@pytest.mark.parametrize(
    ("effect", "headers"),
    [
        (Answer(401), {}),
        (Answer(403), {}),
        (Answer(404), {}),
        (Answer(429), {}),
        (Answer(429, {"Retry-After": "1"}), {"Retry-After": "1"}),
        (
            Answer(429, {"Retry-After": "Sun, 22 Nov 2026 00:00:00 GMT"}),
            {"Retry-After": "Sun, 22 Nov 2026 00:00:00 GMT"},
        ),
        (Answer(500), {}),
        (Answer(503, {"Retry-After": "2"}), {"Retry-After": "2"}),
    ],
)
@pytest.mark.parametrize("endpoint", [Endpoint.MANIFEST, Endpoint.BLOB])
async def test_a_status_comes_with_its_headers_and_a_json_error(client, small, store, endpoint, effect, headers):
    kind = {Endpoint.MANIFEST: f"manifests/{small.tag}", Endpoint.BLOB: f"blobs/{layers(store, small.digest)[0]}"}
    async with Upstream(store, faults=Faults([Rule(endpoint, effect)])) as upstream:
        allowed = await token(client, upstream.url, small.release_repository)
        url = f"{upstream.url}/v2/{small.release_repository}/{kind[endpoint]}"
        async with client.get(url, headers=allowed | ACCEPT) as answer:
            assert answer.status == effect.status
            assert headers.items() <= dict(answer.headers).items()
            assert (await answer.json())["errors"][0]["code"]
        async with client.get(url, headers=allowed | ACCEPT) as answer:
            assert answer.status == 200


async def test_a_404_may_be_a_web_page(client, small, store):
    async with Upstream(store, faults=Faults([Rule(Endpoint.MANIFEST, NOT_JSON_404)])) as upstream:
        answer = await client.get(f"{upstream.url}/v2/{small.release_repository}/manifests/{small.tag}")
        assert (answer.status, answer.content_type) == (404, "text/html")
        with pytest.raises(json.JSONDecodeError):
            json.loads(await answer.read())


async def test_the_connection_ends_in_the_middle(client, spoiled):
    async with spoiled(BreakOff(1000)) as (upstream, url, content, allowed):
        async with client.get(url, headers=allowed) as answer:
            assert int(answer.headers["Content-Length"]) == len(content)
            assert await answer.content.readexactly(1000) == content[:1000]
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
        assert (upstream.requests[-1].sent_bytes, upstream.requests[-1].complete) == (1000, False)


async def test_the_connection_is_reset_before_the_answer(client, spoiled):
    # aiohttp's client asks once more by itself before it gives up.
    async with spoiled(Reset(), times=2) as (_, url, _content, allowed):
        with pytest.raises((ConnectionResetError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            await client.get(url, headers=allowed)


async def test_one_byte_is_wrong(client, spoiled):
    async with spoiled(FlipByte(70)) as (_, url, content, allowed), client.get(url, headers=allowed) as answer:
        got = await answer.read()
        assert [at for at, (a, b) in enumerate(zip(got, content, strict=True)) if a != b] == [70]


async def test_too_many_bytes_that_the_length_admits(client, spoiled):
    async with spoiled(TooMany(10)) as (_, url, content, allowed), client.get(url, headers=allowed) as answer:
        assert int(answer.headers["Content-Length"]) == len(content) + 10
        assert await answer.read() == content + 10 * b"+"


async def test_too_many_bytes_without_a_length(client, spoiled):
    async with (
        spoiled(TooMany(10, Length.UNSAID)) as (_, url, content, allowed),
        client.get(url, headers=allowed) as answer,
    ):
        assert "Content-Length" not in answer.headers
        assert await answer.read() == content + 10 * b"+"


async def test_too_many_bytes_past_the_length(small, store):
    layer = layers(store, small.digest)[-1]
    content = store.read(layer)
    faults = Faults([Rule(Endpoint.CDN, TooMany(10, Length.TRUE))])
    async with Upstream(store, faults=faults) as upstream:
        reader, writer = await asyncio.open_connection(*upstream.signature_store_url.split("/")[2].split(":"))
        path = f"/datastorage/registry/sha256/{layer[7:9]}/{layer[7:]}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: cdn\r\n\r\n".encode())
        answer = await reader.read(-1)
        writer.close()
        await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(content)}".encode() in head
    assert body == content + 10 * b"+"


async def test_too_few_bytes_that_the_length_admits(client, spoiled):
    async with spoiled(TooFew(10)) as (_, url, content, allowed), client.get(url, headers=allowed) as answer:
        assert await answer.read() == content[:-10]


async def test_too_few_bytes_for_the_length(client, spoiled):
    async with (
        spoiled(TooFew(10, Length.TRUE)) as (_, url, content, allowed),
        client.get(url, headers=allowed) as answer,
    ):
        assert int(answer.headers["Content-Length"]) == len(content)
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_too_few_bytes_without_a_length(client, spoiled):
    async with (
        spoiled(TooFew(10, Length.UNSAID)) as (_, url, content, allowed),
        client.get(url, headers=allowed) as answer,
    ):
        assert await answer.read() == content[:-10]


@pytest.mark.parametrize("after_bytes", [None, 0, 500])
async def test_a_silent_upstream_goes_on_when_released(client, spoiled, after_bytes):
    async with spoiled(Stall(after_bytes)) as (upstream, url, content, allowed):
        asking = asyncio.create_task(client.get(url, headers=allowed))
        await upstream.faults.wait_until_stalled()
        assert upstream.requests[-1].sent_bytes == (after_bytes or 0)
        assert not upstream.requests[-1].complete
        upstream.faults.release()
        async with await asking as answer:
            assert await answer.read() == content


async def test_leaving_the_block_lets_go_of_what_is_stalled(client, small, store):
    faults = Faults([Rule(Endpoint.TOKEN, Stall())])
    async with Upstream(store, faults=faults) as upstream:
        asking = asyncio.create_task(client.get(f"{upstream.url}/v2/auth"))
        await faults.wait_until_stalled()
    async with await asking as answer:
        assert answer.status == 200


async def test_tokens_end_in_the_middle(client, small, store):
    faults = Faults([Rule(Endpoint.MANIFEST, ExpireTokens(), skip=1)])
    async with Upstream(store, faults=faults) as upstream:
        allowed = await token(client, upstream.url, small.release_repository)
        url = f"{upstream.url}/v2/{small.release_repository}/manifests/{small.tag}"
        statuses = []
        for _ in range(3):
            async with client.get(url, headers=allowed | ACCEPT) as answer:
                statuses.append(answer.status)
        assert statuses == [200, 401, 401]
        fresh = await token(client, upstream.url, small.release_repository)
        async with client.get(url, headers=fresh | ACCEPT) as answer:
            assert answer.status == 200


async def test_faults_befall_ranges_as_well(client, spoiled):
    async with spoiled(BreakOff(5)) as (_, url, content, allowed):
        answer = await client.get(url, headers=allowed | {"Range": "bytes=100-"})
        assert answer.status == 206
        assert await answer.content.readexactly(5) == content[100:105]
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


def test_rules_count_what_they_match_and_the_first_that_applies_wins():
    skipping = Rule(Endpoint.BLOB, Reset(), containing="abc", skip=1, times=2)
    last = Rule(Endpoint.BLOB, Answer(500), times=None)
    faults = Faults([skipping, last])
    call = Call(Endpoint.BLOB, "GET", "/v2/a/blobs/abc", "a", "abc")
    effects = [faults.take(call) for _ in range(4)]
    assert effects == [last.effect, skipping.effect, skipping.effect, last.effect]
    assert (faults.fired(skipping), faults.fired(last)) == (2, 2)
    assert faults.take(Call(Endpoint.MANIFEST, "GET", "/v2/a/manifests/abc", "a", "abc")) is None
    faults.add(Rule(Endpoint.MANIFEST, Reset(), method="HEAD"))
    assert faults.take(Call(Endpoint.MANIFEST, "GET", "/x")) is None
    assert faults.take(Call(Endpoint.MANIFEST, "HEAD", "/x")) == Reset()
    faults.clear()
    assert faults.take(call) is None
