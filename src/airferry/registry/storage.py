"""What the store, its uploads and its collection work on together."""

from collections.abc import Callable
from dataclasses import dataclass

from airferry.registry.drivers import Driver
from airferry.registry.metadata import Metadata
from airferry.registry.metadata.damage import StoredContent
from airferry.registry.metadata.reading import Content


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the bytes are, who holds them, and the time in seconds since 1970."""

    driver: Driver
    metadata: Metadata
    clock: Callable[[], float]

    async def is_whole(self, content: Content | StoredContent) -> bool:
        """Whether it is there with its length and was not found damaged. Its bytes are not read."""
        return content.damaged_s is None and await self.driver.stat(content.object_name) == content.size_bytes
