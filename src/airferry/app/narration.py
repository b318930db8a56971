"""What an operator is told while work goes on. The command line implements it; work never prints."""

from typing import Protocol


class Narrator(Protocol):
    """Receives events while a command works. Methods return at once and never raise."""

    def phase(self, title: str, *, steps: int | None = None, size_bytes: int | None = None) -> None:
        """A new phase begins: how many steps and bytes it has, where known."""

    def advance(self, *, steps: int = 0, size_bytes: int = 0) -> None:
        """The phase got further."""

    def event(self, text: str) -> None:
        """Something worth a line of its own happened (a blob is being uploaded)."""

    def note(self, text: str) -> None:
        """Something the operator should read, on stderr."""

    def warn(self, text: str) -> None:
        """Something the operator should act on, on stderr."""

    def done(self) -> None:
        """The last phase is over."""


class Mute:
    """Tells nobody; for callers that only want the result."""

    def phase(self, title: str, *, steps: int | None = None, size_bytes: int | None = None) -> None:
        """Do nothing."""

    def advance(self, *, steps: int = 0, size_bytes: int = 0) -> None:
        """Do nothing."""

    def event(self, text: str) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def warn(self, text: str) -> None:
        """Do nothing."""

    def done(self) -> None:
        """Do nothing."""
