"""An upload on its way into a repository: bytes in the driver, how far it has come and its hash in the metadata.

What is settled is durable, and the hash of it is kept: whoever goes on, in whatever process, reads none of it again.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Self

from sqlalchemy import Connection

from airferry.oci import ContentMismatchError, Digest
from airferry.registry.disk import in_thread
from airferry.registry.drivers import UploadHandle
from airferry.registry.errors import NotFoundError, QuotaExceededError
from airferry.registry.hashing import Hashing
from airferry.registry.metadata.linking import link_blob
from airferry.registry.metadata.quotas import are_there_quotas, check_quotas
from airferry.registry.metadata.reading import Content
from airferry.registry.metadata.uploads import (
    UploadRecord,
    advance_upload,
    begin_upload,
    end_upload,
    find_upload,
    forget_upload,
)
from airferry.registry.storage import Storage

SETTLE_BYTES: Final = 64 * 1024 * 1024
"""A long stream is settled whenever this much has come; no more is lost when the process is killed."""

_READ_BYTES: Final = 1024 * 1024


async def begin(storage: Storage, key: str, algorithm: str) -> None:
    """Begin an upload that will probably be addressed with ``algorithm``."""
    state = Hashing(algorithm).state()
    await storage.driver.begin(key)
    await storage.metadata.write(
        partial(begin_upload, key=key, algorithm=algorithm, hash_state=state, now_s=storage.clock()), is_lasting=False
    )


async def received(storage: Storage, key: str) -> int:
    """Return how many bytes an upload holds, also while another request writes to it; or NotFoundError."""
    record = await storage.metadata.read(find_upload, key)
    return await storage.driver.upload_size(key, record.received_bytes)


async def forget(storage: Storage, key: str) -> None:
    """Forget an upload, whoever writes to it; or NotFoundError."""
    was_known = await storage.metadata.write(partial(forget_upload, key=key), is_lasting=False)
    try:
        await storage.driver.abort(key)
    except NotFoundError:
        if not was_known:
            raise


def _find_with_limits(connection: Connection, key: str) -> tuple[UploadRecord, bool]:
    return find_upload(connection, key), are_there_quotas(connection)


class LinkingUpload:
    """Implements :class:`airferry.registry.protocol.OpenUpload`. Made by :meth:`resume`, left with :meth:`settle`."""

    def __init__(
        self, storage: Storage, path: str, key: str, handle: UploadHandle, record: UploadRecord, *, is_limited: bool
    ) -> None:
        self._storage = storage
        self._path = path
        self._key = key
        self._handle = handle
        self._record = record
        self._hashing = Hashing.resume(record.algorithm, record.hash_state)
        self._is_limited = is_limited
        self._is_over = False
        self._is_torn = False

    @classmethod
    async def resume(cls, storage: Storage, path: str, key: str, handle: UploadHandle) -> Self:
        """Go on with a held upload where it was settled last; what came behind that is cut off."""
        record, is_limited = await storage.metadata.read(_find_with_limits, key)
        upload = cls(storage, path, key, handle, record, is_limited=is_limited)
        if handle.received_bytes > record.received_bytes:
            await handle.cut(record.received_bytes)
        elif handle.received_bytes < record.received_bytes:
            # It was cut, and the process was killed before it could say so.
            upload._hashing = await upload._read_again(record.algorithm)
            await upload.settle()
        return upload

    @property
    def received_bytes(self) -> int:
        """How many bytes the upload holds."""
        return self._handle.received_bytes

    def expect_all(self, size_bytes: int | None) -> None:
        """Say that ``size_bytes`` will come and then the end: the hash of little need not be kept on the way there.

        Where the end does not come after all, what did come is hashed again, so that it can be gone on with.
        """
        if size_bytes is not None and size_bytes < SETTLE_BYTES and self.received_bytes == 0:
            self._hashing = Hashing(self._record.algorithm, can_be_put_away=False)

    async def append(self, chunks: Sequence[bytes]) -> None:
        """Add ``chunks`` at the end."""
        await self._handle.append(chunks, self._hashing)
        if self.received_bytes - self._record.received_bytes >= SETTLE_BYTES:
            await self.settle()

    async def cut(self, size_bytes: int) -> None:
        """Forget everything behind the first ``size_bytes``.

        What was settled of it is settled anew at once: other bytes may come up to the same length, and the record must
        not be taken for theirs.
        """
        self._is_torn = True  # until the hash is that of what is left: a request that ends here settles nothing
        await self._handle.cut(size_bytes)
        known = self._record
        if self.received_bytes == known.received_bytes:
            self._hashing = Hashing.resume(known.algorithm, known.hash_state)
        else:
            self._hashing = await self._read_again(known.algorithm)
        self._is_torn = False
        if self.received_bytes < known.received_bytes:
            await self.settle()

    async def settle(self) -> None:
        """Make what was received durable and note it. Raises UploadRangeError when another moved the upload on."""
        known, received_bytes = self._record, self.received_bytes
        if self._is_over or self._is_torn or received_bytes == known.received_bytes:
            return
        if not self._hashing.can_be_put_away:
            self._hashing = await self._read_again(known.algorithm)
        state = self._hashing.state()
        await self._handle.sync()

        def advance(connection: Connection) -> None:
            advance_upload(connection, self._key, known.generation, received_bytes, state, self._storage.clock())

        await self._storage.metadata.write(advance, is_lasting=False)
        self._record = replace(known, generation=known.generation + 1, received_bytes=received_bytes, hash_state=state)

    async def finish(self, digest: Digest) -> None:
        """Check the bytes, name them, then link them, all while they cannot be collected."""
        found = await self._hexdigest(digest.algorithm)
        self._is_over = True
        if found != digest.hex:
            await self._forget()
            raise ContentMismatchError(f"the upload promised as {digest} has the digest {digest.algorithm}:{found}")
        storage, size_bytes = self._storage, self.received_bytes
        try:
            if self._is_limited:
                # Before it is named, which would take up the space that is refused; and always when it is linked.
                await storage.metadata.read(check_quotas, self._path, digest, size_bytes)
            await self._link(digest, size_bytes)
        except QuotaExceededError:
            await self._forget()
            raise

    async def _link(self, digest: Digest, size_bytes: int) -> None:
        storage = self._storage
        async with storage.driver.holding(digest):
            content = Content(size_bytes, await self._handle.complete(digest))

            def link(connection: Connection) -> None:
                end_upload(connection, self._key, self._record.generation)
                link_blob(connection, self._path, digest, content, storage.clock())

            await storage.metadata.write(link)

    async def _forget(self) -> None:
        try:
            await forget(self._storage, self._key)
        except NotFoundError:
            return  # somebody else cancelled it

    async def _hexdigest(self, algorithm: str) -> str:
        if algorithm == self._record.algorithm:
            return self._hashing.hexdigest()
        return (await self._read_again(algorithm)).hexdigest()

    async def _read_again(self, algorithm: str) -> Hashing:
        """Hash from the start: after a cut, or when the digest turns out to be of another algorithm than announced."""
        hashing, offset = Hashing(algorithm), 0
        while block := await self._handle.read(offset, _READ_BYTES):
            await in_thread(hashing.update, block)
            offset += len(block)
        return hashing
