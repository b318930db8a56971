from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeVar

import pytest

from failures.conftest import home, small  # noqa: F401 - the same clean surroundings, and a release

from .simulated import Running, Simulated

Kind = TypeVar("Kind", bound=Simulated)


@pytest.fixture
def serve() -> Iterator[Callable[[Kind], Kind]]:
    """Serves a simulated registry until the test ends."""
    with ExitStack() as stack:

        def start(registry: Kind) -> Kind:
            stack.enter_context(Running(registry))
            return registry

        yield start
