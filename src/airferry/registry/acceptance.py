"""Which pushed manifests the registry accepts, and what they need to be there first.

Known types are held to their specification by :meth:`airferry.oci.Manifest.parse`. Other types are kept
verbatim if they are JSON objects that say what they are: a mirror must not lose what it does not know.
Sources: OCI distribution-spec "Pushing Manifests" and "Pushing Manifests with Subject".
"""

import re
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from airferry.errors import MalformedError, UnsupportedError, parser_words
from airferry.oci import ContentMismatchError, Descriptor, Digest, Manifest
from airferry.oci.descriptor import parse_annotations, parse_descriptor
from airferry.oci.digest import is_digest
from airferry.oci.mediatype import SCHEMA1_TYPES, is_foreign_layer, is_manifest, without_parameters
from airferry.registry.errors import ManifestInvalidError

MAX_ACCEPTED_BYTES: Final = 8 * 1024 * 1024
"""Manifests over this are answered 413; the specification asks for at least 4 MiB, which is where most clients end."""


_MEDIA_TYPE: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}/[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}\Z")
"""RFC 9110 section 8.3.1: what may stand in the Content-Type of an answer."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class PushedManifest:
    """A manifest that may be stored. ``needs`` are the blobs that the repository must hold first.

    The children of an index are not among them: a mirror holds sparse indexes, whose other platforms were
    never copied. ``subject`` is what it refers to, and ``referrer`` how the referrers API describes it.
    """

    raw: bytes
    digest: Digest
    media_type: str
    needs: tuple[Digest, ...]
    subject: Digest | None
    referrer: Descriptor | None
    refers: frozenset[Digest] = frozenset()
    """Every digest that the manifest points at, so that none of it is collected: also foreign layers and children."""


def accept_manifest(raw: bytes, content_type: str | None, digest: Digest | None) -> PushedManifest:
    """Return what there is to store, or say why not.

    ``digest`` is what the client promised by pushing by digest. Raises ContentMismatchError when the bytes
    are others, ManifestInvalidError for everything else. The bytes are kept exactly as they came.
    """
    found = Digest.of(raw, digest.algorithm if digest else "sha256")
    if digest is not None and found != digest:
        raise ContentMismatchError(f"the manifest pushed as {digest} has the digest {found}")
    said = _said_type(content_type) if content_type else None
    try:
        fields = _decode(raw)
        kind = _media_type(fields, said)
        is_known = is_manifest(kind) and kind not in SCHEMA1_TYPES
        pushed = (_known if is_known else _unknown)(raw, found, kind, fields)
        return replace(pushed, refers=_refers(fields))
    except ManifestInvalidError:
        raise
    except (MalformedError, UnsupportedError) as error:
        raise ManifestInvalidError(error.message, hint=error.hint) from error


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestInvalidError(f"the manifest is not JSON: {parser_words(error)}") from error
    if not isinstance(fields, dict) or not fields:
        raise ManifestInvalidError("the manifest is not a JSON object with fields")
    if fields.get("subject") is not None:
        parse_descriptor(fields["subject"], "subject")
    if not isinstance(fields.get("artifactType"), str | None):
        raise ManifestInvalidError("the manifest's artifactType is not text")
    return fields


def _said_type(content_type: str) -> str:
    """Return the type that a Content-Type says: served again as it was pushed, if it is not one that we know."""
    said = content_type.split(";", 1)[0].strip()
    return without_parameters(said) if is_manifest(without_parameters(said)) else said


def _media_type(fields: dict[str, Any], said: str | None) -> str:
    """Return the type to serve the manifest with: what its Content-Type said, which must be its own."""
    own = fields.get("mediaType")
    if own is not None and not isinstance(own, str):
        raise ManifestInvalidError("the manifest's mediaType is not text")
    if own and said and own.lower() != said.lower():
        raise ManifestInvalidError(f"the manifest calls itself {own} but was pushed with Content-Type {said}")
    kind = own or said
    if not kind:
        raise ManifestInvalidError("neither the manifest nor its Content-Type says what it is")
    if not _MEDIA_TYPE.match(kind):
        raise ManifestInvalidError(f"the manifest's type {kind[:100]!r} is not of the form type/subtype")
    if kind in SCHEMA1_TYPES or fields.get("schemaVersion") == 1:
        raise ManifestInvalidError(
            "Docker schema 1 manifests are not stored", hint="push the image again with a current tool"
        )
    return kind


def _known(raw: bytes, digest: Digest, kind: str, fields: dict[str, Any]) -> PushedManifest:
    manifest = Manifest.parse(raw, kind, digest.algorithm)
    if manifest.media_type != kind:
        raise ManifestInvalidError(f"the manifest is a {manifest.media_type} but was pushed as {kind}")
    artifact_type = manifest.artifact_type or (manifest.config.media_type if manifest.config else None)
    return PushedManifest(
        raw=raw,
        digest=digest,
        media_type=kind,
        needs=tuple(blob.digest for blob in manifest.blobs),
        subject=manifest.subject.digest if manifest.subject else None,
        referrer=_referrer(raw, digest, kind, fields, artifact_type) if manifest.subject else None,
    )


def _unknown(raw: bytes, digest: Digest, kind: str, fields: dict[str, Any]) -> PushedManifest:
    """Accept a type we do not know; what it lists in the usual places must be well formed and be there."""
    if "manifests" in fields and ("layers" in fields or "config" in fields):
        raise ManifestInvalidError("the manifest has both layers and manifests")
    blobs: dict[Digest, None] = {}
    for name in ("config", "layers", "blobs"):
        value = fields.get(name)
        for item in value if isinstance(value, list) else [value] if value is not None else []:
            descriptor = parse_descriptor(item, name)
            if not (is_foreign_layer(descriptor.media_type) and descriptor.urls):
                blobs[descriptor.digest] = None
    subject = parse_descriptor(fields["subject"], "subject").digest if fields.get("subject") else None
    said = fields.get("artifactType")
    artifact_type = said if isinstance(said, str) else None
    referrer = _referrer(raw, digest, kind, fields, artifact_type) if subject else None
    return PushedManifest(raw, digest, kind, tuple(blobs), subject, referrer)


def _refers(fields: dict[str, Any]) -> frozenset[Digest]:
    """Return all that is called a digest anywhere in a manifest: too much kept harms nobody, too little would."""
    found: set[Digest] = set()
    rest: list[Any] = [fields]
    while rest:
        value = rest.pop()
        if isinstance(value, list):
            rest.extend(value)
        elif isinstance(value, dict):
            rest.extend(value.values())
            said = value.get("digest")
            if isinstance(said, str) and is_digest(said):
                found.add(Digest(said))
    return frozenset(found)


def _referrer(raw: bytes, digest: Digest, kind: str, fields: dict[str, Any], artifact_type: str | None) -> Descriptor:
    annotations = parse_annotations(fields.get("annotations"), "the manifest")
    if artifact_type and _CONTROL.search(artifact_type):
        raise ManifestInvalidError("the manifest's artifact type holds control characters")
    return Descriptor(kind, digest, len(raw), annotations=annotations, artifact_type=artifact_type or None)
