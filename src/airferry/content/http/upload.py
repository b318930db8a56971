"""Writing one blob: POST, then one PUT with all of it. A blob whose bytes do not match is never committed.

Source: distribution-spec "Pushing a blob monolithically", "POST then PUT". A single POST with the digest is
optional in the specification and not understood everywhere, chunks are slower; so neither is used.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from airferry.content.errors import (
    InterruptedTransferError,
    NotFoundError,
    RegistryFailedError,
    ThrottledError,
    UnreachableError,
)
from airferry.content.http.addresses import absolute
from airferry.content.http.authorizer import pull_scope, push_scope
from airferry.content.http.refusals import Doing, TooLargeError
from airferry.content.http.retry import Tries
from airferry.content.http.session import Call, RegistrySession, Side
from airferry.content.http.transport import StreamedBody
from airferry.content.protocol import BlobFetch, Chunk
from airferry.errors import AirferryError
from airferry.oci import ContentMismatchError, Descriptor, Verifier

logger = logging.getLogger(__name__)

_PIECE_BYTES: Final = 256 * 1024
"""What is handed to a connection at once: the idle limit of an upload runs per piece."""
_QUICK_PIECE_BYTES: Final = 512 * 1024
"""The same for a connection that took the last piece within a second; each piece costs some 50 µs of CPU."""


async def has_blob(session: RegistrySession, path: str, blob: Descriptor) -> bool:
    """Whether the repository answers for this blob with the promised size."""
    doing = Doing(session.host, path, "look for", f"blob {blob.digest}")
    call = Call("HEAD", f"/v2/{path}/blobs/{blob.digest}", doing, (pull_scope(path),), frozenset({200, 404}))
    answer = await session.answer(call)
    length = answer.headers.get("Content-Length")
    return answer.status == 200 and length in (None, str(blob.size_bytes))


async def upload_blob(session: RegistrySession, path: str, blob: Descriptor, fetch: BlobFetch) -> None:
    """Store ``blob``; on a failure of the registry or the way there, start over from its first byte.

    What ``fetch`` raises goes through as it is. Raises ContentMismatchError when the bytes are not those that
    the descriptor promises; the registry has then not been sent the last of them.
    """
    tries = Tries(session.settings.retry)
    while True:
        upload = _Upload(session, path, blob, fetch)
        try:
            await upload.carry_out()
            return
        except (InterruptedTransferError, RegistryFailedError, ThrottledError, UnreachableError) as error:
            if upload.source_failed or not upload.begun or isinstance(error, _FinalError):
                raise
            wait_s = tries.wait_after_failure(session.timing.chance())
            if wait_s is None:
                raise
            extra = {"digest": blob.digest, "repository": path, "reason": error.message, "wait_s": wait_s}
            logger.info("upload failed, starting over", extra=extra)
            await session.timing.sleep(wait_s)
            if await has_blob(session, path, blob):
                return  # only the answer was lost


async def mount_blob(session: RegistrySession, path: str, blob: Descriptor, from_path: str) -> bool:
    """Try to take ``blob`` over from another repository; False when the registry would rather have the bytes."""
    doing = Doing(session.host, path, "mount", f"blob {blob.digest} from {from_path}")
    call = Call(
        "POST",
        f"/v2/{path}/blobs/uploads/?mount={blob.digest}&from={from_path}",
        doing,
        (push_scope(path), pull_scope(from_path)),
        frozenset({201, 202, 400, 401, 403, 404, 405}),
        {"Content-Length": "0"},
        side=Side.WRITE,
    )
    try:
        answer = await session.answer(call)
    except AirferryError as error:
        if error.code in ("unauthorized", "denied"):
            return False  # the upload that follows says it better, if it cannot be done either
        raise
    location = answer.headers.get("Location")
    if answer.status == 202 and location:
        await _cancel(session, path, location, blob)
    return answer.status == 201


class _FinalError(RegistryFailedError):
    """A refusal by the registry that starting over does not change."""


class _Upload:
    """One try at one upload."""

    def __init__(self, session: RegistrySession, path: str, blob: Descriptor, fetch: BlobFetch) -> None:
        self._session = session
        self._path = path
        self._blob = blob
        self._body = _VerifiedBody(blob, fetch, session.timing.clock_s)
        self._doing = Doing(session.host, path, "push", f"blob {blob.digest}")
        self.begun = False

    @property
    def source_failed(self) -> bool:
        """Whether it was the place that the bytes come from that failed."""
        return self._body.source_failed

    async def carry_out(self) -> None:
        body: bytes | StreamedBody = self._body
        if self._blob.size_bytes <= self._session.settings.small_blob_bytes:
            body = b"".join([chunk async for chunk in self._body.chunks()])
        location = await self._begin()
        self.begun = True
        committed = False
        try:
            await self._put(location, body)
            committed = True
        finally:
            if not committed:
                await _cancel(self._session, self._path, location, self._blob)

    async def _begin(self) -> str:
        target = f"/v2/{self._path}/blobs/uploads/"
        call = self._call("POST", target, frozenset({202}), {"Content-Length": "0"}, None)
        location = (await self._session.answer(call)).headers.get("Location")
        if not location:
            raise RegistryFailedError(f"{self._session.host} began an upload without saying where it goes")
        return absolute(location, self._session.base, self._doing)

    async def _put(self, location: str, body: bytes | StreamedBody) -> None:
        separator = "&" if urlsplit(location).query else "?"
        target = f"{location}{separator}digest={self._blob.digest}"
        headers = {"Content-Type": "application/octet-stream"}
        call = self._call("PUT", target, frozenset({200, 201, 204}), headers, body)
        try:
            async with self._session.exchange(call) as response:
                stored = response.headers.get("Docker-Content-Digest")
        except (RegistryFailedError, NotFoundError) as error:
            if self.source_failed:
                raise  # it came up through the body: the fault is not this registry's
            raise _settled(error) from error
        # Some registries always name sha256 here, whatever the blob was pushed as.
        same_kind = stored is not None and stored.startswith(f"{self._blob.digest.algorithm}:")
        if same_kind and stored != self._blob.digest:
            raise ContentMismatchError(f"{self._session.host} stored {self._blob.digest} under {stored}")

    def _call(
        self,
        method: str,
        target: str,
        expected: frozenset[int],
        headers: dict[str, str],
        body: bytes | StreamedBody | None,
    ) -> Call:
        return Call(
            method,
            target,
            self._doing,
            (push_scope(self._path),),
            expected,
            headers,
            body,
            Side.WRITE,
            once=method == "PUT",
            answer_timeout_s=self._session.settings.commit_timeout_s if method == "PUT" else None,
        )


def _settled(error: RegistryFailedError | NotFoundError) -> AirferryError:
    """Return the error to go on with: final, or worth starting over for."""
    if isinstance(error, NotFoundError):
        # BLOB_UPLOAD_UNKNOWN: the session is gone (a restart, another node); begin a new one.
        return InterruptedTransferError(error.message, hint=error.hint)
    # A body that is too large stays so; what else the registry failed with may pass.
    return _FinalError(error.message, hint=error.hint) if isinstance(error, TooLargeError) else error


class _VerifiedBody:
    """A blob's bytes, checked as they pass; the last piece is held back until the whole is known to be right."""

    def __init__(self, blob: Descriptor, fetch: BlobFetch, clock_s: Callable[[], float]) -> None:
        self.size_bytes = blob.size_bytes
        self.source_failed = False
        self._blob = blob
        self._fetch = fetch
        self._clock_s = clock_s
        self._piece_bytes = _PIECE_BYTES

    async def chunks(self) -> AsyncGenerator[memoryview, None]:
        """Start over, and yield all of it; raises ContentMismatchError before the last piece was given out."""
        verifier = Verifier(self._blob.digest, self.size_bytes)
        held: Chunk = b""
        try:
            async with self._fetch(0) as stream:
                async for chunk in stream:
                    if not chunk:
                        continue
                    verifier.update(chunk)
                    for piece in self._pieces(held):
                        yield piece
                    held = chunk
            verifier.finish()
        except AirferryError:
            self.source_failed = True
            raise
        for piece in self._pieces(held):
            yield piece

    def _pieces(self, chunk: Chunk) -> Iterator[memoryview]:
        """Yield the chunk in pieces small enough to watch progress by, without copying them."""
        rest = memoryview(chunk)
        while rest:
            given_at_s = self._clock_s()
            yield rest[: self._piece_bytes]
            rest = rest[self._piece_bytes :]
            was_quick = self._clock_s() - given_at_s < 1
            self._piece_bytes = _QUICK_PIECE_BYTES if was_quick else _PIECE_BYTES


async def _cancel(session: RegistrySession, path: str, location: str, blob: Descriptor) -> None:
    """Give an upload up, so that the registry can drop its part; it expires anyway if this fails."""
    call = Call(
        "DELETE",
        location,
        Doing(session.host, path, "cancel the upload of", f"blob {blob.digest}"),
        (push_scope(path),),
        frozenset({200, 202, 204, 404, 405}),
        side=Side.WRITE,
        once=True,
    )
    try:
        await session.answer(call)
    except AirferryError as error:
        logger.debug("upload not cancelled", extra={"digest": blob.digest, "reason": error.message})
