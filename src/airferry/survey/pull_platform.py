"""Which image of a list nodes of a platform take, and whether what they get is an image, and for them."""

from collections.abc import Iterable
from typing import Final

import msgspec

from airferry.oci import Descriptor, Digest, Manifest, Platform, mediatype
from airferry.oci.descriptor import shortened
from airferry.survey.pull_configuration import parse_configuration

_VARIANTS: Final = {"arm": ("v8", "v7", "v6", "v5"), "arm64": ("v8",)}
"""Source: containers/image, internal/pkg/platform: from the best to the least; none at all is tried last."""

MAX_CONFIG_BYTES: Final = 4 * 1024 * 1024
"""Source: containers/image, internal/iolimits: nodes read no configuration that is larger."""


def choose_instance(index: Manifest, platform: Platform) -> Digest | None:
    """Return the child of a list that nodes of ``platform`` take; None when they take none."""
    variants = (platform.variant,) if platform.variant else (*_VARIANTS.get(platform.architecture, ()), None)
    for variant in variants:
        for child in index.children:
            at = child.platform
            wanted = (platform.os, platform.architecture, variant)
            if at is not None and (at.os, at.architecture, at.variant or None) == wanted:
                return child.digest
    if index.media_type == mediatype.OCI_INDEX:
        return next((child.digest for child in index.children if child.platform is None), None)
    return None


_DOCKER_LAYERS: Final = frozenset(
    f"application/vnd.docker.image.rootfs.{word}"
    for word in ("diff.tar", "diff.tar.gzip", "foreign.diff.tar", "foreign.diff.tar.gzip")
)


class _OwnType(msgspec.Struct):
    media_type: str | None = msgspec.field(default=None, name="mediaType")


def no_image(manifest: Manifest, config: Descriptor) -> str | None:
    """Return as what nodes refuse a manifest that is no image to them, as words; None for an image.

    Source: containers/image, manifest: an OCI manifest has a configuration of OCI's own type, a Docker manifest layers
    of the types that Docker itself makes; its configuration may be of any. A Docker manifest must say that it is one:
    what the registry says does not do.
    """
    if manifest.media_type == mediatype.OCI_MANIFEST and config.media_type != mediatype.OCI_CONFIG:
        return f"is no image but an artifact of type {shortened(config.media_type)}"
    if manifest.media_type == mediatype.DOCKER_MANIFEST:
        if not msgspec.json.decode(manifest.raw, type=_OwnType).media_type:
            return "is a Docker manifest without mediaType"
        odd = next((layer for layer in manifest.layers if layer.media_type not in _DOCKER_LAYERS), None)
        return f"is a Docker manifest with a layer of type {shortened(odd.media_type)}" if odd is not None else None
    return None


def misfits(config: bytes, platforms: Iterable[Platform]) -> str | None:
    """Return for which platforms the image with this configuration is not, as words; None when it is for all.

    System and architecture are compared, and what the configuration does not say fits. Raises MalformedError for
    one that nodes do not read. Source: containers/image, copy: it compares the same two, and pulls the image with
    no more than a line in a log, so that the container fails to start ("exec format error").
    """
    fields = parse_configuration(config)
    system, architecture = fields.os or None, fields.architecture or None
    wrong = [
        str(platform)
        for platform in platforms
        if (system or platform.os, architecture or platform.architecture) != (platform.os, platform.architecture)
    ]
    return f"is for {system or 'linux'}/{architecture}, not for {', '.join(wrong)}" if wrong else None
