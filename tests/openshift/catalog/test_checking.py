"""Everything that is wrong in a catalog is named, with the bundle or channel it is wrong in."""

import json
from typing import Any

import pytest

from airferry.openshift.catalog.checking import check_catalog
from airferry.openshift.catalog.findings import Finding
from airferry.openshift.catalog.model import Catalog
from airferry.openshift.catalog.reading.catalog_reader import read_catalog
from airferry.openshift.catalog.reading.metas import read_metas

from .catalogs import DIGEST

PACKAGE = {"schema": "olm.package", "name": "etcd", "defaultChannel": "stable"}
CHANNEL: dict[str, Any] = {
    "schema": "olm.channel",
    "name": "stable",
    "package": "etcd",
    "entries": [{"name": "etcd.v2", "replaces": "etcd.v1"}, {"name": "etcd.v1"}],
}


def document(name: str, version: str, **more: Any) -> dict[str, Any]:
    return {
        "schema": "olm.bundle",
        "name": name,
        "package": "etcd",
        "image": f"quay.io/etcd/bundle@{DIGEST}",
        "properties": [{"type": "olm.package", "value": {"packageName": "etcd", "version": version}}],
        "relatedImages": [{"name": "etcd", "image": f"quay.io/etcd/etcd@{DIGEST}"}],
        **more,
    }


ONE, TWO = document("etcd.v1", "1.0.0"), document("etcd.v2", "2.0.0")


def read(*documents: dict[str, Any]) -> Catalog:
    return read_catalog(read_metas(["\n".join(map(json.dumps, documents)).encode()], "c.json"))


def check(*documents: dict[str, Any]) -> list[Finding]:
    return list(check_catalog(read(*documents)))


def test_a_good_catalog_has_no_findings() -> None:
    assert check(PACKAGE, CHANNEL, ONE, TWO) == []


def related(*images: dict[str, Any]) -> list[dict[str, Any]]:
    good = TWO["relatedImages"] if images else []
    return [PACKAGE, CHANNEL, ONE, {**TWO, "relatedImages": [*images, *good]}]


def channel(*entries: dict[str, Any]) -> list[dict[str, Any]]:
    return [PACKAGE, {**CHANNEL, "entries": list(entries)}, ONE, TWO]


NOTICE = {"schema": "olm.deprecations", "package": "etcd"}

CASES: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "value for image": (
        related({"name": "a", "value": f"quay.io/a/b@{DIGEST}"}),
        "value-for-image",
        f"etcd.v2: the entry 'a' says value where image belongs; read as quay.io/a/b@{DIGEST}",
    ),
    "an empty image": (related({"name": "a", "image": ""}), "empty-image", "etcd.v2: the entry 'a' names no image"),
    "no entry": (related(*["x"]), "malformed-entry", "etcd.v2: an entry of relatedImages is not an object but str"),  # type: ignore[arg-type]
    "an image that is no reference": (
        related({"name": "a", "image": "quay.io/A/B:v1"}),
        "malformed-image",
        "etcd.v2: the related image a cannot be read: the repository name 'A/B' must be lower case",
    ),
    "an image without registry": (
        related({"name": "a", "image": f"busybox@{DIGEST}"}),
        "no-registry",
        f"names no registry: busybox@{DIGEST}; read as docker.io/library/busybox@{DIGEST}",
    ),
    "an image on a disk": (
        related({"name": "a", "image": "file://a/b"}),
        "malformed-image",
        "is not an image in a registry",
    ),
    "an image by tag": (
        related({"name": "a", "image": "quay.io/a/b:v1"}),
        "image-by-tag",
        "etcd.v2: the related image a is named by its tag v1",
    ),
    "a bundle image by tag": (
        [PACKAGE, CHANNEL, ONE, {**TWO, "image": "quay.io/a/b:v1"}],
        "image-by-tag",
        "etcd.v2: the bundle image is named by its tag v1",
    ),
    "no related images": (related(), "no-related-images", "etcd.v2: the bundle names no related images"),
    "no default channel": (
        [{**PACKAGE, "defaultChannel": ""}, CHANNEL, ONE, TWO],
        "no-default-channel",
        "etcd: no olm.package says which channel is the default; there are: stable",
    ),
    "no olm.package": ([CHANNEL, ONE, TWO], "no-default-channel", "there are: stable"),
    "a default channel that is not there": (
        [{**PACKAGE, "defaultChannel": "fast"}, CHANNEL, ONE, TWO],
        "absent-default-channel",
        "etcd: the default channel fast is not there; there are: stable",
    ),
    "two heads": (
        channel({"name": "etcd.v2"}, {"name": "etcd.v1"}),
        "several-heads",
        "etcd:stable: etcd.v2 is one of 2",
    ),
    "an entry without bundle": (
        channel(
            {"name": "etcd.v2", "replaces": "etcd.v1", "skips": ["etcd.v0"]}, {"name": "etcd.v1"}, {"name": "etcd.v0"}
        ),
        "entry-without-bundle",
        "etcd:stable: the entry etcd.v0 has no bundle",
    ),
    "a bundle in no channel": (
        channel({"name": "etcd.v2"}),
        "bundle-without-channel",
        "etcd.v1: no channel has an entry",
    ),
    "a skipRange that is none": (
        channel({"name": "etcd.v2", "replaces": "etcd.v1", "skipRange": "<~2"}, {"name": "etcd.v1"}),
        "malformed-range",
        "etcd:stable: the skipRange of etcd.v2 cannot be read",
    ),
    "a version that is none": (
        [PACKAGE, CHANNEL, ONE, document("etcd.v2", "2")],
        "malformed-version",
        "etcd.v2: '2' is no version",
    ),
    "a version twice": ([PACKAGE, CHANNEL, ONE, document("etcd.v2", "1.0.0")], "duplicate-version", "etcd.v1, etcd.v2"),
    "a bundle twice": (
        [PACKAGE, CHANNEL, ONE, TWO, TWO],
        "duplicate-name",
        "etcd.v2: the bundle 'etcd.v2' is there twice",
    ),
    "a channel twice": (
        [PACKAGE, CHANNEL, CHANNEL, ONE, TWO],
        "duplicate-name",
        "etcd: the channel 'stable' is there twice",
    ),
    "a package twice": (
        [PACKAGE, PACKAGE, CHANNEL, ONE, TWO],
        "duplicate-name",
        "etcd: the package 'etcd' is there twice",
    ),
    "a deprecated channel that is not there": (
        [PACKAGE, CHANNEL, ONE, TWO, {**NOTICE, "entries": [{"reference": {"schema": "olm.channel", "name": "x"}}]}],
        "absent-deprecated",
        "etcd: a deprecation names the olm.channel x, which is not there",
    ),
    "a need that nothing meets": (
        [
            PACKAGE,
            CHANNEL,
            ONE,
            {
                **TWO,
                "properties": [
                    *TWO["properties"],
                    {"type": "olm.package.required", "value": {"packageName": "quay", "versionRange": "3.x"}},
                ],
            },
        ],
        "unsatisfied-need",
        "etcd.v2: needs quay 3.x, which no bundle here is",
    ),
}


@pytest.mark.parametrize(("documents", "code", "line"), CASES.values(), ids=CASES)
def test_what_is_wrong_is_named(documents: list[dict[str, Any]], code: str, line: str) -> None:
    found = check(*documents)
    assert {finding.code.value for finding in found} == {code}
    assert line in str(found[0])


def test_a_repaired_image_is_read_as_what_was_meant() -> None:
    catalog = read(*related({"name": "a", "value": f"quay.io/a/b@{DIGEST}"}))
    assert [item.image for item in catalog.packages["etcd"].bundles["etcd.v2"].related][:1] == [f"quay.io/a/b@{DIGEST}"]
