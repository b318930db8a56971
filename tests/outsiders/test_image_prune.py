"""Pruning Debian's docker-registry, which deletes manifests by digest and frees bytes by its own collection."""

import subprocess
import urllib.error
from pathlib import Path

import pytest

from cli.world import World, as_json
from failures.stage import airferry

from .conftest import BUSYBOX, BUSYBOX_DIGEST, DATA
from .registries import docker_registry, program

pytestmark = pytest.mark.outsider

MULTI = f"oci://{DATA}/images/multi-platform@sha256:0de0e983a4980f32b1aad2d7f7f387cea2d4e9517b47f336cef27f63735911fa"


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in (folder / "docker-registry/data").rglob("blobs/sha256/*/*/data"))


def test_what_is_not_wanted_goes_and_as_many_bytes_as_were_said(tmp_path: Path) -> None:
    with docker_registry(tmp_path) as registry:
        web = f"{registry.host}/apps/web"
        pairs = [f"{BUSYBOX}={web}:box", f"{BUSYBOX}={web}:also", f"{MULTI}={web}:v1"]
        airferry("image", "mirror", *pairs, "--insecure").done()
        prune = ("image", "prune", registry.host, "--keep", f"{web}:box", "--insecure", "-o", "json")
        planned = as_json(airferry(*prune))
        done = as_json(airferry(*prune, "--confirm"))
        assert {**done, "dryRun": True} == planned
        assert registry.tags("apps/web") == ["also", "box"], "also names what is wanted"
        assert registry.walk("apps/web", "box").root == BUSYBOX_DIGEST
        for removed in (removed["digest"] for one in done["repositories"] for removed in one["manifests"]):
            with pytest.raises(urllib.error.HTTPError):
                registry.manifest("apps/web", removed)
        assert as_json(airferry(*prune, "--confirm"))["repositories"] == []
    before = size_of(tmp_path)
    collect = [program("docker-registry"), "garbage-collect", str(tmp_path / "docker-registry/config.yml")]
    subprocess.run(collect, check=True, capture_output=True)
    assert before - size_of(tmp_path) == done["freedBytes"] > 0


def test_a_release_goes_with_its_signatures_and_the_tags_that_list_referrers(world: World, tmp_path: Path) -> None:
    with docker_registry(tmp_path) as registry:
        to = f"{registry.host}/ocp4/openshift4"
        flags = ("--dest-insecure", "--manifests-dir", tmp_path / "files", *world.trust)
        airferry("release", "mirror", world.version, "--from-dir", world.disk, "--to", to, *flags).done()
        airferry("image", "mirror", f"{BUSYBOX}={to}:box", "--insecure").done()
        whole = as_json(
            airferry("image", "prune", registry.host, "--keep-releases", world.disk, "--keep", f"{to}:box",
                     "--insecure", "-o", "json")
        )  # fmt: skip
        assert whole["repositories"] == []
        airferry("image", "prune", registry.host, "--keep", f"{to}:box", "--insecure", "--confirm").done()
        assert registry.tags("ocp4/openshift4") == ["box"]
        with pytest.raises(urllib.error.HTTPError):
            registry.manifest("ocp4/openshift4", next(iter(world.release.referrers)))


def test_where_deletes_are_off_that_is_said_with_the_setting(tmp_path: Path) -> None:
    with docker_registry(tmp_path, deletes=False) as registry:
        web = f"{registry.host}/apps/web"
        airferry("image", "mirror", f"{BUSYBOX}={web}:box", f"{MULTI}={web}:v1", "--insecure").done()
        run = airferry("image", "prune", web, "--keep", f"{web}:box", "--insecure", "--confirm")
        run.refused("denied", "deleting is turned off", hint="REGISTRY_STORAGE_DELETE_ENABLED")
        assert registry.tags("apps/web") == ["box", "v1"]
