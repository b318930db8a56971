"""What places on disk ask of a file system: durable names, one writer at a time, links, and room.

Plain functions that block; callers run them in a thread. Every OSError leaves as one of our errors.
"""

import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from airferry.content.errors import (
    DamagedError,
    DeniedError,
    InUseError,
    NoSpaceError,
    NotFoundError,
    ReadOnlyError,
    UnfitFilesystemError,
)
from airferry.errors import AirferryError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_UNFIT: Final = (errno.EINVAL, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EPROTO)
_UNFIT_HINT: Final = (
    "FAT and exFAT have no links and refuse colons in names; use a disk with ext4 or xfs, "
    "or make a file on this one that holds such a file system"
)
_TEMPORARY: Final = re.compile(r"\.(?:airferry-)?(?P<process>[0-9]+)-[0-9a-f]{16}")
"""What :func:`temporary_in` returns, as it looks to the next run."""
MARGIN_BYTES: Final = 4 * 1024 * 1024
"""What must stay free above the content itself: directories, tags and the rounding up to whole blocks."""


@dataclass(frozen=True, slots=True)
class Modes:
    """Permission bits of new files and folders, whatever the umask."""

    file: int
    folder: int


READABLE: Final = Modes(0o644, 0o755)
"""The carrier of a disk is often not the user who wrote it."""
PRIVATE: Final = Modes(0o600, 0o700)


def write_error(error: OSError, path: Path) -> AirferryError:
    """Return what a failure to write ``path`` means to an operator."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return NoSpaceError(
            f"no room left while writing {path}",
            hint="make room or use a larger disk; the same command again goes on from here",
        )
    if error.errno in (errno.EINVAL, errno.ENAMETOOLONG, errno.EOPNOTSUPP):
        return UnfitFilesystemError(f"the file system refuses {path}: {reason}", hint=_UNFIT_HINT)
    return ReadOnlyError(f"cannot write {path}: {reason}", hint="check the mount and the folder's owner")


def read_error(error: OSError, path: Path) -> AirferryError:
    """Return what a failure to read ``path`` means to an operator."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFoundError(f"there is no {path}")
    if error.errno in (errno.EACCES, errno.EPERM):
        return DeniedError(
            f"cannot read {path}: {reason}",
            hint="oc writes files that only their owner reads: run as that user, or chmod -R a+rX the folder",
        )
    return DamagedError(f"cannot read {path}: {reason}", hint="copy the content to the disk again")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError inside into NoSpaceError, ReadOnlyError or UnfitFilesystemError that names ``path``."""
    try:
        yield
    except OSError as error:
        raise write_error(error, path) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an OSError inside into NotFoundError, DeniedError or DamagedError that names ``path``."""
    try:
        yield
    except OSError as error:
        raise read_error(error, path) from error


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable. A file system that cannot do it for folders is left in peace."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(handle)


def make_folders(folder: Path, mode: int) -> tuple[Path, ...]:
    """Make ``folder`` and what is missing above it; return the folders that got a new name in them."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    changed = []
    for item in reversed(missing):
        with suppress(FileExistsError):
            item.mkdir()
            item.chmod(mode)
        changed.append(item.parent)
    return tuple(changed)


def unique_name() -> str:
    """Return a file name that no other run uses."""
    return f"{os.getpid()}-{secrets.token_hex(8)}"


def temporary_in(folder: Path, mark: str = "") -> Path:
    """Return a new hidden name in ``folder``, after :func:`clear_temporaries`. ``mark`` stands first in the name."""
    clear_temporaries(folder)
    return folder / f".{mark}{unique_name()}"


def clear_temporaries(folder: Path) -> None:
    """Remove what killed runs left in ``folder`` under hidden names.

    What a living process of this machine works on is left alone. A folder that is not there is clear.
    """
    if folder.is_dir():
        for entry in folder.iterdir():
            found = _TEMPORARY.fullmatch(entry.name)
            if found and not _is_running(int(found["process"])):
                _remove(entry)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # it is somebody else's
    return True


def _remove(entry: Path) -> None:
    with suppress(OSError):  # it may be somebody else's, or gone by now; nothing depends on it
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink()


def write_new(file: Path, content: bytes, mode: int, *, durable: bool = True) -> None:
    """Write ``content`` into a new ``file`` with exactly these permission bits; ``durable`` waits for the disk."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        os.fchmod(handle, mode)
        write_all(handle, content)
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)


def replace_file(file: Path, content: bytes, mode: int, *, durable: bool = True) -> None:
    """Give ``file`` this content at once: readers see the old bytes or the new ones, never a mixture.

    The folder's own sync is the caller's. The temporary name is in the same folder and is removed on failure.
    """
    temporary = temporary_in(file.parent)
    try:
        write_new(temporary, content, mode, durable=durable)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_all(handle: int, content: bytes | bytearray | memoryview) -> None:
    """Write all of ``content``, however many calls the kernel needs."""
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def free_bytes(folder: Path) -> int:
    """Return how many bytes an ordinary user may still write to the file system that holds ``folder``."""
    figures = os.statvfs(folder)
    return figures.f_bavail * figures.f_frsize


def check_space(folder: Path, size_bytes: int) -> None:
    """Raise NoSpaceError unless ``size_bytes`` and a margin fit into the file system of ``folder``."""
    needed, free = size_bytes + size_bytes // 100 + MARGIN_BYTES, free_bytes(folder)
    if size_bytes and needed > free:
        raise NoSpaceError(
            f"{folder} has {free} bytes free ({free >> 20} MiB), and {needed} are needed ({needed >> 20} MiB)",
            hint="make room or use a larger disk; nothing was written",
        )


@dataclass(frozen=True, slots=True)
class LinkCalls:
    """The calls that tell a fit file system from FAT; tests pass some that fail as FAT does."""

    create: Callable[[Path], None] = Path.touch
    link: Callable[[Path, Path], None] = os.link
    symlink: Callable[[str, Path], None] = os.symlink


def check_fitness(folder: Path, calls: LinkCalls | None = None) -> None:
    """Raise UnfitFilesystemError unless ``folder`` can hold a colon in a name, a hard link and a symlink."""
    calls = calls or LinkCalls()
    name = unique_name()
    colon, hard, soft = (folder / f"{name}{end}" for end in (":colon", ".hard", ".soft"))
    try:
        for what, call in (
            ("colons in names", lambda: calls.create(colon)),
            ("hard links", lambda: calls.link(colon, hard)),
            ("symbolic links", lambda: calls.symlink(colon.name, soft)),
        ):
            _try_feature(folder, what, call)
    finally:
        for file in (soft, hard, colon):
            with suppress(OSError):
                file.unlink(missing_ok=True)


def _try_feature(folder: Path, what: str, call: Callable[[], None]) -> None:
    try:
        call()
    except OSError as error:
        if error.errno in _UNFIT:
            raise UnfitFilesystemError(
                f"the file system of {folder} has no {what}, which an image tree needs", hint=_UNFIT_HINT
            ) from error
        raise write_error(error, folder) from error


class FolderLock:
    """One writer at a time, over all processes, for as long as this is held. A crash lets go of it.

    The lock is the kernel's (flock); the file's text, the holder's process id, is for people only.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._handle: int | None = None

    def take(self) -> None:
        """Take the lock, or raise InUseError at once with the holder's process id."""
        while self._handle is None:
            handle = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
                os.close(handle)
                raise InUseError(
                    f"another airferry (process {holder}) is writing to {self._file.parent.parent}",
                    hint="wait for it to end, or stop it",
                ) from None
            # The holder before us removed the file after we opened it: then this lock locks nothing.
            if _is_named(handle, self._file):
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
                self._handle = handle
            else:
                os.close(handle)

    def release(self) -> None:
        """Let go and remove the file; releasing what is not held does nothing."""
        if self._handle is not None:
            with suppress(OSError):
                self._file.unlink()
            os.close(self._handle)
            self._handle = None


def _is_named(handle: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), file.stat())
    except FileNotFoundError:
        return False
