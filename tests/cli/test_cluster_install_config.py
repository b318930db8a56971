"""``cluster install-config``: a diff first, the file only with ``--write``, and never a secret on the screen."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from failures.stage import airferry

from .world import World, as_json

SECRET = "dXNlcjpvZi1xdWF5"
CONFIG = """apiVersion: v1  # mine
baseDomain: example.com
pullSecret: '{"auths":{"quay.io":{"auth":"SECRET"}}}'
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "install-config.yaml"
    file.write_text(CONFIG.replace("SECRET", SECRET))
    file.chmod(0o640)
    return file


def flags(world: World) -> tuple[object, ...]:
    disk = ("--from-dir", world.disk, "--to", world.mirror.repository)
    return (*disk, "--ca", world.mirror.authority, "-a", world.mirror.auth_file)


def load(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(file.read_text())
    return found


def test_a_diff_is_shown_and_nothing_is_changed(world: World, config: Path) -> None:
    before = config.read_bytes()
    run = airferry("cluster", "install-config", config, *flags(world)).done()
    assert config.read_bytes() == before
    assert f"+pullSecret: *** (quay.io, {world.mirror.host})" in run.out
    assert "+additionalTrustBundle: |\n+  -----BEGIN CERTIFICATE-----\n" in run.out
    assert SECRET not in run.out + run.err and world.mirror.password not in run.out + run.err


def test_it_is_written_in_place_and_the_second_time_nothing_is_to_change(world: World, config: Path) -> None:
    link = config.with_name("link.yaml")
    link.symlink_to(config)
    if os.geteuid() == 0:
        os.chown(config, 1234, 2345)
    run = airferry("cluster", "install-config", link, *flags(world), "--write").done()
    assert run.out.endswith(f"{link} is written\n") and link.is_symlink()
    after, known = load(config), config.stat()
    assert known.st_mode & 0o777 == 0o640
    assert os.geteuid() != 0 or (known.st_uid, known.st_gid) == (1234, 2345)
    assert after["additionalTrustBundle"] == world.mirror.authority.read_text()
    assert {entry["source"] for entry in after["imageContentSources"]} == {
        world.release.pullspec.rpartition(":")[0],
        f"quay.io/{world.release.component_repository}",
    }
    mine = json.loads(world.mirror.auth_file.read_text())["auths"]
    assert json.loads(after["pullSecret"])["auths"] == {"quay.io": {"auth": SECRET}, **mine}
    content = config.read_bytes()
    again = airferry("cluster", "install-config", link, *flags(world), "--write").done()
    assert again.out == f"{link}: nothing to change\n" and config.read_bytes() == content
    assert sorted(file.name for file in config.parent.iterdir() if file.is_file()) == sorted([config.name, link.name])


def test_an_older_release_gets_the_older_section(world: World, config: Path) -> None:
    run = ("cluster", "install-config", config, "--mirror-sets", world.files / "imageDigestMirrorSet.yaml")
    document = as_json(airferry(*run, "--release-version", "4.13.2", "--write", "-o", "json"))
    assert document["changed"] and document["written"] and SECRET not in json.dumps(document)
    assert "imageContentSources" in load(config) and "imageDigestSources" not in load(config)


def test_tag_mirrors_are_left_out_aloud(world: World, config: Path) -> None:
    files = [("--mirror-sets", world.files / f"image{kind}MirrorSet.yaml") for kind in ("Tag", "Digest")]
    run = airferry("cluster", "install-config", config, *files[0]).done()
    assert "warning: ImageTagMirrorSet openshift-release (" in run.err and "DIR/openshift/" in run.err
    assert "nothing to change" in run.out
    document = as_json(airferry("cluster", "install-config", config, *files[0], *files[1], "--write", "-o", "json"))
    assert document["written"] and "imageTagMirrorSet.yaml" in document["warnings"][0]
    assert world.release.pullspec.rpartition(":")[0] in document["warnings"][0]
    # Which section was made, and why, where nobody said.
    assert document["warnings"][1].startswith("imageDigestSources was chosen")
    again = as_json(airferry("cluster", "install-config", config, *files[1], "-o", "json"))
    assert again["warnings"] == []


def test_the_byte_order_mark_of_an_editor_stays(world: World, config: Path) -> None:
    text = config.read_text()
    config.write_text("\ufeff" + text)
    flags = ("--mirror-sets", world.files / "imageDigestMirrorSet.yaml", "--release-version", "4.18", "--write")
    run = airferry("cluster", "install-config", config, *flags).done()
    assert config.read_text().startswith("\ufeff" + text) and run.err == ""
    assert "nothing to change" in airferry("cluster", "install-config", config, *flags).done().out


def test_what_cannot_be_is_refused(world: World, config: Path, tmp_path: Path) -> None:
    edit = ("cluster", "install-config")
    airferry(*edit, tmp_path / "none.yaml").refused("usage", "none.yaml cannot be read")
    sets = world.files / "imageDigestMirrorSet.yaml"
    airferry(*edit, sets).refused("malformed", "is ImageDigestMirrorSet of a cluster", hint="--mirror-sets")
    airferry(*edit, config, "--to", "m.lan/a").refused("usage", "--from-dir")
    airferry(*edit, config, "--registry", "m.lan").refused("usage", "there is no file")
    airferry(*edit, config, "-a", world.mirror.auth_file).refused("usage", "nothing says which", hint="--registry")
    airferry(*edit, config, "--ca", config).refused(
        "malformed", "holds no certificate in PEM", hint="BEGIN CERTIFICATE"
    )
    airferry(*edit, config, "--ca", tmp_path / "no.crt").refused("usage", "cannot be read")
    airferry(*edit, config, "--release-version", "new").refused("malformed", "is not a release version")
    key = tmp_path / "tls.key"
    key.write_text("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n")
    airferry(*edit, config, "--ca", key).refused("malformed", "that is a private key")
    assert config.read_text() == CONFIG.replace("SECRET", SECRET)
