"""A small file that several processes change: read once, read again when it is another one, changed under a lock."""

import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Generic, TypeVar

from airferry.errors import AirferryError
from airferry.registry.disk import disk_errors, in_thread
from airferry.registry.durable import give_to_owner_of, write_durably

logger: Final = logging.getLogger("airferry.registry")

Content = TypeVar("Content")
Mark = tuple[int, ...]

_SECRET_MODE: Final = 0o600


@dataclass(frozen=True, slots=True)
class _Loaded(Generic[Content]):
    """What was read; ``mark`` tells the file that it was read from, or that is known to be spoilt."""

    mark: Mark | None
    descriptor: int
    content: Content


class WatchedFile(Generic[Content]):
    """One file of mode 0600 with what ``parse`` makes of it.

    The file that was read is kept open, so that no other can have its inode: a replaced file is always noticed.
    One that cannot be read any more, or not be understood, is said in the log, and the last good one stays in force.
    """

    def __init__(
        self, file: Path, parse: Callable[[bytes], Content], print_: Callable[[Content], bytes], first: Content
    ) -> None:
        self.file = file
        self._parse = parse
        self._print = print_
        self._first = first
        self._loaded: _Loaded[Content] | None = None
        self._loading = threading.Lock()

    async def current(self) -> Content:
        """Return the content as it is now. Raises MalformedError, ``read-only`` only if it never could be read."""
        # One stat of a small local file: a thread would cost fifty times what it takes.
        loaded = self._loaded
        if loaded is not None and _mark_of(self.file) == loaded.mark:
            return loaded.content
        return await in_thread(self._read_again)

    async def change(self, alter: Callable[[Content], Content]) -> Content:
        """Replace the content by what ``alter`` makes of it, durably, with no other change in between.

        What ``alter`` raises is raised, and nothing is changed. Raises ReadOnlyError, NoSpaceError.
        """
        return await in_thread(self._change, alter)

    def close(self) -> None:
        """Give back the open file."""
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            os.close(loaded.descriptor)

    def _change(self, alter: Callable[[Content], Content]) -> Content:
        with disk_errors(f"writing {self.file}"), self._locked():
            before = self._read()
            after = alter(before)
            if after != before or not self.file.exists():
                write_durably(self.file, self._print(after), _SECRET_MODE)
        return after

    def _read(self) -> Content:
        try:
            return self._parse(self.file.read_bytes())
        except FileNotFoundError:
            return self._first

    def _read_again(self) -> Content:
        with self._loading:
            loaded = self._loaded
            try:
                with disk_errors(f"reading {self.file}"):
                    self._loaded = self._load()
            except (OSError, AirferryError) as error:
                if loaded is None:
                    raise
                logger.error("%s cannot be used, what it said before stays in force: %s", self.file, error)
                self._loaded = replace(loaded, mark=_mark_of(self.file))
                return loaded.content
            if loaded is not None:
                os.close(loaded.descriptor)
            return self._loaded.content

    def _load(self) -> "_Loaded[Content]":
        descriptor = os.open(self.file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            mark = _mark(os.fstat(descriptor))
            with open(descriptor, "rb", closefd=False) as opened:
                return _Loaded(mark, descriptor, self._parse(opened.read()))
        except BaseException:
            os.close(descriptor)
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self.file.with_name(f".{self.file.name}.lock")
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, _SECRET_MODE)
        try:
            give_to_owner_of(self.file.parent, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _mark(found: os.stat_result) -> Mark:
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _mark_of(file: Path) -> Mark | None:
    try:
        return _mark(os.stat(file))  # noqa: PTH116 - Path.stat costs twice as much, and this is asked for every request
    except OSError:
        return None
