"""The objects for a cluster are what its API takes, and their names stay."""

import pytest
from ruamel.yaml import YAML

from airferry.openshift.catalog.catalog_objects import catalog_source, cluster_catalog, is_object_name, object_name

IMAGE = "mirror.example.com:8443/olm/ours:v4.16"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("olm/redhat-operator-index", "cs-redhat-operator-index"),
        ("Catalog_v4.16", "cs-catalog-v4-16"),
        ("a/4.16", "cs-4-16"),
        ("a/" + "x" * 100, "cs-" + "x" * 60),
        ("a/" + "x" * 59 + "-b", "cs-" + "x" * 59),
    ],
)
def test_a_name_is_that_of_the_repository_as_far_as_names_go(path: str, name: str) -> None:
    assert object_name("cs", path) == name
    assert is_object_name(name)


def test_the_objects_say_where_the_catalog_is_and_who_serves_it() -> None:
    read = YAML(typ="safe").load
    assert read(catalog_source("cs-ours", IMAGE, extract_content=True)) == {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "CatalogSource",
        "metadata": {"name": "cs-ours", "namespace": "openshift-marketplace"},
        "spec": {
            "sourceType": "grpc",
            "image": IMAGE,
            "grpcPodConfig": {"extractContent": {"catalogDir": "/configs"}},
        },
    }
    assert "grpcPodConfig" not in read(catalog_source("cs-ours", IMAGE, extract_content=False))["spec"]
    assert read(cluster_catalog("cc-ours", IMAGE)) == {
        "apiVersion": "olm.operatorframework.io/v1",
        "kind": "ClusterCatalog",
        "metadata": {"name": "cc-ours"},
        "spec": {"source": {"type": "Image", "image": {"ref": IMAGE}}},
    }


@pytest.mark.parametrize("name", ["", "4x", "A", "a.b", "a b", "a:", "a-", "a" * 64])
def test_what_no_service_can_be_called_is_no_name(name: str) -> None:
    assert not is_object_name(name)
