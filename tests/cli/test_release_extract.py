"""``release extract``: the payload, one file, tools bound to the release, archives; from anywhere a release can be."""

import hashlib
import io
import os
import subprocess
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from airferry.lab import SMALL, publish_release
from failures.stage import Quay, airferry

from .world import World, as_json

SHARE = "usr/share/openshift"

COMMANDS = {
    # what is asked for: (tool, system, file written, markers: 3 an installer's, 1 the version, 0 none)
    "the installer": ("openshift-install", "linux", "openshift-install", 3),
    "the bare metal installer": ("openshift-baremetal-install", "linux", "openshift-baremetal-install", 3),
    "the FIPS installer": ("openshift-install-fips", "linux", "openshift-install-fips", 3),
    "the installer for a Mac": ("openshift-install", "mac", "openshift-install", 3),
    "the installer for a Mac by its kernel": ("openshift-install", "darwin", "openshift-install", 3),
    "the installer for an M1": ("openshift-install", "darwin/arm64", "openshift-install", 3),
    "the installer for Linux on ARM": ("openshift-install", "linux/arm64", "openshift-install", 3),
    "the installer for the release's own architecture": ("openshift-install", "linux/amd64", "openshift-install", 3),
    "the client": ("oc", "linux", "oc", 1),
    "the client for a Mac": ("oc", "mac", "oc", 1),
    "the client for an M1": ("oc", "mac/arm64", "oc", 1),
    "the client for Windows": ("oc", "windows", "oc", 1),
    "the client for Linux on ARM": ("oc", "linux/arm64", "oc", 1),
    "the client for Linux on POWER": ("oc", "linux/ppc64le", "oc", 1),
    "the credentials tool": ("ccoctl", "linux", "ccoctl", 0),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_a_tool_is_extracted_and_bound_to_the_release(world: World, case: str, out: Path) -> None:
    tool, system, name, markers = COMMANDS[case]
    run = airferry(
        *("release", "extract", world.mirrored, "--command", tool, "--command-os", system, "--to", out),
        *world.mirror.flags,
    )
    assert run.done().out == ""
    (file,) = out.iterdir()
    content = file.read_bytes()
    assert file.name == name and file.stat().st_mode & 0o777 == 0o755
    assert len(content) == SMALL.tool_bytes or tool == "ccoctl"
    pinned = f"{world.mirror.repository}@{world.release.digest}".encode()
    assert (pinned + b"\0" in content) == (markers == 3)
    assert (world.version.encode() + b"\0" in content) == (markers > 0)
    assert (b"linux/amd64\0" in content) == (markers == 3)


MISSING = {
    "a tool nobody knows": (("openshift-frob", "linux"), "tool-missing", "does not exist in targets"),
    "a tool that is not for that system": (("ccoctl", "windows"), "tool-missing", "ccoctl"),
    "a system nobody knows": (("oc", "plan9"), "usage", "plan9"),
    "a tool that newer releases have": (("oc.rhel9", "linux/amd64"), "tool-missing", f"{SHARE}/linux_amd64/oc.rhel9"),
    "a client for a machine this release does not serve": (("oc", "linux/s390x"), "tool-missing", "s390x"),
}


@pytest.mark.parametrize("case", MISSING)
def test_a_tool_that_cannot_be_had_is_an_error(world: World, case: str, out: Path) -> None:
    """oc ends some of these with exit 0 and no file."""
    (tool, system), code, words = MISSING[case]
    flags = ("--command", tool, "--command-os", system, "--to", out, *world.mirror.flags)
    airferry("release", "extract", world.mirrored, *flags).refused(code, words)
    assert not out.exists() or not list(out.iterdir())


def test_a_release_without_the_component_says_so(tmp_path: Path, out: Path) -> None:
    release = publish_release(
        tmp_path / "store", SMALL, payload_files={"image-references": _without(tmp_path, "cloud-credential-operator")}
    )
    with Quay(tmp_path, release) as quay:
        flags = ("--command", "ccoctl", "--to", out, *quay.flags(trusted=False))
        run = airferry("release", "extract", release.pullspec, *flags)
        run.refused("tool-missing", 'the image "cloud-credential-operator"', hint="has no component of that name")


def _without(tmp_path: Path, component: str) -> bytes:
    """Return the image-references of the small release less one component."""
    import json

    release = publish_release(tmp_path / "first", SMALL)
    with Quay(tmp_path, release) as quay:
        flags = quay.flags(trusted=False)
        text = airferry("release", "extract", release.pullspec, "--file", "image-references", *flags).done().out
    document = json.loads(text)
    document["spec"]["tags"] = [tag for tag in document["spec"]["tags"] if tag["name"] != component]
    return json.dumps(document).encode()


def test_an_image_that_went_missing_is_named(tmp_path: Path, out: Path) -> None:
    release = publish_release(tmp_path / "store", replace(SMALL, missing=("installer",)))
    with Quay(tmp_path, release) as quay:
        flags = ("--command", "openshift-install", "--to", out, *quay.flags(trusted=False))
        airferry("release", "extract", release.pullspec, *flags).refused("not-found", release.components["installer"])


def installer_says(folder: Path) -> str:
    done = subprocess.run([folder / "openshift-install", "version"], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_installer_runs_and_names_the_mirror(world: World, out: Path) -> None:
    flags = ("--command=openshift-install", "--to", out, *world.mirror.flags)
    airferry("release", "extract", world.mirrored, *flags).done()
    says = installer_says(out)
    assert f"openshift-install {world.version}\n" in says
    assert f"release image {world.mirror.repository}@{world.release.digest}\n" in says
    assert "release architecture amd64\n" in says


@pytest.mark.parametrize("spelling", ["argument", "--from", "digest"])
def test_the_pin_is_the_reference_that_was_given_by_digest(world: World, out: Path, spelling: str) -> None:
    by_digest = f"{world.mirror.repository}@{world.release.digest}"
    named = {"argument": (world.mirrored,), "--from": ("--from", world.mirrored), "digest": (by_digest,)}[spelling]
    airferry("release", "extract", *named, "--command=openshift-install", "--to", out, *world.mirror.flags).done()
    assert f"release image {by_digest}\n" in installer_says(out)


def test_from_a_disk_the_pin_is_where_the_release_was_published(world: World, out: Path) -> None:
    flags = ("--from-dir", world.disk, "--command=openshift-install", "--to", out)
    airferry("release", "extract", world.version, *flags).done()
    assert f"release image {world.release.pullspec_by_digest}\n" in installer_says(out)
    assert installer_says(out).count(world.release.digest) == 1


@pytest.mark.parametrize(
    ("option", "name"),
    [("--idms-file", "imageDigestMirrorSet.yaml"), ("--icsp-file", "imageContentSourcePolicy.yaml")],
)
def test_through_mirrors_the_pin_stays_the_official_name(world: World, out: Path, option: str, name: str) -> None:
    flags = ("--command=openshift-install", "--to", out, option, world.files / name, *world.mirror.flags)
    airferry("release", "extract", world.release.pullspec_by_digest, *flags).done()
    assert f"release image {world.release.pullspec_by_digest}\n" in installer_says(out)


@pytest.mark.parametrize("option", ["--idms-file", "--icsp-file"])
def test_every_document_of_a_mirror_file_counts(world: World, out: Path, tmp_path: Path, option: str) -> None:
    """oc reads the first document of an ICSP file and is silent about the others."""
    name = {"--idms-file": "imageDigestMirrorSet.yaml", "--icsp-file": "imageContentSourcePolicy.yaml"}[option]
    wanted = (world.files / name).read_text()
    other = wanted.replace("quay.io/", "registry.example.com/").replace(world.mirror.repository, "mirror.invalid/x")
    assert other != wanted
    file = tmp_path / "rules.yaml"
    file.write_text(f"---\n{other}---\n{wanted}")
    flags = ("--command=oc", "--to", out, option, file, *world.mirror.flags)
    airferry("release", "extract", world.release.pullspec_by_digest, *flags).done()
    assert (out / "oc").exists()


@pytest.mark.parametrize("place", ["disk", "mirror", "upstream"])
def test_one_file_comes_out_as_it_is(world: World, place: str) -> None:
    where = {
        "disk": (world.version, "--from-dir", world.disk),
        "mirror": (world.mirrored, *world.mirror.flags),
        "upstream": (world.release.pullspec, *world.quay.flags(trusted=False)),
    }[place]
    text = airferry("release", "extract", "--file=image-references", *where).done().out
    assert text.startswith("{") and world.release.components["etcd"] in text
    airferry("release", "extract", "--file=nope", *where).refused("not-found", "image did not contain nope")


def test_the_whole_payload_is_written(world: World, out: Path) -> None:
    run = airferry("release", "extract", world.mirrored, "--to", out, *world.mirror.flags).done()
    assert run.out.startswith(f"Extracted release payload from digest {world.release.digest} created at 20")
    assert {"image-references", "release-metadata"} <= {file.name for file in out.iterdir()}
    for file in out.iterdir():
        named = ("--file", file.name, "--from-dir", world.disk)
        assert airferry("release", "extract", world.version, *named).done().out.encode() == file.read_bytes()
    by_digest = f"{world.mirror.repository}@{world.release.digest}"
    run = airferry("release", "extract", by_digest, "--to", out, *world.mirror.flags).done()
    assert run.out.startswith("Extracted release payload created at 20")


def check_sums(folder: Path) -> list[str]:
    """Return the names in sha256sum.txt, having checked each, as ``sha256sum -c`` does."""
    names = []
    for line in (folder / "sha256sum.txt").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        names.append(name)
    return names


def test_all_tools_come_as_archives_with_their_sums(world: World, out: Path) -> None:
    run = airferry("release", "extract", world.mirrored, "--tools", "--to", out, *world.mirror.flags).done()
    assert "warning: left out: " in run.err and "oc.rhel9" in run.err, "which this release is too old for"
    names = {file.name for file in out.iterdir()}
    version = world.version
    archives = {f"ccoctl-linux-{version}.tar.gz", f"openshift-client-linux-{version}.tar.gz"}
    archives.add(f"openshift-install-linux-{version}.tar.gz")
    assert names == {*archives, "release.txt", "sha256sum.txt"}
    assert set(check_sums(out)) == names - {"sha256sum.txt"}
    text = (out / "release.txt").read_text()
    assert f"\nName:           {version}\n" in text
    assert f"\nPull From: {world.mirror.repository}@{world.release.digest}\n" in text


def test_the_archives_hold_what_oc_puts_in(world: World, out: Path) -> None:
    for tool, system in (("oc", "*"), ("openshift-install", "*")):
        flags = ("--command", tool, "--command-os", system, "--to", out, *world.mirror.flags)
        airferry("release", "extract", world.mirrored, *flags).done()
    version = world.version
    with tarfile.open(out / f"openshift-client-linux-{version}.tar.gz") as tar:
        readme, oc, kubectl = tar.getmembers()
        assert (readme.name, oc.name, kubectl.name, kubectl.linkname) == ("README.md", "oc", "kubectl", "oc")
        assert (readme.mode, oc.mode, kubectl.islnk()) == (0o644, 0o755, True)
        assert f"{version}\0".encode() in tar.extractfile(oc).read()
    with zipfile.ZipFile(out / f"openshift-client-windows-{version}.zip") as packed:
        assert packed.namelist() == ["README.md", "oc.exe"]
        assert b"\r\n" in packed.read("README.md")
        assert f"{version}\0".encode() in packed.read("oc.exe")
    with tarfile.open(out / f"openshift-install-mac-arm64-{version}.tar.gz") as tar:
        assert tar.getnames() == ["README.md", "openshift-install"]
        tar.extractall(out / "mac", filter="data")
    assert f"@{world.release.digest}".encode() in (out / "mac" / "openshift-install").read_bytes()
    assert not [file for file in out.iterdir() if file.name.startswith(".")]


@pytest.mark.parametrize(("component", "tool"), [("installer", "openshift-install"), ("cli", "oc")])
def test_all_tools_are_not_all_without_the_main_ones(tmp_path: Path, out: Path, component: str, tool: str) -> None:
    release = publish_release(
        tmp_path / "store", SMALL, payload_files={"image-references": _without(tmp_path, component)}
    )
    with Quay(tmp_path, release) as quay:
        run = airferry("release", "extract", release.pullspec, "--tools", "--to", out, *quay.flags(trusted=False))
        run.refused("tool-missing", f'the image "{component}"', hint=tool)
    assert not (out / "sha256sum.txt").exists()


def test_archives_leave_a_tool_of_the_same_name_alone(world: World, out: Path) -> None:
    out.mkdir()
    (out / "oc").write_text("mine")
    flags = ("--command=oc", "--command-os=*", "--to", out, *world.mirror.flags)
    airferry("release", "extract", world.mirrored, *flags).done()
    assert (out / "oc").read_text() == "mine"


def test_the_same_archives_have_the_same_bytes(world: World, tmp_path: Path) -> None:
    sums = []
    for name in ("one", "two"):
        flags = ("--command=openshift-install", "--command-os=*", "--to", tmp_path / name, *world.mirror.flags)
        airferry("release", "extract", world.mirrored, *flags).done()
        sums.append({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()})
    assert sums[0] == sums[1] and len(sums[0]) == 4


def test_the_answer_as_json_names_the_files(world: World, out: Path) -> None:
    flags = ("--command=oc", "--to", out, *world.mirror.flags, "-o", "json")
    assert as_json(airferry("release", "extract", world.mirrored, *flags)) == {"files": [str(out / "oc")]}


def test_a_tool_replaces_an_older_one_and_keeps_the_date_of_the_release(world: World, out: Path) -> None:
    out.mkdir()
    (out / "oc").write_bytes(b"old")
    (out / "oc").chmod(0o400)
    airferry("release", "extract", world.mirrored, "--command=oc", "--to", out, *world.mirror.flags).done()
    status = (out / "oc").stat()
    assert status.st_size == SMALL.tool_bytes and status.st_mode & 0o777 == 0o755
    assert status.st_mtime < 1_700_000_000, "the time of the file in the image, not of the extraction"


def test_a_multi_release_pins_the_list_and_tells_the_platform(tmp_path: Path, out: Path) -> None:
    release = publish_release(tmp_path / "store", replace(SMALL, multi=True))
    with Quay(tmp_path, release) as quay:
        flags = ("--command=openshift-install", "--to", out, *quay.flags(trusted=False))
        airferry("release", "extract", release.pullspec, *flags, "--arch", "amd64").done()
        says = installer_says(out)
        assert f"release image {release.pullspec_by_digest}\n" in says
        assert "release architecture multi\n" in says


def test_tools_are_written_with_the_umask_in_mind(world: World, out: Path) -> None:
    before = os.umask(0o077)
    try:
        airferry("release", "extract", world.mirrored, "--command=oc", "--to", out, *world.mirror.flags).done()
    finally:
        os.umask(before)
    assert (out / "oc").stat().st_mode & 0o777 == 0o755


def test_an_archive_can_be_read_as_a_stream(world: World, out: Path) -> None:
    flags = ("--command=ccoctl", "--command-os=*", "--to", out, *world.mirror.flags)
    airferry("release", "extract", world.mirrored, *flags).done()
    (file,) = out.iterdir()
    with tarfile.open(fileobj=io.BytesIO(file.read_bytes()), mode="r|gz") as tar:
        assert [member.name for member in tar] == ["README.md", "ccoctl"]
