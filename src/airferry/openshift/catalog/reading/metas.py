"""The documents of a file-based catalog, taken from a stream one at a time.

A file is a stream of JSON objects, or of YAML documents; which of them, its first character says, as it does for
opm. No file is held as a whole: what is held is one document. Sources: operator-framework file-based catalogs,
"Schema"; operator-registry's declcfg loader.
"""

import codecs
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from airferry.errors import MalformedError

_MAX_DOCUMENT_CHARACTERS: Final = 64 * 1024 * 1024
_LONGEST_WORD: Final = 16  # a literal or an escape that a block's end cuts in two


_MANIFEST_HINT: Final = (
    "it is a manifest for a cluster: name the folder of the bundle, with manifests/ and metadata/ in it, "
    "one of such folders, or one with a NAME.package.yaml"
)


@dataclass(frozen=True, slots=True)
class Meta:
    """One document: what it says it is, its value, and where it was read, for errors.

    ``package`` is the package it belongs to; of an ``olm.package`` it is its own name. ``text`` is the JSON as it
    was written, "" for YAML.
    """

    schema: str
    package: str
    name: str
    value: dict[str, Any]
    where: str
    text: str = ""


def read_metas(blocks: Iterable[bytes], file: str, *, hint: str = "is this a file-based catalog?") -> Iterator[Meta]:
    """Yield the documents of one file in order; ``file`` names it in errors, which have ``hint``.

    Raises MalformedError, which tells the file, document and line, for what is neither JSON nor YAML, for documents
    that are no objects or have no schema, and for ones above 64 Mi characters.
    """
    stream = iter(blocks)
    first = next(stream, b"").removeprefix(codecs.BOM_UTF8)
    while first and not first.strip():
        first = next(stream, b"")
    documents = _json_documents if first.lstrip()[:1] == b"{" else _yaml_documents
    try:
        for number, (value, text) in enumerate(documents(chain([first], stream), file), 1):
            if value is not None:
                yield _meta(value, text, f"{file}, document {number}")
    except MalformedError as error:
        raise MalformedError(error.message, hint=error.hint or hint) from error


def _meta(value: Any, text: str, where: str) -> Meta:
    if not isinstance(value, dict):
        raise MalformedError(f"{where} is not an object but {type(value).__name__}")
    schema = _word(value, "schema", where)
    if not schema:
        raise MalformedError(f"{where} has no schema", hint=_MANIFEST_HINT if "apiVersion" in value else None)
    name = _word(value, "name", where)
    package = _word(value, "package", where)
    return Meta(schema, name if schema == "olm.package" else package, name, value, where, text)


def _word(value: dict[str, Any], key: str, where: str) -> str:
    word = value.get(key)
    if word is None:
        return ""
    if not isinstance(word, str):
        raise MalformedError(f"{where}: {key} is not text but {word!r}", hint="put it in quotes")
    return word


def _json_documents(blocks: Iterable[bytes], file: str) -> Iterator[tuple[Any, str]]:
    decode = codecs.getincrementaldecoder("utf-8")().decode
    parse = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode
    pending, line, number = "", 1, 1
    enough = 0
    for block, is_last in _with_last(blocks):
        try:
            pending += decode(block, is_last)
        except UnicodeDecodeError:
            raise MalformedError(f"{file}, document {number} is not text in UTF-8") from None
        if len(pending) < enough and not is_last:
            continue
        start = 0
        while True:
            start = _skip_space(pending, start)
            if start == len(pending):
                break
            try:
                value, end = parse(pending, start)
            except json.JSONDecodeError as error:
                if is_last or not _may_be_cut(error, pending) or len(pending) - start > _MAX_DOCUMENT_CHARACTERS:
                    at = line + pending.count("\n", 0, error.pos)
                    raise MalformedError(f"{file}, document {number} is not JSON at line {at}: {error.msg}") from error
                break
            except RecursionError:
                raise MalformedError(f"{file}, document {number} is nested too deeply") from None
            except ValueError as error:  # Python reads no number of thousands of digits
                raise MalformedError(f"{file}, document {number} is not read: {error}") from None
            yield _without_surrogates(value, pending, start, end), pending[start:end]
            start, number = end, number + 1
        line += pending.count("\n", 0, start)
        pending = pending[start:]
        # Twice as much before it is tried again, so that a long document costs no more than its length.
        enough = 2 * len(pending)


def _without_surrogates(value: Any, text: str, start: int, end: int) -> Any:
    """Return ``value`` with halves of UTF-16 pairs, which nothing can print or store, replaced as Go replaces them."""
    if text.find("\\ud", start, end) < 0 and text.find("\\uD", start, end) < 0:
        return value
    whole = json.dumps(value, ensure_ascii=False).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return json.loads(whole)


def _with_last(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    for block in blocks:
        yield block, False
    yield b"", True


def _skip_space(text: str, start: int) -> int:
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    return start


def _may_be_cut(error: json.JSONDecodeError, text: str) -> bool:
    """Whether the rest of a document that did not parse may still be to come."""
    return error.msg.startswith("Unterminated string") or error.pos >= len(text) - _LONGEST_WORD


def _refuse_constant(word: str) -> None:
    raise json.JSONDecodeError(f"{word} is not JSON", "", 0)


def _yaml_documents(blocks: Iterable[bytes], file: str) -> Iterator[tuple[Any, str]]:
    from airferry.openshift.catalog.reading.yaml_documents import read_yaml

    return ((value, "") for value in read_yaml(blocks, file))
