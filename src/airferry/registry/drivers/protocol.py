"""What a place for bytes can do. It knows digests and uploads, and nothing of repositories.

A driver names what it stores as suits it: files by digest; where renaming is copying, by upload. Whoever stores
keeps the name beside the digest (the table ``contents``) and comes back with it. Every driver passes
tests/registry/test_driver_contract.py. All calls may be made from any number of tasks, and, for drivers that keep
things on disk, from several processes on one root.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from airferry.oci import Digest
from airferry.registry.hashing import Hashing


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Something a driver keeps, whether or not the metadata know of it."""

    name: str
    digest: Digest
    size_bytes: int


class Sharing(StrEnum):
    """How adopted content came: its own copy that shares blocks, another name of the same file, or copied bytes."""

    REFLINK = "reflink"
    HARD_LINK = "hard-link"
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class Adopted:
    """Content that was taken from a file: its name, length and how it came."""

    name: str
    size_bytes: int
    sharing: Sharing


class UploadHandle(Protocol):
    """One upload, held by one writer at a time; see :meth:`UploadSpace.open_upload`."""

    @property
    def received_bytes(self) -> int:
        """How many bytes the upload holds."""
        ...

    async def append(self, chunks: Sequence[bytes], hashing: Hashing) -> None:
        """Add ``chunks`` at the end and to ``hashing``. On an error both hold what they held before."""
        ...

    async def cut(self, size_bytes: int) -> None:
        """Forget everything behind the first ``size_bytes``."""
        ...

    async def sync(self) -> None:
        """Make what the upload holds durable, so that its hash may be kept."""
        ...

    async def read(self, offset: int, size_bytes: int) -> bytes:
        """Return bytes from ``offset`` (in bytes) on, fewer at the end, none behind it."""
        ...

    async def complete(self, digest: Digest) -> str:
        """Make the upload content, durable and then named, and return its name. The upload is gone after.

        The caller has checked ``digest`` and is :meth:`ContentSpace.holding` it. Content of the same name is
        replaced by these verified bytes, which heals it if it was damaged. Raises NotFoundError when it was aborted.
        """
        ...


class UploadSpace(Protocol):
    """Where uploads are while they are not content yet."""

    async def begin(self, key: str) -> None:
        """Begin an upload named ``key`` (see :func:`airferry.registry.upload.upload_key`)."""
        ...

    def open_upload(self, key: str, *, patience_s: float) -> AbstractAsyncContextManager[UploadHandle]:
        """Hold an upload for writing. Entering raises NotFoundError, and UploadRangeError if another
        writer does not let go of it within ``patience_s``."""
        ...

    async def upload_size(self, key: str, settled_bytes: int) -> int:
        """Return how many bytes the upload holds: ``settled_bytes``, or what its writer has got so far.

        Raises NotFoundError.
        """
        ...

    async def abort(self, key: str) -> None:
        """Forget an upload. Raises NotFoundError."""
        ...

    async def sweep(self, older_than_s: float) -> int:
        """Forget uploads that nobody touched for ``older_than_s``; return how many. None in use is hurt."""
        ...


class ContentSpace(Protocol):
    """Where content is, each under a name of the driver's own."""

    async def put(self, digest: Digest, content: bytes) -> str:
        """Store small content whose digest the caller has checked: durable before this returns its name."""
        ...

    async def stat(self, name: str) -> int | None:
        """Return the size in bytes of stored content, None if there is none."""
        ...

    async def open(self, name: str) -> Path | bytes:
        """Return where stored content lies; nothing is read here."""
        ...

    async def delete(self, name: str) -> bool:
        """Remove stored content; False when there is none. The caller is :meth:`collecting` its digest."""
        ...

    def list_older(self, before_s: float) -> AsyncIterator[Sequence[StoredObject]]:
        """Yield, in portions, all content that was stored before ``before_s`` (seconds since 1970)."""
        ...

    def holding(self, digest: Digest) -> AbstractAsyncContextManager[None]:
        """Keep content of this digest from being collected between storing and linking it. Any number may."""
        ...

    def collecting(self, digest: Digest) -> AbstractAsyncContextManager[bool]:
        """Keep others from storing this digest meanwhile; gives False, without waiting, when somebody is at it."""
        ...


class KeepingSpace(Protocol):
    """What looking after content needs."""

    async def quarantine(self, name: str) -> str | None:
        """Move stored content aside, where nothing is served from, and say where; None when there is none.

        The caller is :meth:`ContentSpace.collecting` its digest.
        """
        ...

    async def adopt(self, file: Path, digest: Digest, *, may_share: bool) -> Adopted:
        """Store the content of ``file``, which stays as it is, sharing its bytes where that can be done and is allowed.

        The caller is :meth:`ContentSpace.holding` the digest. Every byte is hashed before it is named. Raises
        ContentMismatchError, NotFoundError (no such file), NoSpaceError.
        """
        ...

    def deleting(self) -> AbstractAsyncContextManager[bool]:
        """Announce that content will be deleted. Any number may; gives False at once when others preserve it."""
        ...

    def preserving(self) -> AbstractAsyncContextManager[bool]:
        """Keep all content from being deleted, when those who are at it are done; nobody begins meanwhile.

        Gives False, soon, when another does the same.
        """
        ...


class Driver(UploadSpace, ContentSpace, KeepingSpace, Protocol):
    """A place that holds content, and uploads that are not content yet."""
