"""What the HTTP handlers ask of a store: the half that reads, and the half that writes.

A store that has only the first half serves read-only: every write is answered 405 UNSUPPORTED. ``path`` is
a repository's name, known to be well formed; so are tags and digests. "Not there" is any AirferryError
with the code ``not-found``, "there but spoilt" one with the code ``damaged``.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from airferry.oci import Descriptor, Digest
from airferry.registry.acceptance import PushedManifest


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as it was pushed: exact bytes, and the media type to serve them with."""

    digest: Digest
    media_type: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob that can be served: its bytes lie in a file of exactly ``size_bytes``, or in memory."""

    digest: Digest
    size_bytes: int
    content: Path | bytes


class ReadableStore(Protocol):
    """What serving pulls needs. A disk tree implements this and no more."""

    async def manifest(self, path: str, target: str) -> StoredManifest:
        """Return the manifest at ``target``, a tag or a :class:`Digest`; raises ``not-found``, ``damaged``."""
        ...

    async def blob(self, path: str, digest: Digest) -> StoredBlob:
        """Return the blob if the repository ``path`` links it; raises ``not-found``, ``damaged``."""
        ...

    async def tags(self, path: str, *, after: str | None = None, limit: int | None = None) -> tuple[str, ...]:
        """Return at most ``limit`` tags in byte order, beginning behind ``after``; ``not-found`` if no repository."""
        ...

    async def repositories(self, *, after: str | None = None, limit: int | None = None) -> tuple[str, ...]:
        """Return at most ``limit`` repository names in byte order, beginning behind ``after``."""
        ...

    async def referrers(self, path: str, digest: Digest) -> tuple[Descriptor, ...]:
        """Return what names ``digest`` as its subject, with artifact type and annotations; often nothing."""
        ...

    async def close(self) -> None:
        """Give back files and threads. Closing twice is fine."""
        ...


class OpenUpload(Protocol):
    """An upload that this request alone may write to."""

    @property
    def received_bytes(self) -> int:
        """How many bytes the upload holds."""
        ...

    def expect_all(self, size_bytes: int | None) -> None:
        """Say that ``size_bytes`` (None: not known) will come now, and then the end."""
        ...

    async def append(self, chunks: Sequence[bytes]) -> None:
        """Add ``chunks`` at the end. Raises NoSpaceError, …; the upload then holds what it held before."""
        ...

    async def cut(self, size_bytes: int) -> None:
        """Forget everything behind the first ``size_bytes``."""
        ...

    async def finish(self, digest: Digest) -> None:
        """Make the upload the blob ``digest`` of its repository: verified, durable, named, linked.

        Raises ContentMismatchError; the upload is then gone and nothing is stored.
        """
        ...


@runtime_checkable
class WritableStore(ReadableStore, Protocol):
    """What serving pushes and deletes needs on top. Repositories appear when something is linked into them."""

    async def begin_upload(self, path: str, algorithm: str) -> str:
        """Begin an upload and return its id; ``algorithm`` is what its digest will probably be made with."""
        ...

    def open_upload(self, path: str, upload_id: str) -> AbstractAsyncContextManager[OpenUpload]:
        """Open an upload for writing. Entering raises ``not-found``, and UploadRangeError if another writes."""
        ...

    async def upload_size(self, path: str, upload_id: str) -> int:
        """Return how many bytes an upload holds; raises ``not-found``."""
        ...

    async def cancel_upload(self, path: str, upload_id: str) -> None:
        """Forget an upload; raises ``not-found``."""
        ...

    async def mount_blob(
        self, path: str, digest: Digest, from_path: str | None, may_read: Callable[[str], bool]
    ) -> bool:
        """Link a blob that another repository has into ``path``; False when there is none that may be read."""
        ...

    async def put_manifest(self, path: str, pushed: PushedManifest, tags: Sequence[str]) -> None:
        """Store a manifest and point ``tags`` at it, all or nothing. Raises MissingContentError."""
        ...

    async def delete_manifest(self, path: str, target: str) -> None:
        """Remove a tag, or a manifest (by :class:`Digest`) with all its tags; raises ``not-found``."""
        ...

    async def delete_blob(self, path: str, digest: Digest) -> None:
        """Remove a blob from this repository; others keep theirs. Raises ``not-found``."""
        ...
