"""Whom an error concerns, and when to stop asking somebody who keeps failing."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from airferry.content.errors import (
    CertificateError,
    InterruptedTransferError,
    InUseError,
    NoSpaceError,
    ReadOnlyError,
    RegistryFailedError,
    ThrottledError,
    UnauthorizedError,
    UnfitFilesystemError,
    UnreachableError,
)
from airferry.errors import AirferryError

UNFIT_DISK: Final = (NoSpaceError, ReadOnlyError, UnfitFilesystemError, InUseError)
"""Errors of a disk that would hit everything written to it alike; no run goes on past one."""

FATAL: Final = (*UNFIT_DISK, UnauthorizedError, CertificateError, UnreachableError, ThrottledError)
"""Errors that would hit everything asked of the same place alike. Any other concerns one image."""

_FAILING: Final = (RegistryFailedError, InterruptedTransferError)
"""Errors of a server that may have trouble with one content, or with all of it: only their number tells."""

PATIENCE_WITH_A_STRANGER: Final = 5
"""So many failures in a row of a place where nothing has worked yet, and it counts as lost."""

PATIENCE: Final = 20
"""The same of a place that has worked before. Each failure has been retried, which takes its time."""


class Breaker:
    """Decides after each error whether a run goes on, and remembers whom there is no use in asking again.

    ``repository`` and ``place`` below are whatever stands for those that an errand involves: lack of credentials
    concerns a repository, every other fatal error the whole place. With ``go_on`` a run outlives them, and leaves out
    what it would have asked of them; without it the first is raised.
    """

    def __init__(self, *, go_on: bool = False) -> None:
        self._go_on = go_on
        self._lost: dict[Hashable, AirferryError] = {}
        self._worked: Counter[Hashable] = Counter()
        self._in_a_row: Counter[Hashable] = Counter()

    def lost(self, repository: Hashable, place: Hashable) -> AirferryError | None:
        """Return why an errand should not even be tried, None when it should."""
        return self._lost.get(repository) or self._lost.get(place)

    def begin(self, repository: Hashable, place: Hashable) -> "Attempt":
        """Return an errand that is tried from now on."""
        return Attempt(self, repository, place, self._worked[place])

    def _note_success(self, attempt: "Attempt") -> None:
        self._worked[attempt.place] += 1
        self._in_a_row[attempt.place] = 0

    def _note_failure(self, attempt: "Attempt", error: AirferryError) -> None:
        place = attempt.place
        fatal = isinstance(error, FATAL)
        # Exactly these: their subclasses are about one content. What fails while others work at the same place is as
        # well, however late it is given up.
        if type(error) in _FAILING and self._worked[place] == attempt.worked_before:
            self._in_a_row[place] += 1
            fatal = self._in_a_row[place] >= (PATIENCE if self._worked[place] else PATIENCE_WITH_A_STRANGER)
        if not fatal:
            return
        if not self._go_on or isinstance(error, UNFIT_DISK):
            raise error
        self._lost.setdefault(attempt.repository if isinstance(error, UnauthorizedError) else place, error)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One errand under way, to be told how it ended."""

    breaker: Breaker
    repository: Hashable
    place: Hashable
    worked_before: int

    def worked(self) -> None:
        """Note that the errand was done."""
        self.breaker._note_success(self)

    def failed(self, error: AirferryError) -> None:
        """Note ``error``, and raise it when the run should not go on."""
        self.breaker._note_failure(self, error)
