"""Mirror sets read from files: every document, every kind, and install-config's two sections.

``oc`` reads only the first document of an ICSP file and no install-config; here nothing in a file is passed
over in silence. Errors name the file, the document (counted from 1) and the field.
"""

from collections.abc import Mapping
from typing import Any, Final

from airferry.errors import MalformedError, UnsupportedError
from airferry.openshift.cluster.mirror_sets import (
    API_VERSIONS,
    ENTRY_FIELDS,
    POLICY_FIELDS,
    MirrorEntry,
    MirrorKind,
    MirrorSet,
    SourcePolicy,
    check_entry,
)
from airferry.openshift.documents import read_documents

_FRAGMENTS: Final = (MirrorKind.DIGEST_SOURCES, MirrorKind.CONTENT_SOURCES)
_BY_KIND: Final = {kind.value: kind for kind in API_VERSIONS}
_LISTS: Final = {"List", *(f"{kind.value}List" for kind in API_VERSIONS)}


def parse_mirror_sets(text: str, file: str) -> tuple[MirrorSet, ...]:
    """Return every mirror set in ``text``, in order; ``file`` names it in errors.

    Empty documents are skipped. Raises MalformedError, and UnsupportedError for a document of another kind.
    """
    found: list[MirrorSet] = []
    for where, document in read_documents(text, file):
        found.extend(_read_document(document, where))
    if not found:
        raise MalformedError(f"{file} holds no mirror set")
    return tuple(found)


def _read_document(document: Any, where: str) -> list[MirrorSet]:
    if not isinstance(document, dict):
        raise MalformedError(f"{where} is not an object but {type(document).__name__}")
    kind = document.get("kind")
    if kind is None:
        return read_sections(document, where)
    if isinstance(kind, str) and kind in _LISTS:
        return [
            read_mirror_set(item, f"{where}, items[{index}]")
            for index, item in enumerate(_list(document, "items", where))
        ]
    return [read_mirror_set(document, where)]


def read_mirror_set(document: Any, where: str) -> MirrorSet:
    """Return one object's mirror set. Raises MalformedError, and UnsupportedError for an object of another kind.

    Lists in lists are refused here, so that aliases in YAML cannot multiply.
    """
    kind = document.get("kind") if isinstance(document, dict) else type(document).__name__
    if not isinstance(document, dict) or not isinstance(kind, str) or kind not in _BY_KIND:
        raise UnsupportedError(
            f"{where} is a {kind}, not a mirror set",
            hint=f"expected {', '.join(_BY_KIND)} or install-config's imageDigestSources, imageContentSources",
        )
    return _read_object(document, _BY_KIND[kind], where)


def _read_object(document: Mapping[str, Any], kind: MirrorKind, where: str) -> MirrorSet:
    version = document.get("apiVersion")
    if version != API_VERSIONS[kind]:
        raise MalformedError(f"{where}: apiVersion of {kind.value} is {version!r}, not {API_VERSIONS[kind]}")
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    spec = document.get("spec") or {}
    if not isinstance(spec, dict):
        raise MalformedError(f"{where}: spec is not a map")
    field = ENTRY_FIELDS[kind]
    items = _list(spec, field, where)
    entries = tuple(_read_entry(item, kind, f"{where}, spec.{field}[{index}]") for index, item in enumerate(items))
    return MirrorSet(kind, entries, name if isinstance(name, str) else "", where)


def read_sections(document: Mapping[str, Any], where: str) -> list[MirrorSet]:
    """Return what install-config's section says. Raises MalformedError for none of them, and for both."""
    present = [kind for kind in _FRAGMENTS if kind.value in document]
    if len(present) > 1:
        raise MalformedError(f"{where} has both imageDigestSources and imageContentSources; installers refuse that")
    if not present:
        raise MalformedError(f"{where} has no kind, no imageDigestSources and no imageContentSources")
    kind = present[0]
    items = _list(document, kind.value, where)
    entries = tuple(_read_entry(item, kind, f"{where}, {kind.value}[{index}]") for index, item in enumerate(items))
    return [MirrorSet(kind, entries, "", where)]


def _list(fields: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedError(f"{where}: {name} is not a list")
    return value


def _read_entry(fields: Any, kind: MirrorKind, where: str) -> MirrorEntry:
    if not isinstance(fields, dict):
        raise MalformedError(f"{where} is not a map")
    source = fields.get("source")
    if not isinstance(source, str) or not source:
        raise MalformedError(f"{where}: source is missing")
    mirrors = _list(fields, "mirrors", where)
    if not all(isinstance(mirror, str) for mirror in mirrors):
        raise MalformedError(f"{where}: mirrors is not a list of text")
    entry = MirrorEntry(source, tuple(mirrors), _read_policy(fields, kind, where))
    check_entry(entry, where)
    return entry


def _read_policy(fields: Mapping[str, Any], kind: MirrorKind, where: str) -> SourcePolicy | None:
    name = POLICY_FIELDS.get(kind)
    value = fields.get(name) if name is not None else None
    if value is None or value == "":
        return None
    if value not in tuple(SourcePolicy):
        raise MalformedError(f"{where}: {name} is {value!r}, not AllowContactingSource or NeverContactSource")
    return SourcePolicy(value)
