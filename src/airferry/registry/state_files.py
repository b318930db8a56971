"""What upkeep found last, one JSON file each under ``ROOT/state``: for ``registry status``, for scripts, and to know
when the next run is due. Every file has ``finishedAt`` (RFC 3339, UTC)."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from airferry.registry.disk import disk_errors
from airferry.registry.durable import give_to_owner_of, write_durably

STATE_FOLDER: Final = "state"
GC: Final = "gc"
SCRUB: Final = "scrub"
SHOWN_BYTES: Final = 1024 * 1024
"""Of larger files nothing is shown to people and scrapers."""


def write_state(root: Path, name: str, document: Mapping[str, Any]) -> None:
    """Replace the file of ``name``. Raises NoSpaceError, ReadOnlyError."""
    with disk_errors(f"writing {STATE_FOLDER}/{name}.json"):
        content = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
        write_durably(state_folder(root) / f"{name}.json", content, 0o644)


def read_state(root: Path, name: str, *, most_bytes: int = -1) -> dict[str, Any] | None:
    """Return what the last run of ``name`` wrote; None when there was none, or its file was spoilt.

    A file of more than ``most_bytes`` (-1: of any size) counts as spoilt.
    """
    try:
        with (root / STATE_FOLDER / f"{name}.json").open("rb") as file:
            found = msgspec.json.decode(file.read(most_bytes))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def finished_s(state: Mapping[str, Any] | None) -> float | None:
    """Return when that run finished, in seconds since 1970; None when that cannot be told."""
    said = state.get("finishedAt") if state else None
    try:
        return datetime.fromisoformat(said).timestamp() if isinstance(said, str) else None
    except ValueError:
        return None


@contextmanager
def alone(root: Path, name: str) -> Iterator[bool]:
    """Whether no other process is in the same block for ``name``; it ends with the process, however that ends."""
    with disk_errors(f"locking {STATE_FOLDER}/{name}.lock"):
        descriptor = os.open(
            state_folder(root) / f"{name}.lock", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
        )
    try:
        give_to_owner_of(root, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def state_folder(root: Path) -> Path:
    """Return the folder; it is made where it is missing, for the owner of ``root``. Raises OSError."""
    folder = root / STATE_FOLDER
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            owner = root.stat()
            if os.geteuid() == 0 and owner.st_uid != 0:
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
        finally:
            os.close(descriptor)
    return folder
