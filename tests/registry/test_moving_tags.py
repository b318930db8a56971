"""A tag that many writers move while others read it: it always points at something that is there."""

import asyncio
import os
from pathlib import Path

import pytest

from airferry.oci import Digest
from airferry.oci.mediatype import OCI_MANIFEST

from .conftest import image
from .served import serving, user_of


@pytest.mark.parametrize("workers", [1, 3])
async def test_sixteen_writers_move_one_tag_under_four_readers(initialized: Path, workers: int) -> None:
    written: set[Digest] = set()
    async with serving(initialized, workers) as served, user_of(served.url) as user:
        await user.push_image("a", "moving", b"layer")
        written.add(Digest.of(image((b"layer",))))

        async def write(number: int) -> None:
            for turn in range(20):
                raw = image((b"layer",), annotations={"x": f"{number}.{turn}.{os.urandom(4).hex()}"})
                written.add(Digest.of(raw))
                status, _, body = await user("PUT", "/v2/a/manifests/moving", raw, Content_Type=OCI_MANIFEST)
                assert status == 201, (status, body)

        async def read() -> int:
            count = 0
            while not all(writer.done() for writer in writers):
                status, headers, body = await user("GET", "/v2/a/manifests/moving")
                assert status == 200, (status, body)
                assert Digest.of(body) == headers["Docker-Content-Digest"]
                assert Digest.of(body) in written
                count += 1
            return count

        writers = [asyncio.create_task(write(number)) for number in range(16)]
        counts = await asyncio.gather(*(read() for _ in range(4)))
        await asyncio.gather(*writers)
        assert sum(counts) > 20
