"""YAML as catalogs and bundles hold it: streamed by libyaml, made into what JSON can say.

Values are read as the loaders of operator-registry read them (sigs.k8s.io/yaml on go-yaml v2): YAML 1.1 words for
true, false and null; whole numbers in base 2, 8, 10 and 16; dates and times are the text that was written; keys are
text. What a file may ask of us is bounded: how deep it nests, and how much its aliases unfold to.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from airferry.errors import MalformedError

# PyYAML's libyaml is the newest there is; the older one in ruamel.yaml refuses images in {image: q.io/a:1}.
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_DEPTH: Final = 200
"""Levels of lists and objects in one document; catalogs have about ten, and CRDs in them some forty."""
MAX_ALIASED_VALUES: Final = 100_000
"""Values that the aliases of one document may stand for, all unfolded."""
MAX_DOCUMENT_BYTES: Final = 64 * 1024 * 1024
MAX_VALUES: Final = 1_000_000
"""Values in one document, lists and objects counted twice; a bundle with all its manifests has some ten thousand."""
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_INTEGER: Final = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)\Z")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_MAX_NUMBER: Final = 400
_TAGS: Final = "tag:yaml.org,2002:"


def read_yaml(blocks: Iterable[bytes], file: str) -> Iterator[Any]:
    """Yield the documents of one file in order, of JSON's types only; empty ones are None. ``file`` is for errors.

    Raises MalformedError, which tells the file, the document and the line.
    """
    number = 1
    try:
        source = _Blocks(blocks, file)
        events = yaml.parse(source, _LOADER)
        for event in events:
            if isinstance(event, DocumentStartEvent):
                source.begin(number)
                yield _Document(events, file, number).value()
                number += 1
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).split("\n", 1)[0]
        raise MalformedError(f"{file}, document {number} is not YAML{line}: {problem}") from error


class _Blocks:
    """Blocks of bytes as the file that libyaml wants, at most so many for one document."""

    def __init__(self, blocks: Iterable[bytes], file: str) -> None:
        self._blocks = iter(blocks)
        self._rest = memoryview(b"")
        self._file = file
        self.begin(1)

    def begin(self, number: int) -> None:
        self._number, self._left = number, MAX_DOCUMENT_BYTES

    def read(self, size: int = -1, /) -> bytes:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._rest = memoryview(block)
        size = size if size > 0 else len(self._rest)
        taken, self._rest = self._rest[:size], self._rest[size:]
        self._left -= len(taken)
        if self._left < 0:
            raise MalformedError(f"{self._file}, document {self._number} is longer than {MAX_DOCUMENT_BYTES >> 20} MiB")
        return bytes(taken)


@dataclass(slots=True)
class _Open:
    """A list or object whose end is still to come: ``key`` is whose value is next, ``size`` the values in it so far."""

    value: Any
    anchor: str | None
    key: str = ""
    wants_key: bool = True
    size: int = 1
    merged: list[dict[str, Any]] = field(default_factory=list)


class _Document:
    """One document, built without recursion: depth is ours to bound, not the interpreter's."""

    def __init__(self, events: Iterator[Event], file: str, number: int) -> None:
        self._events = events
        self._where = f"{file}, document {number}"
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._unfolded = 0

    def value(self) -> Any:
        """Return the document's value; its last event is taken."""
        stack: list[_Open] = []
        result: Any = None
        event: Event = DocumentStartEvent()
        for event in islice(self._events, MAX_VALUES):
            size = 1
            if isinstance(event, ScalarEvent):
                value = event.value if event.style else self._plain(event)
                if event.anchor:
                    self._anchors[event.anchor] = value, 1
            elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
                if len(stack) == MAX_DEPTH:
                    raise self._refusal(event, f"is nested deeper than {MAX_DEPTH} levels")
                stack.append(_Open({} if isinstance(event, MappingStartEvent) else [], event.anchor))
                continue
            elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
                value, size = self._close(stack.pop())
            elif isinstance(event, AliasEvent):
                value, size = self._unfold(event)
            elif isinstance(event, DocumentEndEvent):
                return result
            else:  # libyaml sends nothing else between the start and the end of a document
                continue
            if stack:
                stack[-1].size += size
                self._put(stack[-1], value, event)
            else:
                result = value
        raise self._refusal(event, f"has more than {MAX_VALUES} values")

    def _plain(self, event: ScalarEvent) -> Any:
        if event.tag is not None and event.tag != "!":
            return _tagged(event.tag, event.value)
        return plain_value(event.value)

    def _put(self, parent: _Open, value: Any, event: Event) -> None:
        if type(parent.value) is list:
            parent.value.append(value)
        elif parent.wants_key:
            if isinstance(value, (dict, list)):
                raise self._refusal(event, "has an object or a list for a key")
            parent.key, parent.wants_key = _key(value), False
        else:
            parent.wants_key = True
            if parent.key == "<<" and isinstance(value, (dict, list)):
                parent.merged += [value] if isinstance(value, dict) else [item for item in value if type(item) is dict]
            else:
                parent.value[parent.key] = value

    def _close(self, closed: _Open) -> tuple[Any, int]:
        for merged in closed.merged:
            for key, value in merged.items():
                closed.value.setdefault(key, value)
        if closed.anchor:
            self._anchors[closed.anchor] = closed.value, closed.size
        return closed.value, closed.size

    def _unfold(self, event: AliasEvent) -> tuple[Any, int]:
        if event.anchor not in self._anchors:
            raise self._refusal(event, f"has an alias to {event.anchor!r}, which is not there before it")
        value, size = self._anchors[event.anchor]
        self._unfolded += size
        if self._unfolded > MAX_ALIASED_VALUES:
            raise self._refusal(event, f"has aliases that unfold to more than {MAX_ALIASED_VALUES} values")
        return value, size

    def _refusal(self, event: Event, what: str) -> MalformedError:
        line = event.start_mark.line + 1 if event.start_mark is not None else 1
        return MalformedError(f"{self._where} is no catalog's YAML at line {line}: it {what}")


def plain_value(text: str) -> Any:
    """Return what a plain scalar means: a word of YAML 1.1, a number, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789" or len(text) > _MAX_NUMBER:
        return text
    if _INTEGER.match(text):
        return _integer(text)
    if _FLOAT.match(text):
        value = float(text)
        return value if abs(value) != float("inf") else text
    return text


def _integer(text: str) -> int | str:
    digits = text.replace("_", "").lstrip("+-")
    base = 10
    if digits[:1] == "0" and len(digits) > 1:
        base = {"b": 2, "x": 16}.get(digits[1], 8)
        digits = digits.removeprefix("0b").removeprefix("0x").removeprefix("0o")
    try:
        value = int(digits, base)
    except ValueError:
        return text
    return -value if text[0] == "-" else value


def _tagged(tag: str, text: str) -> Any:
    """A plain scalar with a tag: ``!!str`` keeps the text, numbers and words must be what they say; ours keep text."""
    return plain_value(text) if tag in (f"{_TAGS}int", f"{_TAGS}float", f"{_TAGS}bool", f"{_TAGS}null") else text


def _key(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
