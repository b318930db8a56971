"""A server that is killed in the middle of its work: what it acknowledged is there after."""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from airferry.oci import Digest
from airferry.oci.mediatype import OCI_MANIFEST
from airferry.registry import RegistryStore, init

from .conftest import image

PROGRAM = Path(__file__).with_name("server_process.py")


@asynccontextmanager
async def server(root: Path) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), str(root), "127.0.0.1:0", "plain", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        yield url, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def push_until_killed(url: str, worker: int, acknowledged: dict[str, str], enough: asyncio.Event) -> None:
    """Push blobs and images over and over; note each one only when it was answered 201."""
    random_ = random.Random(worker)
    path, number = f"repo{worker}", 0
    async with aiohttp.ClientSession() as session:

        async def put(kind: str, target: str, content: bytes, **headers: str) -> None:
            async with session.put(f"{url}{target}", data=content, headers=headers) as answer:
                assert answer.status == 201
            acknowledged[f"/v2/{path}/{kind}/{Digest.of(content)}"] = Digest.of(content)

        try:
            while True:
                number += 1
                contents = (random_.randbytes(random_.choice([10, 5_000, 700_000])), b"{}")
                for content in contents:
                    async with session.post(f"{url}/v2/{path}/blobs/uploads/") as begun:
                        location = begun.headers["Location"]
                    await put("blobs", f"{location}?digest={Digest.of(content)}", content)
                raw = image(contents[:1])
                await put("manifests", f"/v2/{path}/manifests/t{number}", raw, **{"Content-Type": OCI_MANIFEST})
                acknowledged[f"/v2/{path}/manifests/t{number}"] = Digest.of(raw)
                if len(acknowledged) > 150:
                    enough.set()
        except aiohttp.ClientError:
            return


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_what_was_acknowledged_before_a_kill_is_there_whole_after_it(tmp_path: Path, seed: int) -> None:
    init(tmp_path, ["localhost"], password="irrelevant")
    acknowledged: dict[str, str] = {}
    enough = asyncio.Event()
    async with server(tmp_path) as (url, process):
        workers = [
            asyncio.create_task(push_until_killed(url, seed * 10 + number, acknowledged, enough)) for number in range(6)
        ]
        waiting = asyncio.create_task(enough.wait())
        await asyncio.wait([waiting, *workers], return_when=asyncio.FIRST_COMPLETED)
        process.send_signal(signal.SIGKILL)
        await asyncio.gather(*workers)
        waiting.cancel()
    assert len(acknowledged) > 150
    async with server(tmp_path) as (url, _), aiohttp.ClientSession() as session:
        for path, digest in acknowledged.items():
            async with session.get(url + path) as answer:
                assert answer.status == 200, path
                assert Digest.of(await answer.read()) == digest
    # Nothing that is not whole has a name.
    for file in (tmp_path / "blobs").rglob("*"):
        assert file.is_dir() or Digest.of(file.read_bytes()).hex == file.name


async def test_an_upload_goes_on_after_a_kill(tmp_path: Path) -> None:
    init(tmp_path, ["localhost"], password="irrelevant")
    content = random.Random(4).randbytes(3_000_000)
    async with server(tmp_path) as (url, process), aiohttp.ClientSession() as session:
        async with session.post(f"{url}/v2/a/blobs/uploads/") as answer:
            location = answer.headers["Location"]
        async with session.patch(url + location, data=content[:900_000]) as answer:
            assert answer.status == 202
        process.send_signal(signal.SIGKILL)
        await process.wait()
    async with server(tmp_path) as (url, _), aiohttp.ClientSession() as session:
        async with session.get(url + location) as answer:
            assert answer.headers["Range"] == "0-899999"
        rest, headers = content[900_000:], {"Content-Range": "900000-2999999"}

        async def stream():
            for at in range(0, len(rest), 100_000):
                yield rest[at : at + 100_000]

        target = f"{url}{location}?digest={Digest.of(content)}"
        async with session.put(target, data=stream(), headers=headers) as answer:
            assert answer.status == 201


async def test_two_processes_on_one_root_see_the_same(tmp_path: Path) -> None:
    init(tmp_path, ["localhost"], password="irrelevant")
    store = RegistryStore.on_disk(tmp_path)
    content = b"shared between processes"
    digest = Digest.of(content)
    async with server(tmp_path) as (url, _), aiohttp.ClientSession() as session:
        upload_id = await store.begin_upload("a", "sha256")
        async with store.open_upload("a", upload_id) as upload:
            await upload.append([content[:5]])
            async with session.get(f"{url}/v2/a/blobs/uploads/{upload_id}") as answer:
                assert answer.headers["Range"] == "0-4"
        target = f"{url}/v2/a/blobs/uploads/{upload_id}?digest={digest}"
        async with session.put(target, data=content[5:]) as answer:
            assert answer.status == 201
        assert (await store.blob("a", digest)).size_bytes == len(content)
        async with session.delete(f"{url}/v2/a/blobs/{digest}") as answer:
            assert answer.status == 202
        with pytest.raises(Exception, match="no blob"):
            await store.blob("a", digest)
    await store.close()
