"""What only real sockets do: resets, truncation, silence, keep-alive, proxies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from airferry.content.errors import InterruptedTransferError, NotFoundError, RegistryFailedError, UnreachableError
from airferry.content.http import HttpContent, HttpSettings, RetryPolicy
from airferry.content.http.aiohttp_transport import AiohttpTransport
from airferry.content.http.tls import TlsContexts
from airferry.content.http.transport import FailureKind, Request, TransportError, read_body
from airferry.content.protocol import ByteStream
from airferry.oci import ContentMismatchError, Descriptor, Digest

from .servers import answer, serve

CONTENT = bytes(range(256)) * 12_000
BLOB = Descriptor("x/y", Digest.of(CONTENT), len(CONTENT))
QUICK = RetryPolicy(attempts=4, first_wait_s=0.001, longest_wait_s=0.01)


@asynccontextmanager
async def plain(host: str, **settings: object) -> AsyncIterator[HttpContent]:
    """A client that knows to speak plain HTTP: insecure, and its https attempt is answered by a closed door."""
    made = HttpSettings(insecure=True, retry=QUICK, connect_timeout_s=5, **settings)  # type: ignore[arg-type]
    content = HttpContent(made)
    content.registry(host)._session._base = f"http://{host}"
    yield content
    await content.close()


async def read(content: HttpContent, host: str) -> bytes:
    async with content.registry(host).open_blob("team/app", BLOB) as stream:
        return b"".join([chunk async for chunk in stream])


async def test_a_blob_that_is_reset_and_cut_arrives_whole() -> None:
    asked: list[int] = []

    async def handler(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = int(head.partition("Range: bytes=")[2].partition("-")[0] or 0)
        asked.append(first)
        status = "206 Partial Content" if first else "200 OK"
        span = f"Content-Range: bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}\r\n" if first else ""
        writer.write(f"HTTP/1.1 {status}\r\n{span}Content-Length: {len(CONTENT) - first}\r\n\r\n".encode())
        if len(asked) < 4:
            writer.write(CONTENT[first : first + 400_000])
            await writer.drain()
            await asyncio.sleep(0)
            if len(asked) == 2:
                writer.close()
            else:
                writer.transport.abort()
            raise ConnectionResetError
        writer.write(CONTENT[first:])

    async with serve(handler) as host, plain(host) as content:
        assert await read(content, host) == CONTENT
    assert len(asked) == 4 and asked == sorted(asked)


async def test_little_that_arrives_before_each_break_is_kept() -> None:
    """Less than one chunk comes through each time; without keeping it the blob would never arrive."""
    step = 150_000

    async def handler(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = int(head.partition("Range: bytes=")[2].partition("-")[0] or 0)
        span = f"Content-Range: bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}\r\n"
        status = "206 Partial Content" if first else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\n{span}Content-Length: {len(CONTENT) - first}\r\n\r\n".encode())
        writer.write(CONTENT[first : first + step])
        if first + step < len(CONTENT):
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            raise ConnectionResetError

    async with serve(handler) as host, plain(host) as content:
        assert await read(content, host) == CONTENT


async def test_a_download_that_falls_silent_is_resumed_then_given_up() -> None:
    asked = 0

    async def handler(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(CONTENT)}\r\n\r\n".encode() + CONTENT[:10])
        await writer.drain()
        await reader.read()

    async with serve(handler) as host, plain(host, idle_timeout_s=0.05) as content:
        with pytest.raises(InterruptedTransferError, match="fell silent"):
            await read(content, host)
    assert asked >= 4


async def test_a_slow_download_that_moves_is_not_cut_off() -> None:
    async def handler(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(CONTENT)}\r\n\r\n".encode())
        step = len(CONTENT) // 8 + 1
        for start in range(0, len(CONTENT), step):
            writer.write(CONTENT[start : start + step])
            await writer.drain()
            await asyncio.sleep(0.05)

    async with serve(handler) as host, plain(host, idle_timeout_s=0.25) as content:
        assert await read(content, host) == CONTENT


async def take_upload(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
    """Answer all but the PUT of an upload; returns the body of that."""
    length = int(head.partition("Content-Length: ")[2].partition("\r\n")[0] or 0)
    if head.startswith("HEAD"):
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    elif head.startswith("POST"):
        answer(writer, b"", "202 Accepted", Location="/upload/1")
    elif head.startswith("DELETE"):
        answer(writer, b"", "202 Accepted")
    else:
        return await reader.readexactly(length)
    return None


def fetch_of(content: bytes):  # type: ignore[no-untyped-def]
    @asynccontextmanager
    async def fetch(offset: int) -> AsyncIterator[ByteStream]:
        async def stream() -> AsyncIterator[bytes]:
            for start in range(offset, len(content), 1_000_000):
                yield content[start : start + 1_000_000]

        yield stream()

    return fetch


async def test_a_large_upload_is_streamed_with_its_length() -> None:
    received: list[bytes] = []
    heads: list[str] = []

    async def handler(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await take_upload(head, reader, writer)
        if body is not None:
            heads.append(head)
            received.append(body)
            answer(writer, b"", "201 Created")

    async with serve(handler) as host, plain(host) as content:
        await content.registry(host).write_blob("team/app", BLOB, fetch_of(CONTENT))
    assert received == [CONTENT]
    assert "chunked" not in heads[0].lower()


async def test_wrong_bytes_end_an_upload_before_its_last_byte() -> None:
    finished: list[str] = []

    async def handler(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await take_upload(head, reader, writer) is not None:
            finished.append(head)

    async with serve(handler) as host, plain(host) as content:
        with pytest.raises(ContentMismatchError):
            await content.registry(host).write_blob("team/app", BLOB, fetch_of(b"X" + CONTENT[1:]))
    assert finished == []


async def test_an_upload_that_is_not_taken_is_given_up() -> None:
    big = bytes(24 * 1024 * 1024)
    blob = Descriptor("x/y", Digest.of(big), len(big))

    async def handler(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if head.startswith("PUT"):
            await asyncio.Event().wait()
        await take_upload(head, reader, writer)

    async with serve(handler) as host, plain(host, idle_timeout_s=0.1) as content:
        with pytest.raises(InterruptedTransferError, match="fell silent"):
            await content.registry(host).write_blob("team/app", blob, fetch_of(big))


async def test_an_early_refusal_is_heard_and_its_connection_never_used_again() -> None:
    """The rest of the body is not sent; another request on that connection would be taken for it."""
    big = bytes(24 * 1024 * 1024)
    blob = Descriptor("x/y", Digest.of(big), len(big))
    peers: dict[str, object] = {}

    async def handler(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers[head.partition(" ")[0]] = writer.get_extra_info("peername")
        if head.startswith("PUT"):
            answer(writer, b"", "413 Payload Too Large")
            await writer.drain()
            await asyncio.Event().wait()
        await take_upload(head, reader, writer)

    async with serve(handler) as host, plain(host, idle_timeout_s=5) as content:
        with pytest.raises(RegistryFailedError, match="calls it too large"):
            await content.registry(host).write_blob("team/app", blob, fetch_of(big))
    assert peers["DELETE"] != peers["PUT"]


async def test_connections_are_used_again() -> None:
    peers: set[object] = set()

    async def handler(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.add(writer.get_extra_info("peername"))
        if "/missing/" in head:
            answer(writer, b"404 page not found", "404 Not Found")
        else:
            answer(writer, b'{"tags": []}')

    async with serve(handler) as host, plain(host) as content:
        for _ in range(5):
            await content.registry(host).list_tags("team/app")
            with pytest.raises(NotFoundError):
                await content.registry(host).list_tags("missing/app")
    assert len(peers) == 1


async def transport_get(url: str, environ: dict[str, str]) -> bytes:
    transport = AiohttpTransport(TlsContexts(None, ()), connect_timeout_s=5, environ=environ)
    try:
        response = await transport.send(Request("GET", url))
        body = await read_body(response, 1000)
        await response.close()
        return body
    finally:
        await transport.close()


async def test_a_proxy_is_used_for_what_it_is_for() -> None:
    seen: list[str] = []

    async def handler(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(head)
        answer(writer, b"through the proxy")

    async with serve(handler) as proxy:
        environ = {"HTTP_PROXY": f"http://user:secret@{proxy}", "NO_PROXY": "direct.invalid"}
        assert await transport_get("http://registry.invalid/v2/", environ) == b"through the proxy"
        assert seen[0].startswith("GET http://registry.invalid/v2/") and "Proxy-Authorization" in seen[0]
        with pytest.raises(TransportError):
            await transport_get("http://direct.invalid/v2/", environ)
        assert len(seen) == 1


@pytest.mark.parametrize("proxy", ["http://[x", "http://bob:hunter2@proxy.lan:abc", "proxy.lan:99999", "https://[x"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_no_url_is_told_by_its_variable(scheme: str, proxy: str) -> None:
    with pytest.raises(TransportError, match=f"the variable {scheme}_proxy holds no URL of a proxy") as caught:
        await transport_get(f"{scheme}://registry.invalid/v2/", {f"{scheme}_proxy": proxy})
    assert caught.value.kind is FailureKind.CONNECT
    assert "hunter2" not in caught.value.text


async def test_a_proxy_that_refuses_is_named_without_its_password() -> None:
    async def handler(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer(writer, b"", "407 Proxy Authentication Required")

    async with serve(handler) as proxy:
        environ = {"HTTPS_PROXY": f"http://user:secret@{proxy}"}
        with pytest.raises(TransportError) as caught:
            await transport_get("https://registry.invalid/v2/", environ)
    assert caught.value.kind is FailureKind.CONNECT
    assert "407" in caught.value.text and proxy in caught.value.text and "secret" not in caught.value.text


async def test_many_at_once_stay_within_the_budget() -> None:
    running, most = 0, 0

    async def handler(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.005)
        running -= 1
        answer(writer, b'{"tags": []}')

    async with serve(handler) as host, plain(host, max_per_host=3) as content:
        await asyncio.gather(*(content.registry(host).list_tags(f"team/{number}") for number in range(20)))
    assert most == 3


async def test_who_cannot_be_reached_is_said_by_address() -> None:
    async with serve(take_upload) as host:  # type: ignore[arg-type]
        pass
    content = HttpContent(HttpSettings(retry=QUICK))
    with pytest.raises(UnreachableError, match=host):
        await content.registry(host).list_tags("team/app")
    await content.close()
