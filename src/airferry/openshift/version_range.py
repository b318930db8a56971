"""Ranges of versions as OLM reads them: in ``skipRange``, in dependencies, and on our command line.

Source: github.com/blang/semver, "Ranges". Comparisons are plain: a pre-release is in ``<2.0.0`` whenever it comes
before 2.0.0, unlike in npm. A blank is "and", ``||`` is "or" and binds less; there are no brackets. Where that library
drops a lone character in silence, or reads ``!1.2.x`` as a condition that nothing meets, this one says no, or does
what is meant.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from airferry.errors import MalformedError
from airferry.openshift.semver import Precedence, precedence

_CONDITION: Final = re.compile(r"(?P<sign>|=|==|!|!=|>|>=|<|<=)(?P<version>\d[^\s<>=!|]*)\Z", re.ASCII)
_WILDCARD: Final = re.compile(r"(0|[1-9]\d*)\.(?:(0|[1-9]\d*)\.)?x(?:\.x)?\Z", re.ASCII)
_BLANK_AFTER_SIGN: Final = re.compile(r"([<>=!])\s+(?=[\d=])")
_LONGEST: Final = 1024
"""No real range is near it, and numbers of any length would have to be read."""


class _Sign(StrEnum):
    LESS = "<"
    AT_MOST = "<="
    EQUAL = "="
    OTHER = "!="
    AT_LEAST = ">="
    MORE = ">"


_SIGNS: Final = {
    "": _Sign.EQUAL,
    "=": _Sign.EQUAL,
    "==": _Sign.EQUAL,
    "!": _Sign.OTHER,
    "!=": _Sign.OTHER,
    **{sign.value: sign for sign in (_Sign.LESS, _Sign.AT_MOST, _Sign.AT_LEAST, _Sign.MORE)},
}


@dataclass(frozen=True, slots=True)
class _Condition:
    """``least`` is the version itself, or the first a wildcard covers; ``beyond`` the first that it no longer does."""

    sign: _Sign
    least: Precedence
    beyond: Precedence | None = None

    def allows(self, version: Precedence) -> bool:
        same = version == self.least if self.beyond is None else self.least <= version < self.beyond
        match self.sign:
            case _Sign.EQUAL:
                return same
            case _Sign.OTHER:
                return not same
            case _Sign.LESS:
                return version < self.least
            case _Sign.AT_MOST:
                return version <= self.least if self.beyond is None else version < self.beyond
            case _Sign.AT_LEAST:
                return version >= self.least
            case _Sign.MORE:
                return version > self.least if self.beyond is None else version >= self.beyond


@dataclass(frozen=True, slots=True)
class VersionRange:
    """A range; ``text`` is as it was written."""

    text: str
    _alternatives: tuple[tuple[_Condition, ...], ...]

    @classmethod
    def parse(cls, text: str) -> "VersionRange":
        """Return the range that ``text`` spells. Raises MalformedError."""
        if len(text) > _LONGEST:
            raise MalformedError(f"a range of versions is longer than {_LONGEST} characters")
        # Behind "||" no blank is demanded of people, though OLM does.
        alternatives = []
        for part in text.split("||"):
            words = _BLANK_AFTER_SIGN.sub(r"\1", part).split()
            if not words:
                raise MalformedError(f"{text!r} is no range of versions", hint=_HINT)
            alternatives.append(tuple(_condition(word, text) for word in words))
        return cls(text, tuple(alternatives))

    def allows(self, version: str) -> bool:
        """Whether ``version`` is in the range; what is no version is in none."""
        key = precedence(version)
        if key is None:
            return False
        return any(all(condition.allows(key) for condition in conditions) for conditions in self._alternatives)

    def __str__(self) -> str:
        return self.text


_HINT: Final = "such as '>=1.2.0 <2.0.0', 1.2.x, '1.2.3 || >=2.0.0' or '!1.2.4'; a version has three numbers"


def _condition(word: str, text: str) -> _Condition:
    found = _CONDITION.match(word)
    if found is None:
        raise MalformedError(f"{word!r} in the range {text!r} is no condition on a version", hint=_HINT)
    sign, version = _SIGNS[found["sign"]], found["version"]
    wildcard = _WILDCARD.match(version)
    if wildcard is not None:
        major, minor = int(wildcard[1]), wildcard[2]
        if minor is None:
            return _Condition(sign, (major, 0, 0, 1, ()), (major + 1, 0, 0, 1, ()))
        return _Condition(sign, (major, int(minor), 0, 1, ()), (major, int(minor) + 1, 0, 1, ()))
    least = precedence(version)
    if least is None:
        raise MalformedError(f"{version!r} in the range {text!r} is no version", hint=_HINT)
    return _Condition(sign, least)
