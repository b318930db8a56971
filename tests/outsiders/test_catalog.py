"""A mirrored catalog, as strangers pull it: by the names in its documents, from the mirror alone."""

import json
from pathlib import Path

import pytest

from airferry.lab import CatalogShape, publish_catalog
from failures.stage import Quay, airferry

from .registries import docker_registry
from .strangers import skopeo

pytestmark = pytest.mark.outsider


def test_nodes_pull_bundles_and_what_they_need_through_the_files_that_were_written(tmp_path: Path, new_node) -> None:
    """From docker-registry, loaded from a disk; nothing but that can be reached: quay.io does not resolve here."""
    catalog = publish_catalog(tmp_path / "store", CatalogShape(by_tag=("gauge:1",)))
    disk, files = tmp_path / "disk", tmp_path / "files"
    with Quay(tmp_path, catalog) as quay:
        airferry("catalog", "mirror", catalog.pullspec, "file://olm", "--dir", disk, *quay.flags(trusted=False)).done()
    with docker_registry(tmp_path) as registry:
        to = (f"{registry.host}/olm", "--dest-insecure", "--to-manifests", files)
        load = ("catalog", "mirror", "--from-dir", disk, catalog.pullspec, *to)
        airferry(*load).done()
        again = json.loads(airferry(*load, "-o", "json").done().out)
        assert again["moved"]["bytes"] == again["moved"]["blobs"] == 0
        for name, digest in catalog.digests.items():
            path, _, tag = again["mapping"][catalog.references[name]].removeprefix(f"{registry.host}/").rpartition(":")
            assert registry.walk(path, tag).root == digest
        index = registry.walk("olm/airlab-operator-index", catalog.tag)
        assert index.root == catalog.digest
        assert catalog.signature_tag in registry.tags("olm/airlab-anchor-operator")

        conf = files / "registries.conf"
        node = new_node(conf)
        names = ["anchor-bundle:1.0.0", "anchor-operator:2.0.0", "compass-operator:3.0.0"]
        wanted = [*(catalog.references[name] for name in names), f"quay.io/airlab/gauge@{catalog.digests['gauge:1']}"]
        for name in wanted:
            node("pull", "--tls-verify=false", name).done()
        assert set(wanted) <= {name for image in node.images() for name in image.get("RepoDigests") or ()}
        for image in (catalog.references["buoy-operator:0.1.0"], "quay.io/airlab/gauge:1"):
            flags = ("inspect", "--raw", "--tls-verify=false", f"docker://{image}")
            raw = json.loads(skopeo("--registries-conf", conf, *flags).done().out)
            assert ("manifests" in raw) == ("operator" in image)
