"""Versions in the order of semantic versioning. Source: semver.org 2.0.0, items 2, 9, 10 and 11."""

import re
from typing import Final

_GRAMMAR: Final = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?\Z", re.ASCII
)
_LONGEST: Final = 1024
"""Nothing longer is a version: its numbers may have more digits than Python is willing to read."""

SortKey = tuple[int, int, int, int, tuple[tuple[int, int, str], ...], str]
Precedence = tuple[int, int, int, int, tuple[tuple[int, int, str], ...]]


def is_version(text: str) -> bool:
    """Whether ``text`` is a complete semantic version, such as 4.12.0 or 4.12.0-rc.8."""
    return len(text) <= _LONGEST and _GRAMMAR.match(text) is not None


def version_order(text: str) -> SortKey:
    """Return a sort key: by precedence, a pre-release before its release, what is no version at the end."""
    key = precedence(text)
    return (*key, text) if key is not None else (2**63, 0, 0, 0, (), text)


def precedence(text: str) -> Precedence | None:
    """Return what two versions are compared by, None for what is no version. Build metadata does not count."""
    found = _GRAMMAR.match(text) if len(text) <= _LONGEST else None
    if found is None:
        return None
    major, minor, patch, pre = found.groups()
    parts = tuple(_identifier(part) for part in pre.split(".")) if pre else ()
    return (int(major), int(minor), int(patch), 0 if pre else 1, parts)


def _identifier(part: str) -> tuple[int, int, str]:
    """Numbers come before words, and are compared as numbers."""
    return (0, int(part), "") if part.isdecimal() else (1, 0, part)
