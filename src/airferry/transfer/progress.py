"""What an onlooker is told while a plan is carried out."""

from typing import Protocol

from airferry.plan import Step


class Progress(Protocol):
    """Receives events in the event loop's thread; must not block and must not raise."""

    def started(self, step: Step) -> None:
        """A worker begins ``step``."""

    def moved(self, size_bytes: int) -> None:
        """So many bytes of blobs arrived, or were found kept from an earlier run."""

    def finished(self, step: Step) -> None:
        """``step`` is done."""


class Silent:
    """Tells nobody."""

    def started(self, step: Step) -> None:
        """Do nothing."""

    def moved(self, size_bytes: int) -> None:
        """Do nothing."""

    def finished(self, step: Step) -> None:
        """Do nothing."""
