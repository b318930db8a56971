"""Manifests and indexes. The raw bytes are the truth; fields are read from them and never written back.

Sources: OCI image-spec manifest.md and image-index.md; Docker manifest v2 schema 2. Docker schema 1 is
refused by name: its layers have no sizes and peers change its digest when they copy it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from airferry.errors import MalformedError, UnsupportedError, parser_words
from airferry.oci import mediatype
from airferry.oci.descriptor import Descriptor, parse_annotations, parse_descriptor, shortened
from airferry.oci.digest import Digest

MAX_MANIFEST_BYTES = 16 * 1024 * 1024
"""What we accept to read; registries must take 4 MiB (distribution-spec) and rarely take more."""


@dataclass(frozen=True, eq=False)
class Manifest:
    """A manifest or index: its exact bytes and its media type. Make one with :meth:`parse`.

    Two are equal when their digests are. ``media_type`` is the manifest's own ``mediaType`` field, or, when it
    has none, what its holder said or its shape shows. ``annotations`` are the manifest's own.
    """

    raw: bytes
    media_type: str
    digest: Digest
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    children: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: bytes, media_type: str | None = None, algorithm: str = "sha256") -> "Manifest":
        """Return the manifest that ``raw`` holds.

        ``media_type`` is what the holder says it is (a Content-Type), used when the bytes do not say.
        Raises MalformedError (not JSON, both ``layers`` and ``manifests``, a type that contradicts the
        bytes, …) and UnsupportedError (Docker schema 1).
        """
        fields = _decode(raw)
        kind = _media_type(fields, media_type)
        digest = Digest.of(raw, algorithm)
        subject = parse_descriptor(fields["subject"], "subject") if fields.get("subject") else None
        artifact_type = fields.get("artifactType") if isinstance(fields.get("artifactType"), str) else None
        notes = parse_annotations(fields.get("annotations"), "the manifest")
        if mediatype.is_index(kind):
            children = _descriptors(fields, "manifests")
            return cls(raw, kind, digest, None, (), children, subject, artifact_type, notes)
        if "config" not in fields:
            raise MalformedError("the manifest has neither config nor manifests")
        config = parse_descriptor(fields["config"], "config")
        return cls(raw, kind, digest, config, _descriptors(fields, "layers"), (), subject, artifact_type, notes)

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, Manifest) else NotImplemented

    def __hash__(self) -> int:
        # Steps of a plan are hashed by the ten thousand; the digest already is a hash of everything else.
        return hash(self.digest)

    @property
    def size_bytes(self) -> int:
        """The length of the raw bytes."""
        return len(self.raw)

    @property
    def is_index(self) -> bool:
        """Whether this lists other manifests."""
        return mediatype.is_index(self.media_type)

    @property
    def descriptor(self) -> Descriptor:
        """A descriptor that points at this manifest."""
        return Descriptor(self.media_type, self.digest, self.size_bytes, artifact_type=self.artifact_type)

    @cached_property
    def blobs(self) -> tuple[Descriptor, ...]:
        """What a copy must carry: config, then layers, each digest once; foreign layers are not carried."""
        wanted: dict[Digest, Descriptor] = {}
        for descriptor in (*((self.config,) if self.config else ()), *self.layers):
            if not (mediatype.is_foreign_layer(descriptor.media_type) and descriptor.urls):
                wanted.setdefault(descriptor.digest, descriptor)
        return tuple(wanted.values())


def _decode(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_MANIFEST_BYTES:
        raise MalformedError(f"a manifest of {len(raw)} bytes is over the limit of {MAX_MANIFEST_BYTES}")
    if raw.count(b"[") + raw.count(b"{") > 1_000_000:
        raise MalformedError("the manifest is nested or listed beyond reason")
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"the manifest is not JSON: {parser_words(error)}") from error
    if not isinstance(fields, dict):
        raise MalformedError(f"the manifest is not a JSON object but {type(fields).__name__}")
    return fields


def _media_type(fields: Mapping[str, Any], said: str | None) -> str:
    """Decide the type: own field, then the holder's word, then the shape (fields as the specs demand)."""
    own = fields.get("mediaType")
    if own is not None and not isinstance(own, str):
        raise MalformedError("the manifest's mediaType is not text")
    if "manifests" in fields and ("layers" in fields or "config" in fields):
        # CVE-2021-41190: the same bytes must not mean two things to two readers.
        raise MalformedError("the manifest has both layers and manifests")
    version = fields.get("schemaVersion", 2)
    if version == 1 or (own or said) in mediatype.SCHEMA1_TYPES:
        raise UnsupportedError(
            "this is a Docker schema 1 manifest, which cannot be copied without changing its digest",
            hint="push the image again with a current tool; it becomes schema 2 or OCI",
        )
    if version != 2:
        raise UnsupportedError(f"a manifest with schemaVersion {shortened(version)} is not one that airferry knows")
    kind = own or (said if said and mediatype.is_manifest(said) else None) or _shape(fields)
    if not mediatype.is_manifest(kind):
        raise UnsupportedError(f"{shortened(kind)} is not a manifest type that airferry knows")
    if mediatype.is_index(kind) != ("manifests" in fields):
        raise MalformedError(f"the manifest calls itself {kind} but its fields say otherwise")
    return kind


def _shape(fields: Mapping[str, Any]) -> str:
    """Guess the type as nodes do (containers/image, GuessMIMEType): of images, by the type of the config."""
    if "manifests" in fields:
        return mediatype.OCI_INDEX
    config = fields.get("config")
    is_docker = isinstance(config, dict) and config.get("mediaType") == mediatype.DOCKER_CONFIG
    return mediatype.DOCKER_MANIFEST if is_docker else mediatype.OCI_MANIFEST


def _descriptors(fields: Mapping[str, Any], name: str) -> tuple[Descriptor, ...]:
    items = fields.get(name)
    if items is None and name == "layers":
        return ()
    if not isinstance(items, list):
        raise MalformedError(f"the manifest's {name} is not a list")
    return tuple(parse_descriptor(item, f"{name}[{index}]") for index, item in enumerate(items))
