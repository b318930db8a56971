from collections.abc import Iterator
from pathlib import Path

import pytest

from failures.conftest import home  # noqa: F401 - the same clean surroundings

from .world import World, build_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Both sides of the gap; tests look at it and leave it alone."""
    with build_world(tmp_path_factory.mktemp("world")) as built:
        yield built


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder to write to that does not exist yet."""
    return tmp_path / "out"
