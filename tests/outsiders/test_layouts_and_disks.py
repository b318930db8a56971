"""What we write is read by others: layouts by skopeo, umoci and podman, a served disk by skopeo."""

import json
from pathlib import Path

import pytest

from cli.test_registry_and_media import serving
from cli.world import World
from failures.stage import airferry

from .conftest import BUSYBOX, BUSYBOX_DIGEST
from .registries import Registry
from .strangers import inspect, run, skopeo

pytestmark = pytest.mark.outsider


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A layout that we wrote, with the real busybox."""
    folder = tmp_path / "layout"
    airferry("image", "copy", BUSYBOX, f"oci://{folder}:1").done()
    return folder


def test_skopeo_inspects_a_layout_we_wrote(layout: Path, tmp_path: Path) -> None:
    raw = skopeo("inspect", "--raw", f"oci:{layout}:1").done()
    assert {child["platform"]["architecture"] for child in json.loads(raw.out)["manifests"]} == {"amd64", "arm64"}
    assert inspect(f"oci:{layout}:1", "--override-arch=arm64")["Architecture"] == "arm64"
    skopeo("copy", "--all", f"oci:{layout}:1", f"dir:{tmp_path}/dir").done()


def test_umoci_unpacks_the_real_image(layout: Path, tmp_path: Path) -> None:
    child = json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]
    assert child == BUSYBOX_DIGEST
    amd64 = "sha256:47d0f2af0b7be8073ec4470ddc8011159aa3ba7c92c4a87f4156fa59dbb50dec"
    single = tmp_path / "single"
    airferry("image", "copy", f"oci://{layout}@{amd64}", f"oci://{single}:1").done()
    assert run("umoci", "list", "--layout", single).done().out.split() == ["1"]
    run("umoci", "raw", "unpack", "--image", f"{single}:1", tmp_path / "rootfs").done()
    assert (tmp_path / "rootfs" / "bin" / "busybox").stat().st_size > 500_000
    extracted = tmp_path / "extracted"
    extracted.mkdir()
    airferry("image", "extract", f"oci://{single}:1", "--path", f"/bin/busybox:{extracted}").done()
    ours, theirs = extracted / "busybox", tmp_path / "rootfs" / "bin" / "busybox"
    assert ours.read_bytes() == theirs.read_bytes()


def test_podman_pulls_from_a_layout_we_wrote(layout: Path, new_node) -> None:
    podman = new_node()
    podman("pull", f"oci:{layout}:1").done()
    assert len(podman.images()) == 1


def test_we_read_a_layout_that_skopeo_wrote(tmp_path: Path) -> None:
    skopeo("copy", "--all", BUSYBOX.replace("oci://", "oci:"), f"oci:{tmp_path}/theirs:x").done()
    run = airferry("image", "copy", f"oci://{tmp_path}/theirs:x", "file://a/b:1", "--dir", tmp_path / "disk").done()
    assert run.out.startswith(BUSYBOX_DIGEST)
    airferry("media", "verify", tmp_path / "disk").done()


def test_skopeo_pulls_from_a_disk_that_is_served(world: World, tmp_path: Path) -> None:
    with serving("media", "serve", world.disk, "--listen", "127.0.0.1:0") as (url, _):
        host = url.removeprefix("http://")
        registry = Registry(host)
        tags = json.loads(skopeo("list-tags", "--tls-verify=false", f"docker://{host}/openshift/release").done().out)[
            "Tags"
        ]
        assert {f"{world.release.tag}-{name}" for name in world.release.components} <= set(tags)
        for name in ("etcd", "installer", "pod"):
            image = f"docker://{host}/openshift/release:{world.release.tag}-{name}"
            skopeo("copy", "--all", "--src-tls-verify=false", image, f"dir:{tmp_path}/{name}").done()
            copied = json.loads((tmp_path / name / "manifest.json").read_bytes())
            served = registry.walk("openshift/release", f"{world.release.tag}-{name}")
            assert served.root == world.release.components[name]
            assert json.loads(registry.manifest("openshift/release", served.root).raw) == copied
        refused = skopeo("copy", "--dest-tls-verify=false", BUSYBOX.replace("oci://", "oci:"), f"docker://{host}/x/y:1")
        assert refused.code != 0
