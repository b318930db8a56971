"""A folder that entries of a layer are written into, and never anything outside of it.

Each step of a path is opened without following links, relative to the step before it, so that no link, whether it
was there before or came from the image, leads out. Files are written under numbers in a private folder and moved
to their names only when the caller says that they are whole. Blocking.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from airferry.content.errors import UnsafeArchiveError
from airferry.content.filesystem import temporary_in, unique_name, write_all, writing

_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FOLDER_MODE: Final = 0o755


def plain_mode(mode: int) -> int:
    """Return the permission bits of an unpacked file: readable by all, executable if it was for anyone."""
    return 0o755 if mode & 0o111 else 0o644


class Destination:
    """A folder to unpack into. Names are clean and relative to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with writing(root):
            self._staging = temporary_in(root, "airferry-")
        self._count = 0

    def open(self) -> None:
        """Make the private folder. Raises ReadOnlyError, NoSpaceError."""
        with writing(self.root):
            self._staging.mkdir(mode=0o700)

    def close(self) -> None:
        """Remove the private folder and what was not placed."""
        shutil.rmtree(self._staging, ignore_errors=True)

    def stage(self) -> "StagedFile":
        """Begin a file that has no name yet."""
        self._count += 1
        return StagedFile(self._staging / str(self._count))

    def place(self, staged: "StagedFile", name: str, mode: int, mtime: int) -> None:
        """Give a staged file its name, replacing a file or link that has it.

        Raises UnsafeArchiveError when a folder has that name, or something on the way to it is no folder.
        """
        with writing(self.root / name), self._parent(name) as (folder, last):
            staged.path.chmod(plain_mode(mode))
            os.utime(staged.path, (mtime, mtime))
            self._refuse_folder(folder, last, name)
            os.replace(staged.path, last, dst_dir_fd=folder)

    def make_folder(self, name: str) -> None:
        """Make a folder and those above it; one that is there stays as it is."""
        with writing(self.root / name), self._parent(f"{name}/x"):
            pass

    def make_symlink(self, name: str, target: str) -> None:
        """Make a symbolic link, replacing a file or link that has the name. ``target`` is written as given."""
        with writing(self.root / name), self._parent(name) as (folder, last):
            self._refuse_folder(folder, last, name)
            temporary = self._staging / unique_name()
            temporary.symlink_to(target)
            os.replace(temporary, last, dst_dir_fd=folder)

    def make_hardlink(self, name: str, existing: str) -> None:
        """Give the file placed as ``existing`` a second name."""
        with writing(self.root / name), self._parent(existing) as (source, source_name):
            temporary = self._staging / unique_name()
            os.link(source_name, temporary, src_dir_fd=source, follow_symlinks=False)
            with self._parent(name) as (folder, last):
                self._refuse_folder(folder, last, name)
                os.replace(temporary, last, dst_dir_fd=folder)
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _parent(self, name: str) -> Iterator[tuple[int, str]]:
        """Open the folder that ``name`` goes into, making what is missing."""
        *steps, last = name.split("/")
        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for step in steps:
                below = self._step(folder, step, name)
                os.close(folder)
                folder = below
            yield folder, last
        finally:
            os.close(folder)

    def _step(self, folder: int, step: str, name: str) -> int:
        with suppress(FileExistsError):
            os.mkdir(step, dir_fd=folder)
            os.chmod(step, FOLDER_MODE, dir_fd=folder)
        try:
            return os.open(step, _FOLDER_FLAGS, dir_fd=folder)
        except (NotADirectoryError, OSError) as error:
            if not stat.S_ISDIR(os.stat(step, dir_fd=folder, follow_symlinks=False).st_mode):
                raise UnsafeArchiveError(
                    f"{name!r} would be written through {step!r}, which is a link or a file in {self.root}",
                    hint="extract into an empty folder",
                ) from error
            raise

    def _refuse_folder(self, folder: int, last: str, name: str) -> None:
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode):
                raise UnsafeArchiveError(
                    f"{name!r} is a file in the image and a folder in {self.root}", hint="extract into an empty folder"
                )


class StagedFile:
    """A file without its name yet. The handle is open until :meth:`close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with writing(path):
            self._handle: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, piece: bytes | memoryview) -> None:
        """Add to the content. Raises NoSpaceError."""
        assert self._handle is not None
        with writing(self.path):
            write_all(self._handle, piece)

    def close(self) -> None:
        """Close the handle; closing twice is fine."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
