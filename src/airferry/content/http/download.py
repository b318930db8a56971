"""Reading one blob: gapless, resumed by Range where a connection broke, never checked (the sink does that).

Sources: distribution-spec "Pulling blobs"; RFC 9110 section 14 (a server may answer a Range with everything).
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from airferry.content.errors import InterruptedTransferError, RegistryFailedError
from airferry.content.http.authorizer import pull_scope
from airferry.content.http.refusals import Doing
from airferry.content.http.retry import Tries
from airferry.content.http.session import Call, RegistrySession
from airferry.content.http.transport import Response, TransportError
from airferry.content.protocol import ByteStream
from airferry.oci import ContentMismatchError, Descriptor
from airferry.oci.wire import parse_content_range

logger = logging.getLogger(__name__)

_PROGRESS_BYTES: Final = 64 * 1024
"""What must come through before earlier failures are forgotten; less may be a server that never gets on."""


@asynccontextmanager
async def open_blob(
    session: RegistrySession, path: str, blob: Descriptor, offset: int = 0
) -> AsyncIterator[ByteStream]:
    """Open ``blob`` from ``offset`` in bytes; entering raises NotFoundError and the like.

    While the stream is read, InterruptedTransferError means that it broke too often without progress.
    """
    reading = _Reading(session, path, blob, offset)
    try:
        await reading.open()
        stream = reading.chunks()
        try:
            yield stream
        finally:
            await stream.aclose()
    finally:
        await reading.close()


class _Reading:
    """One blob on its way; ``_position`` is the offset in bytes of what is yielded next."""

    def __init__(self, session: RegistrySession, path: str, blob: Descriptor, offset: int) -> None:
        self._session = session
        self._path = path
        self._blob = blob
        self._position = offset
        self._skip = 0
        self._ranges = True
        self._length_known = False
        self._response: Response | None = None
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Ask for the rest of the blob; with nothing left there is nothing to ask."""
        if self._position >= self._blob.size_bytes > 0:
            return
        headers = {}
        if self._position and self._ranges:
            headers["Range"] = f"bytes={self._position}-"
        call = Call(
            "GET",
            f"/v2/{self._path}/blobs/{self._blob.digest}",
            self._doing(),
            (pull_scope(self._path),),
            frozenset({200, 206, 416}),
            headers,
        )
        response = await self._stack.enter_async_context(self._session.exchange(call))
        self._skip = self._position
        if response.status == 206:
            span = parse_content_range(response.headers.get("Content-Range", ""))
            if span is None or span[0] != self._position:
                await self._reopen_whole()
                return
            self._skip = 0
        elif response.status == 416:
            raise ContentMismatchError(
                f"{self._session.host} says that {self._blob.digest} in {self._path} has no byte "
                f"{self._position}, but its descriptor promises {self._blob.size_bytes} bytes"
            )
        self._length_known = "Content-Length" in response.headers
        self._response = response

    async def chunks(self) -> AsyncGenerator[bytes | bytearray, None]:
        """Yield everything from the offset on, over as many connections as that takes."""
        tries = Tries(self._session.settings.retry)
        mark = self._position
        while self._response is not None:
            try:
                async for chunk in self._response.chunks():
                    if self._skip:
                        kept = chunk[self._skip :]
                        self._skip -= len(chunk) - len(kept)
                        if not kept:
                            continue
                        chunk = kept
                    self._position += len(chunk)
                    yield chunk
                if self._length_known or self._position >= self._blob.size_bytes:
                    return
                reason = "the body ended early"
            except TransportError as error:
                reason = error.text
            if self._position >= self._blob.size_bytes:
                return
            if self._position - mark >= _PROGRESS_BYTES:
                tries.progressed()
            mark = self._position
            await self._resume(tries, reason)

    async def close(self) -> None:
        """Give the connection back."""
        self._response = None
        await self._stack.aclose()

    async def _resume(self, tries: Tries, reason: str) -> None:
        await self.close()
        wait_s = tries.wait_after_failure(self._session.timing.chance())
        if wait_s is None:
            raise InterruptedTransferError(
                f"cannot {self._doing()}: broken off again and again, last after {self._position} of "
                f"{self._blob.size_bytes} bytes ({reason})",
                hint="run the same command again; it goes on from there",
            )
        logger.info(
            "blob broken off, going on",
            extra={"digest": self._blob.digest, "offset": self._position, "reason": reason, "wait_s": wait_s},
        )
        await self._session.timing.sleep(wait_s)
        await self.open()

    async def _reopen_whole(self) -> None:
        """The answer's range is not the one asked for: read it all and skip what we have."""
        await self.close()
        if not self._ranges:
            raise RegistryFailedError(f"{self._session.host} answers with a range that nobody asked for")
        self._ranges = False
        await self.open()

    def _doing(self) -> Doing:
        return Doing(self._session.host, self._path, "pull", f"blob {self._blob.digest}")
