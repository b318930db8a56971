"""Large bodies take their own way past the HTTP library; nothing else about them is different."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from airferry.content.errors import InterruptedTransferError
from airferry.content.http import HttpContent, HttpSettings, RegistryPlace, RetryPolicy, Timing
from airferry.content.http.aiohttp_transport import AiohttpTransport
from airferry.content.http.direct import DIRECT_FROM_BYTES, BufferPool
from airferry.content.http.lean_aiohttp import aiohttp
from airferry.content.http.tls import TlsContexts
from airferry.content.http.transport import FailureKind, Request, TransportError, read_body
from airferry.lab.calls import Endpoint
from airferry.lab.certificates import make_certificates
from airferry.lab.faults import BreakOff, Faults, Rule, Stall
from airferry.lab.store import LabStore
from airferry.lab.upstream import Upstream
from airferry.oci import Descriptor, Digest, mediatype

from .servers import answer, make_pair, serve

PATH = "org/app"
CONTENT = random.Random(4).randbytes(DIRECT_FROM_BYTES * 2 + 12_345)
BLOB = Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(CONTENT), len(CONTENT))


async def no_sleep(seconds: float) -> None:
    del seconds


@asynccontextmanager
async def opened(
    folder: Path, *rules: Rule, tls: bool = False, idle_timeout_s: float = 30.0
) -> AsyncIterator[tuple[RegistryPlace, Upstream]]:
    store = LabStore(folder / "store")
    store.put_blob(PATH, CONTENT)
    certificates = make_certificates(folder / "tls") if tls else None
    async with Upstream(store, faults=Faults(list(rules)), certificates=certificates) as upstream:
        settings = HttpSettings(
            ca_file=certificates.authority_file if certificates else None,
            insecure=not tls,
            idle_timeout_s=idle_timeout_s,
            retry=RetryPolicy(attempts=3),
        )
        content = HttpContent(settings, timing=Timing(sleep=no_sleep))
        yield content.registry(upstream.host), upstream
        upstream.faults.release()
        await content.close()


async def read(place: RegistryPlace, offset: int = 0) -> bytes:
    async with place.open_blob(PATH, BLOB, offset) as stream:
        return b"".join([bytes(chunk) async for chunk in stream])


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_a_large_body_arrives_whole(tmp_path: Path, tls: bool) -> None:
    async with opened(tmp_path, tls=tls) as (place, upstream):
        assert await read(place) == CONTENT
        assert upstream.fetches(BLOB.digest) == 1


async def test_many_large_bodies_at_once_do_not_mix(tmp_path: Path) -> None:
    async with opened(tmp_path) as (place, _):
        assert await asyncio.gather(*(read(place) for _ in range(6))) == [CONTENT] * 6


async def test_a_reader_may_keep_chunks_while_it_reads_on(tmp_path: Path) -> None:
    """Buffers are used again only when nobody holds them."""
    async with opened(tmp_path) as (place, _), place.open_blob(PATH, BLOB) as stream:
        kept = [chunk async for chunk in stream]
    assert b"".join(kept) == CONTENT


async def test_a_body_that_breaks_off_is_gone_on_with_by_range(tmp_path: Path) -> None:
    broken_at = DIRECT_FROM_BYTES + 777
    async with opened(tmp_path, Rule(Endpoint.CDN, BreakOff(broken_at), times=1)) as (place, upstream):
        assert await read(place) == CONTENT
        await upstream.settled()
        asked = [entry.range for entry in upstream.requests if entry.endpoint is Endpoint.CDN]
    assert len(asked) == 2
    assert asked[1] is not None
    assert "bytes=0-" not in asked[1]


async def test_a_body_that_always_breaks_off_is_given_up(tmp_path: Path) -> None:
    rule = Rule(Endpoint.CDN, BreakOff(0), times=50)
    async with opened(tmp_path, rule) as (place, _):
        with pytest.raises(InterruptedTransferError):
            await read(place)


async def test_a_body_that_falls_silent_is_asked_for_again(tmp_path: Path) -> None:
    rule = Rule(Endpoint.CDN, Stall(DIRECT_FROM_BYTES + 99), times=1)
    async with opened(tmp_path, rule, idle_timeout_s=0.2) as (place, upstream):
        assert await read(place) == CONTENT
        assert upstream.fetches(BLOB.digest) == 2


async def test_reading_can_be_given_up_in_the_middle(tmp_path: Path) -> None:
    async with opened(tmp_path) as (place, _):
        async with place.open_blob(PATH, BLOB) as stream:
            async for chunk in stream:
                assert chunk
                break
        assert await read(place) == CONTENT


@asynccontextmanager
async def served(
    folder: Path, *, tls: bool, after_the_body: bytes = b""
) -> AsyncIterator[tuple[RegistryPlace, set[int]]]:
    """A server whose bodies may go on after their end; yields also the ports that were connected from."""
    pair = make_pair(folder, "server")
    ports: set[int] = set()

    async def handler(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "/blobs/" not in head:
            answer(writer)
            return
        ports.add(writer.get_extra_info("peername")[1])
        answer(writer, CONTENT)
        writer.write(after_the_body)

    async with serve(handler, pair.server_context() if tls else None) as host:
        content = HttpContent(HttpSettings(ca_file=pair.crt, insecure=not tls), timing=Timing(sleep=no_sleep))
        try:
            yield content.registry(host), ports
        finally:
            await content.close()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_the_connection_of_a_large_body_serves_the_next_request(tmp_path: Path, tls: bool) -> None:
    async with served(tmp_path, tls=tls) as (place, ports):
        assert [await read(place) for _ in range(3)] == [CONTENT] * 3
        assert len(ports) == 1


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_what_comes_after_the_end_of_a_body_is_nobodys_answer(tmp_path: Path, tls: bool) -> None:
    async with served(tmp_path, tls=tls, after_the_body=b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\nevil") as (
        place,
        ports,
    ):
        for _ in range(3):
            assert await read(place) == CONTENT
            await asyncio.sleep(0)  # as long as a client may take before it asks on
        assert len(ports) == 3


FAILED_BEFORE = {
    FailureKind.IDLE: aiohttp.SocketTimeoutError("Timeout on reading data from socket"),
    FailureKind.BROKEN: aiohttp.ClientPayloadError("Response payload is not completed"),
}


@pytest.mark.parametrize(("kind", "error"), FAILED_BEFORE.items(), ids=[kind.name for kind in FAILED_BEFORE])
async def test_a_body_that_failed_before_it_was_looked_at_is_told_as_any_other(
    kind: FailureKind, error: Exception
) -> None:
    async def only_begins(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(CONTENT)}\r\n\r\n".encode() + CONTENT[:1000])

    async with serve(only_begins) as host:
        transport = AiohttpTransport(TlsContexts(None, ()), environ={})
        response = await transport.send(Request("GET", f"http://{host}/"))
        response._answer.content.set_exception(error)
        with pytest.raises(TransportError) as caught:
            await read_body(response, len(CONTENT))
        assert (caught.value.kind, caught.value.__cause__) == (kind, error)
        await response.close()
        await transport.close()


def test_a_buffer_is_given_out_again_only_when_nobody_holds_it() -> None:
    pool = BufferPool()
    first, second = pool.take(), pool.take()
    assert first is not second
    view = memoryview(first)
    kept, freed = id(first), id(second)
    del first, second
    third = pool.take()
    assert id(third) == freed
    assert id(pool.take()) != kept
    assert len(view) == len(third)
