"""Images with opm to put catalogs on, as OCI layouts: the program is none, everything about it is as in real ones."""

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airferry.lab.layer import Entry, File, write_layer

CATALOGS = Path(__file__).parents[1] / "data" / "catalogs"
OPM = (File("bin/", mode=0o755), File("bin/opm", b"#!opm", 0o755), File("tmp/", mode=0o1777))
OLD = (
    File("configs/", mode=0o755),
    File("configs/old/", mode=0o755),
    File(
        "configs/old/catalog.json",
        b'{"schema":"olm.package","name":"old","defaultChannel":"a"}\n'
        b'{"schema":"olm.channel","package":"old","name":"a","entries":[{"name":"old.v1"}]}\n'
        b'{"schema":"olm.bundle","package":"old","name":"old.v1","image":"quay.io/a/b:1",'
        b'"properties":[{"type":"olm.package","value":{"packageName":"old","version":"1.0.0"}}]}\n',
    ),
    File("tmp/", mode=0o1777),
    File("tmp/cache/", mode=0o750),
    File("tmp/cache/digest", b"0123456789abcdef", 0o640),
)
COMMAND = ("serve", "/configs", "--cache-dir=/tmp/cache")
CONFIGS = "operators.operatorframework.io.index.configs.v1"


class LayoutWriter:
    """An OCI layout in the making."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._named: list[dict[str, Any]] = []
        (folder / "blobs" / "sha256").mkdir(parents=True)

    def put(self, content: bytes) -> dict[str, Any]:
        name = hashlib.sha256(content).hexdigest()
        (self.folder / "blobs" / "sha256" / name).write_bytes(content)
        return {"digest": f"sha256:{name}", "size": len(content)}

    def image(
        self,
        layers: Sequence[Sequence[Entry]],
        architecture: str = "amd64",
        *,
        docker: bool = False,
        **settings: Any,
    ) -> dict[str, Any]:
        kinds = (
            [f"application/vnd.docker.{kind}" for kind in _DOCKER]
            if docker
            else [f"application/vnd.oci.image.{kind}" for kind in _OCI]
        )
        diff_ids, descriptors = [], []
        for entries in layers:
            target = io.BytesIO()
            diff_ids.append(write_layer(target, entries).diff_id)
            descriptors.append({"mediaType": kinds[2], **self.put(target.getvalue())})
        config = {
            "created": "2024-01-01T00:00:00Z",
            "architecture": architecture,
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created_by": "a layer"} for _ in layers],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": kinds[0],
            "config": {"mediaType": kinds[1], **self.put(json.dumps(config).encode())},
            "layers": descriptors,
        }
        platform = {"architecture": architecture, "os": "linux"}
        return {"mediaType": kinds[0], **self.put(json.dumps(manifest).encode()), "platform": platform}

    def index(self, children: Sequence[dict[str, Any]]) -> dict[str, Any]:
        kind = "application/vnd.oci.image.index.v1+json"
        index = {"schemaVersion": 2, "mediaType": kind, "manifests": children}
        return {"mediaType": kind, **self.put(json.dumps(index).encode())}

    def tag(self, name: str, image: dict[str, Any]) -> None:
        self._named.append({**image, "annotations": {"org.opencontainers.image.ref.name": name}})
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self._named}))


_OCI = ("manifest.v1+json", "config.v1+json", "layer.v1.tar+gzip")
_DOCKER = ("distribution.manifest.v2+json", "container.image.v1+json", "image.rootfs.diff.tar.gzip")


def write_bases(folder: Path) -> Path:
    """Write a layout with ``one``, ``docker``, ``list`` (two platforms and an attestation), ``opm`` and ``sqlite``."""
    writer = LayoutWriter(folder)
    serving = {"User": "1001", "Entrypoint": ["/bin/opm"], "Cmd": list(COMMAND), "Labels": {CONFIGS: "/configs"}}
    one = writer.image((OPM, OLD), **serving)
    other = writer.image((OPM, OLD), "arm64", **serving)
    attestation = {**writer.image((OPM,)), "platform": {"architecture": "unknown", "os": "unknown"}}
    writer.tag("one", one)
    writer.tag("docker", writer.image((OPM, OLD), docker=True, **serving))
    writer.tag("list", writer.index((one, other, attestation)))
    writer.tag("opm", writer.image((OPM,), Entrypoint=["/usr/bin/opm"]))
    sqlite = ["registry", "serve", "--database", "/database/index.db"]
    label = {"operators.operatorframework.io.index.database.v1": "/database/index.db"}
    index = File("database/index.db", (CATALOGS / "sqlite" / "etcd-2020.db").read_bytes())
    writer.tag("sqlite", writer.image((OPM, (index,)), Entrypoint=["/bin/opm"], Cmd=sqlite, Labels=label))
    return folder
