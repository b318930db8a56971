"""Uploads that were cut and never said so, because the process was killed in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from airferry.oci import ContentMismatchError, Digest
from airferry.registry import RegistryStore
from airferry.registry.drivers import FilesystemDriver
from airferry.registry.drivers.filesystem import FileUpload
from airferry.registry.metadata import open_metadata
from airferry.registry.store import METADATA_FILE
from airferry.registry.upload import upload_key

OLD, NEW = b"a" * 5000, b"b" * 5000


@pytest.fixture
async def interrupted(tmp_path: Path) -> tuple[RegistryStore, str]:
    """A store, and an upload whose record says more than its file holds."""
    store = RegistryStore(FilesystemDriver(tmp_path), open_metadata(tmp_path / METADATA_FILE))
    upload_id = await store.begin_upload("a", "sha256")
    async with store.open_upload("a", upload_id) as upload:
        await upload.append([OLD])
    with (tmp_path / "uploads" / upload_key("a", upload_id)).open("r+b") as file:
        file.truncate(0)
    return store, upload_id


async def test_its_status_is_what_the_file_holds(interrupted: tuple[RegistryStore, str]) -> None:
    store, upload_id = interrupted
    assert await store.upload_size("a", upload_id) == 0
    await store.close()


async def test_other_bytes_of_the_same_length_are_not_taken_for_those_that_are_gone(
    interrupted: tuple[RegistryStore, str],
) -> None:
    store, upload_id = interrupted
    async with store.open_upload("a", upload_id) as upload:
        assert upload.received_bytes == 0
        await upload.append([NEW])
    with pytest.raises(ContentMismatchError):
        async with store.open_upload("a", upload_id) as upload:
            await upload.finish(Digest.of(OLD))
    await store.close()


async def test_it_goes_on_and_becomes_a_blob(interrupted: tuple[RegistryStore, str]) -> None:
    store, upload_id = interrupted
    async with store.open_upload("a", upload_id) as upload:
        await upload.append([NEW])
    async with store.open_upload("a", upload_id) as upload:
        await upload.finish(Digest.of(NEW))
    assert (await store.blob("a", Digest.of(NEW))).size_bytes == len(NEW)
    await store.close()


async def test_what_is_cut_and_sent_anew_in_one_request_is_hashed_as_it_came(tmp_path: Path) -> None:
    store = RegistryStore(FilesystemDriver(tmp_path), open_metadata(tmp_path / METADATA_FILE))
    upload_id = await store.begin_upload("a", "sha256")
    async with store.open_upload("a", upload_id) as upload:
        await upload.append([OLD])
    async with store.open_upload("a", upload_id) as upload:
        await upload.cut(0)
        await upload.append([NEW])
    with pytest.raises(ContentMismatchError):
        async with store.open_upload("a", upload_id) as upload:
            await upload.finish(Digest.of(OLD))
    await store.close()


async def test_the_last_request_of_an_upload_that_breaks_off_keeps_a_hash_to_go_on_with(tmp_path: Path) -> None:
    store = RegistryStore(FilesystemDriver(tmp_path), open_metadata(tmp_path / METADATA_FILE))
    upload_id = await store.begin_upload("a", "sha256")
    with pytest.raises(ConnectionError):
        async with store.open_upload("a", upload_id) as upload:
            upload.expect_all(len(OLD + NEW))
            await upload.append([OLD])
            raise ConnectionError
    async with store.open_upload("a", upload_id) as upload:
        upload.expect_all(len(NEW))
        await upload.append([NEW])
        await upload.finish(Digest.of(OLD + NEW))
    assert (await store.blob("a", Digest.of(OLD + NEW))).size_bytes == len(OLD + NEW)
    await store.close()


async def test_a_request_that_is_broken_off_while_it_cuts_settles_nothing(tmp_path: Path) -> None:
    """Or the hash would be that of bytes which are gone, and other content could be finished with their digest."""
    driver = BreaksOff(tmp_path)
    store = RegistryStore(driver, open_metadata(tmp_path / METADATA_FILE))
    upload_id = await store.begin_upload("a", "sha256")
    with pytest.raises(asyncio.CancelledError):
        async with store.open_upload("a", upload_id) as upload:
            await upload.append([OLD])
            await upload.cut(10)
    async with store.open_upload("a", upload_id) as upload:
        await upload.append([NEW])
    with pytest.raises(ContentMismatchError):
        async with store.open_upload("a", upload_id) as upload:
            await upload.finish(Digest.of(OLD + NEW))
    await store.close()


class BreaksOff(FilesystemDriver):
    """A driver that cancels its caller once, when it has cut an upload."""

    has_broken_off = False

    @asynccontextmanager
    async def open_upload(self, key: str, *, patience_s: float) -> AsyncIterator[FileUpload]:
        async with super().open_upload(key, patience_s=patience_s) as upload:

            async def cut(size_bytes: int) -> None:
                await FileUpload.cut(upload, size_bytes)
                if not self.has_broken_off:
                    self.has_broken_off = True
                    raise asyncio.CancelledError

            upload.cut = cut  # type: ignore[method-assign]
            yield upload
