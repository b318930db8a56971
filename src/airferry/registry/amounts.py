"""Durations and sizes as people write them into settings and commands."""

import re
from typing import Final

from airferry.errors import UsageError

_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(s|m|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?(B|[kKMGT]i?B?)?")


def parse_duration(text: str) -> float:
    """Return the seconds that ``90s``, ``30m``, ``12h`` or ``7d`` stand for. Raises UsageError."""
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UsageError(f"{text[:40]!r} is not a duration", hint="write 90s, 30m, 12h or 7d")
    return float(match[1]) * _SECONDS[match[2]]


def parse_size(text: str) -> int:
    """Return the bytes that ``500GiB``, ``10G`` (binary, too), ``64MB`` (decimal) or ``1024`` stand for.

    Raises UsageError.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text[:40]!r} is not a size", hint="write 500GiB, 1.5TiB, 64MB or a number of bytes")
    unit = match[2] or "B"
    power = " KMGT".index(unit[0].upper()) if unit != "B" else 0
    is_decimal = len(unit) == 2 and unit[1] == "B"
    return int(float(match[1]) * (1000 if is_decimal else 1024) ** power)
