"""The files that ``airferry cluster`` makes, put to work by others."""

import json
import tomllib
from pathlib import Path

import pytest

from airferry.openshift.cluster import parse_mirror_sets, print_registries_conf, pull_rules
from cli.world import World
from failures.stage import airferry

from .strangers import skopeo
from .test_nodes import certs_of

pytestmark = pytest.mark.outsider


def test_skopeo_copies_by_the_sources_name_through_accumulated_mirror_sets(world: World, tmp_path: Path) -> None:
    """Two releases' worth of mirrors in one set; quay.io does not resolve here, and a first mirror lacks the image."""
    sets = tmp_path / "sets"
    empty = f"{world.mirror.host}/a/first/that/is/empty"
    for repository in (empty, world.mirror.repository):
        flags = ("--from-dir", world.disk, "--to", repository, "--mirror-source-policy", "NeverContactSource")
        airferry("cluster", "mirror-sets", *flags, "--to-dir", sets).done()
    found = [item for file in sorted(sets.iterdir()) for item in parse_mirror_sets(file.read_text(), file.name)]
    conf = tmp_path / "registries.conf"
    conf.write_text(print_registries_conf(pull_rules(found)))
    assert all(table["blocked"] for table in tomllib.loads(conf.read_text())["registry"])
    etcd = f"quay.io/{world.release.component_repository}@{world.release.components['etcd']}"
    flags = ("--src-authfile", world.mirror.auth_file, "--src-cert-dir", certs_of(world.mirror))
    for number, image in enumerate([etcd, world.release.pullspec_by_digest, world.release.pullspec]):
        target = tmp_path / str(number)
        # This skopeo does not read CONTAINERS_REGISTRIES_CONF, which podman does.
        rules = ("--registries-conf", conf, "--insecure-policy")
        skopeo(*rules, "copy", "--all", *flags, f"docker://{image}", f"dir:{target}").done()
        assert json.loads((target / "manifest.json").read_text())["schemaVersion"] == 2
    without = tmp_path / "without.conf"
    without.write_text("")
    rules = ("--registries-conf", without, "--insecure-policy")
    said = skopeo(*rules, "copy", *flags, f"docker://{etcd}", f"dir:{tmp_path / 'x'}")
    assert said.code != 0
