"""kill -9 of every process of a registry under load, round after round on one root: nothing acknowledged is lost."""

import asyncio
from pathlib import Path

import pytest

from airferry.oci import Digest

from .load import Load, push_until_killed
from .served import serving, user_of

PUSHERS = 8


async def round_of(root: Path, seed: int, wanted: int, kept: dict[str, Digest]) -> None:
    enough = asyncio.Event()
    async with serving(root, 3) as served, user_of(served.url) as user:
        load = Load(user, seed)
        pushers = [
            asyncio.create_task(push_until_killed(load, seed * 100 + number, enough, wanted))
            for number in range(PUSHERS)
        ]
        waiting = asyncio.create_task(enough.wait())
        await asyncio.wait([waiting, *pushers], return_when=asyncio.FIRST_COMPLETED)
        await served.kill_all()
        await asyncio.gather(*pushers)
        waiting.cancel()
    assert len(load.kept) >= wanted
    kept |= load.kept
    async with serving(root, 3) as served, user_of(served.url) as user:  # serves at once
        await Load(user, seed, kept).check_all()
    for file in (root / "blobs").rglob("*"):
        assert file.is_dir() or Digest.of(file.read_bytes()).hex == file.name


async def rounds(root: Path, count: int, wanted: int) -> int:
    kept: dict[str, Digest] = {}
    for seed in range(count):
        await round_of(root, seed, wanted, kept)
    return len(kept)


async def test_what_was_acknowledged_before_kills_under_load_is_there_after_them(initialized: Path) -> None:
    assert await rounds(initialized, count=2, wanted=200) >= 400


@pytest.mark.soak
async def test_twenty_kills_under_load_lose_nothing(initialized: Path) -> None:
    assert await rounds(initialized, count=20, wanted=500) >= 10_000
