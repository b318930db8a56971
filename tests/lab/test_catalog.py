"""The lab's catalog has the shape of a real one, and can be broken in the ways that real ones are."""

from pathlib import Path

import pytest

from airferry.errors import UsageError
from airferry.lab import CATALOG, CatalogShape, LabStore, load_catalog, publish_catalog
from airferry.lab.catalog_documents import catalog_files
from failures.stage import Quay, airferry

from .reading import layers, manifest


def test_it_is_a_list_and_its_images_share_layers_and_bring_attachments(tmp_path: Path) -> None:
    catalog = publish_catalog(tmp_path)
    store = LabStore(tmp_path)
    children = manifest(store, catalog.digest)["manifests"]
    assert [child["platform"]["architecture"] for child in children] == ["amd64", "arm64"]
    assert len(catalog.digests) == 16
    assert {name.partition("-")[2].partition(":")[0] for name in catalog.lists} == {"operator"}
    operators = [manifest(store, catalog.digests[name])["manifests"][0]["digest"] for name in catalog.lists]
    assert len({layers(store, digest)[0] for digest in operators}) == 1
    repository = store.repositories["airlab/anchor-operator"]
    assert repository.tags[catalog.signature_tag] in repository.manifests
    assert store.repositories["airlab/compass-bundle"].referrers[catalog.digests[catalog.referred]]
    assert load_catalog(tmp_path) == catalog
    assert sum(store.sizes().values()) < 400_000


def test_the_same_shape_gives_the_same_catalog(tmp_path: Path) -> None:
    assert publish_catalog(tmp_path / "one").digest == publish_catalog(tmp_path / "two").digest


def test_it_is_broken_as_asked(tmp_path: Path) -> None:
    shape = CatalogShape(
        missing=("gauge:1",),
        by_tag=("proxy:1",),
        slips=("buoy-operator:0.1.0",),
        empty=("anchor.v1.0.0",),
        malformed=("compass.v3.0.0",),
    )
    catalog = publish_catalog(tmp_path, shape)
    assert catalog.references["proxy:1"] == "quay.io/airlab/proxy:1"
    assert catalog.digests["gauge:1"] not in LabStore(tmp_path).repositories["airlab/gauge"].manifests
    text = b"".join(catalog_files(shape, catalog.references).values()).decode()
    assert f'"value": "{catalog.references["buoy-operator:0.1.0"]}"' in text
    assert '"image": ""' in text
    assert '"image": "Not A Ref"' in text


def test_an_image_that_it_does_not_have_cannot_be_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing:1"):
        publish_catalog(tmp_path, CatalogShape(missing=("nothing:1",)))


def test_its_upstream_serves_it_as_a_catalog(tmp_path: Path) -> None:
    with Quay(tmp_path, publish_catalog(tmp_path / "store")) as quay:
        run = airferry("catalog", "list", quay.release.pullspec, *quay.flags(trusted=False)).done()
    assert all(f"\n{operator.name} " in run.out for operator in CATALOG.operators)
