"""Who guesses passwords gains nothing by there being several workers, and owners lose nothing."""

import asyncio
import os
import signal
import time
from pathlib import Path

import aiohttp
import pytest

from airferry.registry import init
from airferry.registry.access.accounts import make_access_token
from airferry.registry.access.throttle import ACCOUNT_PACE

from .guarded import NOW, basic
from .served import Served, serving

PASSWORD = "correct horse battery"


class Visitor:
    """Opens a connection from ``address`` for every request, so that each goes to any of the workers."""

    def __init__(self, served: Served, address: str = "127.0.0.1") -> None:
        self.url, self.address = served.url, address

    async def try_with(self, password: str) -> tuple[int, str | None]:
        connector = aiohttp.TCPConnector(force_close=True, local_addr=(self.address, 0))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"{self.url}/v2/", headers={"Authorization": basic("admin", password)}) as answer,
        ):
            return answer.status, answer.headers.get("Retry-After")

    async def guess(self, count: int) -> list[tuple[int, str | None]]:
        """All at once. Access tokens that are none take no bcrypt: nothing but the slowing makes them wait."""
        return await asyncio.gather(*(self.try_with(make_access_token(NOW)[1]) for _ in range(count)))


def most_heard(within_s: float) -> int:
    """How many guesses at one account one process hears in so many seconds."""
    heard, at_s = 1, 0.0
    while (at_s := at_s + ACCOUNT_PACE.wait_s(heard)) <= within_s:
        heard += 1
    return heard


@pytest.mark.parametrize("workers", [1, 3])
async def test_as_many_guesses_are_heard_as_by_one_worker(tmp_path: Path, workers: int) -> None:
    init(tmp_path, ["localhost"], password=PASSWORD)
    async with serving(tmp_path, workers, use_auth=True) as served:
        guesser = Visitor(served)
        began_s = time.monotonic()
        answers = await guesser.guess(40)
        took_s = time.monotonic() - began_s
        heard = [status for status, _ in answers].count(401)
        assert ACCOUNT_PACE.free <= heard <= most_heard(took_s), (heard, took_s)
        assert {(status, after is not None) for status, after in answers} == {(401, False), (429, True)}
        assert all(1 <= int(after) <= ACCOUNT_PACE.longest_s for _, after in answers if after)


async def test_a_worker_that_is_killed_takes_no_failures_with_it(tmp_path: Path) -> None:
    init(tmp_path, ["localhost"], password=PASSWORD)
    async with serving(tmp_path, 2, use_auth=True) as served, asyncio.timeout(60):
        began_s = time.monotonic()
        guesser = Visitor(served)
        heard = [status for status, _ in await guesser.guess(20)].count(401)
        before = served.workers()
        for victim in before:
            os.kill(victim, signal.SIGKILL)
        while len(served.workers()) < 2 or served.workers() & before:
            await asyncio.sleep(0)
        heard += [status for status, _ in await guesser.guess(20)].count(401)
        assert heard <= most_heard(time.monotonic() - began_s)


async def test_every_worker_knows_the_owner_who_got_in_at_one(tmp_path: Path) -> None:
    init(tmp_path, ["localhost"], password=PASSWORD)
    async with serving(tmp_path, 3, use_auth=True) as served:
        owner, guesser = Visitor(served), Visitor(served, "127.0.0.2")
        assert (await owner.try_with(PASSWORD))[0] == 200
        await owner.guess(1)  # mistyped: from now on only who is known is not slowed here
        assert 429 in [status for status, _ in await guesser.guess(40)]
        answers = await asyncio.gather(*(owner.try_with(PASSWORD) for _ in range(12)))
        assert answers == [(200, None)] * 12
