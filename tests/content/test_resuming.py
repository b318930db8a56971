"""A run that was cut off is gone on from, and ends as if nothing had happened."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from airferry.content.errors import InterruptedTransferError
from airferry.content.layout import LayoutPlace
from airferry.content.memory import MemoryPlace
from airferry.content.protocol import BlobFetch, ByteStream
from airferry.content.tree import TreePlace
from airferry.oci import ContentMismatchError, Descriptor, Digest

from .trees import describe

PATH = "team/app"
MIB = 1024 * 1024
CONTENT = os.urandom(MIB) * 5 + b"end"
BLOB = Descriptor("x/y", Digest.of(CONTENT), len(CONTENT))

DIES_AFTER_FOUR_MIB = """
import asyncio, os, signal, sys
from contextlib import asynccontextmanager
from pathlib import Path
from airferry.content.tree import TreePlace
from airferry.oci import Descriptor, Digest

content = Path(sys.argv[2]).read_bytes()

@asynccontextmanager
async def fetch(offset):
    async def stream():
        for start in range(offset, len(content), 65536):
            if start >= 4 * 1024 * 1024 + 65536:
                await asyncio.sleep(0.05)
                os.kill(os.getpid(), signal.SIGKILL)
            yield content[start : start + 65536]
            await asyncio.sleep(0)
    yield stream()

blob = Descriptor("x/y", Digest.of(content), len(content))
asyncio.run(TreePlace(Path(sys.argv[1])).write_blob("team/app", blob, fetch))
"""


class Offsets:
    """A fetch that remembers where it was asked to begin."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.asked: list[int] = []

    @asynccontextmanager
    async def __call__(self, offset: int) -> AsyncIterator[ByteStream]:
        self.asked.append(offset)

        async def stream() -> AsyncIterator[bytes]:
            for start in range(offset, len(self.content), 100_000):
                yield self.content[start : start + 100_000]

        yield stream()


def breaking_after(size_bytes: int) -> BlobFetch:
    source = MemoryPlace()
    blob = source.add_blob(PATH, CONTENT)
    source.fail("open_blob", blob.digest, InterruptedTransferError("cut"), after_bytes=size_bytes)
    return lambda offset: source.open_blob(PATH, blob, offset)


def part_of(root: Path) -> Path:
    return root / ".airferry" / "partial" / f"sha256-{BLOB.digest.hex}"


async def test_a_killed_run_is_gone_on_from_within_eight_mib(tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(CONTENT)
    command = [sys.executable, "-c", DIES_AFTER_FOUR_MIB, str(tmp_path / "tree"), str(tmp_path / "content")]
    killed = await asyncio.to_thread(subprocess.run, command, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert part_of(tmp_path / "tree").stat().st_size >= 2 * MIB

    tree, fetch = TreePlace(tmp_path / "tree"), Offsets()
    await tree.write_blob(PATH, BLOB, fetch)
    await tree.close()
    assert len(fetch.asked) == 1
    assert fetch.asked[0] >= 2 * MIB

    undisturbed = TreePlace(tmp_path / "undisturbed")
    await undisturbed.write_blob(PATH, BLOB, Offsets())
    await undisturbed.close()
    assert describe(tmp_path / "tree") == describe(tmp_path / "undisturbed")


@pytest.mark.parametrize("kind", [TreePlace, LayoutPlace])
async def test_a_broken_connection_keeps_what_came(kind: type[TreePlace] | type[LayoutPlace], tmp_path: Path) -> None:
    path = PATH if kind is TreePlace else ""
    place = kind(tmp_path)
    with pytest.raises(InterruptedTransferError):
        await place.write_blob(path, BLOB, breaking_after(3 * MIB + 17))
    await place.close()
    assert part_of(tmp_path).stat().st_size >= 2 * MIB

    again, fetch = kind(tmp_path), Offsets()
    await again.write_blob(path, BLOB, fetch)
    await again.close()
    assert fetch.asked == [3 * MIB]
    assert not (tmp_path / ".airferry").exists()


async def test_a_wrong_part_is_thrown_away_and_the_blob_read_from_its_start(tmp_path: Path) -> None:
    part_of(tmp_path).parent.mkdir(parents=True)
    part_of(tmp_path).write_bytes(b"\0" * MIB)
    tree, fetch = TreePlace(tmp_path), Offsets()
    await tree.write_blob(PATH, BLOB, fetch)
    await tree.close()
    assert fetch.asked == [MIB, 0]
    assert (tmp_path / "v2" / PATH / "blobs" / BLOB.digest).read_bytes() == CONTENT


async def test_a_part_longer_than_the_blob_is_not_used(tmp_path: Path) -> None:
    part_of(tmp_path).parent.mkdir(parents=True)
    part_of(tmp_path).write_bytes(CONTENT + b"!")
    tree, fetch = TreePlace(tmp_path), Offsets()
    await tree.write_blob(PATH, BLOB, fetch)
    await tree.close()
    assert fetch.asked == [0]


async def test_a_part_that_is_whole_is_named_without_reading_again(tmp_path: Path) -> None:
    part_of(tmp_path).parent.mkdir(parents=True)
    part_of(tmp_path).write_bytes(CONTENT)
    tree, fetch = TreePlace(tmp_path), Offsets()
    await tree.write_blob(PATH, BLOB, fetch)
    await tree.close()
    assert fetch.asked == []
    assert (tmp_path / "v2" / PATH / "blobs" / BLOB.digest).read_bytes() == CONTENT


async def test_a_source_that_stays_wrong_leaves_nothing(tmp_path: Path) -> None:
    part_of(tmp_path).parent.mkdir(parents=True)
    part_of(tmp_path).write_bytes(b"\0" * MIB)
    tree, fetch = TreePlace(tmp_path), Offsets(b"\1" + CONTENT[1:])
    with pytest.raises(ContentMismatchError):
        await tree.write_blob(PATH, BLOB, fetch)
    await tree.close()
    assert fetch.asked == [MIB, 0]
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


async def test_temporary_files_of_killed_runs_are_removed(tmp_path: Path) -> None:
    leftover = tmp_path / ".airferry" / "temporary" / "1-abc"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half")
    tree = TreePlace(tmp_path)
    await tree.write_blob(PATH, BLOB, Offsets())
    await tree.close()
    assert not (tmp_path / ".airferry").exists()


async def test_a_cancelled_write_keeps_its_part_and_no_thread_writes_on(tmp_path: Path) -> None:
    reached = asyncio.Event()

    @asynccontextmanager
    async def fetch(offset: int) -> AsyncIterator[ByteStream]:
        async def stream() -> AsyncIterator[bytes]:
            yield CONTENT[: 3 * MIB]
            yield CONTENT[3 * MIB : 3 * MIB + 1]
            reached.set()
            await asyncio.Event().wait()

        yield stream()

    tree = TreePlace(tmp_path)
    task = asyncio.create_task(tree.write_blob(PATH, BLOB, fetch))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await tree.close()
    assert part_of(tmp_path).stat().st_size == 3 * MIB
