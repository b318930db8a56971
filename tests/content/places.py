"""Every place that passes the contract: one entry each in PLACES.

An entry opens an empty place. Add one for a new kind of place and all of test_contract.py applies to it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from airferry.content.http import HttpContent, HttpSettings
from airferry.content.layout import LayoutPlace
from airferry.content.memory import MemoryPlace
from airferry.content.protocol import ContentSink, ContentSource
from airferry.content.tree import TreePlace
from airferry.registry import RegistryStore, serve_store


class AnyPlace(ContentSource, ContentSink, Protocol):
    """A place of both kinds."""


@dataclass(frozen=True)
class Opened:
    """An empty place, and the names to use in it: a layout has only one repository, without a name."""

    place: AnyPlace
    path: str = "team/app"
    sibling: str | None = "team/other"


Factory = Callable[[Path], AbstractAsyncContextManager[Opened]]


@asynccontextmanager
async def memory(folder: Path) -> AsyncIterator[Opened]:
    yield Opened(MemoryPlace())


@asynccontextmanager
async def tree(folder: Path) -> AsyncIterator[Opened]:
    place = TreePlace(folder / "tree")
    yield Opened(place)
    await place.close()


@asynccontextmanager
async def layout(folder: Path) -> AsyncIterator[Opened]:
    place = LayoutPlace(folder / "layout")
    yield Opened(place, path="", sibling=None)
    await place.close()


@asynccontextmanager
async def registry(folder: Path) -> AsyncIterator[Opened]:
    """A registry over HTTP: our own server, in memory, without TLS and users."""
    store = RegistryStore.in_memory()
    async with serve_store(store) as running:
        content = HttpContent(HttpSettings(insecure=True))
        yield Opened(content.registry(f"127.0.0.1:{running.port}"))
        await content.close()
    await store.close()


PLACES: dict[str, Factory] = {
    "memory": memory,
    "an oc tree on disk": tree,
    "an OCI layout": layout,
    "a registry over HTTP": registry,
}
