"""Content as files: ``blobs/sha256/ab/<hex>``, and uploads as files beside them under ``uploads/``.

What is under ``blobs`` is whole: bytes are checked and synced before a file is renamed to its digest, and the
folder is synced after. A crash leaves at most files under ``uploads``; the length of such a file is the state of
its upload, so nothing else has to be kept. The hash of what was received is kept in memory as long as the
process lives and is made again from the file when it is not there (after a restart, in another process).
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic, time
from typing import Final
from uuid import uuid4

from airferry.oci import ContentMismatchError, Digest
from airferry.oci.digest import Hasher, new_hasher
from airferry.registry.disk import disk_errors, in_thread
from airferry.registry.errors import NotFoundError, UploadRangeError

_READ_BYTES: Final = 1024 * 1024
_MOST_BUFFERS: Final = 512  # Linux takes 1024 buffers in one call
_MOST_HASHES: Final = 4096
_LOCK_POLL_S: Final = 0.02


class _HashState:
    """The hash of the first ``size_bytes`` of an upload, made with ``algorithm``."""

    __slots__ = ("algorithm", "hasher", "size_bytes")

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.hasher: Hasher = new_hasher(algorithm)
        self.size_bytes = 0


class FileUpload:
    """One upload file, open and locked; see :class:`airferry.registry.drivers.protocol.UploadHandle`."""

    def __init__(self, driver: "FilesystemDriver", key: str, descriptor: int) -> None:
        self._driver = driver
        self._key = key
        self._descriptor = descriptor
        self._received_bytes = os.fstat(descriptor).st_size

    @property
    def received_bytes(self) -> int:
        """How many bytes the upload holds."""
        return self._received_bytes

    async def append(self, chunks: Sequence[bytes]) -> None:
        """Write ``chunks`` at the end and hash them, in one go in a disk thread."""
        await in_thread(self._append, chunks)

    async def cut(self, size_bytes: int) -> None:
        """Forget everything behind the first ``size_bytes``."""
        if size_bytes < self._received_bytes:
            await in_thread(self._cut, size_bytes)

    async def commit(self, digest: Digest) -> None:
        """Check, sync, rename to the digest, sync the folder."""
        await in_thread(self._commit, digest)

    def _append(self, chunks: Sequence[bytes]) -> None:
        start = self._received_bytes
        try:
            with disk_errors("receiving an upload"):
                end = _write_all(self._descriptor, start, chunks)
        except Exception:
            self._cut(start)
            raise
        state = self._driver.hash_state(self._key)
        if state is not None and state.size_bytes == start:
            for chunk in chunks:
                state.hasher.update(chunk)
            state.size_bytes = end
        self._received_bytes = end

    def _cut(self, size_bytes: int) -> None:
        os.ftruncate(self._descriptor, size_bytes)
        self._received_bytes = size_bytes
        state = self._driver.hash_state(self._key)
        if state is not None and state.size_bytes > size_bytes:
            self._driver.forget_hash(self._key)

    def _commit(self, digest: Digest) -> None:
        found = self._hexdigest(digest.algorithm)
        if found != digest.hex:
            self._driver.remove_upload(self._key)
            raise ContentMismatchError(f"the upload promised as {digest} has the digest {digest.algorithm}:{found}")
        with disk_errors("storing a blob"):
            os.fsync(self._descriptor)
            self._driver.name(self._driver.upload_file(self._key), digest)
        self._driver.forget_hash(self._key)

    def _hexdigest(self, algorithm: str) -> str:
        state = self._driver.hash_state(self._key)
        if state is not None and state.algorithm == algorithm and state.size_bytes == self._received_bytes:
            return state.hasher.hexdigest()
        hasher, offset = new_hasher(algorithm), 0
        while block := os.pread(self._descriptor, _READ_BYTES, offset):
            hasher.update(block)
            offset += len(block)
        return hasher.hexdigest()


class FilesystemDriver:
    """Implements :class:`airferry.registry.drivers.Driver` in the folder ``root``, which must exist.

    Several processes may use one root: uploads are locked with flock, names appear by rename.
    """

    def __init__(self, root: Path) -> None:
        self._blobs = root / "blobs"
        self._uploads = root / "uploads"
        self._hashes: dict[str, _HashState] = {}
        with disk_errors(f"preparing {root}"):
            self._blobs.mkdir(exist_ok=True)
            self._uploads.mkdir(exist_ok=True)

    async def begin(self, key: str, algorithm: str) -> None:
        """Make the upload's file, and begin its hash with ``algorithm``."""
        await in_thread(self._begin, key)
        while len(self._hashes) >= _MOST_HASHES:
            del self._hashes[next(iter(self._hashes))]
        self._hashes[key] = _HashState(algorithm)

    @asynccontextmanager
    async def open_upload(self, key: str, *, patience_s: float) -> AsyncIterator[FileUpload]:
        """Open the upload's file and lock it."""
        descriptor = await self._lock(key, monotonic() + patience_s)
        try:
            yield FileUpload(self, key, descriptor)
        finally:
            os.close(descriptor)

    async def upload_size(self, key: str) -> int:
        """Return the length of the upload's file."""
        try:
            return (await in_thread(os.stat, self.upload_file(key))).st_size
        except FileNotFoundError:
            raise NotFoundError("no such upload") from None

    async def abort(self, key: str) -> None:
        """Remove the upload's file; a writer that holds it cannot commit it any more."""
        if not await in_thread(self.remove_upload, key):
            raise NotFoundError("no such upload")

    async def put(self, digest: Digest, content: bytes) -> None:
        """Write, sync, rename, sync the folder."""
        await in_thread(self._put, digest, content)

    async def stat(self, digest: Digest) -> int | None:
        """Return the length of the file of ``digest``."""
        try:
            return (await in_thread(os.stat, self._file(digest))).st_size
        except FileNotFoundError:
            return None

    async def open(self, digest: Digest) -> Path:
        """Return the file of ``digest``, which may not be there."""
        return self._file(digest)

    async def sweep(self, older_than_s: float) -> int:
        """Remove upload files that nobody wrote to for ``older_than_s`` and that no process has locked."""
        return await in_thread(self._sweep, time() - older_than_s)

    def upload_file(self, key: str) -> Path:
        """Return where the upload ``key`` lies."""
        return self._uploads / key

    def hash_state(self, key: str) -> _HashState | None:
        """Return the hash of the upload so far, if this process has it."""
        return self._hashes.get(key)

    def forget_hash(self, key: str) -> None:
        """Drop the hash of an upload; it can be made again from the file."""
        self._hashes.pop(key, None)

    def remove_upload(self, key: str) -> bool:
        """Remove the upload's file; False when there is none."""
        self.forget_hash(key)
        try:
            self.upload_file(key).unlink()
        except FileNotFoundError:
            return False
        return True

    def name(self, source: Path, digest: Digest) -> None:
        """Rename a synced file to its digest and make that last."""
        target = self._file(digest)
        try:
            source.rename(target)
        except FileNotFoundError:
            if not source.exists():
                raise NotFoundError("the upload was cancelled") from None
            self._make_folder(target.parent)
            source.rename(target)
        _sync_folder(target.parent)

    def _file(self, digest: Digest) -> Path:
        return self._blobs / digest.algorithm / digest.hex[:2] / digest.hex

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for parent in (folder.parent, self._blobs):
            _sync_folder(parent)

    def _begin(self, key: str) -> None:
        with disk_errors("beginning an upload"):
            os.close(os.open(self.upload_file(key), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))

    def _put(self, digest: Digest, content: bytes) -> None:
        temporary = self._uploads / f"{uuid4()}.put"
        with disk_errors("storing a manifest"):
            try:
                with temporary.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                self.name(temporary, digest)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise

    async def _lock(self, key: str, deadline_s: float) -> int:
        while True:
            descriptor = await in_thread(self._try_lock, key)
            if descriptor is not None:
                return descriptor
            if monotonic() >= deadline_s:
                raise UploadRangeError(
                    "another request is writing to this upload", received_bytes=await self.upload_size(key)
                )
            await asyncio.sleep(_LOCK_POLL_S)

    def _try_lock(self, key: str) -> int | None:
        """Return the locked file, None when another holds it; raise NotFoundError when there is none."""
        file = self.upload_file(key)
        try:
            with disk_errors("opening an upload"):
                descriptor = os.open(file, os.O_RDWR)
        except FileNotFoundError:
            raise NotFoundError("no such upload") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if file.stat().st_ino != os.fstat(descriptor).st_ino:
                raise FileNotFoundError
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            # Finished or cancelled between opening and locking.
            os.close(descriptor)
            raise NotFoundError("no such upload") from None
        return descriptor

    def _sweep(self, before_s: float) -> int:
        swept = 0
        for file in self._uploads.iterdir():
            with suppress(FileNotFoundError):
                if file.stat().st_mtime >= before_s:
                    continue
                with file.open("rb") as held:
                    try:
                        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        continue
                    file.unlink()
                    swept += 1
        return swept


def _write_all(descriptor: int, offset: int, chunks: Sequence[bytes]) -> int:
    """Write ``chunks`` at ``offset`` and return the offset behind them."""
    for first in range(0, len(chunks), _MOST_BUFFERS):
        group = chunks[first : first + _MOST_BUFFERS]
        wanted = sum(len(chunk) for chunk in group)
        written = os.pwritev(descriptor, group, offset)
        if written < wanted:
            # A signal or a disk that is nearly full; the next call says which.
            rest = memoryview(b"".join(group))[written:]
            while rest:
                count = os.pwrite(descriptor, rest, offset + written)
                written += count
                rest = rest[count:]
        offset += wanted
    return offset


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
