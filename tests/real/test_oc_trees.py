"""Trees that the real oc wrote are read, verified, served and loaded; and the trees we write are like them."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from cli.test_registry_and_media import serving
from cli.world import OurRegistry, as_json
from failures.stage import Entry, airferry, look_at

from .conftest import OcTree


def without_modes(entries: dict[str, Entry]) -> dict[str, Entry]:
    """oc makes files that their owner alone can read; ours can be read by whoever carries the disk."""
    return {path: replace(entry, mode=0) for path, entry in entries.items()}


def test_the_release_on_it_is_described(oc_tree: OcTree) -> None:
    text = airferry("release", "info", oc_tree.image, "--from-dir", oc_tree.disk).done().out
    assert text.startswith(f"Name:           {oc_tree.version}\nDigest:         {oc_tree.digest}\n")
    assert f"\nPull From: file://openshift/release@{oc_tree.digest}\n" in text
    assert text == airferry("release", "info", oc_tree.version, "--from-dir", oc_tree.disk).done().out


def test_every_image_on_it_is_described(oc_tree: OcTree) -> None:
    pattern = f"file://openshift/release:{oc_tree.version}*"
    found = as_json(airferry("image", "info", "--dir", oc_tree.disk, pattern, "-o", "json"))
    assert {image["name"].rpartition(":")[2]: image["digest"] for image in found} == oc_tree.components()
    assert all(image["config"]["os"] == "linux" for image in found)


def test_it_is_whole(oc_tree: OcTree) -> None:
    found = as_json(airferry("media", "verify", oc_tree.disk, "-o", "json"))
    assert found["whole"] is True and found["images"] == len(oc_tree.components())


def test_a_flipped_byte_is_found_that_oc_would_push(signed_tree: OcTree) -> None:
    etcd = signed_tree.components()[f"{signed_tree.tag}-etcd"]
    file = signed_tree.disk / "v2/openshift/release/manifests" / etcd
    content = file.read_bytes().replace(b'"schemaVersion": 2', b'"schemaVersion":  2')
    if content == file.read_bytes():
        content = b" " + content
    file.write_bytes(content)
    run = airferry("media", "verify", signed_tree.disk)
    assert run.code == 1 and etcd in run.out and f"{signed_tree.tag}-etcd" in run.out
    to = ("file://x/y", "--dir", signed_tree.disk.parent / "other", "--from-dir", signed_tree.disk)
    run = airferry("image", "mirror", f"{signed_tree.image}-etcd", *to)
    assert run.code != 0 and etcd in run.err


def test_it_is_served_from_where_it_lies(oc_tree: OcTree) -> None:
    with serving("media", "serve", oc_tree.disk, "--listen", "127.0.0.1:0") as (url, _):
        host = url.removeprefix("http://")
        found = airferry("release", "info", f"{host}/openshift/release:{oc_tree.tag}", "--insecure", "-o", "digest")
        assert found.done().out == f"{oc_tree.digest}\n"
        run = airferry("image", "info", f"{host}/openshift/release:*", "--insecure", "-o", "json")
        images = {image["name"].rpartition(":")[2]: image["digest"] for image in as_json(run)}
        assert images == oc_tree.components()


def test_it_is_loaded_with_every_digest(oc_tree: OcTree, lab: OurRegistry) -> None:
    """By the command that oc itself prints, less ``oc``."""
    to = f"{lab.host}/ocp4/openshift4"
    run = airferry(
        *("image", "mirror", f"--from-dir={oc_tree.disk}", f"file://openshift/release:{oc_tree.tag}*", to, "--insecure")
    )
    lines = dict(reversed(line.split()) for line in run.done().out.splitlines())
    assert lines == {f"{to}:{tag}": digest for tag, digest in oc_tree.components().items()}
    loaded = as_json(airferry("image", "info", f"{to}:*", "--insecure", "-o", "json"))
    assert {image["name"]: image["digest"] for image in loaded} == lines


def test_ours_has_the_same_paths_types_links_and_contents(oc_tree: OcTree, lab: OurRegistry, tmp_path: Path) -> None:
    to = f"{lab.host}/openshift/release"
    tags = f"file://openshift/release:{oc_tree.tag}*"
    airferry("image", "mirror", f"--from-dir={oc_tree.disk}", tags, to, "--insecure").done()
    ours = tmp_path / "ours"
    flags = ("--to-dir", ours, "--src-insecure", "--allow-unverified", "--signature-store", tmp_path)
    airferry("release", "mirror", f"{to}:{oc_tree.tag}", *flags).done()
    written, real = look_at(ours / "v2"), look_at(oc_tree.disk / "v2")
    assert set(written) == set(real)
    for path, entry in real.items():
        if entry.kind == "link":  # to the letter: pathlib would call ./x and x the same
            assert os.readlink(ours / "v2" / path) == os.readlink(oc_tree.disk / "v2" / path)  # noqa: PTH115
    assert without_modes(written) == without_modes(real)
    assert {entry.mode for entry in written.values() if entry.kind == "file"} == {0o644}
    assert {entry.content for entry in real.values() if entry.kind == "link"} == set(oc_tree.components().values())
    assert any(len(entry.links) > 1 for entry in real.values()), "manifests are hard links of blobs"


def test_an_unsigned_one_has_to_be_allowed(oc_tree: OcTree, lab: OurRegistry, tmp_path: Path) -> None:
    to = ("--to", f"{lab.host}/ocp4/openshift4", "--dest-insecure", "--manifests-dir", tmp_path / "files")
    load = ("release", "mirror", oc_tree.version, "--from-dir", oc_tree.disk, *to)
    refused = airferry(*load)
    refused.refused("untrusted-release", oc_tree.digest)
    if not oc_tree.is_signed:
        assert "is not verified" in airferry(*load, "--allow-unverified").done().err


def key_in_the_payload(tree: OcTree, tmp_path: Path) -> Path:
    from ruamel.yaml import YAML

    document = YAML(typ="safe").load(tree.read("0000_90_cluster-update-keys_configmap.yaml"))
    (name,) = (name for name in document["data"] if name.startswith("verifier-public-key-"))
    file = tmp_path / "key.asc"
    file.write_text(document["data"][name])
    return file


def test_a_signed_one_is_trusted_by_its_key_and_no_other(signed_tree: OcTree, lab: OurRegistry, tmp_path: Path) -> None:
    from airferry.lab import LabKey

    to = ("--to", f"{lab.host}/ocp4/openshift4", "--dest-insecure", "--manifests-dir", tmp_path / "files")
    load = ("release", "mirror", signed_tree.version, "--from-dir", signed_tree.disk, *to)
    airferry(*load).refused("untrusted-release")  # the key in its own payload is never the trust root
    stranger = tmp_path / "stranger.asc"
    stranger.write_text(LabKey().public)
    airferry(*load, "--verification-key", stranger).refused("untrusted-release")
    done = as_json(airferry(*load, "--verification-key", key_in_the_payload(signed_tree, tmp_path), "-o", "json"))
    assert done["verified"] is True and done["digest"] == signed_tree.digest
    written = (tmp_path / "files" / "signature-sha256-1be9173bc4406308.json").read_bytes()
    assert written == (signed_tree.disk / "config" / "signature-sha256-1be9173bc4406308.json").read_bytes()


@pytest.mark.parametrize("change", ["another release", "a flipped byte", "nothing left"])
def test_a_tampered_signature_is_worth_nothing(
    signed_tree: OcTree, lab: OurRegistry, tmp_path: Path, change: str
) -> None:
    import base64

    key = key_in_the_payload(signed_tree, tmp_path)
    (file,) = (signed_tree.disk / "config").iterdir()
    document = json.loads(file.read_text())
    ((name, encoded),) = document["binaryData"].items()
    message = bytearray(base64.b64decode(encoded))
    if change == "another release":
        target = signed_tree.components()[f"{signed_tree.tag}-etcd"]
        document["binaryData"] = {f"{target.replace(':', '-')}-1": encoded}
        document["metadata"]["name"] = target.replace(":", "-")
    elif change == "a flipped byte":
        message[len(message) // 2] ^= 1
        document["binaryData"][name] = base64.b64encode(message).decode()
    else:
        document["binaryData"] = {}
    file.write_text(json.dumps(document) + "\n")
    to = ("--to", f"{lab.host}/ocp4/openshift4", "--dest-insecure", "--manifests-dir", tmp_path / "files")
    load = ("release", "mirror", signed_tree.version, "--from-dir", signed_tree.disk, *to, "--verification-key", key)
    airferry(*load).refused("untrusted-release", signed_tree.digest)
    assert not (tmp_path / "files").exists()


def test_the_installer_on_it_is_bound_to_what_the_disk_is_a_copy_of(oc_tree: OcTree, tmp_path: Path) -> None:
    flags = ("--from-dir", oc_tree.disk, "--command=openshift-install", "--to", tmp_path / "t")
    airferry("release", "extract", oc_tree.version, *flags).done()
    content = (tmp_path / "t" / "openshift-install").read_bytes()
    assert f"@{oc_tree.digest}\0".encode() in content and oc_tree.version.encode() + b"\0" in content
