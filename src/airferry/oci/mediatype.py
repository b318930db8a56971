"""Media types of the field, and what they are.

Sources: OCI image-spec media-types.md; Docker "Image Manifest Version 2, Schema 2".
"""

from typing import Final

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"
OCI_LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_SCHEMA1: Final = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"

MANIFEST_TYPES: Final = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES: Final = (OCI_INDEX, DOCKER_LIST)
SCHEMA1_TYPES: Final = (DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED)

ACCEPT_MANIFESTS: Final = ", ".join((OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST, *SCHEMA1_TYPES))
"""The Accept header of a manifest request: everything we understand or can name in an error."""

_FOREIGN: Final = (
    "application/vnd.oci.image.layer.nondistributable.v1.",
    "application/vnd.docker.image.rootfs.foreign.",
)


def is_index(media_type: str) -> bool:
    """Whether content of this type lists other manifests."""
    return media_type in INDEX_TYPES


def is_manifest(media_type: str) -> bool:
    """Whether content of this type is a manifest of any kind, an index included."""
    return media_type in MANIFEST_TYPES or media_type in INDEX_TYPES or media_type in SCHEMA1_TYPES


def is_foreign_layer(media_type: str) -> bool:
    """Whether a layer of this type lives at its own URLs, not in the registry (it is not copied)."""
    return media_type.startswith(_FOREIGN)


def is_image_config(media_type: str) -> bool:
    """Whether content of this type is the configuration of a container image, not of some other artifact."""
    return media_type in (OCI_CONFIG, DOCKER_CONFIG)


def without_parameters(content_type: str) -> str:
    """Return the media type of a Content-Type header: no parameters, lower case, no blanks."""
    return content_type.split(";", 1)[0].strip().lower()
