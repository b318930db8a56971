"""The access log: one JSON object a line for every request, written by a thread so that no request waits for it."""

import json
import logging
import os
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Final

import msgspec

from airferry.errors import UsageError
from airferry.registry.answered import Answered
from airferry.registry.durable import give_to_owner_of
from airferry.registry.timestamps import print_time

logger: Final = logging.getLogger("airferry.registry")

STDOUT: Final = "-"
_MOST_WAITING: Final = 20_000
_TOGETHER: Final = 500
_CLOSE_S: Final = 5.0


class AccessLog:
    """Writes to a file, which is only ever appended to, or to stdout. Made by :func:`access_log`.

    Lines that come faster than they can be written are dropped and counted in ``lost``, and so are those that the
    disk does not take: answering goes first.
    """

    def __init__(self, target: str) -> None:
        self._file = None if target == STDOUT else Path(target).absolute()
        self._descriptor = self._open()
        self._waiting: queue.Queue[Answered | None] = queue.Queue(_MOST_WAITING)
        self._reopen = threading.Event()
        self._is_failing = False
        self.lost = 0
        self._thread = threading.Thread(target=self._work, name="airferry-access-log", daemon=True)
        self._thread.start()

    def __call__(self, answered: Answered) -> None:
        """Write a line, some time soon."""
        try:
            self._waiting.put_nowait(answered)
        except queue.Full:
            self.lost += 1

    def reopen(self) -> None:
        """Go on in a new file of the same name, when the next line comes: the old one was renamed."""
        self._reopen.set()

    def close(self) -> None:
        """Write what waits, and end."""
        self._waiting.put(None)
        self._thread.join(_CLOSE_S)
        if self._file is not None and not self._thread.is_alive():
            os.close(self._descriptor)

    def _work(self) -> None:
        is_over = False
        while not is_over:
            lines: list[Answered] = []
            one = self._waiting.get()
            while one is not None and len(lines) < _TOGETHER:
                lines.append(one)
                try:
                    one = self._waiting.get_nowait()
                except queue.Empty:
                    break
            else:
                is_over = one is None
                if one is not None:
                    lines.append(one)
            self._write(lines)

    def _write(self, lines: list[Answered]) -> None:
        try:
            if self._reopen.is_set() and self._file is not None:
                self._reopen.clear()
                fresh = self._open()
                os.close(self._descriptor)
                self._descriptor = fresh
            rest = memoryview(b"".join(print_line(line) for line in lines))
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            self._is_failing = False
        except OSError as error:
            self.lost += len(lines)
            if not self._is_failing:
                logger.error("the access log cannot be written: %s", error.strerror)
            self._is_failing = True

    def _open(self) -> int:
        if self._file is None:
            return sys.stdout.fileno()
        flags = os.O_APPEND | os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC
        descriptor = os.open(self._file, flags, 0o640)
        give_to_owner_of(self._file.parent, descriptor)
        return descriptor


def print_line(answered: Answered) -> bytes:
    """Return the line of one request: ``time`` is when it began, ``duration`` in seconds."""
    fields = {
        "time": print_time(time() - answered.duration_s),
        "remote": answered.remote,
        "user": answered.user,
        "method": answered.method,
        "path": answered.path,
        "status": answered.status,
        "bytes": answered.sent_bytes,
        "bytesReceived": answered.received_bytes,
        "duration": round(answered.duration_s, 6),
    }
    try:
        return msgspec.json.encode(fields) + b"\n"
    except (UnicodeEncodeError, ValueError):  # bytes in a request line that are no UTF-8
        return json.dumps(fields).encode() + b"\n"


@contextmanager
def access_log(target: str | None) -> Iterator[AccessLog | None]:
    """Give the log that is written to ``target``, a file or ``-`` for stdout; None for None. Raises UsageError."""
    if target is None:
        yield None
        return
    try:
        log = AccessLog(target)
    except OSError as error:
        raise UsageError(
            f"the access log {target} cannot be written: {error.strerror}", hint="give a file in a folder that is there"
        ) from error
    try:
        yield log
    finally:
        log.close()
