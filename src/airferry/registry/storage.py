"""What the store, its uploads and its collection work on together."""

from collections.abc import Callable
from dataclasses import dataclass

from airferry.registry.drivers import Driver
from airferry.registry.metadata import Metadata


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the bytes are, who holds them, and the time in seconds since 1970."""

    driver: Driver
    metadata: Metadata
    clock: Callable[[], float]
