"""Several processes that serve one registry: a parent that listens and looks after workers, which accept.

The workers share one listening socket, so that what waits to be accepted is lost with none of them, and so that an
address that another program has is noticed. The parent has neither threads nor an event loop: it can fork at any time.
What the workers share beyond the socket is the registry's folder and database, which any number of processes may use,
and memory made before they are: how many connections each has, and who guessed passwords.
"""

import ctypes
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from airferry.registry.accepting import SharedListener, Shares
from airferry.registry.access import SharedLedger

logger: Final = logging.getLogger("airferry.registry")

_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_PASSED_ON: Final = frozenset({signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2})
_AWAITED: Final = _ENDING | _PASSED_ON | {signal.SIGCHLD}
_SOON_S: Final = 5.0
"""A worker that ends sooner than this after its start is followed by another only after a pause."""

_LONGEST_PAUSE_S: Final = 5.0
_FIRST_PAUSE_S: Final = 0.1
_PR_SET_PDEATHSIG: Final = 1
_READ_BYTES: Final = 65536


@dataclass(frozen=True, slots=True)
class Worker:
    """What :func:`share_work` returns in a worker: go on and serve, then say :meth:`ready`."""

    listener: SharedListener
    ledger: SharedLedger
    _pipe: int

    def ready(self, document: bytes) -> None:
        """Tell the parent that connections are accepted; ``document`` is for whoever started it all."""
        os.write(self._pipe, document + b"\n")
        os.close(self._pipe)


@dataclass(frozen=True, slots=True)
class Ended:
    """What :func:`share_work` returns in the parent when no worker is left.

    ``code`` is 0 after an orderly stop, else the exit code of the worker that could not begin.
    """

    code: int


@dataclass(slots=True)
class _Child:
    number: int
    began_s: float
    pipe: int


@dataclass(slots=True)
class _Parent:
    listener: socket.socket
    shares: Shares = field(default_factory=Shares)
    ledger: SharedLedger = field(default_factory=SharedLedger)
    children: dict[int, _Child] = field(default_factory=dict)
    due: dict[int, float] = field(default_factory=dict)
    """When the next worker of a number is to be started."""
    pauses: dict[int, float] = field(default_factory=dict)
    is_ending: bool = False


def share_work(listener: socket.socket, count: int, announce: Callable[[bytes], None]) -> Worker | Ended:
    """Fork ``count`` workers for ``listener``; return in each of them at once, and in the parent when all is over.

    The parent calls ``announce`` with the first worker's document when all are ready, starts another for each that
    ends by itself, passes SIGHUP and SIGUSR1/2 on, and on SIGTERM or SIGINT lets all of them end. A worker whose
    parent is gone ends as on SIGTERM. Called where no thread runs and no signal is handled.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    parent = _Parent(listener)
    try:
        documents: list[bytes] = []
        for numbers in ((0,), range(1, count)):  # the first alone: what keeps all of them from beginning is said once
            for number in numbers:
                if (worker := _start(parent, number)) is not None:
                    return worker
            begun = [child.pipe for child in parent.children.values() if child.number in numbers]
            documents += [_read(pipe) for pipe in begun]
            if not all(documents):
                return _give_up(parent)
        announce(documents[0])
        return _look_after(parent)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(parent: _Parent, number: int) -> Worker | None:
    """Fork one; return what it is in the worker, None in the parent."""
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    own = os.getpid()
    pid = os.fork()
    if pid:
        os.close(writing)
        parent.children[pid] = _Child(number, time.monotonic(), reading)
        return None
    os.close(reading)
    for other in parent.children.values():
        os.close(other.pipe)
    for passed_on in _PASSED_ON:
        signal.signal(passed_on, signal.SIG_IGN)  # whoever serves may heed them
    _end_with(own)
    return Worker(SharedListener(parent.listener, parent.shares, number), parent.ledger, writing)


def _end_with(parent_pid: int) -> None:
    """Have the kernel end this process as by SIGTERM when its parent goes, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)


def _read(pipe: int) -> bytes:
    """Return what a worker says when it is ready; nothing when it ended before."""
    said = b""
    while not said.endswith(b"\n") and (part := os.read(pipe, _READ_BYTES)):
        said += part
    return said.rstrip(b"\n")


def _look_after(parent: _Parent) -> Worker | Ended:
    while parent.children or parent.due:
        received = signal.sigtimedwait(_AWAITED, _patience_s(parent))
        if received is not None and received.si_signo in _ENDING:
            parent.is_ending = True
            parent.due.clear()
            _tell(parent, signal.SIGTERM)
        elif received is not None and received.si_signo in _PASSED_ON:
            _tell(parent, received.si_signo)
        _bury(parent)
        for number in [number for number, at_s in parent.due.items() if at_s <= time.monotonic()]:
            del parent.due[number]
            if (worker := _start(parent, number)) is not None:
                return worker
    return Ended(0)


def _patience_s(parent: _Parent) -> float:
    return max(0.0, min(parent.due.values()) - time.monotonic()) if parent.due else 3600.0


def _bury(parent: _Parent) -> None:
    """Notice who has ended, and when another is to follow."""
    for pid, child in list(parent.children.items()):
        found, status = os.waitpid(pid, os.WNOHANG)
        if not found:
            continue
        del parent.children[pid]
        parent.shares.leave(child.number)
        os.close(child.pipe)
        if parent.is_ending:
            continue
        code = os.waitstatus_to_exitcode(status)
        logger.error("a worker ended, another follows", extra={"worker": child.number, "exit_code": code})
        soon = time.monotonic() - child.began_s < _SOON_S
        pause_s = parent.pauses.get(child.number, 0.0) if soon else 0.0
        parent.pauses[child.number] = min(_LONGEST_PAUSE_S, max(_FIRST_PAUSE_S, pause_s * 2))
        parent.due[child.number] = time.monotonic() + pause_s


def _give_up(parent: _Parent) -> Ended:
    """End all workers because one could not begin; it has said why."""
    _tell(parent, signal.SIGTERM)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in parent.children]
    for child in parent.children.values():
        os.close(child.pipe)
    return Ended(next((code for code in codes if code > 0), 1))


def _tell(parent: _Parent, number: int) -> None:
    for pid in parent.children:
        os.kill(pid, number)
