"""``verify --catalog``: every image of every operator is a pull that the cluster will make."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airferry.lab import CatalogShape, PublishedCatalog, publish_catalog
from failures.stage import Quay, Run, airferry

from .world import OurRegistry, nothing_listens

ALL = 17


@dataclass(frozen=True)
class Far:
    """A disk and a mirror of a catalog, both of which lack one image, and what nodes get."""

    catalog: PublishedCatalog
    mirror: OurRegistry
    disk: Path
    files: Path

    @property
    def index(self) -> str:
        return f"{self.mirror.host}/olm/airlab-operator-index:v4.16"

    def verify(self, *more: object) -> Run:
        nodes = ("--pull-secret", self.mirror.auth_file, "--ca", self.mirror.authority)
        return airferry("verify", *nodes, "--registries-conf", self.files / "registries.conf", "--arch", "amd64", *more)


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    folder = tmp_path_factory.mktemp("far")
    shape = CatalogShape(missing=("gauge:1",), by_tag=("proxy:1",))
    catalog = publish_catalog(folder / "store", shape)
    disk, files = folder / "disk", folder / "files"
    with pytest.MonkeyPatch.context() as patch, OurRegistry(folder / "registry") as mirror:
        for name in ("HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(folder))
        with Quay(folder, catalog) as quay:
            command = ("catalog", "mirror", catalog.pullspec, "file://olm", "--dir", disk)
            airferry(*command, *quay.flags(trusted=False)).left_gaps()
        to = (f"{mirror.host}/olm", "--to-manifests", files, *mirror.flags)
        airferry("catalog", "mirror", "--from-dir", disk, catalog.pullspec, *to).left_gaps()
        patch.undo()
        yield Far(catalog, mirror, disk, files)


def answer_of(run: Run) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run.out)
    return answer


def test_the_answer_is_grouped_by_operator_and_names_what_each_lacks(far: Far) -> None:
    run = far.verify("--catalog", far.index)
    assert run.code == 1
    assert run.out.startswith(f"{ALL} images\n\n  yes             16\n  no               1\n")
    assert "operators with all their images: 2 of 3\n" in run.out
    assert "  no           buoy: 1 of 6 images, needed by buoy.v0.1.0, buoy.v0.2.0\n" in run.out
    mends = f"airferry image mirror --refresh {far.catalog.references['gauge:1']} {far.mirror.host}/olm/airlab-gauge\n"
    assert mends in run.out
    answer = answer_of(far.verify("--catalog", far.index, "-o", "json"))
    assert {item["package"]: item["answer"] for item in answer["operators"]} == {
        "anchor": "yes",
        "buoy": "no",
        "compass": "yes",
    }
    images = {image["image"]: image for image in answer["images"]}
    assert images[far.index]["kind"] == "catalog" and images[far.index]["answer"] == "yes"
    assert images["quay.io/airlab/proxy:1"]["place"] == f"{far.mirror.host}/olm/airlab-proxy"


def test_operators_that_are_not_wanted_do_not_count(far: Far) -> None:
    run = far.verify("--catalog", far.index, "--package", "anchor", "--package", "compass").done()
    assert "operators with all their images: 2 of 2\n" in run.out
    far.verify("--catalog", far.index, "--package", "ancor").refused("usage", "no package ancor", hint="catalog list")
    far.verify("--package", "anchor").refused("usage", "--package is for --catalog")


def test_rules_that_nodes_lack_are_a_no_for_the_operators(far: Far, tmp_path: Path) -> None:
    sets = tmp_path / "idms.yaml"
    kept = (far.files / "imageDigestMirrorSet.yaml").read_text()
    sets.write_text(kept.replace("source: quay.io/airlab/compass-bundle", "source: quay.io/airlab/other"))
    nodes = ("--pull-secret", far.mirror.auth_file, "--ca", far.mirror.authority, "--mirror-sets", sets)
    tags = ("--mirror-sets", far.files / "imageTagMirrorSet.yaml")
    with nothing_listens() as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", f"http://{proxy}")
        patch.setenv("NO_PROXY", "localhost,127.0.0.1")
        run = airferry("verify", *nodes, *tags, "--catalog", far.index, "--package", "compass", "-o", "json")
    assert run.code == 1
    wrong = [image for image in answer_of(run)["images"] if image["answer"] != "yes"]
    assert [image["code"] for image in wrong] == ["no-mirror-rule"]
    assert "quay.io/airlab/compass-bundle" in wrong[0]["image"]


def test_a_catalog_that_cannot_be_read_is_a_no_and_its_operators_are_not_known(far: Far) -> None:
    run = far.verify("--catalog", f"{far.mirror.host}/olm/nothing:v1")
    assert run.code == 1
    assert "not compiled: the catalog" in run.out and "operators" not in run.out.partition("not compiled")[0]


def test_an_operator_with_a_reference_that_is_none_does_not_have_all_its_images(tmp_path: Path) -> None:
    catalog = publish_catalog(tmp_path / "store", CatalogShape(malformed=("compass.v3.0.0",)))
    with Quay(tmp_path, catalog) as quay:
        command = ("catalog", "mirror", catalog.pullspec, "file://olm", "--dir", tmp_path / "disk")
        airferry(*command, *quay.flags(trusted=False)).left_gaps()
    run = airferry("verify", "--from-dir", tmp_path / "disk", "--arch", "amd64", "--catalog", catalog.pullspec)
    assert run.code == 3
    assert "operators with all their images: 2 of 3\n" in run.out
    assert "  cannot tell  compass: 1 of 3 images, needed by compass.v3.0.0\n" in run.out
    assert "not compiled: compass.v3.0.0 (nonsense): 'Not A Ref' names no image" in run.out


def test_a_disk_is_asked_before_it_leaves(far: Far) -> None:
    flags = ("verify", "--from-dir", far.disk, "--arch", "amd64", "-o", "json")
    for name in (far.catalog.pullspec, "file://olm/airlab/operator-index:v4.16"):
        answer = answer_of(airferry(*flags, "--catalog", name))
        (wrong,) = [image for image in answer["images"] if image["answer"] != "yes"]
        assert wrong["image"] == far.catalog.references["gauge:1"] and len(answer["images"]) == ALL
        mends = f"airferry catalog mirror --refresh {far.catalog.pullspec} file://olm --dir {far.disk}"
        assert wrong["fix"].endswith(mends)
    airferry(*flags, "--catalog", far.catalog.pullspec, "--package", "anchor", "--deep").done()
    unknown = airferry(*flags, "--catalog", "quay.io/airlab/other:v1")
    assert unknown.code == 3 and "remembers no catalog" in unknown.out


def test_a_disk_for_nodes_that_lack_a_rule_is_a_no(far: Far, tmp_path: Path) -> None:
    sets = tmp_path / "idms.yaml"
    kept = (far.files / "imageDigestMirrorSet.yaml").read_text()
    sets.write_text(kept.replace("source: quay.io/airlab/compass-bundle", "source: quay.io/airlab/other"))
    flags = ("--mirror-sets", sets, "--catalog", far.catalog.pullspec, "--package", "compass", "-o", "json")
    answer = answer_of(airferry("verify", "--from-dir", far.disk, "--arch", "amd64", *flags))
    wrong = [image["image"] for image in answer["images"] if image["answer"] != "yes"]
    assert wrong == [far.catalog.references["compass-bundle:3.0.0"]]


def test_a_disk_without_a_layer_is_a_no(far: Far) -> None:
    (layer,) = [
        file
        for file in (far.disk / "v2" / "olm" / "airlab" / "operator-index" / "airlab" / "proxy" / "blobs").iterdir()
        if 3000 < file.stat().st_size < 5000
    ]
    hidden = layer.rename(layer.with_suffix(".hidden"))
    try:
        flags = ("--catalog", far.catalog.pullspec, "--package", "anchor", "-o", "json")
        answer = answer_of(airferry("verify", "--from-dir", far.disk, "--arch", "amd64", *flags))
    finally:
        hidden.rename(layer)
    assert [image["code"] for image in answer["images"] if image["answer"] == "no"] == ["no-blob"]
    assert answer["operators"][0]["bundles"] == ["anchor.v1.0.0", "anchor.v1.1.0", "anchor.v1.2.0", "anchor.v2.0.0"]


def test_a_catalog_of_a_selection_asks_for_no_more_than_was_selected(far: Far, tmp_path: Path) -> None:
    to = (f"{far.mirror.host}/some", "--package", "anchor", "--to-manifests", tmp_path / "m", *far.mirror.flags)
    airferry("catalog", "mirror", "--from-dir", far.disk, far.catalog.pullspec, *to).done()
    nodes = ("--pull-secret", far.mirror.auth_file, "--ca", far.mirror.authority, "--arch", "amd64")
    index = f"{far.mirror.host}/some/airlab-operator-index:v4.16"
    run = airferry("verify", *nodes, "--registries-conf", tmp_path / "m" / "registries.conf", "--catalog", index)
    assert run.done().out.startswith("6 images\n\n  yes              6\n")
