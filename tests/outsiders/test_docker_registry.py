"""Debian's docker-registry as a foreign upstream and as a foreign target."""

import json
from base64 import b64encode
from pathlib import Path

import pytest

from airferry.lab import Certificates
from cli.world import OurRegistry, World
from failures.stage import airferry

from .conftest import BUSYBOX, BUSYBOX_DIGEST
from .registries import Registry, docker_registry

pytestmark = pytest.mark.outsider


def auth_file(folder: Path, *registries: Registry) -> Path:
    file = folder / "auth.json"
    auths = {
        registry.host: {"auth": b64encode(registry.user.encode()).decode()} for registry in registries if registry.user
    }
    file.write_text(json.dumps({"auths": auths}))
    return file


def test_a_release_is_mirrored_to_it_and_pulled_from_there(world: World, tmp_path: Path) -> None:
    with docker_registry(tmp_path) as registry:
        to = ("--to", f"{registry.host}/ocp4/openshift4", "--dest-insecure", "--manifests-dir", tmp_path / "files")
        load = ("release", "mirror", world.version, "--from-dir", world.disk, *to, *world.trust)
        airferry(*load).done()
        for name, digest in world.release.components.items():
            assert registry.walk("ocp4/openshift4", f"{world.release.tag}-{name}").root == digest
        root = registry.walk("ocp4/openshift4", world.release.tag)
        assert root.root == world.release.digest
        # It has no referrers API: the tag that stands in for it was written.
        assert root.referrers[world.release.digest] == frozenset(world.release.referrers)
        assert set(registry.tags("ocp4/openshift4")) >= {
            tag for tags in world.release.attachments.values() for tag in tags
        }
        again = airferry(*load, "-o", "json").done()
        assert json.loads(again.out)["moved"] == {**json.loads(again.out)["moved"], "bytes": 0, "blobs": 0}


def test_a_release_is_mirrored_from_it(world: World, tmp_path: Path) -> None:
    """An upstream without redirects, tokens or a referrers API, whose names are not those in the payload."""
    with docker_registry(tmp_path) as registry:
        to = ("--to", f"{registry.host}/mirror/all", "--dest-insecure", "--manifests-dir", tmp_path / "files")
        airferry("release", "mirror", world.version, "--from-dir", world.disk, *to, *world.trust).done()
        disk = tmp_path / "disk"
        source = f"{registry.host}/mirror/all:{world.release.tag}"
        stores = ("--signature-store", world.release.signature_store)
        airferry("release", "mirror", source, "--to-dir", disk, "--src-insecure", *stores, *world.trust).done()
    airferry("media", "verify", disk).done()
    mine = {file.name for file in (disk / "v2/openshift/release/blobs").iterdir()}
    assert {file.name for file in (world.disk / "v2/openshift/release/blobs").iterdir()} <= mine


def test_plain_http_is_spoken_only_where_it_was_asked_for(open_registry: OurRegistry, tmp_path: Path) -> None:
    with docker_registry(tmp_path) as foreign:
        one, two = f"{foreign.host}/a/b:1", f"{open_registry.host}/a/b:1"
        airferry("image", "copy", BUSYBOX, one).refused("unreachable", foreign.host, hint="--insecure")
        airferry("image", "copy", BUSYBOX, one, "--src-insecure").refused("unreachable")
        airferry("image", "copy", BUSYBOX, one, "--dest-insecure").done()
        airferry("image", "copy", one, two, "--src-insecure").refused("unreachable", open_registry.host)
        airferry("image", "copy", one, two, "--dest-insecure").refused("unreachable", foreign.host)
        airferry("image", "copy", one, two, "--src-insecure", "--dest-insecure").done()
        assert airferry("image", "copy", one, two, "--insecure").done().out.startswith(BUSYBOX_DIGEST)


def test_tls_and_users_on_both_sides_are_kept_apart(
    guarded: OurRegistry, certificates: Certificates, password_file: Path, tmp_path: Path
) -> None:
    with docker_registry(
        tmp_path, certificates=certificates, password_file=password_file, user="ann:secret"
    ) as foreign:
        auth = auth_file(tmp_path, foreign)
        theirs, ours = f"{foreign.host}/x/busybox:1", f"{guarded.host}/foreign/busybox:1"
        to = ("--dest-registry-config", auth, "--dest-certificate-authority", certificates.authority_file)
        airferry("image", "copy", BUSYBOX, theirs, *to).done()
        source = ("--src-registry-config", auth, "--src-certificate-authority", certificates.authority_file)
        own = ("--dest-registry-config", guarded.auth_file, "--dest-certificate-authority", guarded.authority)
        airferry("image", "copy", theirs, ours, *source, *own).done()
        airferry("image", "copy", theirs, ours, *own[:2], *source).refused("certificate", guarded.host)
        airferry("image", "copy", theirs, ours, *own, *source[2:]).refused("unauthorized", foreign.host)
        assert foreign.walk("x/busybox", "1").root == BUSYBOX_DIGEST
        assert Registry(guarded.host, guarded.authority, f"admin:{guarded.password}").walk(
            "foreign/busybox", "1"
        ) == foreign.walk("x/busybox", "1")


def test_its_users_can_be_checked_and_logged_in(
    certificates: Certificates, password_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    with docker_registry(
        tmp_path, certificates=certificates, password_file=password_file, user="ann:secret"
    ) as foreign:
        ca = ("--certificate-authority", certificates.authority_file)
        airferry("secret", "check", auth_file(tmp_path, foreign), *ca).done()
        to = tmp_path / "logged-in.json"
        for password, code in (("wrong", 1), ("secret", 0)):
            monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
            run = airferry("login", foreign.host, "-u", "ann", "--password-stdin", "--to", to, *ca)
            assert run.code == code and to.exists() == (code == 0)


def test_blobs_are_taken_over_from_a_sibling_on_it(tmp_path: Path) -> None:
    with docker_registry(tmp_path) as foreign:
        airferry("image", "copy", BUSYBOX, f"{foreign.host}/a/b:1", "--insecure").done()
        run = airferry("image", "copy", f"{foreign.host}/a/b:1", f"{foreign.host}/c/d:1", "--insecure", "-o", "json")
        moved = json.loads(run.done().out)["moved"]
        assert moved["bytes"] == 0 and moved["mounts"] > 0
        assert foreign.walk("a/b", "1") == foreign.walk("c/d", "1")
