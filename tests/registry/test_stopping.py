"""A stop: what is under way is finished, or, where that takes too long, parked so that it goes on later."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from airferry.oci import Digest
from airferry.registry import Settings, init, serve

CONTENT = bytes(range(256)) * (20 * 1024)
SENT = 4 * 1024 * 1024
SEEN = 2 * 1024 * 1024
"""How much must have come before the stop: what is read together is noted together, so never all of it."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    init(tmp_path / "registry", ["localhost"], password="irrelevant")
    return Settings.read(tmp_path / "registry", listen="127.0.0.1:0", use_tls=False, use_auth=False)


async def received_bytes(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(url) as answer:
        assert answer.status == 204
        return int(answer.headers["Range"].removeprefix("0-")) + 1


@pytest.mark.parametrize("grace_s", [0.0, 0.05])
async def test_an_upload_that_takes_too_long_goes_on_after_a_restart(settings: Settings, grace_s: float) -> None:
    never = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        for start in range(0, SENT, 64 * 1024):
            yield CONTENT[start : start + 64 * 1024]
        await never.wait()

    async with aiohttp.ClientSession() as session:
        async with serve(settings, grace_s=grace_s) as running:
            async with session.post(f"{running.url}/v2/a/blobs/uploads/") as answer:
                location = answer.headers["Location"]
            pushing = asyncio.create_task(session.patch(running.url + location, data=body()))
            while (before := await received_bytes(session, running.url + location)) < SEEN:
                assert not pushing.done()
        with pytest.raises(aiohttp.ClientError):
            await pushing
        async with serve(settings) as running:
            offset = await received_bytes(session, running.url + location)
            assert before <= offset <= SENT, "nothing that was said to be there is lost"
            digest = Digest.of(CONTENT)
            headers = {"Content-Range": f"{offset}-{len(CONTENT) - 1}"}
            rest = io.BytesIO(CONTENT[offset:])
            url = f"{running.url}{location}?digest={digest}"
            async with session.put(url, data=rest, headers=headers) as answer:
                assert answer.status == 201
            async with session.get(f"{running.url}/v2/a/blobs/{digest}") as answer:
                assert await answer.read() == CONTENT
