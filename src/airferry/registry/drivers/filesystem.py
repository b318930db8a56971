"""Content as files: ``blobs/sha256/ab/<hex>``, and uploads as files beside them under ``uploads/``.

What is under ``blobs`` is whole: bytes are checked and synced before a file is renamed to its digest, and the
folder is synced after. A crash leaves at most files under ``uploads``, and content that nobody links yet.
The lock on an upload's file says who writes to it; ``content.lock`` (see :mod:`~airferry.registry.drivers.range_lock`)
keeps storing and collecting of one digest apart.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from time import monotonic, time
from typing import Final
from uuid import uuid4

from airferry.oci import Digest
from airferry.oci.digest import is_digest
from airferry.registry.disk import disk_errors, in_thread
from airferry.registry.drivers.adopting import bring, verify_and_sync
from airferry.registry.drivers.protocol import Adopted, StoredObject
from airferry.registry.drivers.range_lock import EVERYTHING, GATE, place_of, try_lock
from airferry.registry.errors import NotFoundError, UploadRangeError
from airferry.registry.hashing import Hashing

_MOST_BUFFERS: Final = 512  # Linux takes 1024 buffers in one call
_LOCK_POLL_S: Final = 0.02
_GATE_ATTEMPTS: Final = 30
_ADOPTED: Final = ".adopt"


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

    async def append(self, chunks: Sequence[bytes], hashing: Hashing) -> None:
        """Write ``chunks`` at the end and hash them, in one go in a disk thread."""
        await in_thread(self._append, chunks, hashing)

    async def cut(self, size_bytes: int) -> None:
        """Forget everything behind the first ``size_bytes``."""
        if size_bytes < self._received_bytes:
            await in_thread(self._cut, size_bytes)

    async def sync(self) -> None:
        """Wait until the disk has it all."""
        await in_thread(self._sync)

    async def read(self, offset: int, size_bytes: int) -> bytes:
        """Read a part of the file."""
        return await in_thread(os.pread, self._descriptor, size_bytes, offset)

    async def complete(self, digest: Digest) -> str:
        """Sync, rename to the digest, sync the folder."""
        return await in_thread(self._complete, digest)

    def _append(self, chunks: Sequence[bytes], hashing: Hashing) -> None:
        start = self._received_bytes
        try:
            with disk_errors("receiving an upload"):
                end = _write_all(self._descriptor, start, chunks)
        except Exception:
            self._cut(start)
            raise
        for chunk in chunks:
            hashing.update(chunk)
        self._received_bytes = end

    def _cut(self, size_bytes: int) -> None:
        os.ftruncate(self._descriptor, size_bytes)
        self._received_bytes = size_bytes

    def _sync(self) -> None:
        with disk_errors("receiving an upload"):
            os.fdatasync(self._descriptor)

    def _complete(self, digest: Digest) -> str:
        with disk_errors("storing a blob"):
            os.fsync(self._descriptor)
            return self._driver.name(self._driver.upload_file(self._key), digest)


class FilesystemDriver:
    """Implements :class:`airferry.registry.drivers.Driver` in the folder ``root``, which must exist.

    Several processes may use one root: uploads are locked with flock, names appear by rename.
    """

    def __init__(self, root: Path) -> None:
        self._blobs = root / "blobs"
        self._uploads = root / "uploads"
        self._quarantine = root / "quarantine"
        self._lock_file = root / "content.lock"
        with disk_errors(f"preparing {root}"):
            self._blobs.mkdir(exist_ok=True)
            self._uploads.mkdir(exist_ok=True)

    async def begin(self, key: str) -> None:
        """Make the upload's file."""
        await in_thread(self._begin, key)

    @asynccontextmanager
    async def open_upload(self, key: str, *, patience_s: float) -> AsyncIterator[FileUpload]:
        """Open the upload's file and lock it."""
        descriptor = await self._lock(key, monotonic() + patience_s)
        try:
            yield FileUpload(self, key, descriptor)
        finally:
            os.close(descriptor)

    async def upload_size(self, key: str, settled_bytes: int) -> int:
        """Return the length of the upload's file as long as somebody writes to it."""
        return await in_thread(self._upload_size, key, settled_bytes)

    async def abort(self, key: str) -> None:
        """Remove the upload's file; a writer that holds it cannot complete it any more."""
        try:
            await in_thread(self.upload_file(key).unlink)
        except FileNotFoundError:
            raise NotFoundError("no such upload") from None

    async def put(self, digest: Digest, content: bytes) -> str:
        """Write, sync, rename, sync the folder."""
        return await in_thread(self._put, digest, content)

    async def stat(self, name: str) -> int | None:
        """Return the length of the file ``name``."""
        try:
            return (await in_thread(os.stat, self._blobs / name)).st_size
        except FileNotFoundError:
            return None

    async def open(self, name: str) -> Path:
        """Return the file ``name``, which may not be there."""
        return self._blobs / name

    async def delete(self, name: str) -> bool:
        """Remove the file. Its folder need not be synced: what comes back after a power cut is collected again."""
        try:
            with disk_errors("removing content"):
                await in_thread((self._blobs / name).unlink)
        except FileNotFoundError:
            return False
        return True

    async def list_older(self, before_s: float) -> AsyncIterator[Sequence[StoredObject]]:
        """Yield the old files, one folder at a time."""
        for folder in await in_thread(self._folders):
            if found := await in_thread(_old_files, folder, before_s):
                yield found

    async def sweep(self, older_than_s: float) -> int:
        """Remove upload files that nobody wrote to for ``older_than_s`` and that no process has locked."""
        return await in_thread(self._sweep, time() - older_than_s)

    def upload_file(self, key: str) -> Path:
        """Return where the upload ``key`` lies."""
        return self._uploads / key

    @asynccontextmanager
    async def holding(self, digest: Digest) -> AsyncIterator[None]:
        """Wait until nobody collects ``digest``, and keep it from being collected."""
        while (descriptor := await in_thread(try_lock, self._lock_file, place_of(digest), is_shared=True)) is None:  # noqa: ASYNC110 - other processes send no event
            await asyncio.sleep(_LOCK_POLL_S)
        try:
            yield
        finally:
            os.close(descriptor)

    @asynccontextmanager
    async def collecting(self, digest: Digest) -> AsyncIterator[bool]:
        """Keep others from storing ``digest``, if nobody is at it."""
        async with self._locked(place_of(digest), is_shared=False) as is_locked:
            yield is_locked

    async def quarantine(self, name: str) -> str | None:
        """Rename the file into the folder ``quarantine``."""
        return await in_thread(self._set_aside, name)

    async def adopt(self, file: Path, digest: Digest, *, may_share: bool) -> Adopted:
        """Reflink, hard link or copy the file, hash and sync what came, and rename it to the digest."""
        return await in_thread(self._adopt, file, digest, may_share)

    @asynccontextmanager
    async def deleting(self) -> AsyncIterator[bool]:
        """Share the lock on everything, unless a backup waits for it."""
        async with AsyncExitStack() as stack:
            async with self._locked(GATE, is_shared=True) as is_open:
                shared = self._locked(EVERYTHING, is_shared=True)
                is_locked = is_open and await stack.enter_async_context(shared)
            yield is_locked

    @asynccontextmanager
    async def preserving(self) -> AsyncIterator[bool]:
        """Close the gate, and wait for the lock on everything."""
        for _ in range(_GATE_ATTEMPTS):  # who passes it is in the way for a moment, another backup for longer
            async with self._locked(GATE, is_shared=False) as is_closed:
                while is_closed:
                    async with self._locked(EVERYTHING, is_shared=False) as is_locked:
                        if is_locked:
                            yield True
                            return
                    await asyncio.sleep(_LOCK_POLL_S)
            await asyncio.sleep(_LOCK_POLL_S)
        yield False

    def name(self, source: Path, digest: Digest) -> str:
        """Rename a synced file to its digest, make that last, and return the name."""
        name = f"{digest.algorithm}/{digest.hex[:2]}/{digest.hex}"
        target = self._blobs / name
        try:
            source.rename(target)
        except FileNotFoundError:
            if not source.exists():
                raise NotFoundError("the upload was cancelled") from None
            self._make_folder(target.parent)
            source.rename(target)
        _sync_folder(target.parent)
        return name

    @asynccontextmanager
    async def _locked(self, place: int, *, is_shared: bool) -> AsyncIterator[bool]:
        descriptor = await in_thread(try_lock, self._lock_file, place, is_shared=is_shared)
        try:
            yield descriptor is not None
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _set_aside(self, name: str) -> str | None:
        source, stamp = self._blobs / name, f"{time():.0f}"
        with disk_errors("moving damaged content aside"):
            self._quarantine.mkdir(exist_ok=True)
            target = self._quarantine / f"{source.parts[-3]}-{source.name}.{stamp}.{uuid4().hex[:6]}"
            try:
                source.rename(target)
            except FileNotFoundError:
                return None
            _sync_folder(self._quarantine)
            _sync_folder(source.parent)
        return str(target)

    def _adopt(self, file: Path, digest: Digest, may_share: bool) -> Adopted:
        temporary = self._uploads / f"{uuid4()}{_ADOPTED}"
        with disk_errors("taking over content"):
            try:
                sharing = bring(file, temporary, may_share=may_share)
                size_bytes = verify_and_sync(temporary, digest)
                # Renaming one name of a file to another of its names does nothing, and leaves both.
                return Adopted(self.name(temporary, digest), size_bytes, sharing)
            finally:
                temporary.unlink(missing_ok=True)

    def _folders(self) -> list[Path]:
        return sorted(folder for folder in self._blobs.glob("*/*") if folder.is_dir())

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for parent in (folder.parent, self._blobs):
            _sync_folder(parent)

    def _begin(self, key: str) -> None:
        with disk_errors("beginning an upload"):
            os.close(os.open(self.upload_file(key), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))

    def _upload_size(self, key: str, settled_bytes: int) -> int:
        try:
            with self.upload_file(key).open("rb") as file:
                size_bytes = os.fstat(file.fileno()).st_size
                if size_bytes == settled_bytes:
                    return size_bytes
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return size_bytes
                # Its last writer was killed: what he had not settled will be cut off, what he had cut off is gone.
                return min(size_bytes, settled_bytes)
        except FileNotFoundError:
            raise NotFoundError("no such upload") from None

    def _put(self, digest: Digest, content: bytes) -> str:
        temporary = self._uploads / f"{uuid4()}.put"
        with disk_errors("storing a manifest"):
            try:
                with temporary.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                return self.name(temporary, digest)
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
                    "another request is writing to this upload", received_bytes=await self.upload_size(key, 0)
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
                status = file.stat()
                # A file that is being adopted has the age of its source: when it got its name here is what counts.
                if (status.st_ctime if file.suffix == _ADOPTED else status.st_mtime) >= before_s:
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


def _old_files(folder: Path, before_s: float) -> list[StoredObject]:
    found: list[StoredObject] = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            text = f"{folder.parent.name}:{entry.name}"
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                # The time of the last change to the inode: that of naming it, not of writing it.
                if is_digest(text) and status.st_ctime < before_s:
                    name = f"{folder.parent.name}/{folder.name}/{entry.name}"
                    found.append(StoredObject(name, Digest(text), status.st_size))
    return found


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
