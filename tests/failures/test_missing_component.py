"""A release that names a component which is gone: everything else crosses, and the ledger says what that means."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from airferry.lab import SMALL, Endpoint, PublishedRelease, Rule, publish_release
from airferry.lab.faults import Answer
from airferry.lab.payload import COMPONENT_REPOSITORY

from .stage import Entry, Mirror, Quay, airferry, is_sound, ledger, look_at, missing_tags

GONE = "cli"
CONSEQUENCE = "pods of cli cannot start: an install of 4.12.0 or an update to it stops where it needs them"


@pytest.fixture(scope="module")
def holed(tmp_path_factory: pytest.TempPathFactory) -> PublishedRelease:
    return publish_release(tmp_path_factory.mktemp("holed"), replace(SMALL, missing=(GONE,)))


@pytest.fixture
def quay(tmp_path: Path, holed: PublishedRelease) -> Iterator[Quay]:
    with Quay(tmp_path, holed) as served:
        yield served


def put_back(quay: Quay) -> None:
    """Let the component appear after all."""
    digest = quay.release.components[GONE]
    media_type = json.loads(quay.store.read(digest))["mediaType"]
    quay.call(quay.store.repository(COMPONENT_REPOSITORY).manifests.__setitem__, digest, media_type)


def test_the_ledger_names_component_and_consequence_and_the_rest_is_there(
    quay: Quay, disk: Path, tmp_path: Path
) -> None:
    digest = quay.release.components[GONE]
    run = quay.mirror(disk, "-o", "json").left_gaps(f"warning: {GONE}: ", digest, CONSEQUENCE, "1 of 14 images")
    (gap,) = ledger(disk)
    assert (gap["name"], gap["code"], gap["consequence"]) == (GONE, "not-found", CONSEQUENCE)
    assert gap["missing"] == gap["source"] == f"quay.io/{COMPONENT_REPOSITORY}@{digest}"
    answer = json.loads(run.out)
    assert answer["gaps"] == [gap]
    assert len([image for image in answer["images"] if image["name"] in quay.release.components]) == 12
    assert is_sound(disk)
    later_quay_put_back_closes_the_gap(quay, disk, tmp_path)


def later_quay_put_back_closes_the_gap(quay: Quay, disk: Path, tmp_path: Path) -> None:
    put_back(quay)
    whole = tmp_path / "whole"
    quay.mirror(whole).done()
    assert missing_tags(disk, look_at(whole)) == {f"4.12.0-x86_64-{GONE}"}
    quay.heals()
    quay.mirror(disk).done()
    assert look_at(disk) == look_at(whole)
    fetched = {entry.path.rpartition(":")[2] for entry in quay.server.requests if entry.endpoint == "blob"}
    parts = json.loads(quay.store.read(quay.release.components[GONE]))
    own = {item["digest"].removeprefix("sha256:") for item in (parts["config"], *parts["layers"])}
    release = json.loads(quay.store.read(quay.release.digest))
    asked_anyway = {item["digest"].removeprefix("sha256:") for item in (release["config"], *release["layers"])}
    assert fetched <= own | asked_anyway, "what was there is not fetched again"
    quay.call(quay.store.forget_manifest, COMPONENT_REPOSITORY, quay.release.components[GONE])


def test_the_gap_travels_with_the_disk(quay: Quay, disk: Path, mirror: Mirror, tmp_path: Path) -> None:
    quay.mirror(disk).left_gaps(GONE)
    files = tmp_path / "files"
    mirror.load_release(disk, quay.release, files).left_gaps(f"warning: {GONE}: ", CONSEQUENCE)
    assert [gap["name"] for gap in ledger(files)] == [GONE]
    assert mirror.is_sound()
    put_back(quay)
    quay.mirror(disk).done()
    mirror.load_release(disk, quay.release, files).done()
    assert not (files / "ledger.json").exists()
    assert set(mirror.blobs()) == set(quay.store.sizes())
    quay.call(quay.store.forget_manifest, COMPONENT_REPOSITORY, quay.release.components[GONE])


def test_the_gap_is_told_before_anything_is_copied(quay: Quay, disk: Path) -> None:
    quay.mirror(disk, "--dry-run").left_gaps(f"warning: {GONE}: ", CONSEQUENCE)
    assert look_at(disk) == {}


def test_images_are_mirrored_only_when_all_are_there_unless_gaps_are_allowed(quay: Quay, mirror: Mirror) -> None:
    digests = {name: quay.release.components[name] for name in (GONE, "pod", "must-gather")}
    pairs = [f"quay.io/{COMPONENT_REPOSITORY}@{digest}={mirror.repository}:{name}" for name, digest in digests.items()]
    command = ("image", "mirror", *pairs, "--dest-insecure", *quay.flags(trusted=False))
    refused = airferry(*command).refused("not-found", quay.release.components[GONE], hint="--skip-missing")
    assert "nothing was copied" in refused.err
    assert mirror.blobs() == {}
    for flag in ("--skip-missing", "--continue-on-error"):
        airferry(*command, flag).left_gaps(quay.release.components[GONE], "1 of 3 images are missing")
        assert mirror.is_sound()
    put_back(quay)
    airferry(*command).done()
    quay.call(quay.store.forget_manifest, COMPONENT_REPOSITORY, quay.release.components[GONE])


def test_an_attachment_that_cannot_be_had_is_in_the_ledger_too(
    tmp_path: Path, small: PublishedRelease, disk: Path, undisturbed: dict[str, Entry]
) -> None:
    with Quay(tmp_path, small) as quay:
        tag = next(tag for tag in small.attachments[small.release_repository] if tag.endswith(".sig"))
        manifest = json.loads(quay.store.read(quay.store.repository(small.release_repository).tags[tag]))
        layer = manifest["layers"][0]["digest"]
        rule = Rule(Endpoint.BLOB, Answer(404), containing=layer, times=None)
        quay.fails(rule)
        quay.mirror(disk).left_gaps("sig of release: ", "nodes that demand this signature")
        assert quay.fired(rule)
        quay.heals()
        quay.mirror(disk).done()
    assert look_at(disk) == undisturbed


def test_a_tool_of_a_component_that_is_gone_is_an_error(tmp_path: Path, home: Path) -> None:
    release = publish_release(tmp_path / "store", replace(SMALL, missing=("installer",)))
    with Quay(tmp_path, release) as quay:
        command = ("release", "extract", release.pullspec, "--command", "openshift-install", "--to", home / "tools")
        airferry(*command, *quay.flags(trusted=False)).refused("not-found", release.components["installer"])
        assert look_at(home / "tools") == {}


def test_an_attachment_that_was_named_and_is_gone_is_in_the_ledger(
    tmp_path: Path, small: PublishedRelease, disk: Path
) -> None:
    with Quay(tmp_path, small) as quay:
        repository = small.release_repository
        tag = next(tag for tag in small.attachments[repository] if tag.endswith(".sig"))
        digest = quay.store.repository(repository).tags[tag]
        gone = Rule(Endpoint.MANIFEST, Answer(404), containing=digest.removeprefix("sha256:"), times=None)
        quay.fails(gone)
        quay.mirror(disk).left_gaps("sig of release", "attachments are missing")
