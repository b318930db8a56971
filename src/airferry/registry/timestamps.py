"""Times as programs read them."""

from datetime import UTC, datetime


def print_second(moment: datetime) -> str:
    """Return a time as RFC 3339 has it, in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def print_time(moment_s: float) -> str:
    """Return a time in seconds since 1970 as RFC 3339 has it, in UTC, to the millisecond."""
    return datetime.fromtimestamp(moment_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
