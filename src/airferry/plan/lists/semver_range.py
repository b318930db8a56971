"""Ranges of versions as ``images-by-semver`` and ``semverRange`` write them: ``^1.2``, ``~1.2``, ``>=1 <2``, ``1.x``.

Source: the documentation of Masterminds/semver 3.4, "Checking Version Constraints", which skopeo uses. What is no
version is in no range; a pre-release is in one only where a bound beside it names a pre-release.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from airferry.errors import MalformedError

_PRE: Final = r"(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
_VERSION: Final = re.compile(rf"v?(?P<major>\d+)(?:\.(?P<minor>\d+))?(?:\.(?P<patch>\d+))?{_PRE}", re.ASCII)
_PART: Final = r"(?:\d+|[xX*])"
_BOUND: Final = re.compile(
    r"(?P<operator>=>|=<|>=|<=|!=|~>|[=<>~^])?\s*"
    rf"v?(?P<major>{_PART})(?:\.(?P<minor>{_PART}))?(?:\.(?P<patch>{_PART}))?{_PRE}",
    re.ASCII,
)
_HYPHEN: Final = re.compile(r"(?P<low>[^\s,]+)\s+-\s+(?P<high>[^\s,]+)")
_MOST_CHARACTERS: Final = 1000
_MOST_DIGITS: Final = 20


@dataclass(frozen=True, slots=True)
class _Version:
    numbers: tuple[int, int, int]
    pre: str = ""

    @property
    def order(self) -> tuple[tuple[int, int, int], int, tuple[tuple[int, int, str], ...]]:
        """A sort key (semver.org 2.0.0, item 11): a pre-release before its release, numbers before words."""
        parts = (part for part in self.pre.split(".") if part)
        words = tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)
        return self.numbers, 0 if self.pre else 1, words


@dataclass(frozen=True, slots=True)
class _Bound:
    """One comparison. ``known`` is how many of the three numbers were written out; the others are zero."""

    operator: str
    version: _Version
    known: int

    def admits(self, version: _Version) -> bool:
        return _CHECKS[self.operator](self, version)


@dataclass(frozen=True, slots=True)
class SemverRange:
    """A range as it was written: it holds what all bounds of any of its alternatives admit."""

    text: str
    alternatives: tuple[tuple[_Bound, ...], ...]

    @classmethod
    def parse(cls, text: str) -> "SemverRange":
        """Return the range that ``text`` spells. Raises MalformedError."""
        if len(text) > _MOST_CHARACTERS:
            raise MalformedError(f"a range of versions has {len(text)} characters, more than {_MOST_CHARACTERS}")
        return cls(text, tuple(_bounds(part, text) for part in text.split("||")))

    def holds(self, text: str) -> bool:
        """Whether the version that ``text`` spells, a ``v`` before it or parts of it missing, lies in the range."""
        version = _version(text)
        return version is not None and any(_admits(bounds, version) for bounds in self.alternatives)


def _admits(bounds: tuple[_Bound, ...], version: _Version) -> bool:
    if version.pre and not any(bound.version.pre for bound in bounds):
        return False
    return all(bound.admits(version) for bound in bounds)


def _version(text: str) -> _Version | None:
    found = _VERSION.fullmatch(text)
    if found is None or any(len(part) > _MOST_DIGITS for part in re.split("[.+-]", text) if part.isdecimal()):
        return None
    numbers = (int(found["major"]), int(found["minor"] or 0), int(found["patch"] or 0))
    return _Version(numbers, found["pre"] or "")


def _bounds(part: str, whole: str) -> tuple[_Bound, ...]:
    rest = _HYPHEN.sub(r">=\g<low> <=\g<high>", part).strip(" \t,")
    bounds = []
    while rest:
        found = _BOUND.match(rest)
        end = found.end() if found else 0
        if found is None or (rest[end:] and rest[end] not in " \t,<>=!~^"):
            raise _malformed(whole)
        bounds.append(_bound(found, whole))
        rest = rest[end:].lstrip(" \t,")
    if not bounds:
        raise _malformed(whole)
    return tuple(bounds)


def _malformed(whole: str) -> MalformedError:
    return MalformedError(f"{whole!r} is not a range of versions", hint="such as '>=1.2 <2', '^1.2', '~1.2.3' or '1.x'")


def _bound(found: re.Match[str], whole: str) -> _Bound:
    numbers: list[int] = []
    for name in ("major", "minor", "patch"):
        word = found[name]
        if word is None or not word.isdecimal():
            break
        if len(word) > _MOST_DIGITS:
            raise _malformed(whole)
        numbers.append(int(word))
    known = len(numbers)
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    return _Bound(found["operator"] or "=", _Version((major, minor, patch), found["pre"] or ""), known)


def _is_equal(bound: _Bound, version: _Version) -> bool:
    return _is_about(bound, version) if bound.known < 3 else version.order == bound.version.order


def _is_other(bound: _Bound, version: _Version) -> bool:
    if bound.known == 3:
        return version.order != bound.version.order
    return version.numbers[: bound.known] != bound.version.numbers[: bound.known]


def _is_above(bound: _Bound, version: _Version) -> bool:
    if bound.known == 3:
        return version.order > bound.version.order
    return version.numbers[: bound.known] > bound.version.numbers[: bound.known]


def _is_below(bound: _Bound, version: _Version) -> bool:
    return version.order < bound.version.order


def _is_at_least(bound: _Bound, version: _Version) -> bool:
    return version.order >= bound.version.order


def _is_at_most(bound: _Bound, version: _Version) -> bool:
    if bound.known == 3:
        return version.order <= bound.version.order
    return version.numbers[: bound.known] <= bound.version.numbers[: bound.known]


def _is_about(bound: _Bound, version: _Version) -> bool:
    """``~``: the last number may grow, or what follows the numbers that are written out."""
    fixed = min(bound.known, 2)
    return _is_at_least(bound, version) and version.numbers[:fixed] == bound.version.numbers[:fixed]


def _is_compatible(bound: _Bound, version: _Version) -> bool:
    """``^``: the first number that is not zero stays."""
    numbers, fixed = bound.version.numbers, 1
    while fixed < bound.known and not any(numbers[:fixed]):
        fixed += 1
    fixed = min(fixed, bound.known)
    return _is_at_least(bound, version) and version.numbers[:fixed] == numbers[:fixed]


_CHECKS: Final[dict[str, Callable[[_Bound, _Version], bool]]] = {
    "=": _is_equal,
    "!=": _is_other,
    ">": _is_above,
    "<": _is_below,
    ">=": _is_at_least,
    "=>": _is_at_least,
    "<=": _is_at_most,
    "=<": _is_at_most,
    "~": _is_about,
    "~>": _is_about,
    "^": _is_compatible,
}
