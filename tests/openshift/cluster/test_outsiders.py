"""The registries.conf we print, as read by the library that nodes use."""

import subprocess

import pytest

from airferry.oci import Digest
from airferry.openshift.cluster.mirror_sets import MirrorEntry, MirrorKind, MirrorSet, SourcePolicy
from airferry.openshift.cluster.registries_conf import print_registries_conf, pull_rules
from machine import program

pytestmark = pytest.mark.outsider
MIRROR = "127.0.0.1:1"
"""Nothing listens there, and the refusal names it."""


@pytest.fixture
def skopeo() -> str:
    return program("skopeo")


@pytest.mark.parametrize(
    ("image", "goes_to_mirror"),
    [
        (f"upstream.invalid/a/b@{Digest.of(b'x')}", True),
        ("upstream.invalid/a/b:v1", False),
        ("upstream.invalid/tagged/b:v1", True),
        (f"x.wild.invalid/b@{Digest.of(b'x')}", True),
    ],
)
def test_skopeo_goes_where_the_mirror_sets_say(skopeo, tmp_path, image, goes_to_mirror):
    def entry(source: str) -> MirrorEntry:
        return MirrorEntry(source, (f"{MIRROR}/mirror",), SourcePolicy.NEVER)

    sets = [
        MirrorSet(MirrorKind.IDMS, (entry("upstream.invalid/a"), entry("*.wild.invalid"))),
        MirrorSet(MirrorKind.ITMS, (entry("upstream.invalid/tagged"),)),
    ]
    conf = tmp_path / "registries.conf"
    conf.write_text(print_registries_conf(pull_rules(sets, insecure=[MIRROR])))
    done = subprocess.run(
        [skopeo, "--registries-conf", str(conf), "inspect", f"docker://{image}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert (MIRROR in done.stderr) == goes_to_mirror, done.stderr
    if not goes_to_mirror:
        assert "blocked" in done.stderr
