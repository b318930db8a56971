"""What tests take from the machine. Elsewhere a test without it is skipped; in CI, which has it all, it fails."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest


def lacks(what: str) -> NoReturn:
    """End the test because the machine lacks something."""
    if os.environ.get("CI"):
        pytest.fail(f"in CI there must be {what}")
    pytest.skip(f"there must be {what}")


def program(name: str) -> str:
    """Return the path of one of Debian's programs."""
    return shutil.which(name) or lacks(f"the program {name}")


def mounting(*arguments: object) -> None:
    """Call mount(8)."""
    subprocess.run(["mount", *map(str, arguments)], check=True)


@contextmanager
def may_mount(folder: Path) -> Iterator[None]:
    """Make an empty folder to mount file systems at; they are gone afterwards. Needs root."""
    if os.geteuid() != 0:
        lacks("root, who alone mounts file systems")
    folder.mkdir()
    try:
        yield
    finally:
        while folder.is_mount():
            # Lazily: what a killed run left behind may still be closing its files.
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
