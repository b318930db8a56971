"""registry probe, and the preparation of copies, against registries that other people made."""

import json
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.world import OurRegistry
from failures.stage import airferry

from .conftest import DATA
from .registries import Registry, docker_registry

pytestmark = pytest.mark.outsider

LIST = f"oci://{DATA}/images/multi-platform@sha256:0de0e983a4980f32b1aad2d7f7f387cea2d4e9517b47f336cef27f63735911fa"


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with docker_registry(tmp_path_factory.mktemp("debian")) as registry:
        yield registry


def test_debians_docker_registry_is_told_and_what_it_takes(debian: Registry) -> None:
    run = airferry("registry", "probe", f"{debian.host}/a/b/c", "--insecure", "-o", "json").done()
    found = json.loads(run.out)
    assert found["kind"] == "distribution"
    assert {name for name, can in found["can"].items() if can != "yes"} == {"sparse"}
    assert found["leftBehind"] == []
    with pytest.raises(urllib.error.HTTPError, match="404"):
        debian.get("a/b/c/tags/list")


def test_with_users_it_is_told_all_the_same(tmp_path: Path, password_file: Path) -> None:
    with docker_registry(tmp_path, password_file=password_file) as registry:
        run = airferry("registry", "probe", registry.host, "--insecure", "-o", "json").done()
    assert json.loads(run.out)["kind"] == "distribution"


def test_a_sparse_list_is_refused_before_the_copy_as_it_is_in_earnest(debian: Registry) -> None:
    sparse = ("--keep-manifest-list", "--filter-by-os", "linux/amd64", "--insecure")
    run = airferry("image", "mirror", LIST, f"{debian.host}/sparse/app:1", *sparse)
    run.refused("unfit-registry", "lacks some of its images", "MANIFEST_BLOB_UNKNOWN")
    airferry("image", "mirror", LIST, f"{debian.host}/whole/app:1", "--insecure").done()


def test_our_own_registry_takes_everything(open_registry: OurRegistry) -> None:
    run = airferry("registry", "probe", f"{open_registry.host}/a/b/c", "--insecure", "-o", "json").done()
    found = json.loads(run.out)
    assert found["kind"] == "airferry"
    assert set(found["can"].values()) == {"yes"}
    assert found["leftBehind"] == []


def test_our_own_registry_with_users_takes_everything(guarded: OurRegistry) -> None:
    run = airferry("registry", "probe", f"{guarded.host}/a/b/c", *guarded.flags, "-o", "json").done()
    assert set(json.loads(run.out)["can"].values()) == {"yes"}
