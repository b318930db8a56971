"""What a place for bytes can do. It knows digests and uploads, and nothing of repositories.

Every driver passes tests/registry/test_driver_contract.py. All calls may be made from any number of tasks,
and, for drivers that keep things on disk, from several processes on one root.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from airferry.oci import Digest


class UploadHandle(Protocol):
    """One upload, held by one writer at a time; see :meth:`Driver.open_upload`."""

    @property
    def received_bytes(self) -> int:
        """How many bytes the upload holds."""
        ...

    async def append(self, chunks: Sequence[bytes]) -> None:
        """Add ``chunks`` at the end, hashed on the way. On an error the upload holds what it held before."""
        ...

    async def cut(self, size_bytes: int) -> None:
        """Forget everything behind the first ``size_bytes``."""
        ...

    async def commit(self, digest: Digest) -> None:
        """Make the upload the content of ``digest``: checked, durable, then named. The upload is gone after.

        Raises ContentMismatchError, and then, too, the upload is gone. Content that is there already is
        replaced by these verified bytes, which heals it if it was damaged.
        """
        ...


class Driver(Protocol):
    """A place that holds content by digest, and uploads that are not content yet."""

    async def begin(self, key: str, algorithm: str) -> None:
        """Begin an upload named ``key`` (see :func:`airferry.registry.upload.upload_key`)."""
        ...

    def open_upload(self, key: str, *, patience_s: float) -> AbstractAsyncContextManager[UploadHandle]:
        """Hold an upload for writing. Entering raises NotFoundError, and UploadRangeError if another
        writer does not let go of it within ``patience_s``."""
        ...

    async def upload_size(self, key: str) -> int:
        """Return how many bytes the upload holds, without holding it. Raises NotFoundError."""
        ...

    async def abort(self, key: str) -> None:
        """Forget an upload. Raises NotFoundError."""
        ...

    async def put(self, digest: Digest, content: bytes) -> None:
        """Store small content whose digest the caller has checked: durable before this returns."""
        ...

    async def stat(self, digest: Digest) -> int | None:
        """Return the size in bytes of stored content, None if there is none."""
        ...

    async def open(self, digest: Digest) -> Path | bytes:
        """Return where the content of ``digest`` lies; nothing is read here."""
        ...

    async def sweep(self, older_than_s: float) -> int:
        """Forget uploads that nobody touched for ``older_than_s``; return how many. None in use is hurt."""
        ...
