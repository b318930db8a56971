"""When to try again, and after how long. Pure: the clock and chance come as arguments.

Retried: 408, 425, 429, 500, 502, 503, 504, broken and silent connections. Not retried: every other status,
refused certificates, servers without TLS.
"""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final


class Verdict(Enum):
    """What an answer's status means to whoever sent the request."""

    ANSWERED = "the registry decided; asking again changes nothing"
    THROTTLED = "asked too often; wait and ask again, and ask less at once"
    FAILING = "the registry, or something before it, is in trouble; ask again"


_VERDICTS: Final = {
    408: Verdict.FAILING,
    425: Verdict.FAILING,
    429: Verdict.THROTTLED,
    500: Verdict.FAILING,
    502: Verdict.FAILING,
    503: Verdict.FAILING,
    504: Verdict.FAILING,
}


def verdict(status: int) -> Verdict:
    """Return what ``status`` means; the one table of it."""
    return _VERDICTS.get(status, Verdict.ANSWERED)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient we are. Waits double from ``first_wait_s`` to ``longest_wait_s``, with jitter.

    ``attempts`` bounds tries in a row without progress; ``first_contact_attempts`` those to connect to a host
    that never answered; ``patience_s`` the sum of the waits that 429 answers make us wait.
    """

    attempts: int = 6
    first_contact_attempts: int = 2
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0
    patience_s: float = 900.0


class Tries:
    """Counts the failures in a row of one piece of work, and says how long to wait, or that it is enough."""

    __slots__ = ("_attempts", "_failures", "_policy", "_throttled", "_waited_s")

    def __init__(self, policy: RetryPolicy, attempts: int | None = None) -> None:
        self._policy = policy
        self._attempts = policy.attempts if attempts is None else attempts
        self._failures = 0
        self._throttled = 0
        self._waited_s = 0.0

    def progressed(self) -> None:
        """Forget the failures so far: something came through."""
        self._failures = 0

    def wait_after_failure(self, chance: float, retry_after_s: float | None = None) -> float | None:
        """Return seconds to wait after a failure, or None when it was the last try."""
        self._failures += 1
        if self._failures >= self._attempts:
            return None
        wait_s = self._backoff(self._failures, chance)
        if retry_after_s is not None:
            wait_s = max(wait_s, retry_after_s)
            if self._waited_s + wait_s > self._policy.patience_s:
                return None
            self._waited_s += wait_s
        return wait_s

    def wait_after_throttling(self, chance: float, retry_after_s: float | None) -> float | None:
        """Return seconds to wait after a 429, or None when that is longer than our patience.

        A wait that the registry asks for is kept to, plus a little chance so that not all come back at once.
        """
        self._throttled += 1
        wait_s = self._backoff(self._throttled + 1, chance)
        if retry_after_s is not None:
            wait_s = retry_after_s + chance * min(1.0, 0.1 * retry_after_s)
        if self._waited_s + wait_s > self._policy.patience_s:
            return None
        self._waited_s += wait_s
        return wait_s

    def _backoff(self, nth: int, chance: float) -> float:
        """Half of the doubled wait is fixed, half is chance."""
        longest = min(self._policy.longest_wait_s, self._policy.first_wait_s * 2.0 ** min(nth - 1, 30))
        return longest * (0.5 + 0.5 * chance)


def parse_retry_after(value: str | None, wall_clock_s: float) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110 10.2.3), None when it says nothing."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0.0, moment.timestamp() - wall_clock_s)
