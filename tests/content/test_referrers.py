"""Lists of referrers that a place works out itself."""

import asyncio

import pytest

from airferry.content.errors import DamagedError
from airferry.content.referrers import ReferrerLists
from airferry.oci import Descriptor, Digest

SUBJECT = Digest.of(b"subject")
SIGNATURE = Descriptor("application/vnd.oci.image.manifest.v1+json", Digest.of(b"signature"), 9)


class Repository:
    """Reads that are counted and wait until they are let go."""

    def __init__(self) -> None:
        self.reads = 0
        self.goes_on = asyncio.Event()
        self.found: tuple[Descriptor, ...] = (SIGNATURE,)
        self.fails = False

    async def read(self, path: str) -> dict[Digest, tuple[Descriptor, ...]]:
        self.reads += 1
        found = self.found
        await self.goes_on.wait()
        if self.fails:
            raise DamagedError("broken")
        return {SUBJECT: found}


async def test_many_that_ask_at_the_same_time_share_one_reading():
    repository = Repository()
    lists = ReferrerLists(repository.read)
    asked = [asyncio.ensure_future(lists.of("a", SUBJECT)) for _ in range(16)]
    await asyncio.sleep(0)
    repository.goes_on.set()
    assert await asyncio.gather(*asked) == [(SIGNATURE,)] * 16
    assert await lists.of("a", Digest.of(b"other")) == ()
    assert repository.reads == 1
    await lists.of("b", SUBJECT)
    assert repository.reads == 2


async def test_what_was_written_is_found_also_when_a_reading_was_under_way():
    repository = Repository()
    repository.found = ()
    lists = ReferrerLists(repository.read)
    asked = asyncio.ensure_future(lists.of("a", SUBJECT))
    await asyncio.sleep(0)
    repository.found = (SIGNATURE,)
    lists.forget("a")
    repository.goes_on.set()
    await asked
    assert await lists.of("a", SUBJECT) == (SIGNATURE,)


async def test_a_failed_or_cancelled_reading_is_made_again():
    repository = Repository()
    lists = ReferrerLists(repository.read)
    asked = asyncio.ensure_future(lists.of("a", SUBJECT))
    await asyncio.sleep(0)
    asked.cancel()
    repository.goes_on.set()
    repository.fails = True
    with pytest.raises(DamagedError):
        await lists.of("a", SUBJECT)
    repository.fails = False
    assert await lists.of("a", SUBJECT) == (SIGNATURE,)
    assert repository.reads == 3
