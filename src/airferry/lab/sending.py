"""Sending an answer over aiohttp, whole or spoiled as a fault demands, and counting what left."""

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import BinaryIO, Final, assert_never

from aiohttp import web

from airferry.lab.faults import (
    Answer,
    BreakOff,
    Effect,
    ExpireTokens,
    Faults,
    FlipByte,
    Length,
    Reset,
    Stall,
    TooFew,
    TooMany,
)
from airferry.lab.reply import FilePart, Reply, refusal

_SENDFILE_BYTES: Final = 1024 * 1024
_WRITE_BYTES: Final = 256 * 1024


@dataclass(slots=True)
class LoggedRequest:
    """One request as the upstream saw it; changes until it is ``complete``.

    ``status`` is 0 until an answer starts. ``sent_bytes`` counts body bytes handed to the system.
    ``range`` is the Range header, None without one. ``complete`` says that the whole answer was sent.
    """

    endpoint: str
    method: str
    path: str
    had_authorization: bool
    range: str | None = None
    status: int = 0
    sent_bytes: int = 0
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends one answer to one request and keeps its log entry."""

    request: web.BaseRequest
    entry: LoggedRequest
    faults: Faults
    pace_bytes_per_s: int | None = None

    async def send(self, reply: Reply, effect: Effect | None) -> web.StreamResponse:
        """Send ``reply`` as ``effect`` spoils it."""
        match effect:
            case None | ExpireTokens():
                return await self._whole(reply)
            case Answer():
                return await self._whole(_instead(effect))
            case Reset():
                return self._reset()
            case Stall(after_bytes=None):
                await self.faults.hold()
                return await self._whole(reply)
            case Stall() | BreakOff():
                return await self._interrupted(reply, effect)
            case FlipByte() | TooMany() | TooFew():
                return await self._spoiled(reply, effect)
            case _:
                assert_never(effect)

    async def _whole(self, reply: Reply) -> web.StreamResponse:
        response = await self._start(reply, reply.size_bytes)
        if self.request.method != "HEAD":
            if isinstance(reply.body, FilePart):
                await self._file(response, reply.body)
            else:
                await self._write(response, reply.body)
        return await self._end(response)

    async def _interrupted(self, reply: Reply, effect: Stall | BreakOff) -> web.StreamResponse:
        content = _content(reply)
        stop = effect.after_bytes or 0
        response = await self._start(reply, len(content))
        await self._write(response, content[:stop])
        if isinstance(effect, BreakOff):
            return self._hang_up(response)
        await self.faults.hold()
        await self._write(response, content[stop:])
        return await self._end(response)

    async def _spoiled(self, reply: Reply, effect: FlipByte | TooMany | TooFew) -> web.StreamResponse:
        true = _content(reply)
        content, length = _spoil(true, effect)
        match length:
            case Length.SENT:
                response = await self._start(reply, len(content))
                await self._write(response, content)
            case Length.UNSAID:
                response = await self._start(reply, None)
                await self._write(response, content)
            case Length.TRUE:
                response = await self._start(reply, len(true))
                await self._write(response, content[: len(true)])
                if len(content) > len(true) and self.request.transport is not None:
                    # Past the length that HTTP promised; no HTTP library sends that for us.
                    self.request.transport.write(content[len(true) :])
                return self._hang_up(response)
        return await self._end(response)

    async def _start(self, reply: Reply, length_bytes: int | None) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.status, headers=dict(reply.headers))
        response.headers["Docker-Distribution-API-Version"] = "registry/2.0"
        if length_bytes is None:
            response.enable_chunked_encoding()
        else:
            response.content_length = length_bytes
        self.entry.status = reply.status
        await response.prepare(self.request)
        return response

    async def _write(self, response: web.StreamResponse, content: bytes) -> None:
        for start in range(0, len(content), _WRITE_BYTES):
            chunk = content[start : start + _WRITE_BYTES]
            await response.write(chunk)
            self.entry.sent_bytes += len(chunk)

    async def _end(self, response: web.StreamResponse) -> web.StreamResponse:
        await response.write_eof()
        self.entry.complete = True
        return response

    async def _file(self, response: web.StreamResponse, part: FilePart) -> None:
        transport = self.request.transport
        with part.path.open("rb") as source:
            if transport is not None and self.pace_bytes_per_s is None and _can_sendfile(transport):
                await self._send_file(transport, source, part)
            else:
                await self._copy_file(response, source, part)

    async def _send_file(self, transport: asyncio.Transport, source: BinaryIO, part: FilePart) -> None:
        offset, end = part.offset, part.offset + part.size_bytes
        while offset < end:
            wanted = min(_SENDFILE_BYTES, end - offset)
            sent = await asyncio.get_running_loop().sendfile(transport, source, offset, wanted)
            if not sent:
                raise ConnectionResetError("the file became shorter while it was sent")
            offset += sent
            self.entry.sent_bytes += sent

    async def _copy_file(self, response: web.StreamResponse, source: BinaryIO, part: FilePart) -> None:
        source.seek(part.offset)
        left = part.size_bytes
        while chunk := source.read(min(_WRITE_BYTES, left)):
            left -= len(chunk)
            await response.write(chunk)
            self.entry.sent_bytes += len(chunk)
            if self.pace_bytes_per_s is not None:
                await asyncio.sleep(len(chunk) / self.pace_bytes_per_s)

    @staticmethod
    def _hang_up(response: web.StreamResponse) -> web.StreamResponse:
        """Let aiohttp close the connection now, whatever Content-Length promised."""
        response.force_close()
        return response

    def _reset(self) -> web.StreamResponse:
        transport = self.request.transport
        if transport is not None:
            plain: socket.socket = transport.get_extra_info("socket")
            # A zero linger time makes the system answer with RST instead of an orderly end.
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        return web.Response()


def _can_sendfile(transport: asyncio.Transport) -> bool:
    """Whether the system can send files here: uvloop cannot, and over TLS there is nothing to gain from it."""
    by_asyncio = type(asyncio.get_running_loop()).__module__.startswith("asyncio")
    return by_asyncio and transport.get_extra_info("sslcontext") is None


def _instead(effect: Answer) -> Reply:
    if effect.body is not None:
        return Reply(effect.status, effect.body, {"Content-Type": effect.content_type, **effect.headers})
    code = {401: "UNAUTHORIZED", 403: "DENIED", 404: "MANIFEST_UNKNOWN", 429: "TOOMANYREQUESTS"}
    return refusal(effect.status, code.get(effect.status, "UNKNOWN"), "a fault of the lab", effect.headers)


def _content(reply: Reply) -> bytes:
    return reply.body.read() if isinstance(reply.body, FilePart) else reply.body


def _spoil(content: bytes, effect: FlipByte | TooMany | TooFew) -> tuple[bytes, Length]:
    match effect:
        case FlipByte():
            at = min(effect.at, len(content) - 1)
            return content[:at] + bytes((content[at] ^ 0xFF,)) + content[at + 1 :], Length.SENT
        case TooMany():
            return content + effect.extra_bytes * b"+", effect.length
        case TooFew():
            return content[: max(0, len(content) - effect.missing_bytes)], effect.length
        case _:
            assert_never(effect)
