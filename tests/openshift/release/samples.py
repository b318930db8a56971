"""Releases to test with: real ones, and two that real ``oc`` has mirrored and described."""

import json
from datetime import UTC, datetime
from pathlib import Path

from airferry.oci import Manifest, Reference
from airferry.openshift.release.describe import ImageDetails, ReleaseImage
from airferry.openshift.release.payload import ReleasePayload, parse_payload

DATA = Path(__file__).parents[2] / "data" / "release"
NOW = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
RELEASE_REPOSITORY = "127.0.0.1:5100/openshift-release-dev/ocp-release"


def transcript(name: str) -> str:
    return (DATA / "transcripts" / f"{name}.txt").read_text()


def real_4_12() -> ReleasePayload:
    folder = DATA / "ocp-4.12.0-x86_64"
    return parse_payload((folder / "image-references").read_bytes(), (folder / "release-metadata").read_bytes())


def oc_release(version: str, *, asked: str | None = None, with_images: bool = False) -> ReleaseImage:
    folder = DATA / "oc-4.99" / version
    files = {file.name: file.read_bytes() for file in (folder / "release-manifests").iterdir()}
    manifest = Manifest.parse((folder / "manifest.json").read_bytes())
    return ReleaseImage(
        asked=Reference.parse(asked or f"{RELEASE_REPOSITORY}:{version}-x86_64"),
        payload=parse_payload(files["image-references"], files["release-metadata"]),
        digest=manifest.digest,
        config=json.loads((folder / "config.json").read_text()),
        layers=manifest.layers,
        files=files,
        images=_images(folder) if with_images else None,
    )


def _images(folder: Path) -> dict[str, ImageDetails]:
    images = {}
    for name, parts in json.loads((folder / "components.json").read_text()).items():
        manifest = Manifest.parse(parts["manifest"].encode())
        images[name] = ImageDetails(manifest.digest, manifest.media_type, manifest.layers, json.loads(parts["config"]))
    return images
