import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from airferry.lab import SMALL, LabStore, PublishedRelease, publish_release


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> PublishedRelease:
    """A small signed release; tests read it and leave it alone."""
    return publish_release(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="session")
def store(small: PublishedRelease) -> LabStore:
    return LabStore(small.folder)


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def folder(tmp_path: Path):
    """A folder for releases that are thrown away at once: a full one is 220 MiB."""
    yield tmp_path / "store"
    shutil.rmtree(tmp_path / "store", ignore_errors=True)
