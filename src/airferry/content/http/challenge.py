"""WWW-Authenticate headers, parsed. Pure.

Source: RFC 9110 section 11.6.1 (several challenges in one field, quoted strings with commas in them) and
the Docker token specification (realm, service, scope, error).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(rf'\s*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|\Z)')
_SCHEME: Final = re.compile(rf"[\s,]*({_WORD})(?:\s+|\s*(?=,)|\s*\Z)")
_TOKEN68: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*\s*(?:,|\Z)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to prove who we are; ``scheme`` and the names of ``parameters`` are in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """Return the challenges of all WWW-Authenticate fields, in order; what cannot be read is left out."""
    return tuple(challenge for value in values for challenge in _parse(value))


def choose(challenges: Iterable[Challenge]) -> Challenge | None:
    """Return the challenge we answer: Bearer with a realm before Basic, None when we know none of them."""
    known = [item for item in challenges if item.scheme == "basic" or item.parameters.get("realm")]
    for scheme in ("bearer", "basic"):
        for challenge in known:
            if challenge.scheme == scheme:
                return challenge
    return None


def _parse(value: str) -> list[Challenge]:
    found: list[Challenge] = []
    position = 0
    while position < len(value):
        scheme = _SCHEME.match(value, position)
        if not scheme:
            break
        position = scheme.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(value, position):
            quoted, plain = parameter[2], parameter[3]
            text = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            parameters.setdefault(parameter[1].lower(), text)
            position = parameter.end()
        if not parameters and (blob := _TOKEN68.match(value, position)):
            # "Negotiate abc==" carries one token instead of parameters; we answer no such scheme.
            position = blob.end() if "," in blob[0] or blob.end() == len(value) else position
        found.append(Challenge(scheme[1].lower(), parameters))
    return found
