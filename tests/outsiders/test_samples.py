"""skopeo fetches what the samples operator would import, from where the operator's own rule sends it."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from cli.samples_world import build_samples_world

from .strangers import inspect, skopeo

pytestmark = pytest.mark.outsider


def test_every_import_of_a_generated_config_is_pulled_by_skopeo(tmp_path: Path) -> None:
    disk, objects = tmp_path / "disk", tmp_path / "objects"
    with build_samples_world(tmp_path / "world") as samples:
        samples.to_disk(disk).done()
        to = f"{samples.mirror.host}/ocp/samples"
        samples.load(disk, to=to).done()
        samples.config("file://", "--from-dir", disk, "--to-dir", objects, to=to).done()
        config = YAML(typ="safe").load((objects / "samples-config.yaml").read_text())
        listed = YAML(typ="safe").load((objects / "imagestreamtag-to-image.yaml").read_text())["data"]
        certs = tmp_path / "certs"
        certs.mkdir()
        (certs / "ca.crt").write_bytes(samples.mirror.authority.read_bytes())
        trust = ("--cert-dir", certs, "--authfile", samples.mirror.auth_file)
        for image in sorted(set(listed.values())):
            _, organisation, name = image.split("/")
            imported = f"docker://{config['spec']['samplesRegistry']}/{organisation}/{name}"
            path, _, tag = f"{organisation}/{name}".partition(":")
            published = samples.store.repositories[path].tags[tag or "latest"]
            assert inspect(imported, *trust, "--no-tags")["Digest"] == published, imported
        source = ("--src-cert-dir", certs, "--src-authfile", samples.mirror.auth_file)
        skopeo("copy", "--all", *source, imported, f"oci:{tmp_path}/pulled:1").done()
