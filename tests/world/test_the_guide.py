"""The commands of docs/guides/foreign-registries.md, run in their order against a simulated Quay."""

import json
import re
import shlex
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from failures.stage import airferry

from .quay import SimulatedQuay
from .simulated import Simulated

TOP = Path(__file__).parents[2]
GUIDE = (TOP / "docs" / "guides" / "foreign-registries.md").read_text()
LIST = f"oci://{TOP}/tests/data/images/multi-platform@sha256:0de0e983a4980f32b1aad2d7f7f387cea2d4e9517b47f336cef27f63735911fa"
COMMANDS = re.findall(r"^((?:\w+=\S+ )?airferry .*)$", GUIDE, re.MULTILINE)


def test_every_command_of_the_guide_does_what_it_says(
    serve: Callable[[Simulated], Simulated], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, quay = serve(Simulated()), SimulatedQuay(ann="secret")
    serve(quay)
    airferry("image", "copy", LIST, f"{source.host}/up/stream/app:1", "--insecure").done()
    (home / "mapping.txt").write_text(f"{source.host}/up/stream/app:1={quay.host}/ocp4/openshift/app:1\n")
    (home / "quay-token").write_text(quay.give_token("ann", "user:admin"))
    auth = {quay.host: {"auth": b64encode(b"ann:secret").decode()}}
    (home / "auth.json").write_text(json.dumps({"auths": auth}))
    assert len(COMMANDS) == 7
    codes = []
    for line in COMMANDS:
        setting, _, command = line.rpartition("airferry ")
        with monkeypatch.context() as patch:
            if setting:
                patch.setenv(*setting.strip().split("=", 1))
            words = shlex.split(command.replace("mirror.example.com:8443", quay.host))
            run = airferry(*words, "--insecure", "-a", home / "auth.json")
        assert "Traceback" not in run.err
        codes.append(run.code)
    # The second is asked about an organization that is not there yet, which is a no.
    assert codes == [0, 1, 0, 0, 0, 0, 0], codes
    assert "ocp4" in quay.organizations
    assert quay.repositories["ocp4/openshift/app"].tags.keys() == {"1"}
    assert quay.repositories["ocp4/openshift-app"].tags.keys() == {"1"}
    sets = "".join(file.read_text() for file in (home / "manifests").iterdir())
    assert f"- {quay.host}/ocp4/openshift-app\n" in sets
