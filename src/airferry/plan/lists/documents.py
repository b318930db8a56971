"""YAML and JSON that people wrote, walked with the line of every value; no error repeats what may be a secret."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from airferry.errors import MalformedError
from airferry.plan.lists.model import Note

_MOST_CHARACTERS: Final = 4 * 1024 * 1024
_MOST_VALUES: Final = 200_000
_MOST_NESTED: Final = 100
_NULLS: Final = ("", "~", "null", "Null", "NULL")
_YES: Final = ("true", "yes", "on", "y", "1")
_NO: Final = ("false", "no", "off", "n", "0")
_KINDS: Final = {"scalar": "text", "sequence": "a list", "mapping": "a map of fields"}


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place: ``path`` as in ``sync[0].tags``. Scalars are text as written: 3.10 stays 3.10."""

    raw: Any
    file: str
    path: str

    @property
    def where(self) -> str:
        """File, line and path, for errors and notes."""
        line = f"{self.file}, line {self.raw.start_mark.line + 1}"
        return f"{line}, {self.path}" if self.path else line

    @property
    def kind(self) -> str:
        """``scalar``, ``sequence`` or ``mapping``."""
        return str(self.raw.id)

    @property
    def is_null(self) -> bool:
        """Whether nothing is there: an empty field or null."""
        return self.kind == "scalar" and self.raw.style is None and self.raw.value in _NULLS

    def text(self) -> str:
        """Return the scalar as written. Raises MalformedError, also for an empty one."""
        self._expect("scalar")
        value = str(self.raw.value)
        if not value or self.is_null:
            raise MalformedError(f"{self.where} is empty")
        return value

    def flag(self) -> bool:
        """Return the boolean. Raises MalformedError."""
        word = self.text().lower()
        if word not in (*_YES, *_NO):
            raise MalformedError(f"{self.where} is neither true nor false")
        return word in _YES

    def items(self) -> tuple["Node", ...]:
        """Return the items of a list; nothing has none. Raises MalformedError."""
        if self.is_null:
            return ()
        self._expect("sequence")
        return tuple(Node(item, self.file, f"{self.path}[{number}]") for number, item in enumerate(self.raw.value))

    def texts(self) -> tuple[str, ...]:
        """Return the texts of a list. Raises MalformedError."""
        return tuple(item.text() for item in self.items())

    def fields(self) -> dict[str, "Node"]:
        """Return the fields of a map, merged ones (``<<``) under own ones; nothing has none. Raises MalformedError."""
        return {} if self.is_null else self._fields(0)

    def _fields(self, depth: int) -> dict[str, "Node"]:
        self._expect("mapping")
        if depth > _MOST_NESTED:
            raise MalformedError(f"{self.where} is merged too deeply")
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in self.raw.value:
            if key.id != "scalar":
                raise MalformedError(f"{Node(key, self.file, self.path).where} has a key that is not text")
            name = str(key.value)
            node = Node(value, self.file, f"{self.path}.{name}" if self.path else name)
            if name == "<<" and key.style is None:
                for source in node.items() if node.kind == "sequence" else (node,):
                    merged = {**source._fields(depth + 1), **merged}
            elif name in own:
                raise MalformedError(f"{node.where} is there a second time", hint="keep one of the two")
            else:
                own[name] = node
        return {**merged, **own}

    def _expect(self, kind: str) -> None:
        if self.kind != kind:
            raise MalformedError(f"{self.where} is {_KINDS.get(self.kind, self.kind)}, not {_KINDS[kind]}")


def read_documents(text: str, file: str) -> tuple[Node, ...]:
    """Return the documents of ``text`` that hold anything. Raises MalformedError with line and column."""
    # Only lists in YAML pay for this import (10 ms).
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if len(text) > _MOST_CHARACTERS:
        raise MalformedError(f"{file} has {len(text)} characters, more than the {_MOST_CHARACTERS} allowed")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor that is there twice is warned of with what stands beside it
            nodes = list(YAML(typ="safe", pure=True).compose_all(text))
    except (YAMLError, RecursionError, ValueError) as error:
        raise _located(error, file) from None
    found = tuple(Node(node, file, "") for node in nodes if node is not None)
    _check_size(found)
    return tuple(node for node in found if not node.is_null)


def unknown_fields(fields: dict[str, Node], known: frozenset[str]) -> Iterator[Note]:
    """Yield a note for each field that nobody knows; those that begin with ``x-`` are people's own."""
    for name, node in fields.items():
        if name not in known and not name.startswith("x-"):
            yield Note(node.where, "this field is not known, and nothing is done about it")


def _located(error: Exception, file: str) -> MalformedError:
    """Say where YAML breaks, without the parser's words: they quote the file."""
    mark = getattr(error, "problem_mark", None)
    where = f"{file}, line {mark.line + 1}, column {mark.column + 1}" if mark is not None else file
    return MalformedError(f"{where}: not YAML", hint="look at the indentation of this line and of the one before it")


def _check_size(documents: tuple[Node, ...]) -> None:
    """Refuse what is nested without end, or grows without end by what its aliases stand for."""
    count = 0
    waiting = [(document.raw, document.file, 0) for document in documents]
    while waiting:
        raw, file, depth = waiting.pop()
        count += 1
        if count > _MOST_VALUES or depth > _MOST_NESTED:
            raise MalformedError(f"{file} is larger than any list, or nested too deeply")
        if raw.id == "sequence":
            waiting.extend((item, file, depth + 1) for item in raw.value)
        elif raw.id == "mapping":
            waiting.extend((item, file, depth + 1) for pair in raw.value for item in pair)
