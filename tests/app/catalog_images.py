"""Catalog images made for tests, as OCI layouts with exactly the files that are named."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from content.layers import folder, member, tar

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIGS = "operators.operatorframework.io.index.configs.v1"
DATABASE = "operators.operatorframework.io.index.database.v1"
BUNDLE = "operators.operatorframework.io.bundle.package.v1"


def layer_of(root: Path, inside: str) -> bytes:
    """Return a layer that holds the files below ``root`` below the folder ``inside``."""
    files = [file for file in sorted(root.rglob("*")) if file.is_file()]
    return tar(folder(inside), *(member(f"{inside}/{file.relative_to(root)}", file.read_bytes()) for file in files))


class Layout:
    """An OCI layout that images are added to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._entries: list[dict[str, Any]] = []
        (root / "blobs" / "sha256").mkdir(parents=True)
        (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def add(self, layers: Sequence[bytes], labels: Mapping[str, str], tag: str = "") -> str:
        """Add an image; return its digest."""
        config = {"architecture": "amd64", "os": "linux", "config": {"Labels": dict(labels)}}
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
            "layers": [self._blob(layer, "application/vnd.oci.image.layer.v1.tar") for layer in layers],
        }
        entry = self._blob(json.dumps(manifest).encode(), MANIFEST)
        self._entries.append(entry | ({"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}))
        (self.root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self._entries}))
        return str(entry["digest"])

    def _blob(self, content: bytes, media_type: str) -> dict[str, Any]:
        name = hashlib.sha256(content).hexdigest()
        (self.root / "blobs" / "sha256" / name).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(content)}
