"""Catalogs as fuzz targets: documents in JSON and YAML, bundles, and package manifests."""

import json
from typing import Any, Final

from airferry.openshift.catalog.findings import Finding
from airferry.openshift.catalog.model import Catalog
from airferry.openshift.catalog.reading.bundle_manifests import read_bundle
from airferry.openshift.catalog.reading.bundle_rendering import rendered
from airferry.openshift.catalog.reading.catalog_reader import read_catalog
from airferry.openshift.catalog.reading.metas import read_metas
from airferry.openshift.catalog.reading.package_manifests import package_metas, read_package_manifest
from airferry.openshift.catalog.reading.yaml_documents import read_yaml
from airferry.openshift.catalog.upgrade_graph import heads

from .target import Target
from .targets import JSON_WORDS

_BUNDLE: Final = {
    "schema": "olm.bundle",
    "name": "a.v1",
    "package": "a",
    "image": "q.io/a/b@sha256:" + 64 * "0",
    "properties": [
        {"type": "olm.package", "value": {"packageName": "a", "version": "1.0.0"}},
        {"type": "olm.gvk", "value": {"group": "g", "kind": "K", "version": "v1"}},
        {"type": "olm.constraint", "value": {"all": {"constraints": [{"cel": {"rule": "true"}}]}}},
    ],
    "relatedImages": [{"name": "x", "image": "q.io/a/x:1"}, {"name": "y", "value": "q.io/a/y:1"}],
}
_DOCUMENTS: Final = (
    {"schema": "olm.package", "name": "a", "defaultChannel": "x"},
    {"schema": "olm.channel", "name": "x", "package": "a", "entries": [{"name": "a.v1", "skips": ["a.v0"]}]},
    _BUNDLE,
    {
        "schema": "olm.deprecations",
        "package": "a",
        "entries": [{"reference": {"schema": "olm.bundle", "name": "a.v1"}, "message": "old"}],
    },
)
_CSV: Final = b"""kind: ClusterServiceVersion
metadata:
  name: a.v1
  annotations: {olm.skipRange: <1.0.0, olm.properties: '[{"type": "x", "value": 1}]'}
spec:
  version: 1.0.0
  replaces: a.v0
  skips: [a.v0a]
  relatedImages: [{name: x, image: &i "q.io/a/x:1"}, {name: y, value: *i}]
  customresourcedefinitions: {owned: [{name: ks.g, version: v1, kind: K}], required: [{name: ls.g, version: v1}]}
  install: {spec: {deployments: [{spec: {template: {spec: {containers: [{image: q.io/a/c:1}]}}}}]}}
"""
_ANNOTATIONS: Final = b"annotations: {operators.operatorframework.io.bundle.package.v1: a}\n"
_PACKAGE: Final = b"packageName: a\nchannels: [{name: x, currentCSV: a.v1}]\ndefaultChannel: x\n"
_WORDS: Final = (b"&a ", b"*a", b"<<: ", b"---\n", b"!!str ", b"? ", b"|\n", *JSON_WORDS)


def documents(data: bytes) -> None:
    """A file of documents: it is read alike whole and in pieces, and what is kept can be written."""
    metas = list(read_metas([data], "f"))
    pieces = (data[start : start + 7] for start in range(0, len(data), 7))
    assert [meta.value for meta in read_metas(pieces, "f")] == [meta.value for meta in metas]
    sound(read_catalog(metas))


def bundle(data: bytes) -> None:
    """A bundle's CSV: what it is rendered to is a document of a catalog."""
    files = {"manifests/csv.yaml": data, "metadata/annotations.yaml": _ANNOTATIONS}
    document: Any = rendered(read_bundle(files, "a"), "q.io/a/b:1")
    sound(read_catalog(read_metas([json.dumps(document).encode()], "f")))


def package(data: bytes) -> None:
    """A package manifest without its bundles: every channel is a finding."""
    found = read_package_manifest(next(read_yaml([data], "f"), None), "f")
    if found is not None:
        findings: list[Finding] = []
        sound(read_catalog(package_metas(found, [], findings)))
        assert len(findings) == len(found.heads)


def sound(catalog: Catalog) -> None:
    for name, item in catalog.packages.items():
        assert item.name == name and all(heads(channel) is not None for channel in item.channels.values())
    str(catalog).encode()


CATALOGS: Final = (
    Target(
        "catalog-documents",
        documents,
        (
            "\n".join(map(json.dumps, _DOCUMENTS)).encode(),
            b"---\n".join(json.dumps(d).encode() + b"\n" for d in _DOCUMENTS),
        ),
        (b'"olm.package"', b'"name":', b'"entries":', *_WORDS),
    ),
    Target("catalog-bundle", bundle, (_CSV, json.dumps({"kind": "ClusterServiceVersion"}).encode()), _WORDS),
    Target("catalog-package", package, (_PACKAGE, b"schema: olm.package\n"), _WORDS),
)
"""What catalogs are read from."""
