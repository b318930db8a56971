from collections.abc import Iterator
from pathlib import Path

import pytest

from failures.conftest import home  # noqa: F401 - the same clean surroundings

from .samples_world import SamplesWorld, build_samples_world
from .world import OurRegistry, World, build_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Both sides of the gap; tests look at it and leave it alone."""
    with build_world(tmp_path_factory.mktemp("world")) as built:
        yield built


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder to write to that does not exist yet."""
    return tmp_path / "out"


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SamplesWorld]:
    """Tests look at it, and mirror from it to places of their own."""
    with build_samples_world(tmp_path_factory.mktemp("samples")) as built:
        yield built


@pytest.fixture(scope="session")
def loaded(samples: SamplesWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with all samples of the release, whose mirror was loaded from it."""
    folder = tmp_path_factory.mktemp("loaded")
    disk = folder / "disk"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(folder))
        samples.to_disk(disk).done()
        samples.load(disk).done()
    return disk


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[OurRegistry]:
    """A registry that nothing was mirrored to yet."""
    with OurRegistry(tmp_path / "empty") as registry:
        yield registry


@pytest.fixture
def own(tmp_path: Path) -> Iterator[SamplesWorld]:
    """A world of its own, for tests that change what is published."""
    with build_samples_world(tmp_path / "own") as built:
        yield built
