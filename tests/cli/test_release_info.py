"""``release info``: text, JSON, tables, one image, two releases; from a registry, a disk, a digest, and mirrors."""

import json
import re
import shutil
from pathlib import Path

import pytest

from airferry.lab import Policy
from failures.stage import Quay, airferry

from .world import World, as_json, nothing_listens

PLACES = ["disk", "mirror", "upstream"]


def at(world: World, place: str) -> tuple[object, ...]:
    """Return the release and the flags that reach it at ``place``."""
    match place:
        case "disk":
            return (world.version, "--from-dir", world.disk)
        case "mirror":
            return (world.mirrored, *world.mirror.flags)
        case _:
            return (world.release.pullspec, *world.quay.flags(trusted=False))


def images(text: str) -> list[list[str]]:
    """Return the rows of the table of images."""
    return [line.split() for line in text.partition("\nImages:\n")[2].partition("\n\n")[0].splitlines()]


@pytest.mark.parametrize("place", PLACES)
def test_the_release_is_described_wherever_it_is(world: World, place: str) -> None:
    text = airferry("release", "info", *at(world, place)).done().out
    assert text.startswith(f"Name:           {world.version}\nDigest:         {world.release.digest}\nCreated:        ")
    assert re.search(r"^OS/Arch:        linux/amd64$", text, re.MULTILINE)
    assert text.endswith("\n\n"), "as oc ends it"
    assert images(text) == [["NAME", "DIGEST"], *([name, digest] for name, digest in world.release.components.items())]


def test_a_release_is_found_by_digest(world: World) -> None:
    reference = f"{world.mirror.repository}@{world.release.digest}"
    by_digest = airferry("release", "info", reference, *world.mirror.flags).done().out
    assert by_digest == airferry("release", "info", *at(world, "mirror")).done().out
    assert f"Pull From: {reference}\n" in by_digest


def test_a_version_means_the_official_release(world: World) -> None:
    flags = world.quay.flags(trusted=False)
    assert airferry("release", "info", world.version, "--arch", "amd64", *flags).done().out == (
        airferry("release", "info", world.release.pullspec, *flags).done().out
    )
    missing = airferry("release", "info", world.version, "--arch", "s390x", *flags)
    missing.refused("not-found", "openshift-release-dev/ocp-release", f"{world.version}-s390x")


@pytest.mark.parametrize("place", PLACES)
def test_sizes_are_read_wherever_the_release_is(world: World, place: str) -> None:
    text = airferry("release", "info", "--size", *at(world, place)).done().out
    head, *rows = images(text)
    assert head == ["NAME", "AGE", "LAYERS", "SIZE", "MB", "UNIQUE", "MB", "BASE"]
    assert [row[0] for row in rows] == list(world.release.components)
    assert re.search(r"\n  [\d.]+[kM]?B across \d+ layers, \d+ different base images\n", text)


def test_sizes_are_read_through_the_mirrors_when_the_upstream_is_gone(world: World) -> None:
    """oc reads the release through --idms-file and its components from the source that is not there."""
    for option, name in (
        ("--idms-file", "imageDigestMirrorSet.yaml"),
        ("--icsp-file", "imageContentSourcePolicy.yaml"),
    ):
        flags = (option, world.files / name, *world.mirror.flags)
        text = airferry("release", "info", "--size", world.release.pullspec_by_digest, *flags).done().out
        assert len(images(text)) == len(world.release.components) + 1


def test_a_tag_is_read_through_a_tag_mirror_and_through_registries_conf(world: World) -> None:
    for flags in (
        ("--itms-file", world.files / "imageTagMirrorSet.yaml"),
        ("--registries-conf", world.files / "registries.conf"),
    ):
        run = airferry("release", "info", world.release.pullspec, *flags, *world.mirror.flags, "-o", "digest")
        assert run.done().out == f"{world.release.digest}\n"


def test_pull_specs_name_the_place_where_the_payload_says_images_are(world: World) -> None:
    rows = images(airferry("release", "info", "--pullspecs", *at(world, "mirror")).done().out)
    repository = f"quay.io/{world.release.component_repository}"
    assert rows[0] == ["NAME", "PULL", "SPEC"]
    assert rows[1:] == [[name, f"{repository}@{digest}"] for name, digest in world.release.components.items()]


@pytest.mark.parametrize("place", PLACES)
def test_one_image_is_one_line(world: World, place: str) -> None:
    expected = f"quay.io/{world.release.component_repository}@{world.release.components['installer']}"
    assert airferry("release", "info", "--image-for", "installer", *at(world, place)).done().out == f"{expected}\n"
    found = as_json(airferry("release", "info", "--image-for=installer", *at(world, place), "-o", "json"))
    assert found == {"name": "installer", "image": expected}


def test_an_image_that_the_release_lacks_is_named(world: World) -> None:
    run = airferry("release", "info", "--image-for", "nope", *at(world, "disk"))
    run.refused("not-found", 'no image tag "nope" exists in the release image')


@pytest.mark.parametrize(("table", "head"), [("--commits", "NAME REPO COMMIT"), ("--commit-urls", "NAME URL")])
def test_commits_are_shown(world: World, table: str, head: str) -> None:
    rows = images(airferry("release", "info", table, *at(world, "disk")).done().out)
    assert rows[0] == head.split() and [row[0] for row in rows[1:]] == list(world.release.components)
    assert all("https://github.com/" in row[1] for row in rows[1:] if len(row) > 1)


def test_contents_are_the_files_of_the_release(world: World) -> None:
    text = airferry("release", "info", "--contents", *at(world, "disk")).done().out
    assert text.startswith("# image-references\n")
    for name in re.findall(r"^# (\S+)$", text, re.MULTILINE):
        content = airferry("release", "extract", "--file", name, *at(world, "disk")).done().out
        assert content in text


def test_verify_reads_every_image_and_prints_one_line(world: World, tmp_path: Path) -> None:
    digest, created, name = airferry("release", "info", "--verify", *at(world, "disk")).done().out.split()
    assert (digest, name) == (world.release.digest, world.version)
    assert re.fullmatch(r"[\d-]{10}T[\d:]{8}Z", created)
    disk = tmp_path / "disk"
    shutil.copytree(world.disk, disk, symlinks=True)
    lost = world.release.components["pod"]
    for file in (disk / "v2").rglob(lost):
        file.unlink()
    airferry("release", "info", "--verify", "--from-dir", disk, world.version).refused("not-found", lost)


@pytest.mark.parametrize("place", PLACES)
def test_the_json_has_the_fields_that_oc_gives(world: World, place: str) -> None:
    document = as_json(airferry("release", "info", *at(world, place), "-o", "json"))
    names = ("image", "digest", "contentDigest", "listDigest", "config", "metadata", "references", "versions")
    assert tuple(document) == (*names, "displayVersions", "versionsTags", "images", "warnings")
    assert document["digest"] == world.release.digest
    assert document["metadata"]["kind"] == "cincinnati-metadata-v0"
    tags = {tag["name"]: tag["from"]["name"].partition("@")[2] for tag in document["references"]["spec"]["tags"]}
    assert tags == world.release.components
    assert document["images"] is None


def test_the_json_holds_every_image_where_that_is_asked_for(world: World) -> None:
    for flag in ("--include-images", "--size", "--verify"):
        document = as_json(airferry("release", "info", flag, *at(world, "mirror"), "-o", "json"))
        assert set(document["images"]) == set(world.release.components)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("name", lambda world: world.version),
        ("digest", lambda world: world.release.digest),
        ("pullspec", lambda world: f"{world.mirror.repository}@{world.release.digest}"),
    ],
)
def test_one_word_gives_one_line(world: World, word: str, value) -> None:
    assert airferry("release", "info", *at(world, "mirror"), "-o", word).done().out == f"{value(world)}\n"


def test_yaml_says_the_same_as_json(world: World) -> None:
    from ruamel.yaml import YAML

    text = airferry("release", "info", *at(world, "disk"), "-o", "yaml").done().out
    assert YAML(typ="safe").load(text) == as_json(airferry("release", "info", *at(world, "disk"), "-o", "json"))


def test_a_release_is_identical_to_itself(world: World) -> None:
    run = airferry("release", "info", world.mirrored, world.mirrored, *world.mirror.flags).done()
    assert "Releases are identical" in run.out


def test_two_releases_are_compared_either_way(world: World, tmp_path: Path) -> None:
    from dataclasses import replace

    from airferry.lab import SMALL, publish_release

    other = publish_release(tmp_path / "store", replace(SMALL, version="4.12.1", rebuilt=("etcd", "pod")))
    with Quay(tmp_path, other, Policy()) as quay:
        newer = (f"{quay.host}/{other.release_repository}:{other.tag}", "--insecure", "--registries-conf")
        older = f"file://openshift/release:{world.release.tag}"
        flags = (quay.rules_file, "--from-dir", world.disk)
        positional = airferry("release", "info", older, *newer, *flags).done()
        by_flag = airferry("release", "info", *newer, *flags, "--changes-from", older).done()
        changed = as_json(airferry("release", "info", older, *newer, *flags, "-o", "json"))
    assert by_flag.out == positional.out
    assert "4.12.0" in positional.out and "4.12.1" in positional.out
    assert {"from", "to", "changedImages", "changedManifests"} <= set(changed)
    assert set(changed["changedImages"]) == {"etcd", "pod"}
    assert json.dumps(changed).count(other.components["etcd"]) >= 1


def test_a_release_for_several_architectures_shows_its_list(tmp_path: Path) -> None:
    from dataclasses import replace

    from airferry.lab import SMALL, publish_release

    release = publish_release(tmp_path / "store", replace(SMALL, multi=True))
    with Quay(tmp_path, release) as quay:
        flags = (release.pullspec, *quay.flags(trusted=False))
        for arch in ("amd64", "arm64"):
            text = airferry("release", "info", *flags, "--arch", arch).done().out
            assert f"Digest:         {release.digest}\n" in text
            assert f"OS/Arch:        multi (linux/{arch})\n" in text
        document = as_json(airferry("release", "info", *flags, "-o", "json"))
        assert document["listDigest"] == release.digest != document["digest"]


def test_an_image_that_is_no_release_is_said_to_be_none(world: World) -> None:
    component = f"{world.mirror.repository}:{world.release.tag}-etcd"
    run = airferry("release", "info", component, *world.mirror.flags)
    run.refused("malformed", "is not an OpenShift release", hint="ocp-release:4.12.0-x86_64")


def test_a_tag_that_is_not_there_is_named(world: World) -> None:
    run = airferry("release", "info", f"{world.mirror.repository}:nope", *world.mirror.flags)
    run.refused("not-found", world.mirror.host, "ocp4/openshift4", "nope")


def test_a_repository_alone_is_no_release(world: World) -> None:
    airferry("release", "info", world.mirror.repository, *world.mirror.flags).refused("usage", "names a repository")


def test_a_release_that_is_not_on_the_disk_is_not_looked_for_elsewhere(world: World) -> None:
    run = airferry("release", "info", "--from-dir", world.disk, "4.99.0", *world.quay.flags(trusted=False))
    run.refused("not-found", str(world.disk), "openshift/release", "4.99.0-x86_64")


def test_rules_that_lead_nowhere_name_what_was_tried(world: World, tmp_path: Path) -> None:
    with nothing_listens() as host:
        rules = tmp_path / "idms.yaml"
        rules.write_text(
            "apiVersion: config.openshift.io/v1\nkind: ImageDigestMirrorSet\nmetadata: {name: x}\nspec:\n"
            f"  imageDigestMirrors:\n  - {{source: {host}/a, mirrors: [{host}/b]}}\n"
        )
        reference = f"{host}/a@{world.release.digest}"
        run = airferry("release", "info", reference, "--idms-file", rules, "--retry-times", "0")
        run.refused("unreachable", f"{host}")
