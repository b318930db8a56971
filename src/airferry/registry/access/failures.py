"""Where failed guesses and known owners are written down, and what one process keeps of them for itself.

What follows from them is said by :mod:`airferry.registry.access.throttle`; for several processes there is
:mod:`airferry.registry.access.shared_failures`.
"""

from collections import OrderedDict
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

_MOST_KEYS: Final = 10_000
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Failures:
    """How many there were, and when the last was, in seconds of the clock of whoever counts."""

    count: int
    last_s: float


NO_FAILURES: Final = Failures(0, float("-inf"))

Subject = tuple[str, str]
"""A kind (``address``, ``account``) and which one."""


class Ledger(Protocol):
    """Keeps failures and owners, a bounded number of each.

    ``since_s`` is the moment before which a last failure is forgotten.
    """

    def alone(self) -> AbstractContextManager[None]:
        """Return the block in which nobody else reads or writes; everything below is called in one."""
        ...

    def failures(self, subject: Subject, since_s: float) -> Failures:
        """Return the failures of ``subject``."""
        ...

    def keep(self, subject: Subject, failures: Failures, since_s: float) -> None:
        """Replace those of ``subject``; a count below one is none."""
        ...

    def trust(self, where: str, name: str, now_s: float) -> None:
        """Note that ``name`` got in from ``where``."""
        ...

    def is_trusted(self, where: str, name: str) -> bool:
        """Whether that was noted, and is not forgotten for newer ones."""
        ...


class OwnLedger:
    """A ledger in the memory of this process, for one event loop. What was untouched for longest goes first."""

    def __init__(self) -> None:
        self._failures: OrderedDict[Subject, Failures] = OrderedDict()
        self._trusted: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __len__(self) -> int:
        """Return how much is kept."""
        return len(self._failures) + len(self._trusted)

    def alone(self) -> AbstractContextManager[None]:
        """Nothing to do: there is nobody else."""
        return nullcontext()

    def failures(self, subject: Subject, since_s: float) -> Failures:
        """Return them as they were kept."""
        found = self._failures.get(subject, NO_FAILURES)
        return found if found.last_s >= since_s else NO_FAILURES

    def keep(self, subject: Subject, failures: Failures, since_s: float) -> None:
        """Replace them."""
        if failures.count < 1:
            self._failures.pop(subject, None)
        else:
            _keep_newest(self._failures, subject, failures)

    def trust(self, where: str, name: str, now_s: float) -> None:
        """Note it."""
        _keep_newest(self._trusted, (where, name), None)

    def is_trusted(self, where: str, name: str) -> bool:
        """Whether it was noted."""
        return (where, name) in self._trusted


def _keep_newest(kept: OrderedDict[tuple[str, str], _Value], key: tuple[str, str], value: _Value) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > _MOST_KEYS:
        kept.popitem(last=False)
