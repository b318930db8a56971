"""Blobs on their way onto a disk: kept in part over a crash, hashed as they come, named only when whole.

A place on disk has a private folder ``.airferry`` with the lock of the one writer, the parts of blobs
(``partial/sha256-<hex>``) and temporary files. A part carries no promise: whoever goes on from it hashes it
first, and when the whole then has the wrong digest, the part is thrown away and the blob read from its start.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from airferry.content.filesystem import FolderLock, Modes, make_folders, sync_folder, unique_name, write_all, writing
from airferry.content.protocol import BlobFetch, Chunk
from airferry.oci import ContentMismatchError, Descriptor, Digest, Verifier

FOLDER: Final = ".airferry"
"""The private folder's name; it is gone after a run that finished its work."""
BLOCK_BYTES: Final = 1024 * 1024
"""What is gathered before a thread hashes and writes it: fewer hand-overs, at most this much lost to a kill -9."""
_SMALL_CHUNK: Final = 64 * 1024


class Workspace:
    """The private folder of a place that is written to. Methods block; each is safe to call in any thread."""

    def __init__(self, root: Path, modes: Modes) -> None:
        self.root = root
        self.modes = modes
        self._folder = root / FOLDER
        self._partial = self._folder / "partial"
        self._temporary = self._folder / "temporary"
        self._lock = FolderLock(self._folder / "lock")

    @property
    def folder(self) -> Path:
        """The private folder itself."""
        return self._folder

    def open(self) -> None:
        """Make the folder, take the lock and remove temporary files of runs that were killed.

        Raises InUseError, ReadOnlyError, NoSpaceError.
        """
        with writing(self._folder):
            make_folders(self._folder, self.modes.folder)
            self._lock.take()
            for folder in (self._partial, self._temporary):
                make_folders(folder, self.modes.folder)
            for stale in self._temporary.iterdir():
                stale.unlink()

    def close(self) -> None:
        """Give the lock back and remove what is empty; parts of unfinished blobs stay for the next run."""
        with suppress(OSError):
            self._temporary.rmdir()
        with suppress(OSError):
            self._partial.rmdir()
        self._lock.release()
        with suppress(OSError):
            self._folder.rmdir()

    def part(self, digest: Digest) -> Path:
        """Return where the part of this blob is kept."""
        return self._partial / f"{digest.algorithm}-{digest.hex}"

    def temporary(self) -> Path:
        """Return a name for a temporary file that nothing else uses."""
        return self._temporary / unique_name()

    def kept_bytes(self) -> int:
        """Return how many bytes the kept parts hold."""
        return sum(part.stat().st_size for part in self._partial.iterdir())


class PartFile:
    """One blob on its way in. Methods block and may be called from changing threads, one at a time."""

    def __init__(self, part: Path, blob: Descriptor, mode: int) -> None:
        self._part = part
        self._blob = blob
        self._mode = mode
        self._handle: int | None = None
        self._verifier = Verifier(blob.digest, blob.size_bytes)
        # Closing waits for a write that a cancelled task has left behind in its thread.
        self._busy = threading.Lock()

    def is_kept(self) -> bool:
        """Whether an earlier run, or an earlier try of this one, left something to go on from."""
        return self._part.exists()

    def resume(self) -> int:
        """Hash what an earlier run kept and return its size in bytes: where to go on reading."""
        with self._busy, writing(self._part):
            if not self._part.exists():
                return 0
            handle = self._open()
            if os.fstat(handle).st_size > self._blob.size_bytes:
                self._empty()
                return 0
            while block := os.read(handle, BLOCK_BYTES):
                self._verifier.update(block)
            return self._verifier.seen_bytes

    def restart(self) -> None:
        """Forget everything so far: the next byte is the blob's first."""
        with self._busy, writing(self._part):
            self._open()
            self._empty()

    def append(self, chunks: list[Chunk]) -> None:
        """Hash and store the next bytes. Raises ContentMismatchError as soon as they are too many."""
        if len(chunks) > 1 and len(chunks[0]) < _SMALL_CHUNK:
            chunks = [b"".join(chunks)]
        with self._busy, writing(self._part):
            handle = self._open()
            for chunk in chunks:
                self._verifier.update(chunk)
                write_all(handle, chunk)

    def finish(self, chunks: list[Chunk], name: Callable[[Path], None]) -> None:
        """Take the last bytes, check the whole, make it durable and only then let ``name`` move it to its name.

        Raises ContentMismatchError; nothing has been named then.
        """
        self.append(chunks)
        self._verifier.finish()
        with self._busy, writing(self._part):
            os.fsync(self._open())
            name(self._part)
            self._close()

    def discard(self) -> None:
        """Remove the part."""
        self.close()
        with writing(self._part):
            self._part.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; what was written stays."""
        with self._busy:
            self._close()

    def _close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int:
        if self._handle is None:
            self._handle = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, self._mode)
            os.fchmod(self._handle, self._mode)
        return self._handle

    def _empty(self) -> None:
        os.ftruncate(self._open(), 0)
        os.lseek(self._open(), 0, os.SEEK_SET)
        self._verifier = Verifier(self._blob.digest, self._blob.size_bytes)


async def receive_blob(
    part: PartFile, blob: Descriptor, fetch: BlobFetch, name: Callable[[Path], None], *, kept: bool
) -> None:
    """Bring in ``blob``: go on from the part if one is ``kept``, and once more from the start if it was wrong.

    ``name`` is called in a thread when the file is whole, checked and durable. Raises ContentMismatchError (the
    part is removed) and what ``fetch`` and the disk raise (the part is kept).
    """
    try:
        offset = await asyncio.to_thread(part.resume) if kept else 0
        try:
            await _pour(part, blob, fetch, offset, name)
        except ContentMismatchError:
            if not offset:
                raise
            await asyncio.to_thread(part.restart)
            await _pour(part, blob, fetch, 0, name)
    except ContentMismatchError:
        await asyncio.to_thread(part.discard)
        raise
    finally:
        part.close()


async def _pour(part: PartFile, blob: Descriptor, fetch: BlobFetch, offset: int, name: Callable[[Path], None]) -> None:
    """Write the stream in blocks, one of them in a thread while the next one is being read."""
    gathered: list[Chunk] = []
    gathered_bytes = 0
    writing_block: asyncio.Future[None] | None = None
    try:
        if offset < blob.size_bytes:
            async with fetch(offset) as stream:
                async for chunk in stream:
                    gathered.append(chunk)
                    gathered_bytes += len(chunk)
                    if gathered_bytes >= BLOCK_BYTES:
                        if writing_block is not None:
                            await writing_block
                        writing_block = asyncio.ensure_future(asyncio.to_thread(part.append, gathered))
                        gathered, gathered_bytes = [], 0
        if writing_block is not None:
            await writing_block
    except BaseException:
        if writing_block is not None:
            # Its own failure, if any, is second to the one that brought us here.
            await asyncio.gather(writing_block, return_exceptions=True)
        raise
    await asyncio.to_thread(part.finish, gathered, name)


class UnsyncedFolders:
    """Folders whose newest names may not be on the disk yet; many names share one wait for the disk.

    For use in threads.
    """

    def __init__(self) -> None:
        self._folders: set[Path] = set()
        self._adding = threading.Lock()
        self._syncing = threading.Lock()

    def add(self, *folders: Path) -> None:
        """Remember folders that got a new name. Does not block for long."""
        with self._adding:
            self._folders.update(folders)

    def sync(self) -> None:
        """Return when every name added before this call is durable, also those another thread is waiting for."""
        with self._syncing:
            with self._adding:
                folders, self._folders = self._folders, set()
            for folder in sorted(folders):
                with writing(folder):
                    sync_folder(folder)


class Turns:
    """Lets tasks that bring in the same blob go one after the other."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Digest, asyncio.Lock] = WeakValueDictionary()

    def of(self, digest: Digest) -> asyncio.Lock:
        """Return the lock of this digest, to be used with ``async with``."""
        lock = self._locks.get(digest)
        if lock is None:
            lock = self._locks[digest] = asyncio.Lock()
        return lock
