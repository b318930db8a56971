"""``airferry demo``."""

import shutil
import sys
import tempfile
from pathlib import Path

import click

from airferry.cli.command import SETTINGS, OcCommand, run
from airferry.cli.options import FOLDER
from airferry.cli.progress import ProgressForm, new_narrator
from airferry.errors import AirferryError, UsageError


@click.command("demo", cls=OcCommand, context_settings=SETTINGS)
@click.option("--keep", is_flag=True, help="Leave registry, disk and files in place, and say how to look at them.")
@click.option("--dir", "folder", type=FOLDER, help="New or empty folder to work in; by default a temporary one.")
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
    pulls every image by its quay.io name. Needs up to 1 GiB of disk.

    \b
    Example:
      airferry demo --keep
    """
    work = _work_folder(folder)
    try:
        code = _run(work, progress, keep=keep)
    finally:
        if not keep:
            shutil.rmtree(work, ignore_errors=True)
    if code:
        raise click.exceptions.Exit(code)


def _work_folder(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="airferry-demo-"))
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", hint="name a new folder, or none for a temporary one")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(work: Path, progress: str, *, keep: bool) -> int:
    from airferry.lab.demo import look_around, run_demo

    narrator = new_narrator(ProgressForm(progress), quiet_notes=True)
    try:
        report = run(run_demo(work, narrator))
    except AirferryError as error:
        narrator.done()
        hint = f"hint: {error.hint}\n" if error.hint else ""
        sys.stdout.write(f"{hint}demo: failed: {error.message}\n")
        return int(error.exit_code)
    except Exception as error:  # the last line must say how it ended, whatever happened
        narrator.done()
        sys.stdout.write(f"demo: failed: unexpected {type(error).__name__}: {error}\n")
        return 2
    narrator.done()
    sys.stdout.write(f"\n{report.table()}\n")
    if keep:
        sys.stdout.write(look_around(work, report))
    sys.stdout.write(f"{report.line}\n")
    return 0
