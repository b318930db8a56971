"""Configs, manifests and lists as the builders of OpenShift write them: Docker schema 2, indented by three."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from airferry.lab.layer import Layer
from airferry.lab.store import LabStore
from airferry.oci import Digest, mediatype

CREATED: Final = "2023-01-12T18:29:52Z"


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """A manifest in the store, with what made it: enough to put another image on top or a list around it."""

    digest: Digest
    size_bytes: int
    media_type: str
    architecture: str
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class ImageParts:
    """What an image is made of, and whether its manifest is written as OCI or as Docker schema 2."""

    layers: tuple[Layer, ...]
    labels: Mapping[str, str]
    architecture: str = "amd64"
    oci: bool = False


def put_image(store: LabStore, path: str, parts: ImageParts, *tags: str) -> BuiltImage:
    """Put an image of ``parts`` into the repository ``path`` under ``tags``."""
    layers, oci = parts.layers, parts.oci
    config = _config(parts)
    store.link_blobs(path, (layer.digest for layer in layers))
    config_type = mediatype.OCI_CONFIG if oci else mediatype.DOCKER_CONFIG
    layer_type = mediatype.OCI_LAYER_GZIP if oci else mediatype.DOCKER_LAYER_GZIP
    media_type = mediatype.OCI_MANIFEST if oci else mediatype.DOCKER_MANIFEST
    manifest = print_json(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(config_type, store.put_blob(path, config), len(config)),
            "layers": [descriptor(layer_type, layer.digest, layer.size_bytes) for layer in layers],
        }
    )
    digest = store.put_manifest(path, manifest, media_type, *tags)
    return BuiltImage(digest, len(manifest), media_type, parts.architecture, layers)


def put_list(store: LabStore, path: str, children: Sequence[BuiltImage], *tags: str) -> Digest:
    """Put a list of ``children`` into the repository ``path``: an OCI index if they are OCI images."""
    oci = children[0].media_type == mediatype.OCI_MANIFEST
    media_type = mediatype.OCI_INDEX if oci else mediatype.DOCKER_LIST
    fields = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [
            descriptor(child.media_type, child.digest, child.size_bytes)
            | {"platform": {"architecture": child.architecture, "os": "linux"}}
            for child in children
        ],
    }
    return store.put_manifest(path, print_json(fields), media_type, *tags)


def descriptor(media_type: str, digest: str, size_bytes: int) -> dict[str, Any]:
    """Return the JSON fields of a descriptor, in the order Docker writes them."""
    return {"mediaType": media_type, "size": size_bytes, "digest": digest}


def print_json(fields: Mapping[str, Any]) -> bytes:
    """Return ``fields`` as Docker prints manifests."""
    return json.dumps(fields, indent=3).encode()


def _config(parts: ImageParts) -> bytes:
    fields = {
        "architecture": parts.architecture,
        "author": "airferry lab",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "container=oci"],
            "Labels": dict(parts.labels),
        },
        "created": CREATED,
        "history": [{"created": CREATED, "created_by": "/bin/sh -c #(nop) ADD file"} for _ in parts.layers],
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in parts.layers]},
    }
    return json.dumps(fields, separators=(",", ":")).encode()
