"""A metadata file that is no database any more, or not a whole one: said so, and let go of."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from airferry.oci import Digest
from airferry.registry import RegistryStore
from airferry.registry.errors import DamagedMetadataError
from airferry.registry.metadata import open_metadata, reading
from airferry.registry.store import METADATA_FILE

PAGE_BYTES = 4096
MANY = 2000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A whole file, larger than what opening it reads."""
    file = tmp_path / METADATA_FILE
    open_metadata(file).close()
    connection = sqlite3.connect(file)
    rows = ((f"team/app-{number:06}/{'x' * 40}",) for number in range(MANY))
    connection.executemany("INSERT INTO repositories (path) VALUES (?)", rows)
    connection.commit()
    connection.close()
    return file


def no_database(content: bytes) -> bytes:
    return b"this is not SQLite" * (len(content) // 18)


def cut_short(content: bytes) -> bytes:
    return content[: 2 * PAGE_BYTES]


@pytest.mark.parametrize("damage", [no_database, cut_short])
def test_a_damaged_file_is_refused_and_not_kept_open(file: Path, damage: Callable[[bytes], bytes]) -> None:
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DamagedMetadataError) as refused:
        open_metadata(file)
    assert "mirror again" in (refused.value.hint or "")
    assert all(not target.startswith(str(file)) for target in open_files())


def open_files() -> list[str]:
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists
            found.append(str(descriptor.readlink()))
    return found


async def test_damage_that_is_met_while_serving_is_said(file: Path) -> None:
    content = file.read_bytes()
    # What comes first is the schema, which opening reads; what comes after are the repositories.
    first = content.index(b"team/app-") // PAGE_BYTES * PAGE_BYTES
    file.write_bytes(content[:first] + b"\xff" * (len(content) - first))
    metadata = open_metadata(file)
    try:
        with pytest.raises(DamagedMetadataError):
            await metadata.read(reading.list_repositories, None, None)
    finally:
        metadata.close()


async def test_a_client_is_not_told_that_nothing_is_there(file: Path, tmp_path: Path, start) -> None:
    """404 would let it forget an image, or push over what a copy of the file can bring back."""
    content = file.read_bytes()
    first = content.index(b"team/app-") // PAGE_BYTES * PAGE_BYTES
    file.write_bytes(content[:first] + b"\xff" * (len(content) - first))
    registry = await start(RegistryStore.on_disk(tmp_path))
    for path in ("_catalog", "team/new/tags/list", "team/new/manifests/latest", f"team/new/blobs/{Digest.of(b'')}"):
        answer = await registry("GET", f"/v2/{path}")
        assert (answer.status, answer.code) == (500, "UNKNOWN"), path


async def test_damage_that_is_met_while_pushing_is_said(file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    first = content.index(b"team/app-") // PAGE_BYTES * PAGE_BYTES
    file.write_bytes(content[:first] + b"\xff" * (len(content) - first))
    store = RegistryStore.on_disk(tmp_path)
    try:
        with pytest.raises(DamagedMetadataError):
            upload = await store.begin_upload("team/new", "sha256")
            async with store.open_upload("team/new", upload) as opened:
                await opened.append([b"layer"])
                await opened.finish(Digest.of(b"layer"))
    finally:
        await store.close()
