"""What a destination is known to hold complete, so that a second run need not ask for it all again.

One JSON file for each destination place, under the user's state folder. It is a memory, not a truth: it is
believed for a limited time, and whoever believes it still asks whether the image's tag or manifest is there.
"""

import contextlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from airferry.errors import MalformedError
from airferry.oci import Digest, Place, Repository
from airferry.transfer.state_file import write_state

_VERSION = 2

BELIEVED_FOR_S = 24 * 3600
"""How long a record is believed; after that everything is asked for again."""


@dataclass(frozen=True, slots=True)
class SeenImage:
    """When an image was seen complete, in seconds since the epoch, and its attachments: digest and tags of each."""

    at: float
    attached: Mapping[Digest, tuple[str, ...]] = field(default_factory=dict)

    def is_fresh(self, now: float) -> bool:
        """Whether that was within the last 24 hours before ``now``."""
        return 0 <= now - self.at < BELIEVED_FOR_S


@dataclass(slots=True)
class HeldRecord:
    """Images that were seen complete, with their attachments, in one place."""

    file: Path
    images: dict[str, dict[str, SeenImage]] = field(default_factory=dict)
    bytes_per_second: float | None = None

    def seen(self, repository: Repository, digest: Digest, *, now: float) -> SeenImage | None:
        """Return how ``digest`` was seen complete in ``repository``, None when not within 24 hours before ``now``."""
        seen = self.images.get(repository.path, {}).get(digest)
        return seen if seen is not None and seen.is_fresh(now) else None

    def note(
        self,
        repository: Repository,
        digest: Digest,
        *,
        now: float,
        attached: Mapping[Digest, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        """Remember that ``digest`` is complete in ``repository``, with what is attached to it."""
        self.images.setdefault(repository.path, {})[digest] = SeenImage(now, attached)

    def forget(self, repository: Repository, digest: Digest) -> None:
        """Stop believing that ``digest`` is complete in ``repository``."""
        self.images.get(repository.path, {}).pop(digest, None)

    def save(self, *, now: float) -> None:
        """Write what is still believed. A state folder that cannot be written to costs speed only: no error."""
        fresh = {
            path: {
                digest: {"seen": seen.at, "attached": {str(key): list(tags) for key, tags in seen.attached.items()}}
                for digest, seen in held.items()
                if seen.is_fresh(now)
            }
            for path, held in self.images.items()
        }
        document = {"version": _VERSION, "bytesPerSecond": self.bytes_per_second, "images": fresh}
        write_state(self.file, document)


def load_held(place: Place, state_folder: Path) -> HeldRecord:
    """Return the record of ``place``; one that is absent, unreadable or of another version is empty."""
    name = place.address.replace("/", "_").replace(":", "_")
    file = state_folder / "held" / f"{place.kind}-{name[-80:]}-{Digest.of(str(place).encode()).short}.json"
    record = HeldRecord(file)
    with contextlib.suppress(OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError, MalformedError):
        document: Any = json.loads(file.read_text())
        if document.get("version") == _VERSION:
            record.images = _parse_images(document.get("images"))
            record.bytes_per_second = _parse_speed(document.get("bytesPerSecond"))
    return record


def _parse_images(fields: Any) -> dict[str, dict[str, SeenImage]]:
    return {
        path: {Digest.parse(digest): _parse_seen(seen) for digest, seen in held.items()}
        for path, held in fields.items()
    }


def _parse_seen(fields: Any) -> SeenImage:
    attached = {Digest.parse(digest): tuple(map(str, tags)) for digest, tags in fields["attached"].items()}
    return SeenImage(float(fields["seen"]), attached)


def _parse_speed(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < math.inf else None
