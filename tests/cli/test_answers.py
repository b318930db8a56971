"""Every answer can be had as JSON and as YAML, and both say the same; progress and warnings never get in between."""

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from airferry.cli.output import OutputFormat, print_answer
from failures.stage import airferry

from .world import World

Command = Callable[[World, Path], tuple[object, ...]]


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


ANSWERS: dict[str, Command] = {
    "release info": lambda world, out: ("release", "info", world.version, "--from-dir", world.disk),
    "release info --size": lambda world, out: ("release", "info", "--size", world.version, "--from-dir", world.disk),
    "release info --image-for": lambda world, out: (
        *("release", "info", "--image-for", "etcd", world.version, "--from-dir", world.disk),
    ),
    "two releases": lambda world, out: (*("release", "info", world.version, world.version, "--from-dir", world.disk),),
    "release mirror --dry-run": lambda world, out: (
        *("release", "mirror", world.version, "--from-dir", world.disk, "--to", world.mirror.repository, "--dry-run"),
        *world.trust,
        *world.mirror.flags,
    ),
    "release mirror --to-mirror": lambda world, out: (
        *("release", "mirror", world.version, "--from-dir", world.disk, "--to", "m.example/a/b", "--to-mirror"),
    ),
    "release mirror": lambda world, out: (*("release", "mirror", world.version, "--to-dir", out, *world.quay.flags()),),
    "release extract": lambda world, out: ("release", "extract", world.version, "--from-dir", world.disk, "--to", out),
    "release extract --tools": lambda world, out: (
        *("release", "extract", world.version, "--from-dir", world.disk, "--to", out, "--tools"),
    ),
    "image mirror": lambda world, out: (
        *("image", "mirror", "--from-dir", world.disk, "file://openshift/release:*-cli*", "file://a/b", "--dir", out),
    ),
    "image copy": lambda world, out: (
        *("image", "copy", "--dir", world.disk, f"file://openshift/release:{world.release.tag}-pod", f"oci://{out}:1"),
    ),
    "image info": lambda world, out: ("image", "info", "--dir", world.disk, "file://openshift/release:*"),
    "image extract": lambda world, out: (
        *("image", "extract", "--dir", world.disk, f"file://openshift/release:{world.release.tag}-installer"),
        *("--path", f"/usr/bin/:{made(out)}"),
    ),
    "secret merge": lambda world, out: ("secret", "merge", "m.lan", "-u", "ann", "--password-stdin", "--to", out),
    "secret show": lambda world, out: ("secret", "show", world.mirror.auth_file),
    "secret check": lambda world, out: (
        *("secret", "check", world.mirror.auth_file, "--certificate-authority", world.mirror.authority),
    ),
    "login": lambda world, out: (
        *("login", world.mirror.host, "-u", "admin", "--password-stdin", "--to", out),
        *("--certificate-authority", world.mirror.authority),
    ),
    "registry init": lambda world, out: ("registry", "init", "--root", out),
    "cluster registries-conf": lambda world, out: (
        *("cluster", "registries-conf", world.files / "imageDigestMirrorSet.yaml"),
    ),
    "cluster registries-conf --form k3s": lambda world, out: (
        *("cluster", "registries-conf", world.files / "imageDigestMirrorSet.yaml", "--form", "k3s"),
    ),
    "cluster lint": lambda world, out: (
        *("cluster", "lint", world.files / "imageDigestMirrorSet.yaml", world.files / "imageTagMirrorSet.yaml"),
    ),
    "cluster drain": lambda world, out: (
        *("cluster", "drain", "--before", world.files / "imageDigestMirrorSet.yaml"),
        *("--after", world.files / "imageDigestMirrorSet.yaml"),
    ),
    "cluster explain": lambda world, out: (
        *("cluster", "explain", world.release.pullspec_by_digest, world.files / "registries.conf"),
    ),
    "media info": lambda world, out: ("media", "info", world.disk),
    "media verify": lambda world, out: ("media", "verify", world.disk),
}


def answer(name: str, world: World, out: Path, form: str, patch: pytest.MonkeyPatch) -> str:
    patch.setattr("sys.stdin", io.StringIO(f"{world.mirror.password}\n"))
    return airferry(*ANSWERS[name](world, out), "-o", form).done().out


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_can_be_had_as_data(world: World, name: str, tmp_path: Path, monkeypatch) -> None:
    as_json = json.loads(answer(name, world, tmp_path / "one", "json", monkeypatch))
    assert isinstance(as_json, dict | list) and as_json, "an answer, not null"
    text = answer(name, world, tmp_path / "two", "yaml", monkeypatch)
    as_yaml = YAML(typ="safe").load(text.replace(str(tmp_path / "two"), str(tmp_path / "one")))
    assert _without_times(as_yaml) == _without_times(as_json)


OC_PRINTS = ("release info", "two releases", "image info")
"""Documents that are oc's, key for key."""


@pytest.mark.parametrize("name", [name for name in ANSWERS if not name.startswith(OC_PRINTS)])
def test_the_keys_of_our_own_documents_are_written_as_one_word(
    world: World, name: str, tmp_path: Path, monkeypatch
) -> None:
    keys = set(_keys(json.loads(answer(name, world, tmp_path / "out", "json", monkeypatch))))
    assert {key for key in keys if not re.fullmatch(r"[a-z][a-zA-Z0-9]*", key)} == set()


def _keys(document: object) -> Iterator[str]:
    """Give every key; those under ``tags`` are the tags themselves."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield key
            if key != "tags":
                yield from _keys(value)
    elif isinstance(document, list):
        for item in document:
            yield from _keys(item)


def _without_times(document: object) -> object:
    """Leave out what differs from run to run, and what a rerun no longer has to do."""
    if isinstance(document, dict):
        return {
            key: _without_times(value)
            for key, value in document.items()
            if key not in ("seconds", "estimate", "moved", "plan")
        }
    return [_without_times(item) for item in document] if isinstance(document, list) else document


def test_words_that_older_yaml_takes_for_booleans_are_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    print_answer("", {"answer": "no", "yes": ["on", "other"], "whole": True}, OutputFormat.YAML)
    assert capsys.readouterr().out == 'answer: "no"\n"yes":\n- "on"\n- other\nwhole: true\n'
