"""Which tags of which streams are meant: ``--select stream=nodejs*,tag=20-*,registry=registry.redhat.io``."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from airferry.errors import UsageError
from airferry.openshift.samples.streams import Resolved

_KEYS: Final = ("stream", "tag", "registry")
_HINT: Final = "write stream=GLOB, tag=GLOB or registry=HOST, several of them with commas between"


@dataclass(frozen=True, slots=True)
class _Term:
    """All parts of one ``--select`` must hold; a part that is not there always does."""

    patterns: tuple[tuple[str, str], ...]

    def holds(self, found: Resolved) -> bool:
        host = (found.image or "").partition("/")[0]
        values = {"stream": found.stream.name, "tag": found.tag.name, "registry": host}
        return all(_matches(pattern, values[key]) for key, pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is selected: whatever one of the terms holds for; everything without terms."""

    terms: tuple[_Term, ...] = ()

    @classmethod
    def parse(cls, texts: Sequence[str]) -> "Selection":
        """Return the selection that the values of ``--select`` mean; a word alone is a stream. Raises UsageError."""
        return cls(tuple(_term(text) for text in texts))

    def takes(self, found: Resolved) -> bool:
        """Whether a tag is selected."""
        return not self.terms or any(term.holds(found) for term in self.terms)

    def check(self, all_tags: Iterable[Resolved]) -> None:
        """Raise UsageError for a term that nothing matches: it is mistyped."""
        known = tuple(all_tags)
        for term in self.terms:
            if not any(term.holds(found) for found in known):
                text = ",".join(f"{key}={pattern}" for key, pattern in term.patterns)
                raise UsageError(f"--select {text} matches no tag", hint="`airferry samples list SOURCE` shows all")


def _term(text: str) -> _Term:
    patterns: list[tuple[str, str]] = []
    for part in text.split(","):
        key, equals, pattern = part.strip().partition("=")
        if not equals:
            key, pattern = "stream", key
        if key not in _KEYS or not pattern:
            raise UsageError(f"--select {text!r}: {part!r} is not understood", hint=_HINT)
        patterns.append((key, pattern))
    return _Term(tuple(patterns))


def _matches(pattern: str, value: str) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in pattern)
    return re.fullmatch(expression, value) is not None
