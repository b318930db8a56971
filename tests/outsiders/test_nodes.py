"""A node pulls by the name in the payload, from the mirror alone, through the registries.conf that was generated."""

import json
import tomllib
from pathlib import Path

import pytest

from airferry.lab import SMALL, publish_release
from cli.world import OurRegistry, World, nothing_listens
from failures.stage import QUICK, Quay, airferry

from .conftest import BUSYBOX, BUSYBOX_DIGEST
from .registries import docker_registry
from .strangers import Podman, skopeo

pytestmark = pytest.mark.outsider


@pytest.fixture
def node(tmp_path: Path, new_node) -> Podman:
    return new_node(tmp_path / "node.conf")


def certs_of(registry: OurRegistry) -> Path:
    """Return the folder of the CA as a node has it."""
    folder = registry.root / "certs"
    folder.mkdir(exist_ok=True)
    (folder / "ca.crt").write_bytes(registry.authority.read_bytes())
    return folder


def test_podman_pulls_every_image_of_a_release_by_its_quay_name(world: World, new_node) -> None:
    """Nothing but the mirror can be reached: these names do not resolve here."""
    conf = world.files / "registries.conf"
    rules = tomllib.loads(conf.read_text())
    assert [rule["mirror"][0]["location"] for rule in rules["registry"]] == 2 * [world.mirror.repository]
    node = new_node(conf)
    flags = ("--authfile", world.mirror.auth_file, "--cert-dir", certs_of(world.mirror))
    source = f"quay.io/{world.release.component_repository}"
    wanted = [world.release.pullspec_by_digest]
    wanted += [
        f"{source}@{digest}" for name, digest in world.release.components.items() if name in ("etcd", "pod", "cli")
    ]
    for name in wanted:
        node("pull", *flags, name).done()
    pulled = {name for image in node.images() for name in image.get("RepoDigests") or ()}
    assert set(wanted) <= pulled


def test_podman_pulls_a_real_image_by_its_quay_name_with_the_upstream_stopped(
    world: World, tmp_path: Path, new_node
) -> None:
    """Through the registries.conf that ``release mirror`` generated, from a mirror loaded from a disk."""
    repository = world.release.component_repository
    name = f"quay.io/{repository}@{BUSYBOX_DIGEST}"
    disk = ("--dir", tmp_path / "disk")
    with docker_registry(tmp_path) as upstream:  # stands for quay.io
        airferry("image", "copy", BUSYBOX, f"{upstream.host}/{repository}:x", "--insecure").done()
        near = tmp_path / "near.conf"
        near.write_text(f'[[registry]]\nprefix = "quay.io"\nlocation = "{upstream.host}"\ninsecure = true\n')
        airferry("image", "copy", name, "file://some/busybox:x", *disk, "--registries-conf", near).done()
    on_disk = f"file://some/busybox@{BUSYBOX_DIGEST}"
    airferry("image", "copy", on_disk, world.mirror.repository, *disk, *world.mirror.flags).done()
    node = new_node(world.files / "registries.conf")
    node("pull", "--authfile", world.mirror.auth_file, "--cert-dir", certs_of(world.mirror), name).done()
    (image,) = node.images()
    assert name in image["RepoDigests"]
    # airferry finds it by the same rules.
    rules = ("--idms-file", world.files / "imageDigestMirrorSet.yaml", *world.mirror.flags)
    found = airferry("image", "info", name, *rules, "-o", "json").done()
    assert json.loads(found.out)["digest"] == BUSYBOX_DIGEST


def test_podman_pulls_a_release_by_tag_and_by_digest(tmp_path: Path, new_node) -> None:
    """Through the tag mirror and the digest mirror, from a registry that was mirrored to straight from the upstream."""
    release = publish_release(tmp_path / "store", SMALL)
    with OurRegistry(tmp_path / "mirror") as mirror:
        files = tmp_path / "files"
        with Quay(tmp_path, release) as quay:
            flags = (*quay.flags(), "--dest-registry-config", mirror.auth_file)
            flags = (*flags, "--dest-certificate-authority", mirror.authority, "--manifests-dir", files)
            airferry("release", "mirror", release.version, "--to", mirror.repository, *flags).done()
        node = new_node(files / "registries.conf")
        flags = ("--authfile", mirror.auth_file, "--cert-dir", certs_of(mirror))
        node("pull", *flags, release.pullspec).done()  # by its tag, through the tag mirror
        node("pull", *flags, release.pullspec_by_digest).done()
        (image,) = {image["Id"]: image for image in node.images()}.values()
        assert image["Digest"] == release.digest


def test_a_node_without_the_rules_gets_nothing(world: World, node: Podman) -> None:
    assert node.registries_conf is not None
    with nothing_listens() as nowhere:
        node.registries_conf.write_text(f'[[registry]]\nprefix = "quay.io"\nlocation = "{nowhere}"\n')
        said = node("pull", "--tls-verify=false", world.release.pullspec_by_digest)
    assert said.code != 0 and "refused" in said.err


def test_skopeo_reads_the_rules_we_write_as_we_do(world: World) -> None:
    conf = world.files / "registries.conf"
    flags = ("--authfile", world.mirror.auth_file, "--cert-dir", certs_of(world.mirror))
    said = skopeo(
        "--registries-conf", conf, "inspect", "--no-tags", *flags, f"docker://{world.release.pullspec_by_digest}"
    ).done()
    assert json.loads(said.out)["Digest"] == world.release.digest
    ours = airferry(
        *("image", "info", world.release.pullspec_by_digest, "--registries-conf", conf, "-o", "json"),
        *("-a", world.mirror.auth_file, "--certificate-authority", world.mirror.authority, *QUICK),
    ).done()
    assert json.loads(ours.out)["digest"] == world.release.digest
