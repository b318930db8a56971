"""Failed guesses and known owners in memory that the workers of one registry share.

The memory is made before the workers are forked, and never grows. A subject is known by a keyed hash, which names its
bucket too: nobody outside can choose whose bucket he fills. A full bucket lets go of its least failures, and notes the
most that it ever let go of: whoever is not found there is taken to have as many. So a flood of names and addresses
makes strangers wait longer, those of the flood among them; it makes nobody's failures fewer.
"""

import fcntl
import os
import secrets
import struct
from contextlib import AbstractContextManager
from hashlib import blake2b
from mmap import mmap
from types import TracebackType
from typing import Final, NamedTuple

from airferry.registry.access.failures import NO_FAILURES, Failures, Subject

_SLOT: Final = struct.Struct("=16sdq")
_MARK_BYTES: Final = 16
_WAYS: Final = 8
_FAILURE_BUCKETS: Final = 8192
_TRUST_BUCKETS: Final = 2048
_LET_GO: Final = b"\xff" * _MARK_BYTES
"""Whose failures a bucket's first slot holds: those of whom it let go."""


class _Slot(NamedTuple):
    """``number`` is how many failures, 1 for an owner, 0 in an empty slot."""

    mark: bytes
    last_s: float
    number: int


class _Buckets:
    """A part of the memory: so many buckets of so many slots."""

    def __init__(self, memory: mmap, start: int, count: int, slots: int) -> None:
        self._memory = memory
        self._start = start
        self._count = count
        self._size = slots * _SLOT.size

    def read(self, mark: bytes) -> tuple[int, bytes]:
        """Return where the bucket of ``mark`` begins, and its slots as they lie there."""
        at = self._start + int.from_bytes(mark[:4]) % self._count * self._size
        return at, self._memory[at : at + self._size]

    def write(self, at: int, which: int, slot: _Slot) -> None:
        """Write one in a single copy: pack_into would write zeros first, and a kill in between would leave them."""
        begin = at + which * _SLOT.size
        self._memory[begin : begin + _SLOT.size] = _SLOT.pack(*slot)


class _Lock:
    """A lock between processes that goes with whoever holds it, however he ends.

    It is a POSIX record lock: those belong to a process, so that it works on a descriptor that was inherited, where
    flock and open file description locks would be one lock for parent and children. Taking and giving it back are two
    calls of the kernel, some 1 µs each. It is held for microseconds, without anything that waits, and not by threads.
    Going without a lock would be quicker, but two workers that count at once would count one.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


class SharedLedger:
    """A ledger for this process and all that are forked from it. Moments are those of ``time.monotonic``.

    That clock is one for all processes of a machine. A worker that is killed while it writes leaves what was there
    before, or after; never fewer failures of others: they are noted as let go of before their slot is taken.
    """

    def __init__(self, *, failure_buckets: int = _FAILURE_BUCKETS, trust_buckets: int = _TRUST_BUCKETS) -> None:
        failures_size = failure_buckets * (1 + _WAYS) * _SLOT.size
        self.size: Final = failures_size + trust_buckets * _WAYS * _SLOT.size
        self._descriptor = os.memfd_create("airferry-failed-logins")
        os.ftruncate(self._descriptor, self.size)
        self._memory = mmap(self._descriptor, self.size)
        self._failures = _Buckets(self._memory, 0, failure_buckets, 1 + _WAYS)
        self._trusted = _Buckets(self._memory, failures_size, trust_buckets, _WAYS)
        self._key = secrets.token_bytes(32)
        self._lock = _Lock(self._descriptor)

    def alone(self) -> AbstractContextManager[None]:
        """Return a lock that all processes share."""
        return self._lock

    def failures(self, subject: Subject, since_s: float) -> Failures:
        """Return them, or what its bucket let go of: at least what was kept."""
        mark = self._mark(*subject)
        _, bucket = self._failures.read(mark)
        for which in (_find(mark, bucket), 0):
            if which is not None:
                _, last_s, number = _slot(bucket, which)
                if number > 0 and last_s >= since_s:
                    return Failures(number, last_s)
        return NO_FAILURES

    def keep(self, subject: Subject, failures: Failures, since_s: float) -> None:
        """Replace them, in the subject's slot, else in one that is forgotten, else in that of the least failures."""
        mark = self._mark(*subject)
        at, bucket = self._failures.read(mark)
        which = _find(mark, bucket)
        if failures.count < 1:
            if which is not None:
                self._failures.write(at, which, _EMPTY)
            return
        if which is None:
            worth = [_worth(_Slot(*slot), since_s) for slot in _SLOT.iter_unpack(bucket)][1:]
            which = 1 + worth.index(min(worth))
            if worth[which - 1] > _NOTHING:
                self._failures.write(at, 0, _most(_slot(bucket, 0), _slot(bucket, which), since_s))
        self._failures.write(at, which, _Slot(mark, failures.last_s, failures.count))

    def trust(self, where: str, name: str, now_s: float) -> None:
        """Note it, instead of what was noted first in a bucket that is full."""
        mark = self._mark("owner", f"{where}\0{name}")
        at, bucket = self._trusted.read(mark)
        which = _find(mark, bucket)
        if which is None:
            which = min(range(_WAYS), key=lambda number: _slot(bucket, number).last_s)  # 0 in what is empty
        self._trusted.write(at, which, _Slot(mark, now_s, 1))

    def is_trusted(self, where: str, name: str) -> bool:
        """Whether it was noted, by whichever process."""
        mark = self._mark("owner", f"{where}\0{name}")
        return _find(mark, self._trusted.read(mark)[1]) is not None

    def close(self) -> None:
        """Give the memory back; the workers' end does the same."""
        self._memory.close()
        os.close(self._descriptor)

    def _mark(self, kind: str, which: str) -> bytes:
        named = f"{kind}\0{which}".encode(errors="surrogatepass")
        return blake2b(named, digest_size=_MARK_BYTES, key=self._key).digest()


_EMPTY: Final = _Slot(bytes(_MARK_BYTES), 0.0, 0)
_NOTHING: Final = (0, 0.0)


def _find(mark: bytes, bucket: bytes) -> int | None:
    """Return which slot of ``bucket`` begins with ``mark``."""
    at = bucket.find(mark)
    while at % _SLOT.size and at >= 0:  # chance made it of what lies in two
        at = bucket.find(mark, at + 1)
    return at // _SLOT.size if at >= 0 else None


def _slot(bucket: bytes, which: int) -> _Slot:
    return _Slot(*_SLOT.unpack_from(bucket, which * _SLOT.size))


def _worth(slot: _Slot, since_s: float) -> tuple[int, float]:
    """Return what is lost with a slot: the fewest failures first, of those the longest ago; forgotten ones are none."""
    return (slot.number, slot.last_s) if slot.number > 0 and slot.last_s >= since_s else _NOTHING


def _most(let_go: _Slot, lost: _Slot, since_s: float) -> _Slot:
    """Return the most failures and the latest moment of both, as if all of them had been one subject's."""
    if _worth(let_go, since_s) == _NOTHING:
        return _Slot(_LET_GO, lost.last_s, lost.number)
    return _Slot(_LET_GO, max(let_go.last_s, lost.last_s), max(let_go.number, lost.number))
