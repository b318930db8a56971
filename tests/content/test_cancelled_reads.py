"""A reader that is cancelled while its file is being opened leaves no open file behind."""

import asyncio
import gc
from pathlib import Path

import pytest

from airferry.content.layout import LayoutPlace
from airferry.content.tree import TreePlace
from airferry.oci import Descriptor, Digest
from airferry.oci.mediatype import OCI_LAYER_GZIP

CONTENT = b"a layer" * 1000
BLOB = Descriptor(OCI_LAYER_GZIP, Digest.of(CONTENT), len(CONTENT))

FOLDERS = {"tree": "v2/a/b/blobs/{algorithm}:{hex}", "layout": "blobs/{algorithm}/{hex}"}


@pytest.mark.parametrize("place", FOLDERS)
async def test_a_cancelled_reader_leaves_no_open_file(place: str, tmp_path: Path) -> None:
    file = tmp_path / FOLDERS[place].format(algorithm=BLOB.digest.algorithm, hex=BLOB.digest.hex)
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (tmp_path / "index.json").write_text('{"schemaVersion":2,"manifests":[]}')
    source = TreePlace(tmp_path) if place == "tree" else LayoutPlace(tmp_path)

    async def read() -> None:
        async with source.open_blob("a/b", BLOB) as stream:
            async for _ in stream:
                pass

    for turns in range(12):  # cancelled ever later: before, while and after the file is opened
        reader = asyncio.create_task(read())
        for _ in range(turns):
            await asyncio.sleep(0)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()
    await asyncio.sleep(0)
    gc.collect()  # a file that nobody closed warns here, and a warning is an error
    opened = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert str(file) not in opened
    await source.close()
