"""Names that were joined for a shallow registry, and mirror sets that lead clusters to them."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from airferry.plan.nesting import flattened_path
from failures.stage import airferry

from .world import OurRegistry

LAYOUT = Path(__file__).parents[1] / "data" / "images" / "multi-platform"
LIST = "sha256:0de0e983a4980f32b1aad2d7f7f387cea2d4e9517b47f336cef27f63735911fa"
DEEP = ("openshift4/ose-cli/rhel9", "openshift4/ose/cli-rhel9", "ubi9/ubi")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.mark.usefixtures("home")
def test_mirror_sets_lead_each_source_to_the_name_that_it_got(tmp_path: Path) -> None:
    with OurRegistry(tmp_path / "registry", use_tls=False, use_auth=False) as registry:
        for path in DEEP:
            source = f"{registry.host}/upstream/{path}:1"
            airferry("image", "copy", f"oci://{LAYOUT}@{LIST}", source, "--insecure").done()
        mapping = tmp_path / "mapping.txt"
        mapping.write_text(
            "".join(f"{registry.host}/upstream/{path}@{LIST}={registry.host}/{path}:1\n" for path in DEEP)
        )
        shallow = ("-f", mapping, "--max-nested-paths", "2", "-o", "json")
        run = airferry("image", "mirror", *shallow, "--insecure").done()
        names = {image["source"].split("@")[0]: image["destination"] for image in json.loads(run.out)["images"]}
        assert all(name.count("/") == 2 for name in names.values()), "a host and two parts"
        assert len(set(names.values())) == len(DEEP)
        sets = airferry("cluster", "mirror-sets", "-f", mapping, "--max-nested-paths", "2", "--kind", "idms").done()
        (document,) = (found for found in YAML(typ="safe").load_all(sets.out) if found)
        led = {item["source"]: item["mirrors"] for item in document["spec"]["imageDigestMirrors"]}
        assert led == {source: [name] for source, name in names.items()}
        for mirrors in led.values():
            airferry("image", "info", f"{mirrors[0]}@{LIST}", "--insecure", "--show-multiarch").done()


@pytest.mark.usefixtures("home")
def test_two_sources_never_share_a_name_in_silence(tmp_path: Path) -> None:
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("quay.io/a/x:1=mirror.example.com/a/b/c:1\n")
    second.write_text("quay.io/a/y:1=mirror.example.com/a/b-c:1\n")
    for command in (("image", "mirror"), ("cluster", "mirror-sets")):
        run = airferry(*command, "-f", first, "-f", second, "--max-nested-paths", "2")
        run.refused("usage", "would both become mirror.example.com/a/b-c")


@pytest.mark.usefixtures("home")
def test_the_answer_tells_the_names_that_were_asked_for(tmp_path: Path) -> None:
    with OurRegistry(tmp_path / "registry", use_tls=False, use_auth=False) as registry:
        target = f"{registry.host}/a/b/c"
        copy = ("image", "copy", f"oci://{LAYOUT}@{LIST}", f"{target}:1", "--insecure")
        run = airferry(*copy, "--max-nested-paths", "2", "-o", "json").done()
        assert json.loads(run.out)["renamed"] == {target: f"{registry.host}/a/b-c"}


@pytest.mark.usefixtures("home")
def test_pruning_by_the_same_list_keeps_the_names_that_were_made(tmp_path: Path) -> None:
    with OurRegistry(tmp_path / "registry", use_tls=False, use_auth=False) as registry:
        mapping = tmp_path / "mapping.txt"
        lines = [f"oci://{LAYOUT}@{LIST}={registry.host}/apps/{path}:1\n" for path in DEEP]
        mapping.write_text("".join(lines))
        airferry("image", "mirror", "-f", mapping, "--max-nested-paths", "2", "--insecure").done()
        prune = ("image", "prune", f"{registry.host}/apps", "--insecure", "--confirm", "--empty-repositories")
        mapping.write_text("".join(lines[:2]))
        airferry(*prune, "--keep-list", mapping, "--max-nested-paths", "2").done()
        held = {
            path: airferry("image", "info", f"{registry.host}/{path}:1", "--insecure", "--show-multiarch").code
            for path in (flattened_path(f"apps/{deep}", 2) for deep in DEEP)
        }
        assert list(held.values()) == [0, 0, 1]
