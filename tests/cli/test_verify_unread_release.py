"""``verify`` where the release cannot be read or content is missing: the true failure, once, and what mends it."""

import base64
import json
import shlex
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airferry.lab import make_certificates
from cli.world import OurRegistry, World, nothing_listens
from failures.stage import Run, airferry


def answer_of(run: Run) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run.out)
    return answer


def sets(world: World, folder: Path, *names: str, host: str | None = None) -> tuple[object, ...]:
    """The mirror's own set files, for its host or another one."""
    words: list[object] = []
    for name in names or ("imageDigestMirrorSet.yaml",):
        file = folder / name
        file.write_text((world.files / name).read_text().replace(world.mirror.host, host or world.mirror.host))
        words += ["--mirror-sets", file]
    return tuple(words)


def trust(world: World) -> tuple[object, ...]:
    return ("--pull-secret", world.mirror.auth_file, "--ca", world.mirror.authority)


def wrong_password(world: World, folder: Path) -> Path:
    file = folder / "wrong.json"
    wrong = base64.b64encode(b"admin:wrong").decode()
    file.write_text(json.dumps({"auths": {world.mirror.host: {"auth": wrong}}}))
    return file


BROKEN: dict[str, tuple[str, str, Callable[[World, Path, str], tuple[object, ...]]]] = {
    "the mirror is stopped": (
        "unreachable",
        "start ",
        lambda world, folder, nowhere: (*sets(world, folder, host=nowhere), *trust(world)),
    ),
    "a wrong password": (
        "refused-credential",
        "airferry secret merge ",
        lambda world, folder, nowhere: (
            *(*sets(world, folder), "--ca", world.mirror.authority),
            *("--pull-secret", wrong_password(world, folder)),
        ),
    ),
    "no CA": (
        "unknown-ca",
        "additionalTrustBundle",
        lambda world, folder, nowhere: (*sets(world, folder), "--pull-secret", world.mirror.auth_file),
    ),
    "another CA": (
        "unknown-ca",
        "additionalTrustBundle",
        lambda world, folder, nowhere: (
            *(*sets(world, folder), "--pull-secret", world.mirror.auth_file),
            *("--ca", make_certificates(folder / "other").authority_file),
        ),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_mirrors_own_failure_is_the_answer_for_the_release(name: str, world: World, tmp_path: Path) -> None:
    code, fix, flags = BROKEN[name]
    junit = tmp_path / "verify.xml"
    asked = ("verify", "--release", world.version, "--arch", "amd64")
    with nothing_listens() as nowhere:
        given = flags(world, tmp_path, nowhere)
        run = airferry(*asked, *given, "-o", "json", "--junit", junit)
        text = airferry(*asked, *given)
    [image] = answer_of(run)["images"]
    assert (run.code, image["answer"], image["name"]) == (1, "no", "release image")
    assert image["code"] == code and fix in image["fix"]
    assert f"    {code}: " in text.out and text.out.count("no: release image") == 1
    assert [failure.get("type") for failure in ET.parse(junit).getroot().iter("failure")] == [code]


def test_a_release_that_cannot_be_read_is_named_once_where_tags_have_mirrors_too(world: World, tmp_path: Path) -> None:
    with nothing_listens() as nowhere:
        both = sets(world, tmp_path, "imageDigestMirrorSet.yaml", "imageTagMirrorSet.yaml", host=nowhere)
        run = airferry("verify", "--release", world.version, "--arch", "amd64", *both, *trust(world), "-o", "json")
    assert [(image["name"], image["code"]) for image in answer_of(run)["images"]] == [("release image", "unreachable")]


@pytest.mark.parametrize("words", [("4.13.0", "--arch", "amd64"), ("VERSION", "--arch", "s390x")])
def test_a_release_that_is_not_there_is_a_no_at_a_mirror_and_on_a_disk(
    words: tuple[str, ...], world: World, tmp_path: Path
) -> None:
    asked = ("verify", "--release", *(word.replace("VERSION", world.version) for word in words), "-o", "json")
    for where in ((*sets(world, tmp_path), *trust(world)), ("--from-dir", world.disk)):
        run = airferry(*asked, *where)
        [image] = answer_of(run)["images"]
        assert (run.code, image["answer"], image["code"]) == (1, "no", "no-manifest"), run.out
        version = asked[2]
        assert f": airferry release mirror {version} --arch {words[2]} --refresh --to" in image["fix"]
        assert "by digest" in image["fix"]


def test_an_image_that_is_no_release_is_a_no(world: World, tmp_path: Path) -> None:
    etcd = f"quay.io/{world.release.component_repository}@{world.release.components['etcd']}"
    run = airferry("verify", "--release", etcd, *sets(world, tmp_path), *trust(world), "-o", "json")
    [image] = answer_of(run)["images"]
    assert (run.code, image["code"]) == (1, "not-a-release") and "not an OpenShift release" in image["reason"]


def content_file(disk: Path, digest: str) -> Path:
    (file,) = {file for file in disk.rglob(f"*{digest.removeprefix('sha256:')}") if file.parent.name == "blobs"}
    return file


def spoil(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.chmod(0o600)
    file.write_bytes(content)


@pytest.mark.parametrize("what", ["configuration", "damaged layer", "manifest"])
def test_the_fix_for_a_disk_is_a_command_that_works_when_pasted(what: str, world: World, tmp_path: Path) -> None:
    disk = tmp_path / "a disk"
    shutil.copytree(world.disk, disk, symlinks=True)
    manifest = content_file(disk, world.release.components["etcd"])
    fields = json.loads(manifest.read_bytes())
    if "manifests" in fields:
        fields = json.loads(content_file(disk, fields["manifests"][0]["digest"]).read_bytes())
    if what == "configuration":
        content_file(disk, fields["config"]["digest"]).unlink()
    elif what == "manifest":
        manifest.unlink()
    else:
        spoil(content_file(disk, fields["layers"][-1]["digest"]))
    asked = ("verify", "--release", world.version, "--arch", "amd64", "--from-dir", disk, "--deep", "-o", "json")
    run = airferry(*asked)
    broken = [image for image in answer_of(run)["images"] if image["answer"] == "no"]
    assert run.code == 1 and broken, run.end
    for image in broken:
        for command in image["fix"].partition(": ")[2].split("; "):
            words = shlex.split(command)
            assert words[0] == "airferry" and str(disk) in words
            more = world.quay.flags() if words[1] == "release" else ()
            assert airferry(*words[1:], *more).code == (1 if words[1] == "media" else 0), command
    airferry(*asked).done()


def test_the_fix_for_an_image_of_a_list_works_when_pasted(world: World, tmp_path: Path) -> None:
    disk, listed = tmp_path / "disk", tmp_path / "images.txt"
    (disk / "v2").mkdir(parents=True)
    app = f"quay.io/{world.release.release_repository}:{world.release.tag}"
    listed.write_text(f"{app}\n")
    asked = ("verify", "--images", listed, "--from-dir", disk, "--platform", "linux/amd64", "-o", "json")
    run = airferry(*asked)
    [image] = answer_of(run)["images"]
    assert (run.code, image["code"]) == (1, "no-manifest")
    words = shlex.split(image["fix"].partition(": ")[2])
    airferry(*words[1:], *world.quay.flags(trusted=False)).done()
    assert airferry(*asked).done()


@pytest.mark.parametrize("what", ["lost", "damaged"])
def test_the_fix_for_a_mirror_that_has_a_bad_disk_works_when_pasted(what: str, world: World, tmp_path: Path) -> None:
    with OurRegistry(tmp_path / "registry") as mirror:
        to = ("--to", mirror.repository, "--manifests-dir", tmp_path / "files", *world.trust, *mirror.flags)
        airferry("release", "mirror", world.version, "--from-dir", world.disk, *to).done()
        given = ("--mirror-sets", tmp_path / "files" / "imageDigestMirrorSet.yaml", "--ca", mirror.authority)
        given = (*given, "--pull-secret", mirror.auth_file, "--deep", "-o", "json")
        asked = ("verify", "--release", world.version, "--arch", "amd64", *given)
        airferry(*asked).done()
        fields = json.loads(content_file(world.disk, world.release.components["etcd"]).read_bytes())
        if "manifests" in fields:
            fields = json.loads(content_file(world.disk, fields["manifests"][0]["digest"]).read_bytes())
        for file in mirror.root.rglob(fields["config"]["digest"].removeprefix("sha256:")):
            spoil(file) if what == "damaged" else file.unlink()
        [image] = [image for image in answer_of(airferry(*asked))["images"] if image["answer"] == "no"]
        assert image["code"] == ("bad-blob" if what == "damaged" else "no-blob")
        if what == "damaged":
            assert "airferry registry scrub" in image["fix"]
            assert airferry("registry", "scrub", "--root", mirror.root).code == 1
        words = shlex.split(image["fix"].partition(": ")[2])
        assert words[-2:] == ["--to", mirror.repository]
        more = ("-a", mirror.auth_file, "--dest-certificate-authority", mirror.authority)
        airferry(*words[1:], *world.quay.flags(), *more, "--manifests-dir", tmp_path / "again").done()
        airferry(*asked).done()


def test_without_a_rule_for_the_release_what_is_missing_is_one_for_digests(world: World, tmp_path: Path) -> None:
    conf = tmp_path / "registries.conf"
    components = f"quay.io/{world.release.component_repository}"
    conf.write_text(f'[[registry]]\nlocation = "{components}"\n[[registry.mirror]]\nlocation = "mirror.lan/a"\n')
    config = tmp_path / "install-config.yaml"
    config.write_text("baseDomain: example.com\npullSecret: '{\"auths\":{}}'\n")
    for given in (("--registries-conf", conf), ("--install-config", config)):
        run = airferry("verify", "--release", world.version, "--arch", "amd64", *given, "-o", "json")
        [image] = answer_of(run)["images"]
        release = f"quay.io/{world.release.release_repository}"
        assert image["code"] == "no-mirror-rule" and f"no mirror rule covers {release};" in image["reason"]
        assert image["fix"] == f"add an ImageDigestMirrorSet (imageDigestSources in an install-config) for {release}"


def test_the_cause_stands_once_in_the_text(world: World, tmp_path: Path) -> None:
    with nothing_listens() as nowhere:
        given = (*sets(world, tmp_path, host=nowhere), *trust(world))
        out = airferry("verify", "--release", world.version, "--arch", "amd64", *given).out
    assert out.count(f"cannot reach {nowhere}") == 1 and "(amd64): 1 image\n" in out, out
    assert "not compiled: the release image could not be read" in out and "hashes" not in out


def test_a_version_is_found_in_any_repository_of_a_disk(world: World, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    to = ("--to", "file://own/name", "--to-dir", disk)
    airferry("release", "mirror", world.version, "--arch", "amd64", *to, *world.quay.flags()).done()
    run = airferry("verify", "--release", world.version, "--arch", "amd64", "--from-dir", disk, "-o", "json").done()
    assert len(answer_of(run)["images"]) > 10
