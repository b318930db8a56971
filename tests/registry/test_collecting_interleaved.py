"""Pushes, mounts, deletes and collections cut into their single steps, in a thousand orders.

The world is simulated: memory instead of disk and database, a clock that is turned, and a gate before each thing that
a request does outside itself. Which gate opens next is drawn from a seed, so every failure is found again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from airferry.oci import Digest
from airferry.registry import RegistryStore
from airferry.registry.collecting import CollectionPolicy
from airferry.registry.drivers import MemoryDriver
from airferry.registry.errors import MissingContentError, NotFoundError
from airferry.registry.metadata import Metadata, open_metadata
from airferry.registry.store import TOUCH_S

from .conftest import image
from .stored import Clock, pull, push_blob, push_manifest

LAYERS = (b"base", b"app")
PATHS = ("a", "b")
GRACE_S = 4 * TOUCH_S


class Gates:
    """Where everybody waits until it is his turn."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[None]] = []

    async def __call__(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        await turn


class GatedDriver(MemoryDriver):
    """Stops before each step that others could see."""

    def __init__(self, clock: Clock, gate: Gates) -> None:
        super().__init__(clock)
        self.gate = gate

    async def put(self, digest: Digest, content: bytes) -> str:
        await self.gate()
        return await super().put(digest, content)

    async def delete(self, name: str) -> bool:
        await self.gate()
        return await super().delete(name)

    async def stat(self, name: str) -> int | None:
        await self.gate()
        return await super().stat(name)

    @asynccontextmanager
    async def holding(self, digest: Digest) -> AsyncIterator[None]:
        while digest in self._collected:
            await self.gate()
        async with super().holding(digest):
            yield

    @asynccontextmanager
    async def collecting(self, digest: Digest) -> AsyncIterator[bool]:
        await self.gate()
        async with super().collecting(digest) as is_free:
            yield is_free


class GatedMetadata:
    """Stops before each question and each transaction."""

    def __init__(self, inner: Metadata, gate: Gates) -> None:
        self.inner = inner
        self.gate = gate

    async def read(self, query: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        await self.gate()
        return await self.inner.read(query, *args, **kwargs)

    async def write(self, work: Callable[..., Any], *, is_lasting: bool = True) -> Any:
        await self.gate()
        return await self.inner.write(work, is_lasting=is_lasting)

    def close(self) -> None:
        self.inner.close()


class World:
    def __init__(self) -> None:
        self.clock, self.gate = Clock(), Gates()
        driver, metadata = GatedDriver(self.clock, self.gate), open_metadata(None)
        self.store = RegistryStore(driver, GatedMetadata(metadata, self.gate), patience_s=0, clock=self.clock)
        # The same things without gates, to look at them from outside.
        still = MemoryDriver(self.clock)
        still.contents = driver.contents
        still._stored_s = driver._stored_s
        self.outside = RegistryStore(still, metadata, patience_s=0, clock=self.clock)
        self.images: set[tuple[str, bytes]] = set()
        """What was answered 201 and not deleted since."""

    async def push(self, path: str, layer: bytes, look: bool) -> None:
        """Push an image as clients do: look, mount or push each blob, then the manifest."""
        asked_s = self.clock.now_s
        for content in (b"{}", layer):
            if not (look and await self.is_held(path, content)) and not await self.mount(path, content):
                await push_blob(self.store, path, content)
                # Answered 201, so 200 now: it is young.
                if self.clock.now_s - asked_s < GRACE_S - TOUCH_S:
                    assert await pull(self.outside, path, Digest.of(content)) == content
        try:
            await push_manifest(self.store, path, image((layer,)))
        except MissingContentError:
            assert self.clock.now_s - asked_s >= GRACE_S - TOUCH_S, "a blob went before its time"
        else:
            self.images.add((path, layer))
            await self.check(path, layer)

    async def is_held(self, path: str, content: bytes) -> bool:
        try:
            await self.store.blob(path, Digest.of(content))
        except NotFoundError:
            return False
        return True

    async def mount(self, path: str, content: bytes) -> bool:
        return await self.store.mount_blob(path, Digest.of(content), None, lambda holder: holder != path)

    async def delete(self, path: str, layer: bytes) -> None:
        self.images.discard((path, layer))
        try:
            await self.store.delete_manifest(path, Digest.of(image((layer,))))
        except NotFoundError:
            return
        finally:
            # Who pushed it meanwhile cannot say whether that was before or after.
            self.images.discard((path, layer))

    async def collect(self) -> None:
        await self.store.collect(CollectionPolicy(GRACE_S))

    async def check(self, path: str, layer: bytes) -> None:
        """An image that was answered 201 can be pulled, whole."""
        raw = image((layer,))
        assert (await self.outside.manifest(path, Digest.of(raw))).raw == raw
        for content in (b"{}", layer):
            assert await pull(self.outside, path, Digest.of(content)) == content


def draw_actions(chance: Random) -> list[tuple[Any, ...]]:
    kinds = (
        ("push", chance.choice(PATHS), chance.choice(LAYERS), chance.random() < 0.5),
        ("delete", chance.choice(PATHS), chance.choice(LAYERS)),
        ("collect",),
    )
    return [chance.choices(kinds, (3, 1, 2))[0] for _ in range(chance.randint(1, 3))]


async def play(world: World, actors: list[list[tuple[Any, ...]]], chance: Random) -> None:
    async def act(actions: list[tuple[Any, ...]]) -> None:
        for name, *said in actions:
            await getattr(world, name)(*said)

    tasks = [asyncio.ensure_future(act(actions)) for actions in actors]
    try:
        while not all(task.done() for task in tasks):
            for _ in range(4):
                await asyncio.sleep(0)
            if world.gate.waiting:
                if chance.random() < 0.03:
                    world.clock.now_s += chance.choice((TOUCH_S + 1, GRACE_S))
                else:
                    world.gate.waiting.pop(chance.randrange(len(world.gate.waiting))).set_result(None)
                for path, layer in sorted(world.images):
                    await world.check(path, layer)
            for task in tasks:
                if task.done():
                    task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("first_seed", range(0, 1000, 250))
async def test_what_was_acknowledged_can_be_pulled_whatever_happens_beside_it(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 250):
        try:
            await run_world(Random(seed))
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


async def run_world(chance: Random) -> None:
    world = World()
    try:
        # Everything has been there before, and is about to be collected.
        for content in (b"{}", *LAYERS):
            await push_blob(world.outside, "a", content)
        for layer in LAYERS:
            raw = image((layer,))
            await push_manifest(world.outside, "a", raw)
            await world.outside.delete_manifest("a", Digest.of(raw))
        world.clock.now_s += GRACE_S + chance.choice((-TOUCH_S, 1))
        actors = [draw_actions(chance) for _ in range(chance.randint(2, 4))]
        await play(world, [*actors, [("collect",)]], chance)
        for path, layer in world.images:
            await world.check(path, layer)
        # In the end nothing is left over either.
        for _ in range(2):
            world.clock.now_s += GRACE_S + 1
            await world.outside.collect(CollectionPolicy(GRACE_S))
        needed = {one for _, layer in world.images for one in (b"{}", layer, image((layer,)))}
        assert {Digest.of(one) for one in needed} <= set(world.outside.driver.contents)
    finally:
        await world.store.close()
