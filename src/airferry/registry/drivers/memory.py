"""Content in memory: the reference driver, quick to fill, for tests and the lab."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import time

from airferry.oci import ContentMismatchError, Digest
from airferry.registry.drivers.protocol import Adopted, Sharing, StoredObject
from airferry.registry.errors import NotFoundError, UploadRangeError
from airferry.registry.hashing import Hashing


class _Upload:
    def __init__(self, touched_s: float) -> None:
        self.content = bytearray()
        self.is_held = False
        self.touched_s = touched_s


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

    async def append(self, chunks: Sequence[bytes], hashing: Hashing) -> None:
        """Add ``chunks`` at the end."""
        for chunk in chunks:
            self._upload.content += chunk
            hashing.update(chunk)
        self._upload.touched_s = self._driver.clock()

    async def cut(self, size_bytes: int) -> None:
        """Forget everything behind the first ``size_bytes``."""
        del self._upload.content[size_bytes:]

    async def sync(self) -> None:
        """Do nothing: memory is as durable as it will ever be."""

    async def read(self, offset: int, size_bytes: int) -> bytes:
        """Return a part of the upload."""
        return bytes(self._upload.content[offset : offset + size_bytes])

    async def complete(self, digest: Digest) -> str:
        """Make the upload the content of ``digest``."""
        if not self._driver.forget(self._key):
            raise NotFoundError("the upload was cancelled")
        return await self._driver.put(digest, bytes(self._upload.content))


class MemoryDriver:
    """Implements :class:`airferry.registry.drivers.Driver`. ``contents`` may be filled and read directly."""

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self.contents: dict[str, bytes] = {}
        self.clock = clock
        self._stored_s: dict[str, float] = {}
        self._uploads: dict[str, _Upload] = {}
        self._held: Counter[Digest] = Counter()
        self._collected: set[Digest] = set()
        self._deleters = 0
        self._is_preserved = False

    async def begin(self, key: str) -> None:
        """Begin an upload."""
        self._uploads[key] = _Upload(self.clock())

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

    async def upload_size(self, key: str, settled_bytes: int) -> int:
        """Return how many bytes the upload holds."""
        upload = self._find(key)
        return len(upload.content) if upload.is_held else min(len(upload.content), settled_bytes)

    async def abort(self, key: str) -> None:
        """Forget an upload."""
        if not self.forget(key):
            raise NotFoundError("no such upload")

    async def put(self, digest: Digest, content: bytes) -> str:
        """Store content whose digest the caller has checked."""
        self.contents[digest] = content
        self._stored_s[digest] = self.clock()
        return str(digest)

    async def stat(self, name: str) -> int | None:
        """Return the size in bytes of stored content, None if there is none."""
        content = self.contents.get(name)
        return None if content is None else len(content)

    async def open(self, name: str) -> bytes:
        """Return the content itself."""
        try:
            return self.contents[name]
        except KeyError:
            raise NotFoundError(f"no content {name}") from None

    async def delete(self, name: str) -> bool:
        """Remove stored content."""
        self._stored_s.pop(name, None)
        return self.contents.pop(name, None) is not None

    async def list_older(self, before_s: float) -> AsyncIterator[Sequence[StoredObject]]:
        """Yield what was stored before ``before_s``, all at once."""
        yield [
            StoredObject(name, Digest(name), len(content))
            for name, content in self.contents.items()
            if self._stored_s.get(name, 0.0) < before_s
        ]

    async def sweep(self, older_than_s: float) -> int:
        """Forget uploads that nobody touched for ``older_than_s``."""
        now = self.clock()
        old = [
            key for key, upload in self._uploads.items() if not upload.is_held and now - upload.touched_s > older_than_s
        ]
        for key in old:
            self.forget(key)
        return len(old)

    @asynccontextmanager
    async def holding(self, digest: Digest) -> AsyncIterator[None]:
        """Wait until nobody collects ``digest``, and keep it from being collected."""
        while digest in self._collected:  # noqa: ASYNC110 - whoever collects may run in another loop
            await asyncio.sleep(0)
        self._held[digest] += 1
        try:
            yield
        finally:
            self._held[digest] -= 1

    @asynccontextmanager
    async def collecting(self, digest: Digest) -> AsyncIterator[bool]:
        """Keep others from storing ``digest``, if nobody is at it."""
        if self._held[digest] > 0 or digest in self._collected:
            yield False
            return
        self._collected.add(digest)
        try:
            yield True
        finally:
            self._collected.discard(digest)

    async def quarantine(self, name: str) -> str | None:
        """Drop the content: nobody looks into what a process remembers."""
        return f"quarantine of {name}" if await self.delete(name) else None

    async def adopt(self, file: Path, digest: Digest, *, may_share: bool) -> Adopted:
        """Read the file."""
        try:
            content = await asyncio.to_thread(file.read_bytes)
        except FileNotFoundError:
            raise NotFoundError(f"there is no file {file}") from None
        if Digest.of(content, digest.algorithm) != digest:
            raise ContentMismatchError(f"the file {file.name} does not hold {digest}")
        return Adopted(await self.put(digest, content), len(content), Sharing.COPY)

    @asynccontextmanager
    async def deleting(self) -> AsyncIterator[bool]:
        """Count who deletes."""
        if self._is_preserved:
            yield False
            return
        self._deleters += 1
        try:
            yield True
        finally:
            self._deleters -= 1

    @asynccontextmanager
    async def preserving(self) -> AsyncIterator[bool]:
        """Let nobody delete."""
        if self._is_preserved:
            yield False
            return
        self._is_preserved = True
        try:
            while self._deleters:  # noqa: ASYNC110 - whoever deletes may run in another loop
                await asyncio.sleep(0)
            yield True
        finally:
            self._is_preserved = False

    def forget(self, key: str) -> bool:
        """Drop the upload ``key``; False when it is not there."""
        return self._uploads.pop(key, None) is not None

    def _find(self, key: str) -> _Upload:
        try:
            return self._uploads[key]
        except KeyError:
            raise NotFoundError("no such upload") from None
