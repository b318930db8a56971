"""Which stores the rules are tested on: the two that need nothing to be started, or those that a module names."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ..conftest import STORES, Client, Start


def registry_on(*stores: str) -> Callable[..., Awaitable[Client]]:
    """Return a fixture ``registry``, for a module that asks more or other stores than the rest do."""

    @pytest.fixture(params=stores)
    async def registry(request: pytest.FixtureRequest, start: Start, tmp_path: Path) -> Client:
        found: Client = await start(STORES[request.param](tmp_path, request))
        return found

    return registry


registry = registry_on("memory", "disk")
