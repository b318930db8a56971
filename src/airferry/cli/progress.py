"""Progress on stderr: a bar on a terminal, a line now and then elsewhere, JSON for programs.

Each implements app.narration.Narrator.
"""

import json
import os
import sys
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airferry.cli.terminal import harmless
from airferry.quantities import print_binary_size, print_duration

if TYPE_CHECKING:
    from airferry.app.narration import Narrator

_LINE_EVERY_S = 5.0
_FIRST_LINE_S = 1.0


class ProgressForm(StrEnum):
    """How progress is shown; ``auto`` is a bar on a terminal and lines elsewhere."""

    AUTO = "auto"
    PLAIN = "plain"
    JSON = "json"
    NONE = "none"


def new_narrator(form: ProgressForm, *, quiet_notes: bool = False) -> "Narrator":
    """Return the narrator for ``form``. ``quiet_notes`` drops notes (plans, timings), never warnings."""
    if form is ProgressForm.JSON:
        return JsonLines()
    if form is ProgressForm.AUTO and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return Bar(quiet_notes)
    return Lines(quiet_notes, show_progress=form is not ProgressForm.NONE)


class Lines:
    """Notes, events and, after a second and then every few, how far the phase is: for logs and pipes."""

    def __init__(self, quiet_notes: bool, *, show_progress: bool) -> None:
        self._quiet_notes = quiet_notes
        self._show_progress = show_progress
        self._start("", None, None)

    def _start(self, title: str, steps: int | None, size_bytes: int | None) -> None:
        self._title, self._steps, self._bytes = title, steps, size_bytes
        self._steps_done = self._bytes_done = 0
        self._began = time.monotonic()
        self._last = self._began + _FIRST_LINE_S - _LINE_EVERY_S

    def phase(self, title: str, *, steps: int | None = None, size_bytes: int | None = None) -> None:
        """Begin a phase; it is shown only if it lasts."""
        self._start(title, steps, size_bytes)

    def advance(self, *, steps: int = 0, size_bytes: int = 0) -> None:
        """Count, and say how far it is when nothing was said for a while."""
        self._steps_done += steps
        self._bytes_done += size_bytes
        now = time.monotonic()
        if self._show_progress and now - self._last >= _LINE_EVERY_S:
            self._last = now
            self._print(self._where(now))

    def _where(self, now: float) -> str:
        if self._bytes:
            rate = self._bytes_done / max(now - self._began, 1e-6)
            left = print_duration(max(self._bytes - self._bytes_done, 0) / rate) if rate else "?"
            share = 100 * self._bytes_done / self._bytes
            done, total = print_binary_size(self._bytes_done), print_binary_size(self._bytes)
            return f"progress: {self._title}: {share:.0f}% {done} of {total}, {print_binary_size(rate)}/s, {left} left"
        of = f" of {self._steps}" if self._steps else ""
        return f"progress: {self._title}: {self._steps_done}{of}"

    def event(self, text: str) -> None:
        """Print the line."""
        if not self._quiet_notes:
            self._print(text)

    def note(self, text: str) -> None:
        """Print the line."""
        if not self._quiet_notes:
            self._print(text)

    def warn(self, text: str) -> None:
        """Print the line, marked as a warning."""
        self._print(f"warning: {text}")

    def done(self) -> None:
        """Nothing is left to clear."""

    def _print(self, text: str) -> None:
        print(harmless(text), file=sys.stderr, flush=True)


class JsonLines:
    """One JSON object a line, for programs that watch: type, and what belongs to it."""

    def __init__(self) -> None:
        self._state: dict[str, Any] = {}
        self._last = 0.0

    def phase(self, title: str, *, steps: int | None = None, size_bytes: int | None = None) -> None:
        """Print the phase with its totals."""
        self._state = {"phase": title, "steps": steps, "bytes": size_bytes, "stepsDone": 0, "bytesDone": 0}
        self._print("phase", **self._state)

    def advance(self, *, steps: int = 0, size_bytes: int = 0) -> None:
        """Count, and print the counters at most twice a second."""
        self._state["stepsDone"] = self._state.get("stepsDone", 0) + steps
        self._state["bytesDone"] = self._state.get("bytesDone", 0) + size_bytes
        now = time.monotonic()
        if now - self._last >= 0.5:
            self._last = now
            self._print("progress", **self._state)

    def event(self, text: str) -> None:
        """Print the event."""
        self._print("event", text=text)

    def note(self, text: str) -> None:
        """Print the note."""
        self._print("note", text=text)

    def warn(self, text: str) -> None:
        """Print the warning."""
        self._print("warning", text=text)

    def done(self) -> None:
        """Print the last counters."""
        self._print("progress", **self._state)

    def _print(self, kind: str, **fields: Any) -> None:
        print(json.dumps({"type": kind, **fields}), file=sys.stderr, flush=True)


class Bar:
    """A bar that redraws itself; notes and warnings scroll by above it."""

    def __init__(self, quiet_notes: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

        self._quiet_notes = quiet_notes
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[where]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._bytes: int | None = None
        self._bytes_done = self._steps_done = 0
        self._steps: int | None = None

    def phase(self, title: str, *, steps: int | None = None, size_bytes: int | None = None) -> None:
        """Show a fresh bar."""
        self.done()
        self._bytes, self._steps, self._bytes_done, self._steps_done = size_bytes, steps, 0, 0
        self._task = self._progress.add_task(title, total=size_bytes or steps, where="")
        self._progress.start()

    def advance(self, *, steps: int = 0, size_bytes: int = 0) -> None:
        """Move the bar."""
        self._bytes_done += size_bytes
        self._steps_done += steps
        if self._task is None:
            return
        if self._bytes:
            where = f"{print_binary_size(self._bytes_done)} of {print_binary_size(self._bytes)}"
            self._progress.update(self._task, completed=self._bytes_done, where=where)
        else:
            where = f"{self._steps_done}" + (f" of {self._steps}" if self._steps else "")
            self._progress.update(self._task, completed=self._steps_done, where=where)

    def event(self, text: str) -> None:
        """Say nothing: the bar moves."""

    def note(self, text: str) -> None:
        """Print the note above the bar."""
        if not self._quiet_notes:
            self._console.print(harmless(text), markup=False)

    def warn(self, text: str) -> None:
        """Print the warning above the bar."""
        self._console.print(harmless(f"warning: {text}"), markup=False)

    def done(self) -> None:
        """Remove the bar."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._progress.stop()
            self._task = None
