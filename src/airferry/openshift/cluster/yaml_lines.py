"""A YAML file that people wrote, as lines that can be changed here and there while all others stay as they are."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from airferry.errors import MalformedError, UnsupportedError
from airferry.openshift.yaml_errors import located

_MOST_CHARACTERS: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Section:
    """A key at the top with its value: lines ``first`` up to, not with, ``end``; comments behind it are not in it."""

    key: str
    first: int
    end: int
    node: Any
    """The value as ruamel.yaml composed it, with marks."""


class YamlLines:
    """One YAML document with a map at its top, and where each key of it stands. Edits are made on ``lines``."""

    def __init__(self, text: str, file: str) -> None:
        """Raise MalformedError with file, line and column, and never with what stands there: it may be a secret."""
        if len(text) > _MOST_CHARACTERS:
            raise MalformedError(f"{file} has {len(text)} characters, more than the {_MOST_CHARACTERS} allowed")
        self.lines = text.split("\n")
        self.values, root = _read(text, file)
        keys = [(str(key.value), key.start_mark.line, value) for key, value in root.value]
        starts = [line for _, line, _ in keys[1:]] + [_last(self.lines)]
        self.sections = {
            key: Section(key, first, _trimmed(self.lines, first, following, value), value)
            for (key, first, value), following in zip(keys, starts, strict=True)
        }

    @property
    def end(self) -> int:
        """The line before which a new section may stand."""
        return _last(self.lines)


def _read(text: str, file: str) -> tuple[Mapping[str, Any], Any]:
    # Only runs that read such a file pay for this import (10 ms).
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor that is there twice is warned of with what stands beside it
            documents = list(YAML(typ="safe", pure=True).load_all(text))
            nodes = list(YAML(typ="safe", pure=True).compose_all(text))
    except (YAMLError, RecursionError, ValueError) as error:
        raise located(error, text, file) from None
    if len(documents) != 1 or not isinstance(documents[0], dict):
        what = f"{len(documents)} documents" if len(documents) != 1 else "no map of fields"
        raise MalformedError(f"{file} is {what}, not one install-config", hint="name the file for openshift-install")
    if nodes[0].flow_style or any(key.start_mark.column for key, _ in nodes[0].value):
        raise UnsupportedError(
            f"{file} is YAML in braces, or indented as a whole", hint="write each field at the beginning of a line"
        )
    return documents[0], nodes[0]


def _last(lines: Sequence[str]) -> int:
    """Return the line behind the document's last one that is not blank."""
    end = next((at for at, line in enumerate(lines) if line.rstrip() == "..."), len(lines))
    while end and not lines[end - 1].strip():
        end -= 1
    return end


def _trimmed(lines: Sequence[str], first: int, following: int, node: Any) -> int:
    """Return the end of a section without the comments and blank lines that belong to what comes next."""
    end = following
    is_block = node.id == "scalar" and node.style in ("|", ">")
    while end > first + 1:
        line = lines[end - 1]
        is_comment = line.startswith("#") or (line.lstrip().startswith("#") and not is_block)
        if line.strip() and not is_comment:
            break
        end -= 1
    return end


def replaced(lines: Sequence[str], first: int, end: int, new: Iterable[str]) -> list[str]:
    """Return the lines with those from ``first`` to before ``end`` replaced by ``new``."""
    return [*lines[:first], *new, *lines[end:]]
