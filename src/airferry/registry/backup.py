"""A backup in one file, taken while serving: a tar with the settings and accounts, the metadata, and all they name.

The metadata are those of one moment, taken first; until everything they name is in the file, nothing stored is deleted
(collection waits for its next run). So whatever was acknowledged before the backup began is in it, whole: every object
is hashed on its way. Members, in this order: ``airferry-backup.json``, ``metadata.sqlite`` (whatever the database is),
``registry/...``, ``content/<algorithm>/<hex>``, ``airferry-backup-end.json``, without which a backup is cut short.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import Any, Final

import msgspec

from airferry.errors import UsageError
from airferry.oci import Digest
from airferry.registry.disk import disk_errors, in_thread
from airferry.registry.errors import InUseError
from airferry.registry.metadata import copying, open_metadata
from airferry.registry.metadata.copying import Rows
from airferry.registry.state_files import STATE_FOLDER
from airferry.registry.storage import Storage
from airferry.registry.timestamps import print_time

FORMAT: Final = 1
HEAD: Final = "airferry-backup.json"
METADATA: Final = "metadata.sqlite"
SETTINGS: Final = "registry/"
CONTENT: Final = "content/"
END: Final = "airferry-backup-end.json"
_NOT_SETTINGS: Final = frozenset({"blobs", "uploads", "quarantine", STATE_FOLDER, "content.lock"})

Told = Callable[[int], None]
"""Hears of every object that was written or read, with its bytes."""


@dataclass(slots=True)
class BackedUp:
    """What is in a backup. ``damaged`` are objects that could not be read whole: they are not in it."""

    file: Path
    started_s: float
    objects: int = 0
    size_bytes: int = 0
    damaged: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain data with stable keys."""
        return {
            "file": str(self.file),
            "createdAt": print_time(self.started_s),
            "objects": self.objects,
            "bytes": self.size_bytes,
            "damaged": self.damaged,
        }


async def back_up(storage: Storage, root: Path, file: Path, told: Told = lambda size_bytes: None) -> BackedUp:
    """Write a backup of the registry in ``root`` to the new file ``file``, mode 0600: it holds every secret.

    It has its name only when it is whole and on the disk. Raises UsageError (the file is there, or inside the
    registry), InUseError (another backup), NoSpaceError, ReadOnlyError.
    """
    await in_thread(_check_place, root, file)
    partial_file = file.with_name(f".{file.name}.partial")
    done = BackedUp(file, storage.clock())
    try:
        with disk_errors(f"writing {file}"):
            async with _nothing_deleted(storage):
                rows = await storage.metadata.snapshot(copying.dump)
                await _write(storage, root, partial_file, rows, done, told)
            await in_thread(partial_file.rename, file)
            await in_thread(_sync, file.parent)
    finally:
        partial_file.unlink(missing_ok=True)
    return done


def _check_place(root: Path, file: Path) -> None:
    if file.exists():
        raise UsageError(f"{file} is there already", hint="choose another name, or remove it")
    if not file.parent.is_dir():
        raise UsageError(f"there is no folder {file.parent}", hint="make it first")
    if file.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"{file} is inside the registry", hint="back up to another disk")


@asynccontextmanager
async def _nothing_deleted(storage: Storage) -> AsyncIterator[None]:
    """Wait until nobody deletes content, and let nobody begin."""
    async with storage.driver.preserving() as is_alone:
        if not is_alone:
            raise InUseError("another backup of this registry is under way", hint="try again when it is done")
        yield


async def _write(storage: Storage, root: Path, file: Path, rows: Rows, done: BackedUp, told: Told) -> None:
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with (
        os.fdopen(descriptor, "wb") as written,
        tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        _add(tar, HEAD, msgspec.json.encode({"format": FORMAT, "createdAt": print_time(done.started_s)}))
        await _add_metadata(tar, file.parent, rows)
        for name, path in await in_thread(lambda: list(_settings_files(root))):
            with suppress(FileNotFoundError):
                await in_thread(_add_settings, tar, name, path)
        for row in rows["contents"]:
            if row["damaged_s"] is not None:
                continue
            digest, size_bytes = Digest(row["digest"]), row["size_bytes"]
            content = await storage.driver.open(row["object_name"])
            if await in_thread(_add_content, tar, digest, size_bytes, content):
                done.objects, done.size_bytes = done.objects + 1, done.size_bytes + size_bytes
            else:
                done.damaged.append(str(digest))
            told(size_bytes)
        _add(tar, END, msgspec.json.encode({"objects": done.objects, "damaged": done.damaged}))
        tar.close()
        written.flush()
        await in_thread(os.fsync, written.fileno())


async def _add_metadata(tar: tarfile.TarFile, folder: Path, rows: Rows) -> None:
    with TemporaryDirectory(dir=folder, prefix=".airferry-backup-") as name:
        file = Path(name) / METADATA
        metadata = await in_thread(open_metadata, file)
        try:
            await metadata.write(partial(copying.load, rows=rows))
        finally:
            await in_thread(metadata.close)  # which also takes its log into the file
        await in_thread(tar.add, file, METADATA)


def _settings_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield what else makes the registry: settings, accounts, keys, certificates, the audit log."""
    for folder, names, files in os.walk(root):
        if Path(folder) == root:
            names[:] = [name for name in names if name not in _NOT_SETTINGS]
        for name in sorted(files):
            path = Path(folder) / name
            relative = path.relative_to(root).as_posix()
            is_ours = not name.startswith((".", METADATA)) and relative not in _NOT_SETTINGS
            if is_ours and path.is_file() and not path.is_symlink():
                yield relative, path


def _add_settings(tar: tarfile.TarFile, name: str, path: Path) -> None:
    content = path.read_bytes()  # in one piece: the audit log may grow meanwhile
    _add(tar, SETTINGS + name, content, path.stat().st_mode & 0o777)


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o600) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(content), mode, int(time())
    tar.addfile(info, io.BytesIO(content))


class _Hashed(io.RawIOBase):
    """Reads from a file and hashes what was read. What the disk cannot read becomes zeros: other objects follow."""

    def __init__(self, source: Any, algorithm: str) -> None:
        self._source = source
        self.hashing = hashlib.new(algorithm)

    def read(self, size: int = -1) -> bytes:
        try:
            block: bytes = self._source.read(size)
        except OSError:
            block = bytes(size)
        self.hashing.update(block)
        return block


def _add_content(tar: tarfile.TarFile, digest: Digest, size_bytes: int, content: Path | bytes) -> bool:
    """Add one object; False, and nothing or something that a restore will not take, when it is not whole."""
    info = tarfile.TarInfo(f"{CONTENT}{digest.algorithm}/{digest.hex}")
    info.size, info.mode, info.mtime = size_bytes, 0o644, int(time())
    try:
        with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as source:
            if source.seek(0, os.SEEK_END) != size_bytes:
                return False
            source.seek(0)
            hashed = _Hashed(source, digest.algorithm)
            tar.addfile(info, hashed)
    except FileNotFoundError:
        return False
    return hashed.hashing.hexdigest() == digest.hex


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
