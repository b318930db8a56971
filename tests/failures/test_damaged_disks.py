"""A disk that was damaged on the way: what is wrong is named, and nothing wrong gets any further."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from airferry.lab import PublishedRelease

from .stage import Entry, Mirror, Quay, airferry, blob_files, is_sound, ledger, look_at, own_layer

Damage = Callable[[Path], None]


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x01
    file.write_bytes(content)


def cut_off(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)


def make_longer(file: Path) -> None:
    with file.open("ab") as opened:
        opened.write(b"more")


def delete(file: Path) -> None:
    file.unlink()
    (file.parent.parent / "manifests" / file.name).unlink(missing_ok=True)


def tamper(file: Path) -> None:
    """Change what a manifest says and leave it well-formed."""
    file.write_bytes(file.read_bytes().replace(b'"schemaVersion": 2', b'"schemaVersion":  2'))


LAYER: dict[str, tuple[Damage, str, str]] = {
    "a flipped byte": (flip_a_byte, "changed", "content-mismatch"),
    "a truncated blob": (cut_off, "truncated", "damaged"),
    "a blob that is too long": (make_longer, "too-long", "damaged"),
    "a deleted blob": (delete, "missing", "not-found"),
}
MANIFEST: dict[str, tuple[Damage, str, str]] = {
    "a tampered manifest": (tamper, "changed", "damaged"),
    "a flipped byte in a manifest": (flip_a_byte, "changed", "damaged"),
    "a truncated manifest": (cut_off, "changed", "damaged"),
    "a deleted manifest": (delete, "missing", "not-found"),
}
CASES = {**LAYER, **MANIFEST}
COMPONENT = "cli"


@pytest.fixture
def victim(request: pytest.FixtureRequest, quay: Quay, loaded_disk: Path) -> str:
    """The digest of what was damaged: the own layer, or the manifest, of the component cli."""
    case: str = request.param
    digest = quay.release.components[COMPONENT]
    if case in LAYER:
        digest = own_layer(quay.store, digest)
    CASES[case][0](blob_files(loaded_disk)[digest])
    return digest


with_each = pytest.mark.parametrize(
    ("victim", "case"), [(case, case) for case in CASES], indirect=["victim"], ids=list(CASES)
)


@with_each
def test_verifying_names_the_file_and_the_image(loaded_disk: Path, victim: str, case: str) -> None:
    kind = CASES[case][1]
    run = airferry("media", "verify", loaded_disk)
    assert run.code == 1
    tag = f"4.12.0-x86_64-{COMPONENT}"
    assert f"{kind}: openshift/release {victim}: " in run.out
    assert f"({loaded_disk}/v2/openshift/release/" in run.out
    assert f"broken: openshift/release:{tag}@" in run.out
    assert "1 faults, 1 images broken" in run.out
    found = json.loads(airferry("media", "verify", loaded_disk, "-o", "json").out)
    assert not found["whole"]
    assert [(fault["kind"], fault["digest"]) for fault in found["faults"]] == [(kind, victim)]
    assert [image["tag"] for image in found["broken"]] == [tag]


@with_each
def test_loading_a_release_leaves_out_what_is_damaged_and_names_it(
    quay: Quay, loaded_disk: Path, mirror: Mirror, tmp_path: Path, victim: str, case: str
) -> None:
    files = tmp_path / "files"
    loaded = mirror.load_release(loaded_disk, quay.release, files)
    loaded.left_gaps(f"warning: {COMPONENT}: ", victim, f"pods of {COMPONENT} cannot start")
    assert [(gap["name"], gap["code"]) for gap in ledger(files)] == [(COMPONENT, CASES[case][2])]
    assert mirror.is_sound()
    everything = set(quay.store.sizes())
    assert victim not in mirror.blobs()
    assert quay.release.components[COMPONENT] not in mirror.blobs(), "no image without all its parts"
    assert everything - set(mirror.blobs()) <= {victim, *parts_of(quay, COMPONENT)}
    mend(quay, loaded_disk)
    mirror.load_release(loaded_disk, quay.release, files).done()
    assert set(mirror.blobs()) == everything
    assert mirror.is_sound()


@with_each
def test_loading_all_images_stops_at_planning_or_names_the_gap(
    quay: Quay, loaded_disk: Path, mirror: Mirror, victim: str, case: str
) -> None:
    if case in MANIFEST:
        mirror.load(loaded_disk).refused("damaged", victim, "nothing was copied", hint="--continue-on-error")
        assert mirror.blobs() == {}
    run = mirror.load(loaded_disk, "--continue-on-error")
    run.left_gaps(f"4.12.0-x86_64-{COMPONENT}: ", victim)
    assert mirror.is_sound()
    assert victim not in mirror.blobs()
    mend(quay, loaded_disk)
    mirror.load(loaded_disk).done()
    assert set(mirror.blobs()) == set(quay.store.sizes())


@with_each
def test_no_tool_is_extracted_from_what_is_damaged(
    quay: Quay, loaded_disk: Path, tmp_path: Path, victim: str, case: str
) -> None:
    extract = ("release", "extract", "4.12.0", "--from-dir", loaded_disk, "--command", "oc", "--to", tmp_path / "tools")
    airferry(*extract).refused(CASES[case][2], victim)
    assert look_at(tmp_path / "tools") == {}
    mend(quay, loaded_disk)
    airferry(*extract).done()
    assert list(look_at(tmp_path / "tools")) == ["oc"]


@with_each
def test_a_damaged_disk_is_mended_by_mirroring_to_it_again(
    quay: Quay, loaded_disk: Path, undisturbed: dict[str, Entry], victim: str, case: str
) -> None:
    airferry("media", "verify", loaded_disk, "--discard")
    quay.mirror(loaded_disk).done()
    fetched = [entry.path for entry in quay.server.requests if entry.endpoint == "blob" and entry.status in (200, 302)]
    assert [path for path in fetched if "art-dev" in path and victim not in path] == [], "only what is bad is fetched"
    assert look_at(loaded_disk) == undisturbed
    airferry("media", "verify", loaded_disk).done()


@pytest.mark.parametrize("case", ["a truncated blob", "a deleted blob", *MANIFEST])
def test_what_shows_at_a_glance_is_mended_without_verifying_first(
    quay: Quay, loaded_disk: Path, undisturbed: dict[str, Entry], case: str
) -> None:
    digest = quay.release.components[COMPONENT]
    CASES[case][0](blob_files(loaded_disk)[digest if case in MANIFEST else own_layer(quay.store, digest)])
    quay.mirror(loaded_disk).done()
    assert look_at(loaded_disk) == undisturbed


@pytest.mark.parametrize("case", ["a flipped byte", "a truncated blob", "a deleted blob"])
def test_a_damaged_release_image_is_an_error_before_anything_is_copied(
    loaded_disk: Path, mirror: Mirror, small: PublishedRelease, quay: Quay, tmp_path: Path, case: str
) -> None:
    layer = own_layer(quay.store, small.digest)
    LAYER[case][0](blob_files(loaded_disk)[layer])
    mirror.load_release(loaded_disk, small, tmp_path / "files").refused(LAYER[case][2], layer)
    assert mirror.blobs() == {}
    assert not (tmp_path / "files").exists()


def test_a_disk_that_is_no_disk_says_so(tmp_path: Path, mirror: Mirror, small: PublishedRelease) -> None:
    for folder in (tmp_path / "absent", tmp_path / "home"):
        mirror.load_release(folder, small, tmp_path / "files").refused("not-found", str(folder), hint="media info")
        mirror.load(folder).refused("not-found", str(folder))
        airferry("media", "verify", folder).refused("not-found", str(folder))
        airferry("media", "serve", folder).refused("not-found", str(folder))


def parts_of(quay: Quay, component: str) -> set[str]:
    """Return the digests of an image and of what belongs to it, its signature included."""
    digest = quay.release.components[component]
    fields = json.loads(quay.store.read(digest))
    return {digest, fields["config"]["digest"], *(layer["digest"] for layer in fields["layers"])}


def mend(quay: Quay, disk: Path) -> None:
    airferry("media", "verify", disk, "--discard")
    quay.mirror(disk).done()
    assert is_sound(disk)


def test_an_attachment_that_was_lost_is_brought_back_by_the_next_run(
    quay: Quay, loaded_disk: Path, undisturbed: dict[str, Entry]
) -> None:
    """Or the disk is another one, at the same place."""
    links = [link for link in (loaded_disk / "v2").rglob("sha256-*.sig") if link.is_symlink()]
    assert links
    for link in links:
        link.unlink()
    quay.mirror(loaded_disk).done()
    assert look_at(loaded_disk) == undisturbed
