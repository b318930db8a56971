"""Reading request bodies: in large batches, with limits, and never waiting for ever."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiohttp import ClientError, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError

from airferry.registry.acceptance import MAX_ACCEPTED_BYTES
from airferry.registry.errors import StalledError, TooLargeError

_BATCH_BYTES: Final = 1024 * 1024
_LATENESS: Final = 20
"""Silence is noticed up to this part of it too early: setting a timer for each chunk is not for nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask of the registry."""

    manifest_bytes: int = MAX_ACCEPTED_BYTES
    silence_s: float = 60.0
    """How long a client may send nothing in the middle of a body."""
    page: int = 10_000
    """The most names in one page of tags or repositories."""
    can_delete: bool = True
    """Whether tags, manifests and blobs may be deleted; otherwise every DELETE but of uploads is answered 405."""
    is_read_only: bool = False
    """Whether nothing at all may be changed; every write is then answered 405."""


async def read_whole(request: web.Request, most_bytes: int, silence_s: float) -> bytes:
    """Return the body. Raises TooLargeError, before reading it when its length is announced; StalledError."""
    if request.content_length is not None and request.content_length > most_bytes:
        raise TooLargeError(f"a body of {request.content_length} bytes is over the limit of {most_bytes}")
    parts: list[bytes] = []
    size_bytes = 0
    async for batch in read_batches(request, silence_s):
        size_bytes += sum(len(chunk) for chunk in batch)
        if size_bytes > most_bytes:
            raise TooLargeError(f"the body is over the limit of {most_bytes} bytes")
        parts.extend(batch)
    return b"".join(parts)


async def read_batches(request: web.Request, silence_s: float) -> AsyncIterator[list[bytes]]:
    """Yield the body as batches of chunks, about 1 MiB each, the last one shorter.

    When the client goes away or stays silent, what came before is yielded first; then StalledError.
    """
    if not request.can_read_body:
        return
    await _ask_for_body(request)
    loop = asyncio.get_running_loop()
    content = request.content
    # What came together is copied together only where it came in HTTP chunks, which may be many and small.
    read = content.readany if request.content_length is None else partial(_read_one, content)
    gone: StalledError | None = None
    while gone is None and not content.at_eof():
        batch: list[bytes] = []
        size_bytes = 0
        try:
            began_s = loop.time()
            async with asyncio.timeout_at(began_s + silence_s) as timer:
                while size_bytes < _BATCH_BYTES and (chunk := await read()):
                    batch.append(chunk)
                    size_bytes += len(chunk)
                    if (now_s := loop.time()) - began_s > silence_s / _LATENESS:
                        began_s = now_s
                        timer.reschedule(now_s + silence_s)
        except TimeoutError:
            gone = StalledError(f"the client sent nothing for {silence_s:g} s in the middle of a body")
        except (OSError, ClientError, HttpProcessingError, web.RequestPayloadError) as error:
            gone = StalledError(f"the client went away in the middle of a body: {error}")
        if batch:
            yield batch
    if gone is not None:
        raise gone


async def _read_one(content: StreamReader) -> bytes:
    chunk, _ = await content.readchunk()
    return chunk


async def _ask_for_body(request: web.Request) -> None:
    """Send the 100 that the client waits for. Only now: who is refused need not send the body at all."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def expect_nothing_yet(request: web.Request) -> None:
    """Leave ``Expect: 100-continue`` to :func:`read_batches`."""
