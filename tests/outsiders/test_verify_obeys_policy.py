"""What policy.json never lets in is a "no" of ``verify`` and of ``explain --probe``, and podman refuses it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.world import OurRegistry
from failures.stage import airferry

from .conftest import BUSYBOX, BUSYBOX_DIGEST
from .strangers import Podman

pytestmark = pytest.mark.outsider("podman")

SOURCE = "source.example.invalid/org"
IMAGE = f"{SOURCE}/app@{BUSYBOX_DIGEST}"

CONFIGS = {
    "another registry alone is allowed": ("allowedRegistries: [registry.example.com]", "rejected-by-policy"),
    "the mirror alone is allowed": ("allowedRegistries: [MIRROR]", "rejected-by-policy"),
    "the source is allowed": (f"allowedRegistries: [{SOURCE}]", ""),
    "the source is blocked": (f"blockedRegistries: [{SOURCE}]", "rejected-by-policy"),
    "a neighbour is blocked": (f"blockedRegistries: [{SOURCE}/other]", ""),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_an_image_config_bars_names_and_not_places(
    name: str, guarded: OurRegistry, tmp_path: Path, new_node: Callable[[Path | None], Podman]
) -> None:
    words, code = CONFIGS[name]
    airferry("image", "copy", BUSYBOX, f"{guarded.host}/ocp/app:1", *guarded.flags).done()
    sets, config, images = tmp_path / "sets", tmp_path / "image.yaml", tmp_path / "images.txt"
    mapping = tmp_path / "mapping.txt"
    mapping.write_text(f"{SOURCE}/app:1={guarded.host}/ocp/app:1\n")
    airferry("cluster", "mirror-sets", "-f", mapping, "--to-dir", sets).done()
    objects = (*sorted(sets.glob("*.yaml")), config)
    config.write_text(
        "apiVersion: config.openshift.io/v1\nkind: Image\nmetadata: {name: cluster}\n"
        f"spec: {{registrySources: {{{words.replace('MIRROR', guarded.host)}}}}}\n"
    )
    images.write_text(f"{IMAGE}\n")
    given = ("--images", images, "--pull-secret", guarded.auth_file, "--ca", guarded.authority)
    platform = ("--platform", "linux/amd64", "-o", "json")
    rendered = [item for file in objects for item in ("--mirror-sets", file)]
    by_objects = airferry("verify", *given, *rendered, *platform)
    airferry("cluster", "registries-conf", *objects, "--to-dir", tmp_path / "node").done()
    etc = tmp_path / "node/etc/containers"
    by_files = airferry("verify", *given, "--registries-conf", etc / "registries.conf", *platform)
    trust = ("-a", guarded.auth_file, "--certificate-authority", guarded.authority)
    explained = airferry("cluster", "explain", IMAGE, *objects, *trust, "--probe", "--arch", "amd64", "-o", "json")
    for run in (by_objects, by_files):
        (image,) = json.loads(run.out)["images"]
        assert (run.code, image["code"]) == (1 if code else 0, code), image
        if code:
            assert "policy.json rejects" in image["reason"] and "Registries of the Image config" in image["fix"]
    assert explained.code == by_objects.code
    assert json.loads(explained.out)["verdict"]["code"] == code
    flags = ("--authfile", guarded.auth_file, "--cert-dir", guarded.root / "certs", "--arch", "amd64")
    pulled = new_node(etc / "registries.conf")("pull", *flags, "--signature-policy", etc / "policy.json", IMAGE)
    assert (pulled.code == 0) is (code == ""), pulled.err
    assert bool(code) is ("rejected by policy" in pulled.err)
