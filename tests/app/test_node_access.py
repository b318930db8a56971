"""What `verify` takes the nodes to have, from the files that are named."""

import json
from pathlib import Path

import pytest

from airferry.app.cluster.node_access import NodeFiles, read_node_access
from airferry.errors import MalformedError, UsageError
from airferry.oci import Reference
from airferry.oci.pull_sources import pull_sources

MIRRORS = """\
apiVersion: config.openshift.io/v1
kind: ImageDigestMirrorSet
metadata: {name: release}
spec:
  imageDigestMirrors:
  - {source: q.io/a, mirrors: [m.lan:8443/a]}
"""
CONFIG = """\
apiVersion: config.openshift.io/v1
kind: Image
metadata: {name: cluster}
spec:
  registrySources: {blockedRegistries: [m.lan:8443], insecureRegistries: [q.io]}
"""
BY_DIGEST = Reference.parse(f"q.io/a@sha256:{'0' * 64}")


def test_blocked_and_insecure_registries_of_the_image_config_count(tmp_path: Path) -> None:
    mirrors, config = tmp_path / "mirrors.yaml", tmp_path / "image.yaml"
    mirrors.write_text(MIRRORS)
    config.write_text(CONFIG)
    [first, _] = pull_sources(BY_DIGEST, read_node_access(NodeFiles(mirror_sets=(mirrors,))).rules)
    assert first.barred is None
    first, last = pull_sources(BY_DIGEST, read_node_access(NodeFiles(mirror_sets=(mirrors, config))).rules)
    assert first.barred is not None and last.insecure


def test_drop_ins_beside_registries_conf_count(tmp_path: Path) -> None:
    main, folder = tmp_path / "registries.conf", tmp_path / "registries.conf.d"
    main.write_text('[[registry]]\nlocation = "q.io"\n')
    folder.mkdir()
    (folder / "50-blocked.conf").write_text('[[registry]]\nlocation = "q.io"\nblocked = true\n')
    [only] = pull_sources(BY_DIGEST, read_node_access(NodeFiles(registries_conf=main)).rules)
    assert only.barred is not None


@pytest.mark.parametrize("broken", ["pullSecret: [\n", "a: b: {auth: c2VjcmV0}\n", "pullSecret: {auths: secret}\n"])
def test_a_broken_install_config_is_refused_without_a_word_of_it(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "install-config.yaml"
    file.write_text(broken)
    with pytest.raises(MalformedError) as refused:
        read_node_access(NodeFiles(install_config=file))
    assert str(file) in refused.value.message and "secret" not in refused.value.message.replace("pullSecret", "")
    assert "c2VjcmV0" not in refused.value.message


def test_a_secret_that_is_no_text_is_nowhere_in_the_error(tmp_path: Path) -> None:
    file = tmp_path / "install-config.yaml"
    file.write_bytes(b"pullSecret: '" + json.dumps({"auths": {}}).encode() + b"hidden \xff'\n")
    with pytest.raises(UsageError, match="is not text") as refused:
        read_node_access(NodeFiles(install_config=file))
    assert refused.value.__cause__ is None and "hidden" not in str(refused.value)
