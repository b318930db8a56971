"""A large body received straight into large buffers, past the HTTP library.

aiohttp copies a body twice before we see it, in pieces of a few hundred KiB at most, with bookkeeping for each. Once
the head of an answer said how long the body is, there is nothing left to parse: the connection's transport, TLS and
all, gives its bytes to :class:`DirectBody` instead. After the last one aiohttp has the connection back for the next
request: over TLS a new one costs as much CPU as some MiB of body.
"""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncGenerator
from typing import Final

from airferry.content.http.lean_aiohttp import aiohttp
from airferry.content.http.transport import FailureKind, TransportError

DIRECT_FROM_BYTES: Final = 512 * 1024
"""Of smaller bodies most is there together with the head."""

_BUFFER_BYTES: Final = 1024 * 1024
"""As much as a sink hashes and writes at once: each further piece costs a struggle for the interpreter's lock."""
_MOST_WAITING: Final = 1


def _count_of_a_free_buffer() -> int:
    """Return how many references this Python counts for a buffer that only a pool holds, seen from a loop over it."""
    for buffer in [bytearray(1)]:
        return sys.getrefcount(buffer)
    raise AssertionError("the list has one buffer")


_FREE_REFERENCES: Final = _count_of_a_free_buffer()


class BufferPool:
    """Large buffers for use again: new ones cost as much as hashing a third of what they hold.

    A buffer is free when nobody but the pool holds it any more, so that what was given out is never overwritten
    while somebody may still look at it.
    """

    def __init__(self, most: int = 64) -> None:
        self._buffers: list[bytearray] = []
        self._most = most

    def take(self) -> bytearray:
        """Return a buffer whose content means nothing."""
        for buffer in self._buffers:
            if sys.getrefcount(buffer) == _FREE_REFERENCES:
                return buffer
        fresh = bytearray(_BUFFER_BYTES)
        if len(self._buffers) < self._most:
            self._buffers.append(fresh)
        return fresh


_POOL: Final = BufferPool()


def take_over(answer: aiohttp.ClientResponse, idle_timeout_s: float) -> "DirectBody | None":
    """Take the rest of the body away from aiohttp; None when it is small, of unknown length, or failed already.

    What aiohttp has received so far is the first piece. Whoever takes over closes the answer at the end.
    """
    size = answer.content_length
    if size is None or size < DIRECT_FROM_BYTES or "Transfer-Encoding" in answer.headers:
        return None
    connection = answer.connection
    transport = connection.transport if connection is not None else None
    if transport is None or connection is None or connection.protocol is None:
        return None
    if answer.content.exception() is not None:
        return None  # it broke off or fell silent before anybody looked: whoever reads on is told
    former = connection.protocol
    held = answer.content.read_nowait()
    if len(held) >= size:
        return DirectBody(answer, held, 0, idle_timeout_s)
    body = DirectBody(answer, held, size - len(held), idle_timeout_s, (transport, former))
    # Reading is begun again, since transports choose how to hand out bytes when they begin.
    transport.pause_reading()
    transport.set_protocol(body)
    transport.resume_reading()
    return body


class DirectBody(asyncio.BufferedProtocol):
    """Fills buffers from a transport and gives them out in order, never more than a few ahead of the reader."""

    def __init__(
        self,
        answer: aiohttp.ClientResponse,
        held: bytes,
        size_bytes: int,
        idle_timeout_s: float,
        connection: tuple[asyncio.Transport, asyncio.BaseProtocol] | None = None,
    ) -> None:
        self._answer = answer
        self._transport: asyncio.Transport | None = connection[0] if connection else None
        self._former = connection[1] if connection else None
        self._left = size_bytes
        self._idle_timeout_s = idle_timeout_s
        self._waiting: deque[bytes | bytearray] = deque([held] if held else ())
        self._buffer = _POOL.take()
        self._filled = 0
        self._paused = False
        self._ends_cleanly = False
        self._failure: TransportError | None = None
        self._reader: asyncio.Future[None] | None = None
        self._moved = True
        self._watch = asyncio.get_running_loop().call_later(idle_timeout_s, self._look) if size_bytes else None

    async def chunks(self) -> AsyncGenerator[bytes | bytearray, None]:
        """Yield the body in order. Raises TransportError (BROKEN, IDLE) after all that did arrive was given out."""
        try:
            while True:
                while self._waiting:
                    yield self._waiting.popleft()
                    self._go_on()
                if self._failure is not None:
                    if self._filled:
                        rest, self._filled = bytes(self._buffer[: self._filled]), 0
                        yield rest
                    raise self._failure
                if not self._left:
                    self._hand_back()
                    return
                self._reader = asyncio.get_running_loop().create_future()
                await self._reader
        finally:
            if self._watch is not None:
                self._watch.cancel()
            # The transport may remember us for a while; the buffers are wanted elsewhere.
            self._buffer, self._filled = bytearray(), 0
            self._waiting.clear()

    def close(self) -> None:
        """Drop the connection, unless the body was read to its end and aiohttp has it back."""
        if self._transport is not None:
            # At once: a polite end of TLS would keep its buffers for as long as the peer thinks.
            self._transport.abort()
        self._answer.close()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the room that is left in the current buffer, for what is left of the body and a byte more."""
        if not self._left or not self._buffer:
            return memoryview(bytearray(1))  # a byte behind the end of the body: of no use to anybody
        return memoryview(self._buffer)[self._filled : self._filled + self._left + 1]

    def buffer_updated(self, nbytes: int) -> None:
        """Take note of new bytes; a full buffer goes to the reader."""
        if not self._left or not self._buffer:
            return
        self._moved = True
        # Only when there was room for that byte more and it did not come is the next answer's first byte its own.
        self._ends_cleanly = nbytes == self._left < len(self._buffer) - self._filled
        nbytes = min(nbytes, self._left)
        self._filled += nbytes
        self._left -= nbytes
        if self._left and self._filled < len(self._buffer):
            return
        whole = self._filled == len(self._buffer)
        self._waiting.append(self._buffer if whole else bytes(memoryview(self._buffer)[: self._filled]))
        self._filled = 0
        self._buffer = _POOL.take() if self._left else bytearray()
        if len(self._waiting) >= _MOST_WAITING or not self._left:
            self._pause()
        self._wake()

    def eof_received(self) -> bool:
        """Let the transport close; what is missing then is told by connection_lost."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the reader that nothing more comes, and aiohttp that its connection is gone."""
        if self._left and self._failure is None:
            text = f"the connection broke: {exc}" if exc else "the connection was closed in the middle of the body"
            self._failure = TransportError(FailureKind.BROKEN, text)
        self._wake()
        if self._former is not None:
            self._former.connection_lost(exc)

    def _hand_back(self) -> None:
        """Let aiohttp use the connection again; reading has paused with the last byte."""
        transport = self._transport
        if transport is None or self._former is None or not self._ends_cleanly or transport.is_closing():
            return
        self._transport = None
        transport.set_protocol(self._former)
        transport.resume_reading()
        # aiohttp's parser has not seen the body, but the next answer gets another one.
        self._answer.content.feed_eof()

    def _look(self) -> None:
        """Once in an idle timeout: did anything come since the last look? A reader that is slow is no idle peer."""
        if not self._left:
            return
        if self._moved or self._paused:
            self._moved = False
            self._watch = asyncio.get_running_loop().call_later(self._idle_timeout_s, self._look)
            return
        self._failure = TransportError(FailureKind.IDLE, f"the connection fell silent for {self._idle_timeout_s:g} s")
        self._wake()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _go_on(self) -> None:
        if self._paused and self._left and len(self._waiting) < _MOST_WAITING and self._transport is not None:
            self._paused = False
            self._moved = True
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
