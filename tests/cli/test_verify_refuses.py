"""``verify`` refuses files and flags from which no honest answer can come, and says which and why."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.world import World
from failures.stage import Run, airferry

DEEP = "[" * 5000 + "]" * 5000


def verify(world: World, *more: object) -> Run:
    given = ("--registries-conf", world.files / "registries.conf", "--pull-secret", world.mirror.auth_file)
    return airferry("verify", "--release", world.version, "--arch", "amd64", *given, *more)


def written(folder: Path, text: str) -> Path:
    file = folder / "given"
    file.write_text(text)
    return file


NOTHING = {
    "an empty list of images": ("--images", "", "names no image"),
    "a list of images with remarks alone": ("--images", "# none yet\n\n", "names no image"),
    "an empty pull secret": ("--pull-secret", "", "is empty"),
    "a pull secret without entries that are any": ("--pull-secret", "{}", "no credentials"),
    "an empty CA file": ("--ca", "", "no certificate"),
    "a CA file with a remark alone": ("--ca", "# to come\n", "no certificate"),
}


@pytest.mark.parametrize("name", NOTHING)
def test_a_file_that_says_nothing_is_refused(name: str, world: World, tmp_path: Path) -> None:
    flag, text, words = NOTHING[name]
    file = written(tmp_path, text)
    run = verify(world, flag, file)
    assert run.code == 1 and str(file) in run.err and words in run.err and "hint: " in run.err, run.err


def test_a_pull_secret_for_nothing_may_be_given_for_an_open_mirror(world: World, tmp_path: Path) -> None:
    run = verify(world, "--pull-secret", written(tmp_path, '{"auths":{}}'), "--ca", world.mirror.authority)
    assert run.code == 1 and "no-credential" in run.out, "installers want one, and it says that there are none"


@pytest.mark.parametrize("text", ["apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "baseDomain: a\n"])
def test_a_file_without_any_mirror_set_is_no_mirror_sets(text: str, tmp_path: Path) -> None:
    file = written(tmp_path, text)
    run = airferry("verify", "--release", "4.12.0", "--mirror-sets", file)
    run.refused("malformed", f"{file} holds no mirror set", hint="oc get imagedigestmirrorsets")


@pytest.mark.parametrize("style", [">", "quoted"])
def test_a_bundle_that_lost_its_lines_is_none_to_a_node(style: str, world: World, tmp_path: Path) -> None:
    lines = world.mirror.authority.read_text().split("\n")
    text = ">\n" + "".join(f"  {line}\n" for line in lines) if style == ">" else f'"{" ".join(lines)}"\n'
    file = written(tmp_path, f"baseDomain: a\nadditionalTrustBundle: {text}")
    run = airferry("verify", "--release", world.version, "--install-config", file)
    run.refused("malformed", "additionalTrustBundle", "lost its lines", hint="additionalTrustBundle: |")


def test_a_certificate_that_is_broken_is_named_with_its_file(world: World, tmp_path: Path) -> None:
    broken = written(tmp_path, "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n")
    verify(world, "--ca", broken).refused("malformed", str(broken))


OTHERS = {
    "a ConfigMap": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {}\n",
    "mirror sets": "apiVersion: config.openshift.io/v1\nkind: ImageDigestMirrorSet\nmetadata: {name: a}\nspec: {}\n",
    "a pull secret": '{"auths": {}}',
    "an empty file": "",
    "any YAML": "name: a\nlist: [1]\n",
    "text": "hello\n",
    "several documents": "baseDomain: a\n---\nbaseDomain: b\n",
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_install_config_is_not_taken_for_one(name: str, tmp_path: Path) -> None:
    file = written(tmp_path, OTHERS[name])
    run = airferry("verify", "--release", "4.12.0", "--install-config", file)
    run.refused("malformed", str(file), "install-config", hint="install-config")


def test_where_an_install_config_breaks_is_named_without_its_secrets(tmp_path: Path) -> None:
    file = written(tmp_path, 'baseDomain: a\npullSecret: \'{"auths": {"q.io": {"auth": "geheim"}}}\'\nsshKey: "x\n')
    run = airferry("verify", "--release", "4.12.0", "--install-config", file)
    run.refused("malformed", f"{file}, line 4", hint="indentation")
    assert "geheim" not in run.err


def deep_yaml(folder: Path) -> tuple[object, ...]:
    return ("--mirror-sets", written(folder, DEEP))


HOSTILE: dict[str, Callable[[Path], tuple[object, ...]]] = {
    "mirror sets": deep_yaml,
    "an install-config": lambda folder: ("--install-config", written(folder, f"pullSecret: {DEEP}")),
    "an install-config in which the mirrors are deep": (
        lambda folder: ("--install-config", written(folder, "imageDigestSources: " + "[" * 300 + "]" * 300))
    ),
    "a pull secret": lambda folder: (*given(folder), "--pull-secret", written(folder, DEEP)),
    "a release file": lambda folder: (*given(folder), "--release-file", written(folder, DEEP)),
    "registries.conf": lambda folder: ("--registries-conf", written(folder, f"a = {DEEP}")),
}


def given(folder: Path) -> tuple[object, ...]:
    conf = folder / "registries.conf"
    conf.write_text('[[registry]]\nlocation = "q.io"\n')
    return ("--registries-conf", conf)


@pytest.mark.parametrize("name", HOSTILE)
def test_input_that_is_nested_without_end_is_refused_in_our_words(name: str, tmp_path: Path) -> None:
    run = airferry("verify", "--release", "4.12.0", *HOSTILE[name](tmp_path)).refused("malformed", str(tmp_path))
    assert "recursion" not in run.err, run.err


def test_an_answer_that_cannot_be_written_is_refused_before_the_work(world: World, tmp_path: Path) -> None:
    nowhere = tmp_path / "missing" / "verify.xml"
    run = verify(world, "--junit", nowhere).refused("not-found", str(nowhere.parent), hint="mkdir")
    assert run.out == "" and "read-only" not in run.err
    (tmp_path / "file").write_text("")
    verify(world, "--junit", tmp_path / "file" / "verify.xml").refused("not-found", "is not a folder")


RELEASE_FILES = {
    "{}": "metadata",
    "[]": "listing",
    "": "JSON",
    "nonsense": "JSON",
    '{"references": {"kind": 1}}': "Image",
}


@pytest.mark.parametrize("text", RELEASE_FILES)
def test_a_release_file_that_is_none_is_named(text: str, world: World, tmp_path: Path) -> None:
    file = written(tmp_path, text)
    run = verify(world, "--release-file", file).refused("malformed", str(file), hint="airferry release info")
    assert RELEASE_FILES[text] in run.err or "ImageStream" in run.err


def test_a_release_file_of_another_release_is_noticed(world: World, tmp_path: Path) -> None:
    info = airferry("release", "info", world.version, "--from-dir", world.disk, "--arch", "amd64", "-o", "json").done()
    file = written(tmp_path, info.out)
    rules = ("--registries-conf", world.files / "registries.conf", "--release-file", file)
    airferry("verify", "--release", "4.12.7", *rules).refused("usage", "4.12.7", world.version, hint="--release-file")
    repository = f"quay.io/{world.release.release_repository}"
    other = f"{repository}@sha256:{'0' * 64}"
    airferry("verify", "--release", other, *rules).refused("usage", other, str(world.release.digest))
    tagged = f"{repository}:4.13.1-x86_64"
    airferry("verify", "--release", tagged, *rules).refused("usage", tagged, world.version)
    airferry("verify", "--release", world.version, "--arch", "s390x", *rules).refused("usage", "s390x", "amd64")
    for same in (world.version, f"{repository}@{world.release.digest}", f"{repository}:latest"):
        assert "error" not in airferry("verify", "--release", same, "--arch", "amd64", *rules).err
    document = json.loads(info.out)
    del document["digest"]
    file.write_text(json.dumps(document))
    assert "error" not in airferry("verify", "--release", other, *rules).err, "there is nothing to compare"


def test_folders_and_architectures_that_are_none_are_named(world: World, tmp_path: Path) -> None:
    asked = ("verify", "--release", world.version)
    missing = tmp_path / "nonexistent"
    airferry(*asked, "--from-dir", missing).refused("not-found", f"there is no {missing}", hint="--to-dir")
    empty = tmp_path / "empty"
    empty.mkdir()
    airferry(*asked, "--from-dir", empty).refused("not-found", f"{empty} holds no tree", hint="--to-dir")
    verify(world, "--arch", "bogus").refused("usage", "bogus", hint="amd64, arm64")
