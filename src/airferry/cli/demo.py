"""``airferry demo``."""

import asyncio
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from airferry.cli.command import SETTINGS, OcCommand, Result, StoppedError, run
from airferry.cli.progress import ProgressForm, new_narrator
from airferry.errors import AirferryError, UsageError, without_userinfo

_ANOTHER_FOLDER: Final = "name a new folder, or none for a temporary one"


@click.command("demo", cls=OcCommand, context_settings=SETTINGS)
@click.option("--keep", is_flag=True, help="Leave registry, disk and files in place, and say how to look at them.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    help="New or empty folder to work in; by default a temporary one.",
)
@click.option(
    "--progress",
    type=click.Choice([form.value for form in ProgressForm]),
    default="auto",
    show_default=True,
    help="Form of the progress on stderr.",
)
def command(keep: bool, folder: Path | None, progress: str) -> None:
    """Carry a made-up release across the gap on this machine, without internet and without root.

    Publishes a release of 184 images in the shape of OpenShift 4.12.0 at an upstream that behaves like quay.io,
    mirrors it to a folder, loads a mirror registry from there, runs the installer it contains, stops the upstream, and
    pulls every image by its quay.io name. In the end `airferry verify` must say yes to all of them, and podman,
    where it is installed, must agree. Needs up to 1 GiB of disk.

    \b
    Example:
      airferry demo --keep
    """
    try:
        _demo(folder, progress, keep=keep)
    except AirferryError as error:
        _end_with(f"demo: failed: {error.message}")
        raise
    except KeyboardInterrupt:
        _end_with("demo: failed: stopped")
        raise StoppedError("stopped", hint="airferry demo starts from the beginning") from None
    except Exception as error:  # the last line must say how it ended, whatever happened
        _end_with(without_userinfo(f"demo: failed: unexpected {type(error).__name__}: {error}"))
        raise


def _demo(folder: Path | None, progress: str, *, keep: bool) -> None:
    with _terminable():
        work = _work_folder(folder)
        try:
            _cross(work, progress, keep=keep)
        except BaseException:
            if keep:
                sys.stdout.write(f"What there is so far is kept in {work}\n")
            raise
        finally:
            if not keep:
                shutil.rmtree(work, ignore_errors=True)


def _work_folder(folder: Path | None) -> Path:
    """Return the folder to work in, made where there is none. Raises UsageError, also for one that is not empty."""
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="airferry-demo-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise UsageError(f"cannot work in {folder}: {error.strerror}", hint=_ANOTHER_FOLDER) from error
    if not is_empty:
        raise UsageError(f"{folder} is not empty", hint=_ANOTHER_FOLDER)
    return folder


def _cross(work: Path, progress: str, *, keep: bool) -> None:
    from airferry.lab.demo import look_around, run_demo

    narrator = new_narrator(ProgressForm(progress), quiet_notes=True)
    try:
        report = run(_terminable_run(run_demo(work, narrator)))
    finally:
        narrator.done()
    sys.stdout.write(f"\n{report.table()}\n")
    if keep:
        sys.stdout.write(look_around(work, report, program()))
    _end_with(report.line)


def _end_with(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does: by KeyboardInterrupt, so that it can clear up and say so."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


async def _terminable_run(work: Coroutine[Any, Any, Result]) -> Result:
    """Do ``work``; SIGTERM cancels it, as SIGINT does by itself, and what has to be closed is closed first."""
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def program() -> str:
    """Return how to start the airferry that runs here, as one types it into a shell."""
    started = Path(
        os.environ.get("STATICX_PROG_PATH", sys.executable) if getattr(sys, "frozen", False) else sys.argv[0]
    )
    if started.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m airferry"
    found = shutil.which(started.name)
    if found is not None and Path(found).resolve() == started.resolve():
        return shlex.quote(started.name)
    return shlex.quote(str(started.absolute()))
