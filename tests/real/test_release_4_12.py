"""The real payload of OpenShift 4.12.0: 183 components, described and planned as the release it is."""

import json
from pathlib import Path

import pytest

from airferry.lab import SMALL, PublishedRelease, publish_release
from cli.test_release_info import images
from cli.world import as_json
from failures.stage import Quay, airferry

from .conftest import DATA

REAL = DATA / "release" / "ocp-4.12.0-x86_64"
COMPONENTS = 183


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> PublishedRelease:
    """A small release image that carries the real metadata; the images it names are not there."""
    files = {name: (REAL / name).read_bytes() for name in ("image-references", "release-metadata")}
    return publish_release(tmp_path_factory.mktemp("real"), SMALL, payload_files=files)


@pytest.fixture
def at(real: PublishedRelease, tmp_path: Path):
    """The release and the flags that reach it."""
    with Quay(tmp_path, real) as quay:
        yield (real.pullspec, *quay.flags(trusted=False))


def references() -> dict[str, str]:
    document = json.loads((REAL / "image-references").read_bytes())
    return {tag["name"]: tag["from"]["name"] for tag in document["spec"]["tags"]}


def test_every_component_is_listed_in_the_order_of_the_payload(at) -> None:
    text = airferry("release", "info", *at).done().out
    assert images(text)[1:] == [[name, image.partition("@")[2]] for name, image in references().items()]
    assert len(references()) == COMPONENTS
    assert "\nRelease Metadata:\n  Version:  4.12.0\n" in text
    assert "\n    url: https://access.redhat.com/errata/RHSA-2022:7399\n" in text


def test_the_versions_and_upgrades_are_the_real_ones(at) -> None:
    text = airferry("release", "info", *at).done().out
    section = text.partition("\nComponent Versions:\n")[2].partition("\n\n")[0]
    versions = {line.split()[0]: line.split()[1] for line in section.splitlines()}
    assert versions["kubernetes"] == "1.25.4"
    assert versions["machine-os"].startswith("412.86.")
    previous = json.loads((REAL / "release-metadata").read_bytes())["previous"]
    (line,) = [line for line in text.splitlines() if line.startswith("  Upgrades:")]
    assert set(line.partition(":")[2].strip().split(", ")) == set(previous) and len(previous) == 21


def test_pull_specs_are_the_real_ones(at) -> None:
    assert images(airferry("release", "info", "--pullspecs", *at).done().out)[1:] == [
        [name, image] for name, image in references().items()
    ]


@pytest.mark.parametrize("component", ["installer", "machine-os-content", "rhel-coreos-8", "cli"])
def test_one_image_is_found(at, component: str) -> None:
    run = airferry("release", "info", "--image-for", component, *at)
    if component in references():
        assert run.done().out == f"{references()[component]}\n"
    else:
        run.refused("not-found", component)


def test_the_json_carries_the_payload_as_it_is(at) -> None:
    document = as_json(airferry("release", "info", *at, "-o", "json"))
    assert document["references"] == json.loads((REAL / "image-references").read_bytes())
    assert document["metadata"] == json.loads((REAL / "release-metadata").read_bytes())
    assert document["displayVersions"]["machine-os"]["DisplayName"] == "Red Hat Enterprise Linux CoreOS"


def test_the_mapping_names_184_images_with_their_tags(at) -> None:
    to = "mirror.example.com:8443/ocp4/openshift4"
    lines = airferry("release", "mirror", *at, "--to", to, "--to-mirror").done().out.splitlines()
    assert len(lines) == COMPONENTS + 1
    wanted = [f"{image} {to}:4.12.0-x86_64-{name}" for name, image in references().items()]
    assert lines[1:] == wanted and lines[0].endswith(f" {to}:4.12.0-x86_64")


def test_a_mirror_of_it_ends_with_gaps_that_name_each_component(at, tmp_path: Path) -> None:
    """The images do not exist here: everything else is done, and the ledger says what is missing."""
    disk = tmp_path / "disk"
    run = airferry("release", "mirror", *at, "--to-dir", disk, "--allow-unverified", "--signature-store", tmp_path)
    assert run.code == 3
    last = run.err.splitlines()[-1]
    assert last == f"warning: {COMPONENTS} of {COMPONENTS + 1} images are missing; all others are in place"
    for name, image in references().items():
        (line,) = [line for line in run.err.splitlines() if line.startswith(f"warning: {name}: ")]
        assert image.partition("@")[2] in line and " 4.12.0 " in line, "the image, and what that makes unusable"
    found = as_json(airferry("release", "info", "4.12.0", "--from-dir", disk, "-o", "json"))
    assert len(found["references"]["spec"]["tags"]) == COMPONENTS


def test_files_come_out_byte_for_byte(at, tmp_path: Path) -> None:
    airferry("release", "extract", *at, "--to", tmp_path / "payload").done()
    for name in ("image-references", "release-metadata"):
        assert (tmp_path / "payload" / name).read_bytes() == (REAL / name).read_bytes()
