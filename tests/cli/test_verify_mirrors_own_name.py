"""The mirror's own name in a listing, an installer or a list of images: what nodes pull, and whose fault it is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.world import World, nothing_listens
from failures.stage import Run, airferry


def answer_of(run: Run) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run.out)
    return answer


SOURCES: dict[str, Callable[[World], tuple[object, ...]]] = {
    "read from the mirror by its own name": lambda world: (world.mirrored, *world.mirror.flags),
    "read from the mirror by quay's name": (
        lambda world: (
            *(f"quay.io/{world.release.release_repository}:{world.release.tag}", *world.mirror.flags),
            *("--registries-conf", world.files / "registries.conf"),
        )
    ),
    "read from the disk": lambda world: (world.version, "--from-dir", world.disk),
}


def listing(world: World, source: str, folder: Path) -> Path:
    file = folder / "release.json"
    run = airferry("release", "info", *SOURCES[source](world), "--arch", "amd64", "-o", "json").done()
    file.write_text(run.out)
    return file


def sets(world: World, folder: Path, *kinds: str, host: str | None = None) -> tuple[object, ...]:
    words: list[object] = []
    for kind in kinds:
        file = folder / f"{kind}.yaml"
        text = (world.files / f"image{kind}MirrorSet.yaml").read_text()
        file.write_text(text.replace(world.mirror.host, host or world.mirror.host))
        words += ["--mirror-sets", file]
    return tuple(words)


@pytest.mark.parametrize("kinds", [("Digest",), ("Digest", "Tag")])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("named", [True, False])
def test_a_stopped_mirror_is_the_reason_whatever_the_listing_calls_the_release(
    source: str, named: bool, kinds: tuple[str, ...], world: World, tmp_path: Path
) -> None:
    file = listing(world, source, tmp_path)
    release = ("--release", world.version, "--arch", "amd64") if named else ()
    with nothing_listens() as nowhere:
        file.write_text(file.read_text().replace(world.mirror.host, nowhere))
        given = sets(world, tmp_path, *kinds, host=nowhere)
        answer = answer_of(airferry("verify", *release, "--release-file", file, *given, "-o", "json"))
    images = [image for image in answer["images"] if image["kind"] == "release"]
    assert [image["code"] for image in images] == ["unreachable"] * len(kinds), images
    assert images[0]["image"] == f"quay.io/{world.release.release_repository}@{world.release.digest}"


@pytest.mark.parametrize("source", SOURCES)
def test_a_disk_with_mirror_sets_is_a_yes_whatever_the_listing_calls_the_release(
    source: str, world: World, tmp_path: Path
) -> None:
    file = listing(world, source, tmp_path)
    given = sets(world, tmp_path, "Digest")
    run = airferry("verify", "--release-file", file, "--from-dir", world.disk, *given, "-o", "json")
    assert [image for image in answer_of(run)["images"] if image["answer"] != "yes"] == []
    assert run.code == 3, "the listing holds no policies"


def test_an_installer_that_names_the_mirror_needs_no_rule_for_it(world: World, tmp_path: Path) -> None:
    to = ("--command", "openshift-install", "--arch", "amd64", "--to", tmp_path)
    airferry("release", "extract", world.mirrored, *to, *world.mirror.flags).done()
    asked = ("--release", world.version, "--arch", "amd64", "--installer", tmp_path / "openshift-install")
    airferry("verify", *asked, "--from-dir", world.disk, *sets(world, tmp_path, "Digest")).done()


def test_an_image_of_a_registry_that_is_stopped_lacks_no_rule_where_it_is_the_mirror(tmp_path: Path) -> None:
    listed, conf = tmp_path / "images.txt", tmp_path / "registries.conf"
    with nothing_listens() as nowhere:
        listed.write_text(f"{nowhere}/apps/web:1\n")
        conf.write_text(f'[[registry]]\nlocation = "quay.io"\n[[registry.mirror]]\nlocation = "{nowhere}/ocp"\n')
        run = airferry("verify", "--images", listed, "--registries-conf", conf, "-o", "json")
    [image] = answer_of(run)["images"]
    assert image["code"] == "unreachable" and image["fix"].startswith(f"start {nowhere}")


def test_a_rule_without_mirrors_is_the_reason_on_a_disk(world: World, tmp_path: Path) -> None:
    conf = tmp_path / "registries.conf"
    conf.write_text('[[registry]]\nlocation = "quay.io"\n')
    asked = ("--release", world.version, "--arch", "amd64", "--from-dir", world.disk)
    run = airferry("verify", *asked, "--registries-conf", conf, "-o", "json")
    images = answer_of(run)["images"]
    assert run.code == 1 and {image["code"] for image in images} == {"no-mirror-rule"}
    assert "names no mirror" in images[0]["reason"] and "blocked" not in images[0]["fix"]
