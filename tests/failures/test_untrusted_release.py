"""A release that nobody vouches for is refused before anything is copied, and again wherever it is used."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from airferry.lab import SMALL, Endpoint, LabKey, PublishedRelease, Rule, publish_release
from airferry.lab.faults import Answer, FlipByte

from .stage import Entry, Mirror, Quay, Run, airferry, look_at

ALLOWED = "--allow-unverified"


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> PublishedRelease:
    return publish_release(tmp_path_factory.mktemp("unsigned"), replace(SMALL, signed=False))


@pytest.fixture
def shady(tmp_path: Path, unsigned: PublishedRelease) -> Iterator[Quay]:
    """An upstream whose release is not signed."""
    with Quay(tmp_path, unsigned) as quay:
        yield quay


def mirror_unsigned(quay: Quay, disk: Path, *more: object) -> Run:
    store = ("--signature-store", quay.server.signature_store_url)
    return airferry("release", "mirror", "4.12.0", "--to-dir", disk, *quay.flags(trusted=False), *store, *more)


@pytest.fixture
def shady_disk(shady: Quay, disk: Path) -> Path:
    mirror_unsigned(shady, disk, ALLOWED).done()
    return disk


def test_a_release_without_a_signature_is_refused(shady: Quay, disk: Path) -> None:
    run = mirror_unsigned(shady, disk)
    run.refused("untrusted-release", "is not trusted: no signature was found", hint=ALLOWED)
    assert shady.release.digest in run.err
    assert look_at(disk) == {}
    assert not any("art-dev" in entry.path for entry in shady.server.requests), "no component was asked for"


def test_a_signature_by_another_key_is_refused(quay: Quay, disk: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.asc"
    stranger.write_text(LabKey().public)
    quay.mirror(disk, "--verification-key", stranger).done()  # both are given, and one is right
    other = tmp_path / "other-disk"
    store = ("--signature-store", quay.server.signature_store_url)
    command = ("release", "mirror", "4.12.0", "--to-dir", other, *quay.flags(trusted=False), *store)
    for keys in ((), ("--verification-key", stranger)):
        airferry(*command, *keys).refused("untrusted-release", "signature-1", hint="--verification-key")
    assert look_at(other) == {}


BAD_STORES = {
    "a tampered signature": (FlipByte(300), "signature-1"),
    "a store that is out of order": (Answer(500), "answered 500"),
    "a store that answers as if it were empty": (Answer(404), "no signature was found"),
}


@pytest.mark.parametrize("case", BAD_STORES)
def test_a_signature_that_cannot_be_had_whole_is_none(
    quay: Quay, disk: Path, undisturbed: dict[str, Entry], case: str
) -> None:
    effect, words = BAD_STORES[case]
    quay.fails(Rule(Endpoint.SIGNATURE, effect, times=None))
    quay.mirror(disk).refused("untrusted-release", quay.release.digest, words, hint="--signature-store")
    assert look_at(disk) == {}
    quay.heals()
    quay.mirror(disk).done()
    assert look_at(disk) == undisturbed


KEY_FILES = {
    "a key file that is not there": (None, "usage", "cannot be read: No such file"),
    "a key file that holds no key": ("hello", "malformed", "key"),
}


@pytest.mark.parametrize("case", KEY_FILES)
def test_a_key_of_no_use_is_named(quay: Quay, disk: Path, tmp_path: Path, case: str) -> None:
    content, code, words = KEY_FILES[case]
    file = tmp_path / "key.asc"
    if content is not None:
        file.write_text(content)
    quay.mirror(disk, "--verification-key", file).refused(code, words)
    assert look_at(disk) == {}


def test_what_was_allowed_is_on_record_and_said_aloud(shady: Quay, disk: Path) -> None:
    run = mirror_unsigned(shady, disk, ALLOWED).done()
    assert f"warning: release {shady.release.digest} is not verified" in run.err
    (record,) = (disk / "airferry" / "releases").iterdir()
    assert json.loads(record.read_text())["verified"] is False
    assert "NOT VERIFIED" in airferry("media", "info", disk).done().out
    assert not list(disk.glob("config/*")), "there is no signature to give to a cluster"


FAR_SIDE = {
    "release mirror": ("release", "mirror", "4.12.0", "--to", "MIRROR", "--manifests-dir", "files"),
    "image mirror": ("image", "mirror", "file://openshift/release", "MIRROR"),
    "image mirror of one component": ("image", "mirror", "file://openshift/release:4.12.0-x86_64-cli", "MIRROR:cli"),
    "image mirror to another disk": ("image", "mirror", "file://openshift/release", "file://x/y", "--dir", "other"),
    "release extract": ("release", "extract", "4.12.0", "--command", "openshift-install", "--to", "tools"),
    "release extract by name": (
        *("release", "extract", "file://openshift/release:4.12.0-x86_64", "--command", "oc", "--to", "tools"),
    ),
    "image extract": ("image", "extract", "file://openshift/release:4.12.0-x86_64-cli", "--file", "/usr/bin/oc"),
}


@pytest.mark.parametrize("case", FAR_SIDE)
def test_the_far_side_must_allow_it_again(shady_disk: Path, mirror: Mirror, home: Path, case: str) -> None:
    where = {"MIRROR": mirror.repository, "MIRROR:cli": f"{mirror.repository}:cli"}
    command = [where.get(word, word) for word in FAR_SIDE[case]]
    command += ["--from-dir", str(shady_disk)] + (["--dest-insecure"] if "mirror" in command else [])
    before = look_at(home)
    airferry(*command).refused("untrusted-release", hint=ALLOWED)
    assert mirror.blobs() == {}
    assert look_at(home) == before
    airferry(*command, ALLOWED).done()
    assert mirror.is_sound()


def test_a_disk_that_is_the_current_folder_is_no_way_around_it(
    shady_disk: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(shady_disk)
    name = "file://openshift/release:4.12.0-x86_64"
    tool = ("--command", "oc", "--to", tmp_path / "tools")
    airferry("release", "extract", name, *tool).refused("untrusted-release", hint=ALLOWED)
    assert not (tmp_path / "tools").exists()
    airferry("release", "extract", name, *tool, ALLOWED).done()


def test_a_run_that_was_cut_off_left_its_mark_first(shady: Quay, disk: Path, mirror: Mirror) -> None:
    """Whatever lies on the disk of an unverified release, nobody takes it for verified."""
    shady.fails(Rule(Endpoint.CDN, Answer(429), skip=20, times=None))
    mirror_unsigned(shady, disk, ALLOWED).refused("throttled", "429")
    assert list((disk / "v2").rglob("blobs/*")), "something was copied"
    for digest in (shady.release.digest, *shady.release.components.values()):
        pair = (f"file://openshift/release@{digest}", mirror.repository)
        airferry("image", "mirror", *pair, "--from-dir", disk).refused("untrusted-release", hint=ALLOWED)
    assert mirror.blobs() == {}


def test_the_mark_travels_from_disk_to_disk(shady_disk: Path, tmp_path: Path, mirror: Mirror) -> None:
    for name in ("4.12.0-x86_64", "4.12.0-x86_64-cli"):
        other, image = tmp_path / f"other-{name}", f"file://openshift/release:{name}"
        airferry("image", "mirror", image, "file://a/b", "--from-dir", shady_disk, "--dir", other, ALLOWED).done()
        airferry("image", "mirror", "file://a/b", f"{mirror.repository}", "--from-dir", other).refused(
            "untrusted-release", hint=ALLOWED
        )


def test_signatures_travel_from_disk_to_disk_with_the_release(
    quay: Quay, loaded_disk: Path, tmp_path: Path, mirror: Mirror
) -> None:
    other = tmp_path / "other"
    name = "file://openshift/release"
    airferry("image", "mirror", name, name, "--from-dir", loaded_disk, "--dir", other).done()
    mirror.load_release(other, quay.release, tmp_path / "files").done()


def test_other_images_on_the_same_disk_are_not_held_up(quay: Quay, shady_disk: Path, mirror: Mirror) -> None:
    image = f"quay.io/{quay.release.release_repository}@{quay.release.digest}"
    path = "openshift/release"
    airferry("image", "mirror", image, "file://my/tool:1", "--dir", shady_disk, *quay.flags(trusted=False)).done()
    both = (f"file://my/tool:1={mirror.repository}:tool", f"file://{path}:4.12.0-x86_64-etcd={mirror.repository}:etcd")
    load = ("image", "mirror", "--from-dir", shady_disk, "--dest-insecure")
    airferry(*load, *both).refused("untrusted-release")
    airferry(*load, both[0]).done()


def test_with_a_disk_only_its_own_signatures_count(
    quay: Quay, loaded_disk: Path, mirror: Mirror, tmp_path: Path
) -> None:
    run = mirror.load_release(loaded_disk, quay.release, tmp_path, "--signature-store", quay.server.signature_store_url)
    run.refused("usage", "--signature-store", str(loaded_disk / "config"))
    assert not quay.server.requests


def test_a_disk_that_nobody_promised_anything_about_is_worth_a_warning(
    quay: Quay, loaded_disk: Path, tmp_path: Path
) -> None:
    """Such as one that oc wrote, or that lost our records."""
    extract = ("release", "extract", "4.12.0", "--from-dir", loaded_disk, "--command", "oc", "--to", tmp_path / "tools")
    assert "ever verified" not in airferry(*extract).done().err
    shutil.rmtree(loaded_disk / "airferry" / "releases")
    warned = airferry(*extract).done()
    assert f"warning: nothing on {loaded_disk} shows that release 4.12.0 was ever verified" in warned.err


def test_the_tool_is_not_put_on_a_disk_for_a_release_that_is_refused(
    shady: Quay, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF\2\1" + bytes(58))  # the header of a program without an interpreter
    program.chmod(0o755)
    monkeypatch.setenv("AIRFERRY_EXECUTABLE", str(program))
    mirror_unsigned(shady, disk, "--with-tool").refused("untrusted-release")
    assert look_at(disk) == {}
    mirror_unsigned(shady, disk, "--with-tool", ALLOWED).done()
    assert any(file.name.startswith("airferry-linux-") for file in disk.iterdir())


def test_a_later_verified_run_clears_the_mark(quay: Quay, disk: Path, mirror: Mirror, undisturbed: object) -> None:
    mirror_unsigned(quay, disk, ALLOWED, "--signature-store", disk.parent).done()
    mirror.load(disk).refused("untrusted-release")
    quay.mirror(disk).done()
    assert look_at(disk) == undisturbed
    mirror.load(disk).done()


def test_a_disk_whose_signature_was_replaced_is_refused(
    loaded_disk: Path, mirror: Mirror, small: PublishedRelease, tmp_path: Path
) -> None:
    """On the far side the signature on the disk counts, and the keys that the far side trusts."""
    for file in (loaded_disk / "config").iterdir():
        file.write_text(file.read_text().replace("binaryData", "data"))
    run = mirror.load_release(loaded_disk, small, tmp_path / "files")
    run.refused("untrusted-release", small.digest, hint=ALLOWED)
    assert mirror.blobs() == {}


def test_a_child_of_a_list_is_not_a_way_around_it(shady: Quay, shady_disk: Path, mirror: Mirror) -> None:
    lists = [
        digest for digest in shady.release.components.values() if "manifests" in json.loads(shady.store.read(digest))
    ]
    child = json.loads(shady.store.read(lists[0]))["manifests"][0]["digest"]
    name, to = f"file://openshift/release@{child}", f"{mirror.repository}:child"
    airferry("image", "copy", name, to, "--dir", shady_disk, "--dest-insecure").refused("untrusted-release")
    extract = ("image", "extract", name, "--dir", shady_disk, "--path", "/:.", "--dry-run", "--filter-by-os=.*")
    airferry(*extract).refused("untrusted-release")


def test_signatures_that_are_also_wanted_elsewhere_are_on_the_disk_all_the_same(
    quay: Quay, disk: Path, mirror: Mirror, tmp_path: Path
) -> None:
    quay.mirror(disk, "--release-image-signature-to-dir", tmp_path / "elsewhere").done()
    assert [file.name for file in (tmp_path / "elsewhere").iterdir()] == [
        file.name for file in (disk / "config").iterdir()
    ]
    mirror.load_release(disk, quay.release, tmp_path / "files").done()


def test_the_command_that_is_printed_for_an_unverified_disk_works(shady: Quay, disk: Path) -> None:
    run = mirror_unsigned(shady, disk, ALLOWED).done()
    assert f"    airferry image mirror --allow-unverified --from-dir={disk} " in run.out
