"""Slowing down who guesses: per address, and per account.

Each failed guess beyond a few makes the next one wait, twice as long each time, up to a bound. The right owner is
kept out of it: a password that was right before is never slowed, nor is an account's owner at an address from which
that account got in before, or which has not guessed wrong yet. Failures are forgotten after quiet minutes. What is
known here is known to this process only.
"""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from airferry.registry.errors import ThrottledError

_FORGET_S: Final = 900.0
_MOST_KEYS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Pace:
    """After ``free`` failures, the next guess waits 1 s, 2 s, 4 s, … up to ``longest_s``."""

    free: int
    longest_s: float

    def wait_s(self, failures: int) -> float:
        """Return how long after the last of so many failures the next guess may come."""
        beyond = failures - self.free
        return 0.0 if beyond < 0 else min(self.longest_s, 2.0 ** min(beyond, 30))


ADDRESS_PACE: Final = Pace(free=20, longest_s=30.0)
ACCOUNT_PACE: Final = Pace(free=5, longest_s=8.0)


class SlowedError(ThrottledError):
    """Too many wrong guesses; ``retry_after_s`` is when the next one is heard."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("too many failed logins", hint="wait a little, then try again with the right password")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    last_s: float


class Throttle:
    """Counts failures. Holds a bounded number of addresses and names; the longest untouched go first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._trusted: OrderedDict[tuple[str, str], None] = OrderedDict()

    def guess(self, address: str | None, name: str) -> None:
        """Count a guess for ``name`` from ``address`` before it is checked, so that many at once are many.

        Raises SlowedError, and counts nothing, when it comes too early.
        """
        where = _network(address)
        wait_s = self._wait_s(("address", where), ADDRESS_PACE)
        if (where, name) not in self._trusted and self._count(("address", where)):
            wait_s = max(wait_s, self._wait_s(("account", name), ACCOUNT_PACE))
        if wait_s > 0:
            raise SlowedError(wait_s)
        for key in (("address", where), ("account", name)):
            self._keep(key, self._count(key) + 1, self._clock())

    def succeeded(self, address: str | None, name: str) -> None:
        """Take back the guess that was right, forget those for the account, and know its owner here from now on."""
        where = _network(address)
        self._failures.pop(("account", name), None)
        before = self._failures.get(("address", where))
        if before is not None:
            self._keep(("address", where), before.count - 1, before.last_s)
        self._trusted[(where, name)] = None
        self._trusted.move_to_end((where, name))
        while len(self._trusted) > _MOST_KEYS:
            self._trusted.popitem(last=False)

    def _keep(self, key: tuple[str, str], count: int, last_s: float) -> None:
        self._failures[key] = _Failures(count, last_s)
        self._failures.move_to_end(key)
        if count < 1:
            del self._failures[key]
        while len(self._failures) > _MOST_KEYS:
            self._failures.popitem(last=False)

    def _count(self, key: tuple[str, str]) -> int:
        found = self._failures.get(key)
        if found is None or self._clock() - found.last_s > _FORGET_S:
            return 0
        return found.count

    def _wait_s(self, key: tuple[str, str], pace: Pace) -> float:
        count = self._count(key)
        if count == 0:
            return 0.0
        return max(0.0, self._failures[key].last_s + pace.wait_s(count) - self._clock())


def _network(address: str | None) -> str:
    """Return what one guesser can change at will cut off: the lower half of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
