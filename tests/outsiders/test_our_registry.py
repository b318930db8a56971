"""skopeo and podman push to and pull from our registry through TLS with a user."""

import json
from pathlib import Path

import pytest

from cli.world import OurRegistry, World, as_json
from failures.stage import airferry

from .conftest import BUSYBOX, BUSYBOX_DIGEST
from .registries import Registry
from .strangers import inspect, skopeo

pytestmark = pytest.mark.outsider

LAYOUT = BUSYBOX.replace("oci://", "oci:")
AMD64 = "sha256:47d0f2af0b7be8073ec4470ddc8011159aa3ba7c92c4a87f4156fa59dbb50dec"


def flags(registry: OurRegistry, side: str = "") -> tuple[object, ...]:
    return (f"--{side}cert-dir", registry.root / "certs", f"--{side}creds", f"admin:{registry.password}")


def seen(registry: OurRegistry) -> Registry:
    return Registry(registry.host, registry.authority, f"admin:{registry.password}")


def test_skopeo_pushes_a_list_and_pulls_it_back(guarded: OurRegistry, tmp_path: Path) -> None:
    name = f"docker://{guarded.host}/skopeo/deep/er/busybox:1"
    skopeo("copy", "--all", *flags(guarded, "dest-"), LAYOUT, name).done()
    assert seen(guarded).walk("skopeo/deep/er/busybox", "1").root == BUSYBOX_DIGEST
    skopeo("copy", "--all", *flags(guarded, "src-"), name, f"oci:{tmp_path}/back:1").done()
    index = json.loads((tmp_path / "back" / "index.json").read_bytes())
    assert index["manifests"][0]["digest"] == BUSYBOX_DIGEST


@pytest.mark.parametrize("form", ["--format=v2s2", "--format=oci", "--dest-compress-format=zstd"])
def test_skopeo_pushes_every_form_it_knows(guarded: OurRegistry, tmp_path: Path, form: str) -> None:
    repository = f"forms/{form.strip('-').replace('=', '-')}"
    extra = ("--dest-compress",) if "zstd" in form else ()
    skopeo("copy", *flags(guarded, "dest-"), form, *extra, LAYOUT, f"docker://{guarded.host}/{repository}:x").done()
    digest = seen(guarded).walk(repository, "x").root
    assert inspect(f"docker://{guarded.host}/{repository}:x", *flags(guarded))["Digest"] == digest
    described = as_json(airferry("image", "info", f"{guarded.host}/{repository}:x", *guarded.flags, "-o", "json"))
    assert described["digest"] == digest


def test_skopeo_pushes_by_digest_without_a_tag(guarded: OurRegistry) -> None:
    name = f"docker://{guarded.host}/by/digest@{AMD64}"
    skopeo("copy", "--preserve-digests", *flags(guarded, "dest-"), LAYOUT, name).done()
    assert seen(guarded).manifest("by/digest", AMD64).digest == AMD64


def test_skopeo_lists_and_deletes_what_it_may(guarded: OurRegistry) -> None:
    for tag in ("one", "two"):
        skopeo("copy", *flags(guarded, "dest-"), LAYOUT, f"docker://{guarded.host}/listed:{tag}").done()
    said = skopeo("list-tags", *flags(guarded), f"docker://{guarded.host}/listed").done()
    assert json.loads(said.out)["Tags"] == ["one", "two"]


def test_a_stranger_without_the_password_or_the_ca_gets_nothing(guarded: OurRegistry) -> None:
    name = f"docker://{guarded.host}/listed:one"
    certs = ("--cert-dir", guarded.root / "certs")
    assert "unauthorized" in skopeo("inspect", *certs, "--creds", "admin:wrong", name).err
    assert skopeo("inspect", *certs, "--no-creds", name).code != 0
    assert "certificate" in skopeo("inspect", "--creds", f"admin:{guarded.password}", name).err


def test_skopeo_and_airferry_agree_on_every_image_of_a_release(world: World) -> None:
    """A mirror that we loaded, looked at by a stranger."""
    raw = ("--raw", "--cert-dir", world.mirror.root / "certs", "--authfile", world.mirror.auth_file)
    (world.mirror.root / "certs").mkdir(exist_ok=True)
    (world.mirror.root / "certs" / "ca.crt").write_bytes(world.mirror.authority.read_bytes())
    import hashlib

    for name, digest in world.release.components.items():
        said = skopeo("inspect", *raw, f"docker://{world.mirrored}-{name}").done()
        assert f"sha256:{hashlib.sha256(said.out.encode()).hexdigest()}" == digest


def test_podman_logs_in_pushes_and_pulls(guarded: OurRegistry, tmp_path: Path, new_node) -> None:
    podman = new_node()
    auth = tmp_path / "auth.json"
    certs = ("--cert-dir", guarded.root / "certs", "--authfile", auth)
    wrong = podman("login", "-u", "admin", "-p", "wrong", *certs, guarded.host)
    assert wrong.code != 0 and not (auth.exists() and guarded.host in auth.read_text())
    podman("login", "-u", "admin", "-p", guarded.password, *certs, guarded.host).done()
    airferry("secret", "check", auth, "--certificate-authority", guarded.authority).done()
    podman("pull", LAYOUT).done()
    (image,) = podman.images()
    name = f"{guarded.host}/podman/busybox:1"
    podman("push", *certs, image["Id"], name).done()
    digest = seen(guarded).walk("podman/busybox", "1").root
    other = new_node()
    other("pull", *certs, name).done()
    (pulled,) = other.images()
    assert pulled["Digest"] == digest and pulled["Id"] == image["Id"]


def test_podman_pulls_what_airferry_copied(guarded: OurRegistry, new_node) -> None:
    airferry("image", "copy", BUSYBOX, f"{guarded.host}/copied/busybox:1", *guarded.flags).done()
    podman = new_node()
    flags_ = ("--cert-dir", guarded.root / "certs", "--authfile", guarded.auth_file)
    podman("pull", *flags_, f"{guarded.host}/copied/busybox@{BUSYBOX_DIGEST}").done()
    (image,) = podman.images()
    assert image["Digest"] in (BUSYBOX_DIGEST, AMD64)
