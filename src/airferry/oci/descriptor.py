"""Descriptors and platforms: what points at content.

Source: OCI image-spec descriptor.md and image-index.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airferry.errors import MalformedError
from airferry.oci.digest import Digest

MAX_SIZE_BYTES = 2**63 - 1
"""Sizes are signed 64-bit numbers in the specification; more is malformed."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What a manifest in an index is for. ``variant`` and ``os_version`` are None when not said."""

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A pointer to content: type, digest and size in bytes. Unknown fields stay in the manifest's raw bytes."""

    media_type: str
    digest: Digest
    size_bytes: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, compare=False)
    artifact_type: str | None = None
    urls: tuple[str, ...] = ()


def parse_descriptor(fields: Any, where: str) -> Descriptor:
    """Return the descriptor in the decoded JSON ``fields``; ``where`` names it in errors (MalformedError)."""
    if not isinstance(fields, dict):
        raise MalformedError(f"{where} is not a descriptor but {type(fields).__name__}")
    size = fields.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_SIZE_BYTES:
        raise MalformedError(f"{where} has no valid size: {shortened(size)}")
    media_type = fields.get("mediaType", "")
    digest = fields.get("digest")
    if not isinstance(media_type, str) or not isinstance(digest, str):
        raise MalformedError(f"{where} needs a mediaType and a digest that are text")
    return Descriptor(
        media_type=media_type,
        digest=Digest.parse(digest),
        size_bytes=size,
        platform=_parse_platform(fields.get("platform")),
        annotations=parse_annotations(fields.get("annotations"), where),
        artifact_type=fields.get("artifactType") if isinstance(fields.get("artifactType"), str) else None,
        urls=_parse_urls(fields.get("urls"), where),
    )


def parse_annotations(value: Any, where: str) -> Mapping[str, str]:
    """Return annotations as a map of text to text; an absent map is empty, another type is malformed."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise MalformedError(f"the annotations of {where} are not a map of text to text")
    return value


def shortened(value: Any) -> str:
    """Return ``value`` as an error may show it: quoted, and cut off where a hostile document goes on and on."""
    text = repr(value) if not isinstance(value, int) or abs(value) < 2**128 else "a huge number"
    return text if len(text) <= 100 else f"{text[:97]}…"


def _parse_urls(value: Any, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(url, str) for url in value):
        raise MalformedError(f"the urls of {where} are not a list of texts")
    return tuple(value)


def _parse_platform(fields: Any) -> Platform | None:
    if not isinstance(fields, dict):
        return None
    os, architecture = fields.get("os"), fields.get("architecture")
    if not isinstance(os, str) or not isinstance(architecture, str):
        return None
    variant, os_version = fields.get("variant"), fields.get("os.version")
    return Platform(
        os,
        architecture,
        variant if isinstance(variant, str) and variant else None,
        os_version if isinstance(os_version, str) and os_version else None,
    )
