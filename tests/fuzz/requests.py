"""Whole requests as a fuzz target: the registry and aiohttp's server around it, without a socket.

An input is ``METHOD TARGET``, then header lines, an empty line, and the body; lines end in one LF.
"""

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from airferry.oci import Digest
from airferry.registry import RegistryStore
from airferry.registry.acceptance import accept_manifest
from airferry.registry.access import Everyone
from airferry.registry.access.visitors import IssuedToken, Knock, TokenWish, Visitor
from airferry.registry.application import make_app

from .target import Target
from .targets import MANIFEST_WORDS, MANIFESTS, PATH_WORDS, UPLOAD

CONTENT: Final = b"0123456789" * 10
D: Final = Digest.of(CONTENT)
KIND, _, RAW = MANIFESTS[4].partition(b"\n")
PATIENCE_S: Final = 10.0
FRAMING: Final = (b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"host")


class Wire(asyncio.Transport):
    """A connection that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.written = bytearray()
        self.closed = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def close(self) -> None:
        self.closed.set()

    def abort(self) -> None:
        self.closed.set()

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class OpenDoor:
    """Lets everybody in, and gives tokens to all who ask for one as they should."""

    async def admit(self, knock: Knock) -> Visitor:
        return Everyone()

    async def challenges(self, knock: Knock, error: Exception) -> tuple[str, ...]:
        return ()

    async def issue(self, wish: TokenWish) -> IssuedToken:
        assert wish.credentials is None or wish.credentials.name
        return IssuedToken("secret", 0, 60, wish.scopes)


class Stocked:
    """A registry that holds a blob and a tagged index, in a loop of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._parts: tuple[RegistryStore, web.AppRunner] | None = None

    def answer(self, raw: bytes) -> bytes:
        """Whatever comes back for the bytes of one request that asks to close the connection after it."""
        return self._loop.run_until_complete(self._answer(raw))

    def forget(self) -> None:
        """Let the next request meet a fresh registry, so that an input does the same whatever came before it."""
        if self._parts is not None:
            self._loop.run_until_complete(_closed(*self._parts))
            self._parts = None

    def close(self) -> None:
        self.forget()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _answer(self, raw: bytes) -> bytes:
        if self._parts is None:
            self._parts = await _opened()
        server = self._parts[1].server
        assert server is not None
        wire, handler = Wire(), server()
        handler.connection_made(wire)
        handler.data_received(raw)
        try:
            await asyncio.wait_for(wire.closed.wait(), PATIENCE_S)
        finally:
            handler.connection_lost(None)
        return bytes(wire.written)


async def _opened() -> tuple[RegistryStore, web.AppRunner]:
    store = RegistryStore.in_memory()
    async with store.open_upload("a", await store.begin_upload("a", "sha256")) as upload:
        await upload.append([CONTENT])
        await upload.finish(D)
    await store.put_manifest("a", accept_manifest(RAW, KIND.decode(), None), ("t", "u"))
    runner = web.AppRunner(make_app(store, OpenDoor()), auto_decompress=False, access_log=None)
    await runner.setup()
    return store, runner


async def _closed(store: RegistryStore, runner: web.AppRunner) -> None:
    await runner.cleanup()
    await store.close()


@cache
def stocked() -> Stocked:
    return Stocked()


@contextmanager
def failures_raised() -> Iterator[None]:
    """Raise what the server logs as its own failure and answers with 500."""
    seen: list[BaseException] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            if record.levelno >= logging.ERROR and error and not isinstance(error, HttpProcessingError):
                seen.append(error)

    listener, names = Listener(), ("airferry.registry", "aiohttp.server", "asyncio")
    for name in names:
        logging.getLogger(name).addHandler(listener)
        logging.getLogger(name).propagate = False
    try:
        yield
    finally:
        for name in names:
            logging.getLogger(name).removeHandler(listener)
            logging.getLogger(name).propagate = True
    if seen:
        raise seen[0]


def whole(data: bytes) -> tuple[bytes, bytes]:
    """The method, and the request that ``data`` stands for, framed so that it always ends."""
    head, _, body = data.partition(b"\n\n")
    first, *rest = head.split(b"\n")
    method, _, target = first.partition(b" ")
    lines = [line for line in rest if line.split(b":")[0].strip().lower() not in FRAMING]
    lines += [b"Host: x", b"Connection: close", b"Content-Length: %d" % len(body)]
    return method, b"\r\n".join([b"%s %s HTTP/1.1" % (method, target), *lines]) + b"\r\n\r\n" + body


def request(data: bytes) -> None:
    method, raw = whole(data)
    registry = stocked()
    try:
        with failures_raised():
            answer = registry.answer(raw)
        head, ends, body = answer.partition(b"\r\n\r\n")
        assert ends and head.startswith(b"HTTP/1."), answer[:200]
        status, *lines = head.split(b"\r\n")
        assert 200 <= int(status.split()[1]) < 500, answer[:500]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        if method != b"HEAD" and b"content-length" in headers and int(status.split()[1]) not in (204, 304):
            assert len(body) == int(headers[b"content-length"])
        if body and headers.get(b"content-type", b"").startswith(b"application/json"):
            json.loads(body)
    finally:
        if method not in (b"GET", b"HEAD"):
            registry.forget()


def _request(method: str, target: str, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"{method} {target}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\n".join(lines).encode() + b"\n\n" + body


_FORM: Final = b"grant_type=password&username=a&password=b&scope=repository:a:pull&service=x"
_BLOB: Final = f"/v2/a/blobs/{D}"

REQUESTS: Final = (
    Target(
        "request",
        request,
        (
            _request("GET", "/v2/"),
            _request("GET", "/v2/_catalog?n=1&last=a"),
            _request("GET", "/v2/a/tags/list?n=1&last=%00"),
            _request("GET", _BLOB, Range="bytes=3-9", If_Range=f'"{D}"'),
            _request("HEAD", _BLOB, If_None_Match=f'W/"{D}", *'),
            _request("GET", "/v2/a/manifests/t", Accept="a/b"),
            _request("GET", f"/v2/a/referrers/{D}?artifactType=a/b&last=sha256:"),
            _request("PUT", f"/v2/a/manifests/{Digest.of(RAW)}?tag=x&tag=y", RAW, Content_Type=KIND.decode()),
            _request("PUT", "/v2/b/manifests/t", MANIFESTS[0].partition(b"\n")[2]),
            _request("POST", f"/v2/b/blobs/uploads/?digest={D}", CONTENT),
            _request("POST", f"/v2/b/blobs/uploads/?mount={D}&from=a"),
            _request("POST", "/v2/b/blobs/uploads/?digest-algorithm=sha512"),
            _request("PATCH", f"/v2/a/blobs/uploads/{UPLOAD}", b"x", Content_Range="0-0"),
            _request("DELETE", "/v2/a/manifests/t"),
            _request("GET", "/v2/auth?scope=repository:a:pull&service=x", Authorization="Basic YTpi"),
            _request("POST", "/v2/auth", _FORM, Content_Type="application/x-www-form-urlencoded"),
        ),
        (
            *(f"\n{name}: ".encode() for name in ("Range", "If-Range", "If-None-Match", "Content-Range", "Expect")),
            *(f"\n{name}: ".encode() for name in ("Authorization", "Content-Type", "Content-Encoding", "Accept")),
            *(f"{name}=".encode() for name in ("n", "last", "tag", "digest", "mount", "from", "artifactType", "scope")),
            b"GET ", b"HEAD ", b"PUT ", b"POST ", b"PATCH ", b"DELETE ", b"?", b"&",
            *PATH_WORDS,
            *MANIFEST_WORDS,
        ),
    ),
)  # fmt: skip
