"""A store with a clock that tests turn, and what they do with it over and over."""

from dataclasses import dataclass
from pathlib import Path

from airferry.oci import Digest
from airferry.registry import RegistryStore
from airferry.registry.acceptance import accept_manifest
from airferry.registry.drivers import FilesystemDriver, MemoryDriver
from airferry.registry.metadata import open_metadata
from airferry.registry.settings import DatabaseUrl


@dataclass
class Clock:
    now_s: float = 2e9  # later than the files of any test

    def __call__(self) -> float:
        return self.now_s


def store_in(folder: Path | None, database: Path | DatabaseUrl | None, clock: Clock) -> RegistryStore:
    """Files in ``folder`` (None: in memory), rows in ``database`` (None: in memory)."""
    driver = MemoryDriver(clock) if folder is None else FilesystemDriver(folder)
    return RegistryStore(driver, open_metadata(database), patience_s=0, clock=clock)


async def push_blob(store: RegistryStore, path: str, content: bytes, parts: int = 1) -> Digest:
    upload_id = await store.begin_upload(path, "sha256")
    size = -(-len(content) // parts)
    for start in range(0, len(content), size):
        async with store.open_upload(path, upload_id) as upload:
            await upload.append([content[start : start + size]])
    async with store.open_upload(path, upload_id) as upload:
        await upload.finish(Digest.of(content))
    return Digest.of(content)


async def push_manifest(store: RegistryStore, path: str, raw: bytes, *tags: str) -> Digest:
    await store.put_manifest(path, accept_manifest(raw, None, None), tags)
    return Digest.of(raw)


async def pull(store: RegistryStore, path: str, digest: Digest) -> bytes:
    blob = await store.blob(path, digest)
    return blob.content if isinstance(blob.content, bytes) else blob.content.read_bytes()


async def stored(store: RegistryStore) -> set[Digest]:
    """Everything that takes up space."""
    return {one.digest async for portion in store.driver.list_older(1e12) for one in portion}
