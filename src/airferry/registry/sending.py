"""Sending stored content: by the kernel in the clear; over TLS read in disk threads, a block ahead of the network."""

import asyncio
import logging
import os
from pathlib import Path
from typing import Final, NoReturn

from aiohttp import web

from airferry.registry.disk import in_thread
from airferry.registry.errors import DamagedError
from airferry.registry.zero_copy import plain_socket, send_file

logger: Final = logging.getLogger("airferry.registry")

_FIRST_BYTES: Final = 512 * 1024
_MOST_BLOCK_BYTES: Final = 2 * 1024 * 1024
_LEAST_BLOCK_BYTES: Final = 256 * 1024
_BLOCKS_BYTES: Final = 16 * 1024 * 1024
"""What is read and encrypted at once. Large blocks cost less over TLS (one run each, one worker: 83 blobs of 10 MB a
second with 512 KiB, 117 with 2 MiB), so they are large while few clients pull; their sum is bounded when many do."""

_PIECE_BYTES: Final = 48 * 1024
"""What is encrypted at once: pieces that stay in the processor's cache from the file to the socket cost less than one
large block (four clients, 100 MB each: 0.71 CPU s/GB instead of 0.82)."""


class _UnderWay:
    """How many files are being sent through this process."""

    count = 0

    @classmethod
    def block_bytes(cls) -> int:
        """Return the size of one read and one write at the moment."""
        return max(_LEAST_BLOCK_BYTES, min(_MOST_BLOCK_BYTES, _BLOCKS_BYTES // max(1, cls.count)))


async def send_content(
    request: web.Request, content: Path | bytes, first: int, end: int, status: int, headers: dict[str, str]
) -> web.StreamResponse:
    """Answer with the bytes from ``first`` up to ``end`` of ``content``.

    Raises DamagedError when the file cannot be opened or has no first block; a file that ends too early after
    that breaks the connection, so that a client never takes a part for the whole.
    """
    if isinstance(content, bytes):
        return web.Response(status=status, headers=headers, body=content[first:end])
    try:
        descriptor, block = await in_thread(_open, content, first, min(end, first + _FIRST_BYTES))
    except FileNotFoundError:
        raise DamagedError(f"the file of {content.name} is gone", hint="push the image again") from None
    _UnderWay.count += 1
    try:
        if first + len(block) >= end:
            return web.Response(status=status, headers=headers, body=block)
        answer = _FileAnswer(status=status, headers=headers)
        await answer.prepare(request)
        if (to := await plain_socket(request.transport)) is None:
            await _stream(request, descriptor, block, first, end, answer)
        else:
            answer.file_bytes = await send_file(to, descriptor, first, end) - first
            if answer.file_bytes < end - first:
                _break_off(request, answer.file_bytes)
        await answer.write_eof()
        return answer
    finally:
        _UnderWay.count -= 1
        os.close(descriptor)


class _FileAnswer(web.StreamResponse):
    """An answer of which ``file_bytes`` went past aiohttp."""

    file_bytes = 0

    @property
    def body_length(self) -> int:
        """How many bytes were sent."""
        return super().body_length + self.file_bytes


async def _stream(
    request: web.Request, descriptor: int, block: bytes, offset: int, end: int, answer: _FileAnswer
) -> None:
    while True:
        offset += len(block)
        wanted = min(_UnderWay.block_bytes(), end - offset)
        following = asyncio.ensure_future(in_thread(os.pread, descriptor, wanted, offset)) if wanted else None
        try:
            await _write_pieces(request, answer, memoryview(block))
        finally:
            # The thread must be done with the file before the caller closes it.
            block = await following if following is not None else b""
        if not wanted:
            return
        if not block:
            _break_off(request, offset)


async def _write_pieces(request: web.Request, answer: _FileAnswer, block: memoryview) -> None:
    """Hand ``block`` to the transport itself, and to the answer, which waits, where the client does not keep up."""
    for at in range(0, len(block), _PIECE_BYTES):
        piece = block[at : at + _PIECE_BYTES]
        if request.protocol.writing_paused:
            await answer.write(piece)
        elif request.transport is None or request.transport.is_closing():
            raise ConnectionResetError("the client has gone")
        else:
            request.transport.write(piece)
            answer.file_bytes += len(piece)


def _break_off(request: web.Request, sent_bytes: int) -> NoReturn:
    logger.error("a stored file is too short", extra={"path": request.path, "size_bytes": sent_bytes})
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionAbortedError("the rest of the promised bytes is not there")


def _open(file: Path, first: int, end: int) -> tuple[int, bytes]:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        block = os.pread(descriptor, end - first, first)
    except BaseException:
        os.close(descriptor)
        raise
    if end > first and not block:
        os.close(descriptor)
        raise DamagedError(f"the file of {file.name} ends before byte {first}", hint="push the image again")
    return descriptor, block
