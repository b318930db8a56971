"""An OCI image layout's ``index.json`` as a value: read, changed, written back with every unknown field kept.

Sources: OCI image-spec image-layout.md and annotations.md (``org.opencontainers.image.ref.name``).
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from airferry.errors import MalformedError, parser_words
from airferry.oci import Descriptor, Digest, Manifest, mediatype
from airferry.oci.descriptor import parse_descriptor

REF_NAME: Final = "org.opencontainers.image.ref.name"
_BARE_FIELDS: Final = {"mediaType", "digest", "size"}


@dataclass(frozen=True, slots=True)
class LayoutIndex:
    """The decoded ``index.json``. Changing it gives a new value; ``fields`` is not touched."""

    fields: Mapping[str, Any]

    @classmethod
    def empty(cls) -> "LayoutIndex":
        """Return the index of a new layout."""
        return cls({"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": []})

    @classmethod
    def parse(cls, content: bytes, where: str) -> "LayoutIndex":
        """Return the index in ``content``. Raises MalformedError that names ``where``."""
        try:
            fields = msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedError(f"{where} is not JSON: {parser_words(error)}") from error
        if not isinstance(fields, dict) or not isinstance(fields.get("manifests"), list):
            raise MalformedError(f"{where} is not an image index: it has no list of manifests")
        for position, entry in enumerate(fields["manifests"]):
            parse_descriptor(entry, f"manifests[{position}] of {where}")
        return cls(fields)

    def encode(self) -> bytes:
        """Return the bytes of ``index.json``."""
        return msgspec.json.encode(self.fields)

    @property
    def entries(self) -> tuple[Descriptor, ...]:
        """Every entry, in the order of the file."""
        return tuple(parse_descriptor(entry, "an entry of index.json") for entry in self._raw())

    def tags(self) -> dict[str, Digest]:
        """Return what each name points at; of several entries with one name the first counts."""
        found: dict[str, Digest] = {}
        for entry in self.entries:
            if name := entry.annotations.get(REF_NAME):
                found.setdefault(name, entry.digest)
        return found

    def with_manifest(self, manifest: Manifest) -> "LayoutIndex":
        """Return an index that lists ``manifest`` without a name, unless it is listed already.

        Its children need no entry of their own any more: entries of ours that list them are dropped.
        """
        children = {child.digest for child in manifest.children}
        kept = [entry for entry in self._raw() if not (_is_bare(entry) and entry["digest"] in children)]
        if all(entry["digest"] != manifest.digest for entry in kept):
            kept.append(_bare(manifest))
        return self._with(kept)

    def with_tag(self, tag: str, manifest: Manifest) -> "LayoutIndex":
        """Return an index where ``tag`` names ``manifest`` and nothing else; what loses its name stays listed."""
        entries = [_without_name(entry) if _name_of(entry) == tag else entry for entry in self._raw()]
        entries.append(_bare(manifest) | {"annotations": {REF_NAME: tag}})
        listed = {entry["digest"] for entry in entries if not _is_bare(entry)}
        kept = []
        for entry in entries:
            if not _is_bare(entry) or entry["digest"] not in listed:
                kept.append(entry)
                listed.add(entry["digest"])
        return self._with(kept)

    def without(self, digests: Set[Digest]) -> "LayoutIndex":
        """Return an index that lists none of ``digests``, under whatever name."""
        return self._with([entry for entry in self._raw() if entry["digest"] not in digests])

    def _raw(self) -> Iterator[dict[str, Any]]:
        yield from self.fields["manifests"]

    def _with(self, entries: list[dict[str, Any]]) -> "LayoutIndex":
        return LayoutIndex({**self.fields, "manifests": entries})


def _bare(manifest: Manifest) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "mediaType": manifest.media_type,
        "digest": str(manifest.digest),
        "size": manifest.size_bytes,
    }
    return fields


def _is_bare(entry: Mapping[str, Any]) -> bool:
    return set(entry) == _BARE_FIELDS


def _name_of(entry: Mapping[str, Any]) -> str | None:
    name = (entry.get("annotations") or {}).get(REF_NAME)
    return name if isinstance(name, str) else None


def _without_name(entry: Mapping[str, Any]) -> dict[str, Any]:
    annotations = {name: value for name, value in entry["annotations"].items() if name != REF_NAME}
    fields = {name: value for name, value in entry.items() if name != "annotations"}
    return fields | ({"annotations": annotations} if annotations else {})
