"""Whom an error concerns, and when to stop asking somebody who keeps failing."""

from collections.abc import Hashable
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

PATIENCE: Final = 5
"""So many failures of a server in a row, and it counts as lost. Each has been retried before."""


class Breaker:
    """Decides after each error whether a run goes on, and remembers whom there is no use in asking again.

    ``repository`` and ``place`` below are whatever stands for those that an errand involves: lack of credentials
    concerns a repository, every other fatal error the whole place. With ``go_on`` a run outlives them, and leaves out
    what it would have asked of them; without it the first is raised.
    """

    def __init__(self, *, go_on: bool = False) -> None:
        self._go_on = go_on
        self._lost: dict[Hashable, AirferryError] = {}
        self._in_a_row: dict[Hashable, int] = {}

    def lost(self, repository: Hashable, place: Hashable) -> AirferryError | None:
        """Return why an errand should not even be tried, None when it should."""
        return self._lost.get(repository) or self._lost.get(place)

    def worked(self, place: Hashable) -> None:
        """Note that an errand was done."""
        self._in_a_row.pop(place, None)

    def failed(self, error: AirferryError, repository: Hashable, place: Hashable) -> None:
        """Note ``error`` of an errand, and raise it when the run should not go on."""
        fatal = isinstance(error, FATAL)
        # Exactly these: their subclasses are about one content.
        if type(error) in _FAILING:
            self._in_a_row[place] = self._in_a_row.get(place, 0) + 1
            fatal = self._in_a_row[place] >= PATIENCE
        if not fatal:
            return
        if not self._go_on or isinstance(error, UNFIT_DISK):
            raise error
        self._lost.setdefault(repository if isinstance(error, UnauthorizedError) else place, error)
