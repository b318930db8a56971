"""How a registry that serves looks after itself: the tables ``[gc]`` and ``[scrub]`` of registry.toml."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from airferry.errors import MalformedError, UsageError
from airferry.registry.amounts import parse_duration, parse_size

OFF: Final = "off"
NEVER: Final = "never"
SCRUB_RATE: Final = 32 * 1024 * 1024
_DAY_S: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class UpkeepSettings:
    """When upkeep runs inside ``serve``. An interval of None: never. ``scrub_rate`` is in bytes per second."""

    gc_interval_s: float | None = _DAY_S
    gc_grace_s: float = _DAY_S
    untagged_after_s: float | None = None
    scrub_interval_s: float | None = 7 * _DAY_S
    scrub_rate: float = SCRUB_RATE

    @classmethod
    def parse(cls, fields: dict[str, Any], file: Path) -> Self:
        """Return what the tables of ``file`` say; what they do not say is as above. Raises MalformedError."""
        settings, gc, scrub = cls(), _table(fields, "gc", file), _table(fields, "scrub", file)
        try:
            return replace(
                settings,
                gc_interval_s=parse_optional(gc.get("interval", "24h"), OFF),
                gc_grace_s=parse_duration(gc.get("grace", "24h")),
                untagged_after_s=parse_optional(gc.get("untagged", NEVER), NEVER),
                scrub_interval_s=parse_optional(scrub.get("interval", "7d"), OFF),
                scrub_rate=parse_rate(scrub.get("rate", "32MiB")),
            )
        except UsageError as error:
            raise MalformedError(f"{file}, in [gc] or [scrub]: {error.message}", hint=error.hint) from error


def parse_optional(text: str, word: str) -> float | None:
    """Return a duration in seconds, None for ``word``. Raises UsageError."""
    return None if text == word else parse_duration(text)


def parse_rate(text: str) -> float:
    """Return bytes per second of a size such as ``32MiB``. Raises UsageError, also for nought."""
    rate = parse_size(text.removesuffix("/s"))
    if rate <= 0:
        raise UsageError("a rate is more than nought", hint="write 32MiB for 32 MiB per second")
    return rate


def _table(fields: dict[str, Any], name: str, file: Path) -> dict[str, str]:
    table = fields.get(name, {})
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise MalformedError(f'[{name}] in {file} does not hold texts, such as interval = "24h"')
    return table
