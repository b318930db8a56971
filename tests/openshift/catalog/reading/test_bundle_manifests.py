"""A bundle becomes the document that opm would render of it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from airferry.errors import MalformedError
from airferry.openshift.catalog.findings import FindingCode
from airferry.openshift.catalog.reading.bundle_manifests import bundle_of, read_bundle
from airferry.openshift.catalog.reading.bundle_rendering import rendered
from airferry.openshift.catalog.reading.yaml_documents import read_yaml

DATA = Path(__file__).parents[3] / "data" / "catalogs"
IMAGE = "quay.io/olmtest/etcd-bundle:0.9.2"
ANNOTATIONS = b"""
annotations:
  operators.operatorframework.io.bundle.package.v1: app
  operators.operatorframework.io.bundle.channels.v1: "stable, beta,"
"""


def files_of(bundle: str) -> dict[str, bytes]:
    folder = DATA / "bundles" / bundle
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def bundle(csv: dict[str, Any], **more: bytes) -> dict[str, bytes]:
    text = json.dumps({"kind": "ClusterServiceVersion", "metadata": {"name": "app.v1"}, **csv})
    return {"manifests/csv.yaml": text.encode(), "metadata/annotations.yaml": ANNOTATIONS} | more


def by_type(document: dict[str, Any], kind: str) -> list[Any]:
    return [item["value"] for item in document["properties"] if item["type"] == kind]


def test_a_real_bundle_is_rendered() -> None:
    document = rendered(read_bundle(files_of("etcd.0.9.2"), IMAGE), IMAGE)
    assert {key: document[key] for key in ("schema", "name", "package", "image")} == {
        "schema": "olm.bundle",
        "name": "etcdoperator.v0.9.2",
        "package": "etcd",
        "image": IMAGE,
    }
    assert by_type(document, "olm.package") == [{"packageName": "etcd", "version": "0.9.2"}]
    assert [item["kind"] for item in by_type(document, "olm.gvk")] == ["EtcdBackup", "EtcdCluster", "EtcdRestore"]
    assert {item["kind"] for item in by_type(document, "olm.gvk.required")} == {"EtcdCluster", "testapi"}
    assert by_type(document, "olm.constraint")[0]["cel"] == {"rule": 'properties.exists(p, p.type == "certified")'}
    assert [item["image"] for item in document["relatedImages"]] == [
        "quay.io/coreos/etcd-operator@sha256:c0301e4686c3ed4206e370b42de5a3bd2229b9fb4906cf85f3f30650424abec2",
        IMAGE,
    ]
    objects = [json.loads(base64.b64decode(value["data"])) for value in by_type(document, "olm.bundle.object")]
    assert sorted(item["kind"] for item in objects) == ["ClusterServiceVersion", *["CustomResourceDefinition"] * 3]


def test_the_small_form_keeps_what_the_console_shows() -> None:
    document = rendered(read_bundle(files_of("etcd.0.9.2"), IMAGE), IMAGE, as_objects=False)
    (shown,) = by_type(document, "olm.csv.metadata")
    assert shown["displayName"] == "etcd" and shown["crdDescriptions"]["owned"] and "install" not in shown
    assert by_type(document, "olm.bundle.object") == []


def test_images_are_those_of_opm() -> None:
    container = {"image": "q.io/a/run:1", "env": [{"name": "RELATED_IMAGE_X", "value": "q.io/a/env:1"}]}
    pod = {"containers": [container], "initContainers": [{"image": "q.io/a/init:1"}]}
    csv = {
        "metadata": {"name": "app.v1", "annotations": {"containerImage": "q.io/a/annotated:1"}},
        "spec": {
            "relatedImages": [{"name": "db", "image": "q.io/a/db:1"}, {"name": "run", "image": "q.io/a/run:1"}],
            "install": {"spec": {"deployments": [{"spec": {"template": {"spec": pod}}}]}},
        },
    }
    document = rendered(read_bundle(bundle(csv), "a"), "q.io/a/bundle:1")
    assert document["relatedImages"] == [
        {"name": "", "image": "q.io/a/bundle:1"},
        {"name": "db", "image": "q.io/a/db:1"},
        {"name": "", "image": "q.io/a/init:1"},
        {"name": "run", "image": "q.io/a/run:1"},
    ]


def test_value_in_the_place_of_image_is_repaired_and_told() -> None:
    (file,) = (DATA / "packages" / "3scale-community-operator" / "0.5.1").glob("*.clusterserviceversion.yaml")
    read = bundle_of([next(read_yaml([file.read_bytes()], file.name))], "0.5.1", package="3scale")
    related, findings = read.related("")
    assert [(item.code, item.package, item.bundle, item.repaired) for item in findings] == [
        (FindingCode.VALUE_FOR_IMAGE, "3scale", "3scale-community-operator.v0.5.1", image)
        for image in ("centos/redis-32-centos7", "centos/mysql-57-centos7", "centos/postgresql-10-centos7")
    ]
    assert {item.repaired for item in findings} <= {item.image for item in related}


def test_properties_come_from_the_file_and_the_annotation() -> None:
    own = [{"type": "olm.maxOpenShiftVersion", "value": "4.8"}]
    csv = {"metadata": {"name": "app.v1", "annotations": {"olm.properties": json.dumps(own)}}}
    properties = b"properties:\n- type: ours\n  value: 1\n"
    document = rendered(read_bundle(bundle(csv, **{"metadata/properties.yaml": properties}), "a"), "")
    assert by_type(document, "olm.maxOpenShiftVersion") == ["4.8"] and by_type(document, "ours") == [1]


def test_channels_and_updates_are_read() -> None:
    csv = {
        "metadata": {"name": "app.v2", "annotations": {"olm.skipRange": ">=1.0.0 <2.0.0"}},
        "spec": {"version": "2.0.0", "replaces": "app.v1", "skips": ["app.v1a"]},
    }
    read = read_bundle(bundle(csv), "app")
    assert (read.channels, read.default_channel) == (("stable", "beta"), "")
    assert (read.version, read.replaces, read.skips, read.skip_range) == (
        "2.0.0",
        "app.v1",
        ("app.v1a",),
        ">=1.0.0 <2.0.0",
    )


def test_a_manifest_that_is_no_yaml_is_left_out_and_told() -> None:
    read = read_bundle(bundle({}, **{"manifests/bad.yaml": b"a: b: c"}), "app")
    assert len(read.objects) == 1
    assert [(item.code, "manifests/bad.yaml" in item.what) for item in read.findings] == [
        (FindingCode.MALFORMED_ENTRY, True)
    ]


def test_a_crd_that_the_csv_owns_and_no_manifest_brings_is_missing() -> None:
    owned = [{"name": "things.example.com", "version": "v1", "kind": "Thing"}]
    read = read_bundle(bundle({"spec": {"customresourcedefinitions": {"owned": owned}}}), "app")
    assert read.missing_crds() == ("things.example.com/v1",)
    assert read_bundle(files_of("etcd.0.9.2"), "etcd").missing_crds() == ()


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "app is no bundle: it has no ClusterServiceVersion"),
        ({"manifests/csv.yaml": b"kind: ClusterServiceVersion\n"}, "app: its ClusterServiceVersion has no name"),
        ({"manifests/csv.yaml": b"kind: ClusterServiceVersion\nmetadata: {name: a}"}, "app does not say its package"),
        ({"manifests/csv.yaml": b"\xff\xfe\x00"}, "app is no bundle"),
    ],
)
def test_what_is_no_bundle_is_refused(files: dict[str, bytes], problem: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read_bundle(files, "app")
    assert caught.value.message.startswith(problem)
