"""Objects to push: images, indexes and artifacts, in either digest algorithm, and what to follow a Location with."""

import json
from typing import Any, Final
from urllib.parse import urlsplit

from airferry.oci import Digest
from airferry.oci.mediatype import OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST

from ..conftest import Answer, Client

ALGORITHMS: Final = ("sha256", "sha512")
ARTIFACT: Final = "application/vnd.example.sbom.v1"
CONTENT: Final = bytes(range(256)) * 12
"""3072 bytes in which every range is known by its value."""


def pointer(content: bytes, kind: str, algorithm: str = "sha256", **more: Any) -> dict[str, Any]:
    return {"mediaType": kind, "digest": Digest.of(content, algorithm), "size": len(content), **more}


def image_of(contents: tuple[bytes, ...] = (b"layer",), algorithm: str = "sha256", **more: Any) -> bytes:
    fields = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": pointer(b'{"os":"linux"}', OCI_CONFIG, algorithm),
        "layers": [pointer(layer, OCI_LAYER_GZIP, algorithm) for layer in contents],
        **more,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def artifact_of(algorithm: str = "sha256", **more: Any) -> bytes:
    """An artifact as the image-spec advises: the empty descriptor as config and, having no content, as layer."""
    empty = pointer(b"{}", OCI_EMPTY, algorithm)
    return image_of(algorithm=algorithm, **{"config": empty, "layers": [empty], "artifactType": ARTIFACT, **more})


def index_of(children: tuple[bytes, ...] = (), algorithm: str = "sha256", **more: Any) -> bytes:
    listed = [pointer(child, OCI_MANIFEST, algorithm) for child in children]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed, **more}).encode()


async def push_blobs(registry: Client, path: str, algorithm: str = "sha256") -> None:
    """Push what the images and artifacts made here are made of."""
    for content in (b'{"os":"linux"}', b"{}", b"layer"):
        await registry.push_blob(path, content, algorithm)


async def put(registry: Client, path: str, target: str, raw: bytes, kind: str = OCI_MANIFEST) -> Answer:
    answer = await registry.push_manifest(path, target, raw, kind)
    assert answer.status == 201, answer.body
    return answer


async def follow(registry: Client, method: str, location: str, query: str = "", *args: Any, **headers: str) -> Answer:
    """Send a request to a Location, which may be absolute or relative and may have a query of its own."""
    parts = urlsplit(location)
    assert parts.netloc in ("", urlsplit(registry.running.url).netloc), location
    asked = "&".join(part for part in (parts.query, query) if part)
    return await registry(method, f"{parts.path}?{asked}" if asked else parts.path, *args, **headers)
