import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from airferry.lab import SMALL, PublishedRelease, publish_release
from airferry.lab.shape import MIB

from .stage import Entry, Mirror, Quay, look_at


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the user's, and nothing of other tests, is found or left behind."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.setenv(name, str(folder))
    for name in ("REGISTRY_AUTH_FILE", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> PublishedRelease:
    """A small signed release; tests read it and leave it alone."""
    return publish_release(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="session")
def medium(tmp_path_factory: pytest.TempPathFactory) -> PublishedRelease:
    """A release whose largest layer is some MiB."""
    shape = replace(SMALL, budget_bytes=16 * MIB, attached=1)
    return publish_release(tmp_path_factory.mktemp("medium"), shape)


@pytest.fixture
def quay(tmp_path: Path, small: PublishedRelease) -> Iterator[Quay]:
    """An upstream that behaves like quay.io, with the small release."""
    with Quay(tmp_path, small) as served:
        yield served


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """An empty registry."""
    with Mirror(tmp_path / "registry") as served:
        yield served


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return tmp_path / "disk"


@pytest.fixture
def loaded_disk(tmp_path: Path, quay: Quay, disk: Path) -> Path:
    """A disk with the whole release on it."""
    quay.mirror(disk).done()
    quay.heals()
    return disk


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port where nobody listens: it is taken, so that nobody else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    """A port for a server that must come back at the same address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, small: PublishedRelease) -> dict[str, Entry]:
    """What the disk looks like after a run that nothing disturbed."""
    return _undisturbed(tmp_path_factory.mktemp("undisturbed"), small)


@pytest.fixture(scope="session")
def undisturbed_medium(tmp_path_factory: pytest.TempPathFactory, medium: PublishedRelease) -> dict[str, Entry]:
    """The same of the release with large layers."""
    return _undisturbed(tmp_path_factory.mktemp("undisturbed-medium"), medium)


def _undisturbed(folder: Path, release: PublishedRelease) -> dict[str, Entry]:
    with pytest.MonkeyPatch.context() as patch, Quay(folder, release) as served:
        for name in ("HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(folder))
        served.mirror(folder / "disk").done()
    return look_at(folder / "disk")
