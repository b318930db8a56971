"""Pushes, pulls, deletes and a collection every second, for a while: no error, nothing lost, and memory stays flat.

``make soak`` runs ten minutes; AIRFERRY_SOAK_S says otherwise.
"""

import asyncio
import os
import random
import time
from pathlib import Path

import pytest

from airferry.registry.collecting import CollectionPolicy

from .load import Load, collect_until
from .served import Served, serving, user_of

WORKERS = 2
GRACE_S = 5.0
"""Long enough between a blob and its manifest on a machine with other work, short enough that much is collected."""

MIB = 1024 * 1024


def memory_bytes(served: Served) -> int:
    """What all processes of the registry hold in memory of their own."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in served.workers()]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


async def mixed(root: Path, duration_s: float) -> tuple[Load, list[int], int]:
    """Load the registry for so long; return what was done, the memory each tenth, and how much was collected."""
    async with serving(root, WORKERS) as served, user_of(served.url) as user:
        load, over, ends_s = Load(user, 0), asyncio.Event(), time.monotonic() + duration_s
        seen: list[int] = []

        async def push(worker: int) -> None:
            number = 0
            while time.monotonic() < ends_s:
                await load.push(worker, number)
                number += 1

        async def pull(seed: int) -> None:
            chance = random.Random(seed)
            while time.monotonic() < ends_s:
                await load.pull_one(chance)
                if time.monotonic() > ends_s - duration_s + len(seen) * duration_s / 10:
                    seen.append(memory_bytes(served))
                await asyncio.sleep(0)

        collecting = asyncio.create_task(
            collect_until(over, root, CollectionPolicy(grace_s=GRACE_S, untagged_after_s=None), 1.0)
        )
        await asyncio.gather(*(push(number) for number in range(4)), *(pull(seed) for seed in range(2)))
        over.set()
        collected = await collecting
        await load.check_all()
        seen.append(memory_bytes(served))
    return load, seen, sum(one.objects for one in collected)


async def test_a_collection_every_second_under_load_loses_nothing(initialized: Path) -> None:
    load, _, _ = await mixed(initialized, 8)
    assert len(load.kept) > 50
    assert load.deletes > 5


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_memory_stays_flat_under_load(initialized: Path) -> None:
    load, seen, objects = await mixed(initialized, float(os.environ.get("AIRFERRY_SOAK_S", "600")))
    shown = ", ".join(f"{size / MIB:.0f}" for size in seen)
    print(f"{len(load.kept)} objects kept, {load.deletes} images deleted, {objects} collected; MiB: {shown}")  # noqa: T201
    assert objects > load.deletes
    # The first tenth fills caches, pools and buffers.
    assert seen[-1] < seen[2] * 1.2 + 32 * MIB
