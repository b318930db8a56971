"""Slowing down who guesses: per address, and per account.

Each failed guess beyond a few makes the next one wait, twice as long each time, up to a bound. The right owner is
kept out of it: a password that was right before is never slowed, nor is an account's owner at an address from which
that account got in before, or which has not guessed wrong yet. Failures are forgotten after quiet minutes. Where they
are written down, and with that who knows of them, is the ledger's business.
"""

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from airferry.registry.access.failures import NO_FAILURES, Failures, Ledger, OwnLedger
from airferry.registry.errors import ThrottledError

_FORGET_S: Final = 900.0


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


class Throttle:
    """Counts failures in ``ledger``, by default one of its own; workers that share a ledger count together."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, ledger: Ledger | None = None) -> None:
        self._clock = clock
        self._ledger: Ledger = OwnLedger() if ledger is None else ledger

    def guess(self, address: str | None, name: str) -> None:
        """Count a guess for ``name`` from ``address`` before it is checked, so that many at once are many.

        Raises SlowedError, and counts nothing, when it comes too early.
        """
        where = _network(address)
        with self._ledger.alone():
            now_s = self._clock()
            since_s = now_s - _FORGET_S
            here = self._ledger.failures(("address", where), since_s)
            there = self._ledger.failures(("account", name), since_s)
            wait_s = _wait_s(here, ADDRESS_PACE, now_s)
            if here.count and not self._ledger.is_trusted(where, name):
                wait_s = max(wait_s, _wait_s(there, ACCOUNT_PACE, now_s))
            if wait_s <= 0:
                self._ledger.keep(("address", where), Failures(here.count + 1, now_s), since_s)
                self._ledger.keep(("account", name), Failures(there.count + 1, now_s), since_s)
                return
        raise SlowedError(wait_s)

    def succeeded(self, address: str | None, name: str) -> None:
        """Take back the guess that was right, forget those for the account, and know its owner here from now on."""
        where = _network(address)
        with self._ledger.alone():
            now_s = self._clock()
            since_s = now_s - _FORGET_S
            here = self._ledger.failures(("address", where), since_s)
            self._ledger.keep(("address", where), Failures(here.count - 1, here.last_s), since_s)
            self._ledger.keep(("account", name), NO_FAILURES, since_s)
            self._ledger.trust(where, name, now_s)


def _wait_s(failures: Failures, pace: Pace, now_s: float) -> float:
    return max(0.0, failures.last_s + pace.wait_s(failures.count) - now_s) if failures.count else 0.0


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
