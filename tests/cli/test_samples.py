"""``airferry samples``: from a release to a cluster that imports everything it is told to."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.samples_world import DATA, SamplesWorld, build_samples_world
from cli.world import as_json
from failures.stage import airferry


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SamplesWorld]:
    """Tests look at it, and mirror from it to places of their own."""
    with build_samples_world(tmp_path_factory.mktemp("samples")) as built:
        yield built


@pytest.fixture(scope="module")
def loaded(samples: SamplesWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with all samples of the release, whose mirror was loaded from it."""
    folder = tmp_path_factory.mktemp("loaded")
    disk = folder / "disk"
    samples.to_disk(disk).done()
    samples.load(disk).done()
    return disk


def test_the_streams_of_a_release_are_those_in_its_operators_image(samples: SamplesWorld) -> None:
    listed = as_json(airferry("samples", "list", samples.release.version, *samples.reach, "-o", "json"))
    of_files = as_json(airferry("samples", "list", DATA / "ocp-x86_64", "--arch", "amd64", "-o", "json"))
    assert listed == {**of_files, "version": samples.release.version}


def test_config(samples: SamplesWorld, loaded: Path) -> None:
    run = samples.config("file://", "--from-dir", loaded, "--ca", samples.mirror.authority)
    print(run.out, run.err)
    assert run.code == 0
