"""Load for the proofs: pushes and pulls and deletes that remember what was acknowledged, and a collection beside it."""

import asyncio
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from airferry.oci import Digest
from airferry.registry import RegistryStore, Settings
from airferry.registry.collecting import Collected, CollectionPolicy

from .served import User

SIZES_BYTES = (10, 5_000, 200_000)


@dataclass
class Load:
    """``kept`` must be there whatever happens; ``images`` may still be deleted by who pushed them."""

    user: User
    seed: int
    kept: dict[str, Digest] = field(default_factory=dict)
    deletes: int = 0

    async def push(self, worker: int, number: int) -> None:
        """Push an image; remember it, or delete it again and see that it is gone."""
        path, chance = f"load{worker}", random.Random(f"{self.seed}/{worker}/{number}")
        content = os.urandom(chance.choice(SIZES_BYTES))
        layer, manifest = await self.user.push_image(path, f"t{number}", content)
        objects = {f"/v2/{path}/blobs/{layer}": layer, f"/v2/{path}/manifests/{manifest}": manifest}
        if chance.random() < 0.3:
            for what in (f"manifests/{manifest}", f"blobs/{layer}"):
                status, _, body = await self.user("DELETE", f"/v2/{path}/{what}")
                # A collection with no grace to speak of may have been quicker with the blob.
                assert status == 202 or (status == 404 and what.startswith("blobs")), (status, body)
            self.deletes += 1
        else:
            self.kept |= objects

    async def pull_one(self, chance: random.Random) -> None:
        """Pull something that was acknowledged, whole."""
        if self.kept:
            path = chance.choice(list(self.kept))
            await self.check(path, self.kept[path])

    async def check(self, path: str, digest: Digest) -> None:
        """Whether an object is there, and right."""
        status, _, body = await self.user("GET", path)
        assert status == 200, (path, status, body[:200])
        assert Digest.of(body) == digest

    async def check_all(self) -> None:
        """Look at everything that was acknowledged."""
        waiting = list(self.kept.items())

        async def some() -> None:
            while waiting:
                await self.check(*waiting.pop())

        await asyncio.gather(*(some() for _ in range(8)))


async def push_until_killed(load: Load, worker: int, enough: asyncio.Event, wanted: int) -> None:
    """Push without end; the registry's death ends it."""
    number = 0
    try:
        while True:
            await load.push(worker, number)
            number += 1
            if len(load.kept) >= wanted:
                enough.set()
    except aiohttp.ClientError:
        return


async def collect_until(done: asyncio.Event, root: Path, policy: CollectionPolicy, every_s: float) -> list[Collected]:
    """Collect garbage over and over from a process of its own, as far as the registry can tell."""
    store = RegistryStore.on_disk(root, Settings.read(root).database)
    collected: list[Collected] = []
    try:
        while not done.is_set():
            collected.append(await store.collect(policy))
            try:
                async with asyncio.timeout(every_s):
                    await done.wait()
            except TimeoutError:
                continue
    finally:
        await store.close()
    return collected
