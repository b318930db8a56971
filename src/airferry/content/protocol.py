"""The two protocols that every place which holds images speaks, and the extra skills some have.

``path`` is a repository's name inside the place, as in :class:`airferry.oci.Repository`; an OCI layout is one
repository with the path "". Every implementation passes tests/content/test_contract.py.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from airferry.oci import Descriptor, Digest, Manifest, Place

Chunk = bytes | bytearray
"""A piece of content; whoever gives it never changes it afterwards."""

ByteStream = AsyncIterator[Chunk]
"""Content as it arrives, in chunks of any size."""

BlobFetch = Callable[[int], AbstractAsyncContextManager[ByteStream]]
"""Opens one blob's content from an offset in bytes; may be called again, with another offset, after a failure."""


class ContentSource(Protocol):
    """A place that images are read from. Nothing it gives is trusted before its digest was checked."""

    place: Place

    async def resolve_tag(self, path: str, tag: str) -> Digest:
        """Return the digest that ``tag`` points at now. Raises NotFoundError."""
        ...

    async def read_manifest(self, path: str, target: str) -> Manifest:
        """Return the manifest at ``target``, a tag or a Digest, whose bytes were checked if it is a Digest.

        Raises NotFoundError, ContentMismatchError (a place on disk: DamagedError), MalformedError,
        UnsupportedError.
        """
        ...

    def open_blob(self, path: str, blob: Descriptor, offset: int = 0) -> AbstractAsyncContextManager[ByteStream]:
        """Open the content of ``blob`` from ``offset`` in bytes, as stored: **not** checked against its digest.

        A broken connection is resumed inside; what is yielded is gapless. Entering raises NotFoundError.
        More bytes than the descriptor promises may be yielded: the sink cuts it off.
        """
        ...

    async def list_tags(self, path: str) -> tuple[str, ...]:
        """Return every tag of the repository, sorted, through all pages. Raises NotFoundError."""
        ...

    async def list_referrers(self, path: str, subject: Digest) -> tuple[Descriptor, ...]:
        """Return what refers to ``subject`` by its ``subject`` field; empty when nothing does or none are kept.

        Source: distribution-spec "Listing Referrers", with the fallback tag where there is no such endpoint.
        """
        ...

    async def close(self) -> None:
        """Give back connections, locks and files. Closing twice is fine."""
        ...


class ContentSink(Protocol):
    """A place that images are written to. No byte gets its name before its digest and size were checked."""

    place: Place

    async def has_blob(self, path: str, blob: Descriptor) -> bool:
        """Whether the repository holds this blob whole (name and size; the digest is not computed again)."""
        ...

    async def has_manifest(self, path: str, digest: Digest) -> bool:
        """Whether the repository holds this manifest; says nothing about what the manifest points at."""
        ...

    async def tag_digest(self, path: str, tag: str) -> Digest | None:
        """Return what ``tag`` points at in the sink, None when there is no such tag."""
        ...

    async def write_blob(self, path: str, blob: Descriptor, fetch: BlobFetch) -> None:
        """Store ``blob`` under its digest; a blob that is already there whole is left alone.

        Asks ``fetch`` for what it lacks, so that a part kept from an earlier run is not read again.
        Raises ContentMismatchError (nothing is stored), NoSpaceError, ReadOnlyError, …
        """
        ...

    async def write_manifest(self, path: str, manifest: Manifest) -> None:
        """Store ``manifest`` under its digest, without a tag. Its blobs and children are there already."""
        ...

    async def write_tag(self, path: str, tag: str, manifest: Manifest) -> None:
        """Point ``tag`` at ``manifest``, which is there already; replaces the tag atomically."""
        ...

    async def close(self) -> None:
        """Give back connections, locks and files. Closing twice is fine."""
        ...


@runtime_checkable
class Mounting(Protocol):
    """A sink that can take over a blob from another of its own repositories without moving its bytes."""

    async def mount_blob(self, path: str, blob: Descriptor, from_path: str) -> bool:
        """Try to make ``blob`` of ``from_path`` readable in ``path``; False when the place declined."""
        ...


@runtime_checkable
class Reserving(Protocol):
    """A sink that can say before the first byte whether the work fits."""

    async def reserve(self, size_bytes: int) -> None:
        """Make sure that ``size_bytes`` more can be written, and that nobody else writes here until close.

        Raises NoSpaceError, ReadOnlyError, UnfitFilesystemError, InUseError.
        """
        ...


@runtime_checkable
class TagPeeking(Protocol):
    """A source that can say cheaply whether it has few tags, and then which."""

    async def peek_tags(self, path: str) -> frozenset[str] | None:
        """Return every tag of the repository if one request tells them all; None when there are more, or no telling.

        A repository that is not there has none.
        """
        ...


@runtime_checkable
class Deleting(Protocol):
    """A place that lists its repositories, and takes manifests away one by one."""

    async def list_repositories(self) -> tuple[str, ...]:
        """Return the names of all repositories, sorted."""
        ...

    async def delete_manifest(self, path: str, digest: Digest) -> bool:
        """Remove a manifest with all its tags; False when it was not there. Raises DeniedError."""
        ...
