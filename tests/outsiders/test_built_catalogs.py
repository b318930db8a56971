"""Built catalogs as strangers see them: whiteouts honoured, folders as opm needs them, in any registry."""

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airferry.openshift.catalog.reading.metas import read_metas
from cli.catalog_bases import write_bases
from cli.world import OurRegistry
from failures.stage import QUICK, airferry

from .registries import Registry, docker_registry
from .strangers import Podman, run, skopeo

pytestmark = pytest.mark.outsider

CATALOGS = Path(__file__).parents[1] / "data" / "catalogs"
FBC = CATALOGS / "fbc"
FLAGS = ("--insecure", *QUICK)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bases(tmp_path_factory.mktemp("bases") / "layout")


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Registry]:
    with docker_registry(tmp_path / "theirs") as registry:
        yield registry


def build(*arguments: object) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(airferry("catalog", "build", *arguments, "-o", "json").done().out)
    return answer


def check_root(root: Path) -> None:
    """What opm finds when it starts: itself, the documents and nothing of the old ones, and a /tmp to write to."""
    assert (root / "bin" / "opm").read_bytes() == b"#!opm"
    assert {path.name for path in (root / "configs").iterdir()} == {folder.name for folder in FBC.iterdir()}
    assert list((root / "tmp").iterdir()) == []
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    for path in (root / "configs", *(root / "configs").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644)


def test_umoci_unpacks_what_opm_is_to_serve(bases: Path, tmp_path: Path) -> None:
    build(FBC, f"oci://{tmp_path}/built:v1", "--base", f"oci://{bases}:one")
    run("umoci", "unpack", "--image", f"{tmp_path}/built:v1", tmp_path / "bundle").done()
    check_root(tmp_path / "bundle" / "rootfs")
    process = json.loads((tmp_path / "bundle" / "config.json").read_bytes())["process"]
    assert process["args"] == ["/bin/opm", "serve", "/configs"]
    assert process["user"]["uid"] == 1001


@pytest.mark.parametrize("base", ["one", "docker"])
def test_podman_makes_a_container_of_it(
    bases: Path, open_registry: OurRegistry, new_node: Callable[[], Podman], base: str
) -> None:
    image = f"{open_registry.host}/olm/ours:v1"
    build(FBC, image, "--base", f"oci://{bases}:{base}", *FLAGS)
    podman = new_node()
    podman("pull", "--tls-verify=false", image).done()
    container = podman("create", image).done().out.strip()
    check_root(Path(podman("mount", container).done().out.strip()))


def test_dockers_registry_and_ours_take_it_and_base_layers_are_mounted(
    bases: Path, tmp_path: Path, theirs: Registry, open_registry: OurRegistry
) -> None:
    for host in (theirs.host, open_registry.host):
        source, image = f"{host}/olm/upstream:v1", f"{host}/olm/ours:v1"
        airferry("image", "copy", f"oci://{bases}:list", source, *FLAGS).done()
        files = tmp_path / host.replace(":", "-")
        answer = build(source, image, "--to-manifests", files, *FLAGS)
        moved = answer["copy"]["moved"]
        assert (moved["blobs"], moved["mounts"]) == (3, 2), "two configurations and a layer are new"
        walk = Registry(host).walk("olm/ours", "v1")
        assert walk.root == answer["digest"]
        inspected = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{image}").done().out)
        assert inspected["Labels"]["airferry.catalog.packages"] == "old"
        again = build(source, image, *FLAGS)
        assert (again["digest"], again["copy"]["moved"]["bytes"]) == (answer["digest"], 0)
        skopeo("copy", "--all", "--src-tls-verify=false", f"docker://{image}", f"dir:{files}/copy").done()
        source_lines = (files / "catalogSource.yaml").read_text().splitlines()
        assert "  name: ours" in source_lines and f"  image: {image}" in source_lines
        assert "extractContent" not in "".join(source_lines), "its own opm serves it"


def test_bundles_are_built_pushed_and_named_by_digest(tmp_path: Path, theirs: Registry) -> None:
    image, bundles = f"{theirs.host}/olm/ours:v1", f"{theirs.host}/olm/bundles"
    files = tmp_path / "files"
    first = build(CATALOGS / "bundles", image, "--bundles-to", bundles, "--to-manifests", files, *FLAGS)
    assert theirs.tags("olm/bundles") == ["etcdoperator.v0.9.0", "etcdoperator.v0.9.2"]
    (tmp_path / "out").mkdir()
    airferry("image", "extract", image, "--path", f"/configs/:{tmp_path}/out", *FLAGS).done()
    documents = (tmp_path / "out" / "etcd" / "catalog.json").read_bytes()
    found = {meta.name: meta.value["image"] for meta in read_metas([documents], "c") if meta.schema == "olm.bundle"}
    assert found == {
        tag: f"{bundles}@{theirs.manifest('olm/bundles', tag).digest}" for tag in theirs.tags("olm/bundles")
    }
    inspected = json.loads(
        skopeo("inspect", "--tls-verify=false", f"docker://{bundles}:etcdoperator.v0.9.2").done().out
    )
    assert inspected["Labels"]["operators.operatorframework.io.bundle.channels.v1"] == "alpha,stable"
    skopeo("copy", "--src-tls-verify=false", f"docker://{bundles}:etcdoperator.v0.9.2", f"oci:{tmp_path}/b:1").done()
    run("umoci", "unpack", "--image", f"{tmp_path}/b:1", tmp_path / "bundle").done()
    original = CATALOGS / "bundles" / "etcd.0.9.2"
    for file in (path for path in original.rglob("*") if path.is_file()):
        assert (tmp_path / "bundle" / "rootfs" / file.relative_to(original)).read_bytes() == file.read_bytes()
    # A bundle's image is a catalog too, and the same as the bundle that it was made of.
    listed = airferry("catalog", "list", f"{bundles}:etcdoperator.v0.9.2", "-o", "json", *FLAGS).done()
    assert "etcdoperator.v0.9.2" in listed.out
    assert "extractContent" in (files / "catalogSource.yaml").read_text(), "there is no opm in it"
    assert f"ref: {image}" in (files / "clusterCatalog.yaml").read_text()
    again = build(CATALOGS / "bundles", image, "--bundles-to", bundles, *FLAGS)
    assert (again["digest"], again["copy"]["moved"]["bytes"]) == (first["digest"], 0)


def test_versions_of_a_package_manifest_become_bundle_images_that_are_read_back(
    tmp_path: Path, open_registry: OurRegistry
) -> None:
    bundles = f"{open_registry.host}/olm/bundles"
    build(CATALOGS / "packages" / "etcd", f"{open_registry.host}/olm/old:v1", "--bundles-to", bundles, *FLAGS)
    listed = airferry("catalog", "list", f"{bundles}:etcdoperator.v0.9.2", "-o", "json", *FLAGS).done()
    channels = json.loads(listed.out)["catalogs"][0]["packages"][0]["channels"]
    assert [channel["name"] for channel in channels] == ["alpha", "stable"]
