"""Content in memory: the reference driver, quick to fill, for tests and the lab."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic

from airferry.oci import ContentMismatchError, Digest
from airferry.registry.errors import NotFoundError, UploadRangeError


class _Upload:
    def __init__(self) -> None:
        self.content = bytearray()
        self.is_held = False
        self.touched_s = monotonic()


class MemoryUpload:
    """One held upload; see :class:`airferry.registry.drivers.protocol.UploadHandle`."""

    def __init__(self, driver: "MemoryDriver", key: str, upload: _Upload) -> None:
        self._driver = driver
        self._key = key
        self._upload = upload

    @property
    def received_bytes(self) -> int:
        """How many bytes the upload holds."""
        return len(self._upload.content)

    async def append(self, chunks: Sequence[bytes]) -> None:
        """Add ``chunks`` at the end."""
        for chunk in chunks:
            self._upload.content += chunk
        self._upload.touched_s = monotonic()

    async def cut(self, size_bytes: int) -> None:
        """Forget everything behind the first ``size_bytes``."""
        del self._upload.content[size_bytes:]

    async def commit(self, digest: Digest) -> None:
        """Make the upload the content of ``digest``, or raise ContentMismatchError; it is gone either way."""
        content = bytes(self._upload.content)
        self._driver.forget(self._key)
        found = Digest.of(content, digest.algorithm)
        if found != digest:
            raise ContentMismatchError(f"the upload promised as {digest} has the digest {found}")
        self._driver.contents[digest] = content


class MemoryDriver:
    """Implements :class:`airferry.registry.drivers.Driver`. ``contents`` may be filled and read directly."""

    def __init__(self) -> None:
        self.contents: dict[Digest, bytes] = {}
        self._uploads: dict[str, _Upload] = {}

    async def begin(self, key: str, algorithm: str) -> None:
        """Begin an upload."""
        self._uploads[key] = _Upload()

    @asynccontextmanager
    async def open_upload(self, key: str, *, patience_s: float) -> AsyncIterator[MemoryUpload]:
        """Hold an upload for writing; a second writer is refused at once, whatever ``patience_s``."""
        upload = self._find(key)
        if upload.is_held:
            raise UploadRangeError("another request is writing to this upload", received_bytes=len(upload.content))
        upload.is_held = True
        try:
            yield MemoryUpload(self, key, upload)
        finally:
            upload.is_held = False

    async def upload_size(self, key: str) -> int:
        """Return how many bytes the upload holds."""
        return len(self._find(key).content)

    async def abort(self, key: str) -> None:
        """Forget an upload."""
        self._find(key)
        self.forget(key)

    async def put(self, digest: Digest, content: bytes) -> None:
        """Store content whose digest the caller has checked."""
        self.contents[digest] = content

    async def stat(self, digest: Digest) -> int | None:
        """Return the size in bytes of stored content, None if there is none."""
        content = self.contents.get(digest)
        return None if content is None else len(content)

    async def open(self, digest: Digest) -> bytes:
        """Return the content itself."""
        try:
            return self.contents[digest]
        except KeyError:
            raise NotFoundError(f"no content {digest}") from None

    async def sweep(self, older_than_s: float) -> int:
        """Forget uploads that nobody touched for ``older_than_s``."""
        now = monotonic()
        old = [
            key for key, upload in self._uploads.items() if not upload.is_held and now - upload.touched_s > older_than_s
        ]
        for key in old:
            self.forget(key)
        return len(old)

    def forget(self, key: str) -> None:
        """Drop the upload ``key`` if it is there."""
        self._uploads.pop(key, None)

    def _find(self, key: str) -> _Upload:
        try:
            return self._uploads[key]
        except KeyError:
            raise NotFoundError("no such upload") from None
