"""Bundles and package manifests in folders become a catalog."""

import shutil
from pathlib import Path

import pytest

from airferry.app.catalogs.catalog_forms import catalog_files
from airferry.errors import MalformedError
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.model import Catalog, ChannelEntry
from airferry.openshift.catalog.reading.catalog_reader import read_catalog
from airferry.survey.bundle_folder import bundle_folder_metas, bundle_folders, package_files, package_folder_metas

DATA = Path(__file__).parents[1] / "data" / "catalogs"


def packages(folder: Path) -> tuple[Catalog, list[Finding]]:
    findings: list[Finding] = []
    return read_catalog(package_folder_metas(package_files(folder), findings)), findings


def bundles(folder: Path) -> tuple[Catalog, list[Finding]]:
    findings: list[Finding] = []
    return read_catalog(bundle_folder_metas(bundle_folders(folder), findings)), findings


def test_package_manifests_lead_from_the_newest_bundle_to_the_rest() -> None:
    catalog, findings = packages(DATA / "packages")
    etcd = catalog.packages["etcd"]
    assert (etcd.default_channel, list(etcd.channels)) == ("alpha", ["alpha", "beta", "stable"])
    assert [entry.name for entry in etcd.channels["alpha"].entries] == [
        "etcdoperator.v0.9.2",
        "etcdoperator.v0.9.0",
        "etcdoperator.v0.6.1",
    ]
    assert etcd.bundles["etcdoperator.v0.9.2"].image == "" and etcd.bundles["etcdoperator.v0.9.2"].related
    missing = [item.bundle for item in findings if item.code is FindingCode.LEFT_OUT]
    assert missing == [f"3scale-community-operator.v0.{minor}.0" for minor in (3, 4, 6, 7)]
    assert [item.code for item in catalog.findings] == [FindingCode.VALUE_FOR_IMAGE] * 3


def test_one_folder_above_or_below_is_the_same() -> None:
    assert list(packages(DATA / "packages" / "etcd")[0].packages) == ["etcd"]


def test_half_a_bundle_among_bundles_is_told(tmp_path: Path) -> None:
    shutil.copytree(next(iter(bundle_folders(DATA / "bundles"))), tmp_path / "whole")
    for name in ("a/manifests", "b/metadata", "c/d/manifests", "notes"):
        (tmp_path / name).mkdir(parents=True)
    catalog = catalog_files(tmp_path).read()
    assert len(catalog.packages) == 1
    told = [(Path(item.where).name, item.what) for item in catalog.findings if item.code is FindingCode.LEFT_OUT]
    assert told[-3:] == [
        ("a", "left out: it has a folder manifests, but no folder metadata"),
        ("b", "left out: it has a folder metadata, but no folder manifests"),
        ("d", "left out: it has a folder manifests, but no folder metadata"),
    ]


def test_replaces_in_a_circle_ends(tmp_path: Path) -> None:
    (tmp_path / "a.package.yaml").write_text(
        "packageName: a\nchannels: [{name: two, currentCSV: a.v1}, {name: one, currentCSV: a.v3}]\n"
    )
    for name, replaces in (("a.v1", "a.v2"), ("a.v2", "a.v1"), ("a.v3", "a.v3"), ("a.v4", "")):
        text = f"kind: ClusterServiceVersion\nmetadata: {{name: {name}}}\nspec: {{replaces: {replaces!r}}}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    catalog, findings = packages(tmp_path)
    entries = {name: channel.entries for name, channel in catalog.packages["a"].channels.items()}
    assert entries["two"] == (ChannelEntry("a.v1", "a.v2"), ChannelEntry("a.v2", "a.v1"))
    assert entries["one"] == (ChannelEntry("a.v3", "a.v3"),)
    assert [(item.bundle, item.what) for item in findings] == [("a.v4", "left out: no channel leads to it")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("packageName: 1.5\n", "packageName is not text but 1.5"),
        ("packageName: a\nchannels: [x]\n", "a channel is not a name and a currentCSV but 'x'"),
        ("packageNames: a\n", "has no packageName"),
        ("- packageName\n", "has no packageName"),
        ("", "has no packageName"),
        ("packageName: [\n", "is not YAML at line"),
    ],
)
def test_a_package_manifest_that_is_none_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "a.package.yaml").write_text(text)
    with pytest.raises(MalformedError, match=problem) as caught:
        packages(tmp_path)
    assert "a.package.yaml" in caught.value.message


def test_bundles_say_themselves_where_they_belong() -> None:
    catalog, findings = bundles(DATA / "bundles")
    etcd = catalog.packages["etcd"]
    assert findings == [] and etcd.default_channel == "alpha"
    assert {name: [entry.name for entry in channel.entries] for name, channel in etcd.channels.items()} == {
        "alpha": ["etcdoperator.v0.9.0", "etcdoperator.v0.9.2"],
        "beta": ["etcdoperator.v0.9.0"],
        "stable": ["etcdoperator.v0.9.0", "etcdoperator.v0.9.2"],
    }
    assert etcd.bundles["etcdoperator.v0.9.2"].constraints


def test_one_broken_bundle_among_many_is_told(tmp_path: Path) -> None:
    shutil.copytree(DATA / "bundles", tmp_path / "bundles")
    (tmp_path / "bundles" / "etcd.0.9.0" / "metadata" / "annotations.yaml").write_text("annotations: {}\n")
    catalog, findings = bundles(tmp_path / "bundles")
    assert list(catalog.packages["etcd"].bundles) == ["etcdoperator.v0.9.2"]
    assert [(item.code, "does not say its package" in item.what) for item in findings] == [(FindingCode.LEFT_OUT, True)]


def test_a_crd_that_no_manifest_brings_is_told(tmp_path: Path) -> None:
    shutil.copytree(DATA / "bundles" / "etcd.0.9.2", tmp_path / "etcd")
    (tmp_path / "etcd" / "manifests" / "etcdbackup.crd.yaml").unlink()
    _, findings = bundles(tmp_path)
    assert [(item.code, item.bundle) for item in findings] == [(FindingCode.MALFORMED_ENTRY, "etcdoperator.v0.9.2")]
    assert "etcdbackups.etcd.database.coreos.com/v1beta2" in findings[0].what
