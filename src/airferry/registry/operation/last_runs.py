"""What the last garbage collection and the last scrub came to, as they noted it in ``ROOT/state``."""

from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from airferry.registry.operation.control import STATE_FOLDER

COLLECTION: Final = "gc"
SCRUB: Final = "scrub"
_MOST_BYTES: Final = 1024 * 1024


def read_last_run(root: Path, kind: str) -> dict[str, Any] | None:
    """Return what the last run of ``kind`` noted; None where none did, or nobody can understand it."""
    try:
        with (root / STATE_FOLDER / f"{kind}.json").open("rb") as file:
            noted = msgspec.json.decode(file.read(_MOST_BYTES))
    except (OSError, ValueError):
        return None
    return noted if isinstance(noted, dict) else None


def finished_s(noted: dict[str, Any] | None) -> float | None:
    """Return when a run finished, in seconds since 1970, where it says so."""
    said = noted.get("finishedAt") if noted else None
    if not isinstance(said, str):
        return None
    try:
        return datetime.fromisoformat(said).timestamp()
    except ValueError:
        return None
