"""``airferry verify``: every pull of a release tried as a node would, and what is said when one fails."""

import base64
import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from airferry.lab import SMALL, Endpoint, LabStore, Rule, publish_release
from airferry.lab.faults import Answer, Reset
from cli.world import OurRegistry, World, nothing_listens
from failures.stage import Quay, Run, airferry

ALL = 15
"""Thirteen components, and the release image by digest and by tag."""


def nodes(world: World) -> tuple[object, ...]:
    """What the mirror's own files give to a cluster's nodes."""
    files = ("--registries-conf", world.files / "registries.conf", "--pull-secret", world.mirror.auth_file)
    return (*files, "--ca", world.mirror.authority)


def verify(world: World, *more: object) -> Run:
    """Run ``verify`` with those files."""
    return airferry("verify", "--release", world.version, "--arch", "amd64", *nodes(world), *more)


def answer_of(run: Run) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run.out)
    return answer


def not_yes(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [image for image in answer["images"] if image["answer"] != "yes"]


@pytest.fixture
def install_config(world: World, tmp_path: Path) -> Path:
    """An install-config as the run-book has it: digest sources, pull secret on one line, CA indented."""
    file = tmp_path / "install-config.yaml"
    sources = (world.files / "install-config-imageDigestSources.yaml").read_text()
    bundle = "".join(f"  {line}\n" for line in world.mirror.authority.read_text().splitlines())
    secret = json.dumps(json.loads(world.mirror.auth_file.read_text()))
    file.write_text(
        f"apiVersion: v1\nbaseDomain: example.com\npullSecret: '{secret}'\n{sources}additionalTrustBundle: |\n{bundle}"
    )
    return file


def test_a_mirror_that_was_loaded_serves_everything(world: World) -> None:
    run = verify(world).done()
    assert run.out.startswith(f"release {world.version} (amd64, {world.release.digest}): {ALL} images\n")
    assert f"  yes             {ALL}\n  no               0\n  cannot tell      0\n" in run.out
    assert run.out.endswith("\nas seen from this host\n")
    answer = answer_of(verify(world, "-o", "json").done())
    assert answer["answer"] == "yes" and len(answer["images"]) == ALL
    names = [image["name"] for image in answer["images"]]
    assert names[:2] == ["release image", "release image by tag"] and "etcd" in names
    told = "hashes of layers were not checked: --deep fetches and hashes them all\n"
    assert told in run.out and answer["deep"] is False
    assert verify(world, "--deep").done().out == run.out.replace(told, "")


def test_an_install_config_is_enough_and_knows_digests_only(world: World, install_config: Path) -> None:
    flags = ("--install-config", install_config, "--arch", "amd64")
    answer = answer_of(airferry("verify", "--release", world.version, *flags, "-o", "json").done())
    assert answer["answer"] == "yes" and len(answer["images"]) == ALL - 1
    assert "release image by tag" not in [image["name"] for image in answer["images"]]


def test_mirror_set_files_are_rendered_as_nodes_have_them(world: World) -> None:
    sets = [("--mirror-sets", world.files / name) for name in ("imageDigestMirrorSet.yaml", "imageTagMirrorSet.yaml")]
    trust = ("--pull-secret", world.mirror.auth_file, "--ca", world.mirror.authority)
    words = [word for pair in sets for word in pair]
    run = airferry("verify", "--release", world.version, "--arch", "amd64", *words, *trust, "-o", "json").done()
    assert len(answer_of(run)["images"]) == ALL


def test_what_this_host_trusts_and_knows_does_not_count(world: World, home: Path, install_config: Path) -> None:
    """A login and a CA of the administrator's own make a copy work, and no node."""
    certs = home / ".config" / "containers" / "certs.d" / world.mirror.host
    certs.mkdir(parents=True)
    shutil.copyfile(world.mirror.authority, certs / "ca.crt")
    (home / "containers").mkdir()
    shutil.copyfile(world.mirror.auth_file, home / "containers" / "auth.json")
    airferry("image", "info", f"{world.mirrored}").done()
    rules = ("--registries-conf", world.files / "registries.conf", "--release", world.version, "-o", "json")
    answer = answer_of(airferry("verify", *rules, "--pull-secret", world.mirror.auth_file))
    assert {image["code"] for image in not_yes(answer)} == {"unknown-ca"}
    assert "additionalTrustBundle" in not_yes(answer)[0]["fix"]
    answer = answer_of(airferry("verify", *rules, "--ca", world.mirror.authority))
    assert {image["code"] for image in not_yes(answer)} == {"no-credential"}
    assert f"airferry secret merge {world.mirror.host}" in not_yes(answer)[0]["fix"]


def test_a_release_that_cannot_be_read_is_said_to_be_uncompiled(world: World, tmp_path: Path) -> None:
    listing = tmp_path / "release.json"
    info = airferry("release", "info", world.version, "--from-dir", world.disk, "--arch", "amd64", "-o", "json").done()
    listing.write_text(info.out)
    with nothing_listens() as nowhere:
        conf = tmp_path / "registries.conf"
        conf.write_text((world.files / "registries.conf").read_text().replace(world.mirror.host, nowhere))
        flags = ("--registries-conf", conf, "--release", world.version, "--arch", "amd64")
        run = airferry("verify", *flags)
        assert run.code == 1 and "not compiled: the release image could not be read" in run.out
        run = airferry("verify", *flags, "--release-file", listing, "-o", "json")
    answer = answer_of(run)
    assert run.code == 1 and len(not_yes(answer)) == ALL
    assert {image["code"] for image in not_yes(answer)} == {"unreachable"}
    assert ["signatures" in sentence for sentence in answer["uncompiled"]] == [True]


def test_images_of_a_list_are_asked_for_too(world: World, tmp_path: Path) -> None:
    listed = tmp_path / "images.txt"
    present = f"quay.io/{world.release.component_repository}@{world.release.components['etcd']}"
    listed.write_text(f"# what else runs here\n\n{present}\nregistry.example.invalid/app/web:1 # ours\n")
    run = verify(world, "--images", listed)
    assert run.code == 1
    assert f"{ALL + 1} images, 1 of them extra" in run.out, "etcd is a component already"
    assert "no: registry.example.invalid/app/web:1\n" in run.out
    assert "no-mirror-rule: no mirror rule covers registry.example.invalid/app/web" in run.out
    assert "fix: add an ImageTagMirrorSet for registry.example.invalid/app/web\n" in run.out
    listed.write_text("ubi9\n")
    verify(world, "--images", listed).refused("malformed", "images.txt, line 1", "ubi9")


def test_what_fails_alike_is_told_once_and_counted(world: World, tmp_path: Path) -> None:
    conf, junit = tmp_path / "registries.conf", tmp_path / "verify.xml"
    conf.write_text(f'[[registry]]\nlocation = "quay.io/{world.release.release_repository}"\n')
    flags = ("verify", "--release", world.version, "--arch", "amd64", "--from-dir", world.disk)
    run = airferry(*flags, "--registries-conf", conf, "--junit", junit)
    components = f"quay.io/{world.release.component_repository}"
    assert run.code == 1 and run.out.count("no-mirror-rule: ") == 2 == run.out.count("fix: "), run.out
    first, second, third = sorted(world.release.components)[:3]
    paragraph = f"no: 13 images of {components}\n    {first}, {second}, {third} and 10 more (-o json names all)\n"
    assert paragraph in run.out, run.out
    assert (
        f"    fix: add an ImageDigestMirrorSet (imageDigestSources in an install-config) for {components}\n" in run.out
    )
    answer = answer_of(airferry(*flags, "--registries-conf", conf, "-o", "json"))
    assert len(not_yes(answer)) == ALL - 1 == len(list(ET.parse(junit).getroot().iter("failure")))
    lost = tmp_path / "lost"
    shutil.copytree(world.disk, lost, symlinks=True)
    for name in ("etcd", "pod"):
        digest = world.release.components[name].removeprefix("sha256:")
        for file in lost.rglob(f"*{digest}"):
            file.unlink()
    out = airferry(*flags[:-1], lost).out
    assert f"no: 2 images of {components}\n    no-manifest\n    etcd: " in out and "\n    pod: " in out, out
    assert out.count("fix: ") == 1


def test_a_host_without_any_rule_is_told_once(world: World, tmp_path: Path) -> None:
    listed = tmp_path / "images.txt"
    listed.write_text("".join(f"registry.example.invalid/app/web{number}:1\n" for number in range(40)))
    out = verify(world, "--images", listed).out
    assert "no: 40 images of registry.example.invalid\n    no-mirror-rule\n" in out and out.count("fix: ") == 1
    assert "fix: add an ImageTagMirrorSet for registry.example.invalid/app/web0, and so for the others\n" in out
    assert "    and 37 more (-o json names all)\n" in out


def test_junit_is_written_whole_or_not_at_all(world: World, tmp_path: Path) -> None:
    listed, junit, before = tmp_path / "images.txt", tmp_path / "verify.xml", tmp_path / "before.xml"
    listed.write_text("registry.example.invalid/a/b:1\n")
    junit.write_text("what an earlier run said")
    before.hardlink_to(junit)
    verify(world, "--images", listed, "--junit", junit)
    assert before.read_text() == "what an earlier run said", "the file itself was not touched: a new one took its place"
    assert ET.parse(junit).getroot().tag == "testsuite"
    assert not list(tmp_path.glob(".*")), "nothing is left beside it"


def test_junit_has_a_case_for_each_image(world: World, tmp_path: Path) -> None:
    listed, junit = tmp_path / "images.txt", tmp_path / "verify.xml"
    listed.write_text("registry.example.invalid/a/<b>:1".replace("<b>", "b") + "\n")
    assert verify(world, "--images", listed, "--junit", junit).code == 1
    suite = ET.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == (str(ALL + 1), "1", "0")
    (failure,) = suite.iter("failure")
    assert failure.get("type") == "no-mirror-rule" and failure.text is not None
    assert {case.get("classname") for case in suite.iter("testcase")} == {"release", "component", "extra"}


def test_the_installer_of_another_release_is_a_no(world: World, tmp_path: Path) -> None:
    def extract(release: str, folder: str, *more: object) -> Path:
        flags = ("--command", "openshift-install", "--arch", "amd64", "--to", tmp_path / folder)
        airferry("release", "extract", release, *flags, *more).done()
        return tmp_path / folder / "openshift-install"

    own = extract(world.mirrored, "own", *world.mirror.flags)
    run = verify(world, "--installer", own).done()
    assert f"installer {own}: belongs to the release\n" in run.out
    assert f"({ALL + 1} images)".strip("()") in run.out, (
        "it installs from the mirror's own name, which is asked for too"
    )
    with_other = publish_release(tmp_path / "other", _shape("4.12.1"))
    with Quay(tmp_path, with_other) as quay:
        other = extract(with_other.pullspec, "other", *quay.flags(trusted=False))
        run = verify(world, "--installer", other)
    assert run.code == 1
    assert f"installer {other}: no: it is for 4.12.1, and the release is {world.version}" in run.out
    words = f"airferry release extract --command=openshift-install {world.version} --arch amd64\n"
    assert f"fix: extract it from the release: {words}" in run.out
    blank = tmp_path / "blank"
    blank.write_bytes(b"#!/bin/sh\n")
    assert "no: no release is written into it" in verify(world, "--installer", blank).out


def _shape(version: str) -> Any:
    from dataclasses import replace

    return replace(SMALL, version=version)


def test_a_disk_is_asked_before_it_leaves(world: World, tmp_path: Path) -> None:
    flags = ("verify", "--release", world.version, "--arch", "amd64", "--from-dir")
    run = airferry(*flags, world.disk).done()
    assert f"  yes             {ALL}\n" in run.out and run.out.endswith(f"as seen on the disk {world.disk}\n")
    rules = ("--registries-conf", world.files / "registries.conf")
    airferry(*flags, world.disk, *rules, "--deep").done()
    broken = tmp_path / "broken"
    shutil.copytree(world.disk, broken, symlinks=True)
    digest = world.release.components["etcd"]
    (manifest,) = {file for file in broken.rglob(f"*{digest.removeprefix('sha256:')}") if file.parent.name == "blobs"}
    fields = json.loads(manifest.read_bytes())
    if "manifests" in fields:
        fields = json.loads((manifest.parent / fields["manifests"][0]["digest"]).read_bytes())
    (manifest.parent / fields["config"]["digest"]).unlink()
    run = airferry(*flags, broken, "-o", "json")
    assert run.code == 1
    assert [(image["name"], image["code"]) for image in not_yes(answer_of(run))] == [("etcd", "no-blob")]
    own = tmp_path / "own"
    shutil.copytree(world.disk, own, symlinks=True)
    (conf,) = (folder / "registries.conf" for folder in (own / "manifests").iterdir())
    shutil.copyfile(world.files / "registries.conf", conf)
    assert f"  yes             {ALL}\n" in airferry(*flags, own).done().out
    conf.write_text('[[registry]]\nlocation = "elsewhere.example.com"\n')
    run = airferry(*flags, own, "-o", "json")
    assert {image["code"] for image in not_yes(answer_of(run))} == {"no-mirror-rule"}, "its own rules are looked at"
    conf = tmp_path / "narrow.conf"
    conf.write_text(
        '[[registry]]\nlocation = "quay.io/openshift-release-dev/ocp-release"\n'
        '[[registry.mirror]]\nlocation = "mirror.example.com/r"\n'
    )
    run = airferry(*flags, world.disk, "--registries-conf", conf, "-o", "json")
    assert {image["code"] for image in not_yes(answer_of(run))} == {"no-mirror-rule"}
    assert len(not_yes(answer_of(run))) == ALL - 2


def test_what_cannot_be_is_refused(world: World, install_config: Path, tmp_path: Path) -> None:
    airferry("verify").refused("usage", "nothing to verify")
    airferry("verify", "--release", "4.12.0").refused("usage", "what the nodes will have", hint="--install-config")
    both = ("--install-config", install_config, "--registries-conf", world.files / "registries.conf")
    airferry("verify", "--release", "4.12.0", *both).refused("usage", "--registries-conf excludes")
    verify(world, "--platform", "amd64").refused("usage", "--platform=amd64")
    install_config.write_text(install_config.read_text().replace("pullSecret: '", "pullSecret: '{hunter2"))
    run = airferry("verify", "--release", "4.12.0", "--install-config", install_config).refused("malformed", "JSON")
    assert "hunter2" not in run.err
    install_config.write_text("a: [hunter2\n")
    run = airferry("verify", "--release", "4.12.0", "--install-config", install_config).refused("malformed", "YAML")
    assert "hunter2" not in run.err


def test_lists_are_asked_for_the_platform_of_the_nodes(world: World) -> None:
    answer = answer_of(verify(world, "--platform", "linux/s390x", "-o", "json"))
    codes = {image["name"]: image["code"] for image in not_yes(answer)}
    assert codes.pop("must-gather") == "no-platform", "a list; all others are images for amd64 alone"
    assert "etcd" not in codes, "a list for it, too"
    assert len(codes) == ALL - 2 and set(codes.values()) == {"wrong-platform"}


@pytest.fixture
def quay(tmp_path: Path) -> Iterator[Quay]:
    """A mirror that behaves as quay.io does: tokens, and blobs that are redirected to another host."""
    release = publish_release(tmp_path / "store", SMALL)
    with Quay(tmp_path, release) as running:
        yield running


def ask(quay: Quay, *more: object) -> Run:
    flags = ("--arch", "amd64", "--registries-conf", quay.rules_file)
    return airferry("verify", "--release", quay.release.pullspec_by_digest, *flags, *more)


def test_tokens_and_redirects_are_followed_as_nodes_follow_them(quay: Quay) -> None:
    ask(quay).done()
    ask(quay, "--deep").done()


def test_a_connection_that_breaks_leaves_an_image_open(quay: Quay) -> None:
    etcd = quay.release.components["etcd"]
    quay.fails(Rule(Endpoint.MANIFEST, Reset(), containing=etcd.removeprefix("sha256:"), times=None))
    run = ask(quay, "--junit", "verify.xml")
    assert run.code == 3, run.out
    assert "  no               0\n  cannot tell      1\n" in run.out and "cannot tell: etcd\n" in run.out
    assert "fix: run on a node: podman pull --authfile /var/lib/kubelet/config.json quay.io/" in run.out
    assert ET.parse("verify.xml").getroot().get("errors") == "1"


def test_a_registry_that_fails_again_and_again_is_a_no(quay: Quay) -> None:
    etcd = quay.release.components["etcd"]
    quay.fails(Rule(Endpoint.MANIFEST, Answer(503), containing=etcd.removeprefix("sha256:"), times=None))
    run = ask(quay)
    assert run.code == 1 and "no: etcd\n" in run.out, run.out
    assert "registry-fails: " in run.out and "answered 503" in run.out and "fix: mend " in run.out


def test_a_busy_registry_is_waited_for(quay: Quay) -> None:
    quay.fails(Rule(Endpoint.MANIFEST, Answer(503), times=2), Rule(Endpoint.BLOB, Answer(502), times=2))
    ask(quay).done()


class Signed:
    """A release whose own policy wants a signature of the release image, signed by a key that we have."""

    def __init__(self, folder: Path) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        policy = (
            "apiVersion: config.openshift.io/v1\nkind: ClusterImagePolicy\nmetadata:\n  name: openshift\nspec:\n"
            "  scopes:\n  - quay.io/openshift-release-dev/ocp-release\n  policy:\n    rootOfTrust:\n"
            "      policyType: PublicKey\n      publicKey:\n"
            f"        keyData: {base64.b64encode(pem).decode()}\n"
        )
        files = {"0000_30_cluster-image-policy.yaml": policy.encode()}
        self.release = publish_release(folder / "store", SMALL, payload_files=files)
        self.store = LabStore(folder / "store")

    def sign(self, key: ec.EllipticCurvePrivateKey) -> None:
        """Sign the release image as cosign does, in place of the lab's pretended signature."""
        release, path = self.release, self.release.release_repository
        digest = release.digest
        claim = json.dumps(
            {
                "critical": {
                    "identity": {"docker-reference": f"quay.io/{path}"},
                    "image": {"docker-manifest-digest": digest},
                    "type": "cosign container image signature",
                },
                "optional": None,
            }
        ).encode()
        signature = base64.b64encode(key.sign(claim, ec.ECDSA(hashes.SHA256()))).decode()
        config = b'{"architecture":"","os":"","rootfs":{"type":"layers","diff_ids":[]},"config":{}}'
        layer = {
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "digest": str(self.store.put_blob(path, claim)),
            "size": len(claim),
            "annotations": {"dev.cosignproject.cosign/signature": signature},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": str(self.store.put_blob(path, config)),
                "size": len(config),
            },
            "layers": [layer],
        }
        tag = f"sha256-{digest.removeprefix('sha256:')}.sig"
        self.store.put_manifest(path, json.dumps(manifest).encode(), manifest["mediaType"], tag)  # type: ignore[arg-type]  # a dict of many things
        self.store.save()


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("by the policy's key", 0, "signatures that the release demands: 1 verified"),
        ("by another key", 1, "bad-signature: nodes do not accept the signature"),
        ("not mirrored", 1, "no-signature: the policy openshift wants a signature of"),
    ],
)
def test_the_signatures_that_the_release_demands_are_checked(how: str, code: int, words: str, tmp_path: Path) -> None:
    signed = Signed(tmp_path)
    signed.sign(ec.generate_private_key(ec.SECP256R1()) if how == "by another key" else signed.key)
    more = ("--no-attachments",) if how == "not mirrored" else ()
    files = tmp_path / "files"
    with OurRegistry(tmp_path / "registry") as mirror:
        with Quay(tmp_path, signed.release) as quay:
            flags = (*quay.flags(), "--dest-registry-config", mirror.auth_file, "--manifests-dir", files)
            flags = (*flags, "--dest-certificate-authority", mirror.authority, "--to", mirror.repository)
            airferry("release", "mirror", signed.release.version, "--arch", "amd64", *flags, *more).done()
        given = ("--mirror-sets", files / "imageDigestMirrorSet.yaml", "--pull-secret", mirror.auth_file)
        flags = ("--release", signed.release.version, "--arch", "amd64", *given, "--ca", mirror.authority)
        run = airferry("verify", *flags)
        by_tag = airferry("verify", *flags, "--mirror-sets", files / "imageTagMirrorSet.yaml")
    assert by_tag.code == 1 and "no: release image by tag" in by_tag.out, "the signature names no tag"
    assert run.code == code and words in run.out, run.out
