"""Times as programs read them."""

from datetime import UTC, datetime


def print_time(moment_s: float) -> str:
    """Return a time in seconds since 1970 as RFC 3339 has it, in UTC, to the millisecond."""
    return datetime.fromtimestamp(moment_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
