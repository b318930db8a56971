"""The registry's own store: bytes in a driver, who holds them in the metadata. Implements WritableStore.

Order of effects: bytes → verified → durable → named → linked → answered. Nothing is visible under its digest
before it is whole, and nothing is readable from a repository before it is linked to it.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, Self
from uuid import uuid4

from airferry.oci import Descriptor, Digest
from airferry.registry import metadata as records
from airferry.registry.acceptance import PushedManifest
from airferry.registry.disk import in_thread
from airferry.registry.drivers import Driver, FilesystemDriver, MemoryDriver, UploadHandle
from airferry.registry.errors import DamagedError
from airferry.registry.metadata import Metadata
from airferry.registry.protocol import StoredBlob, StoredManifest
from airferry.registry.upload import upload_key

_CACHE_BYTES: Final = 32 * 1024 * 1024
_CACHED_MANIFEST_BYTES: Final = 1024 * 1024
METADATA_FILE: Final = "metadata.sqlite"


class _LinkingUpload:
    """An upload that is linked into its repository when it is finished."""

    def __init__(self, store: "RegistryStore", path: str, handle: UploadHandle) -> None:
        self._store = store
        self._path = path
        self._handle = handle
        self.append = handle.append
        self.cut = handle.cut

    @property
    def received_bytes(self) -> int:
        """How many bytes the upload holds."""
        return self._handle.received_bytes

    async def finish(self, digest: Digest) -> None:
        """Commit the bytes, then link them."""
        size_bytes = self._handle.received_bytes
        await self._handle.commit(digest)
        await self._store.metadata.write(
            partial(records.link_blob, path=self._path, digest=digest, size_bytes=size_bytes)
        )


class RegistryStore:
    """Implements :class:`airferry.registry.protocol.WritableStore` over a driver and the metadata.

    Nothing that matters lives in this process only: several may serve one root.
    """

    def __init__(self, driver: Driver, metadata: Metadata, *, patience_s: float = 5.0) -> None:
        self.driver = driver
        self.metadata = metadata
        self._patience_s = patience_s
        self._manifests = _ManifestCache()

    @classmethod
    def on_disk(cls, root: Path) -> Self:
        """Return the store in the folder ``root``, made if it is new. Raises ReadOnlyError, NoSpaceError."""
        return cls(FilesystemDriver(root), Metadata(root / METADATA_FILE))

    @classmethod
    def in_memory(cls) -> Self:
        """Return an empty store that is gone with the process."""
        return cls(MemoryDriver(), Metadata(None), patience_s=0)

    async def close(self) -> None:
        """Finish writing and close the files."""
        await in_thread(self.metadata.close)

    async def manifest(self, path: str, target: str) -> StoredManifest:
        """Return the manifest at a tag or digest, its bytes checked when they are read from disk."""
        digest, media_type, size_bytes = self.metadata.manifest(path, target)
        raw = self._manifests.get(digest)
        if raw is None:
            raw = await self._read(digest, size_bytes)
            self._manifests.add(digest, raw)
        return StoredManifest(digest, media_type, raw)

    async def blob(self, path: str, digest: Digest) -> StoredBlob:
        """Return the blob; one that lost its file, or whose file has another length, is DamagedError."""
        size_bytes = self.metadata.blob_size(path, digest)
        await self._check_size(digest, size_bytes)
        return StoredBlob(digest, size_bytes, await self.driver.open(digest))

    async def tags(self, path: str, *, after: str | None = None, limit: int | None = None) -> tuple[str, ...]:
        """Return tags in byte order."""
        return self.metadata.tags(path, after, limit)

    async def repositories(self, *, after: str | None = None, limit: int | None = None) -> tuple[str, ...]:
        """Return repository names in byte order."""
        return self.metadata.repositories(after, limit)

    async def referrers(self, path: str, digest: Digest) -> tuple[Descriptor, ...]:
        """Return what names ``digest`` as its subject."""
        return self.metadata.referrers(path, digest)

    async def begin_upload(self, path: str, algorithm: str) -> str:
        """Begin an upload and return its id."""
        upload_id = str(uuid4())
        await self.driver.begin(upload_key(path, upload_id), algorithm)
        return upload_id

    @asynccontextmanager
    async def open_upload(self, path: str, upload_id: str) -> AsyncIterator[_LinkingUpload]:
        """Hold an upload for writing."""
        async with self.driver.open_upload(upload_key(path, upload_id), patience_s=self._patience_s) as handle:
            yield _LinkingUpload(self, path, handle)

    async def upload_size(self, path: str, upload_id: str) -> int:
        """Return how many bytes an upload holds."""
        return await self.driver.upload_size(upload_key(path, upload_id))

    async def cancel_upload(self, path: str, upload_id: str) -> None:
        """Forget an upload."""
        await self.driver.abort(upload_key(path, upload_id))

    async def mount_blob(
        self, path: str, digest: Digest, from_path: str | None, may_read: Callable[[str], bool]
    ) -> bool:
        """Link a whole blob of another repository that may be read; without ``from_path``, of any such."""
        for holder, size_bytes in self.metadata.holders(digest):
            if from_path not in (None, holder) or not may_read(holder):
                continue
            if await self.driver.stat(digest) != size_bytes:
                return False
            await self.metadata.write(partial(records.link_blob, path=path, digest=digest, size_bytes=size_bytes))
            return True
        return False

    async def put_manifest(self, path: str, pushed: PushedManifest, tags: Sequence[str]) -> None:
        """Store the bytes, then link and tag them in one transaction that also checks what they need."""
        await self.driver.put(pushed.digest, pushed.raw)
        await self.metadata.write(partial(records.link_manifest, path=path, pushed=pushed, tags=tags))
        self._manifests.add(pushed.digest, pushed.raw)

    async def delete_manifest(self, path: str, target: str) -> None:
        """Remove a tag, or a manifest with all its tags."""
        if isinstance(target, Digest):
            await self.metadata.write(partial(records.unlink_manifest, path=path, digest=target))
        else:
            await self.metadata.write(partial(records.untag, path=path, tag=target))

    async def delete_blob(self, path: str, digest: Digest) -> None:
        """Remove a blob from this repository."""
        await self.metadata.write(partial(records.unlink_blob, path=path, digest=digest))

    async def _read(self, digest: Digest, size_bytes: int) -> bytes:
        await self._check_size(digest, size_bytes)
        content = await self.driver.open(digest)
        raw = content if isinstance(content, bytes) else await in_thread(content.read_bytes)
        if Digest.of(raw, digest.algorithm) != digest:
            raise DamagedError(f"the stored content of {digest} is damaged", hint="push the image again")
        return raw

    async def _check_size(self, digest: Digest, size_bytes: int) -> None:
        found = await self.driver.stat(digest)
        if found != size_bytes:
            state = "is missing" if found is None else f"holds {found} bytes"
            raise DamagedError(
                f"the stored content of {digest} {state}, {size_bytes} bytes were acknowledged",
                hint="push the image again",
            )


class _ManifestCache:
    """The bytes of manifests used last, by digest, so never stale; bounded in bytes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Digest, bytes] = OrderedDict()
        self._size_bytes = 0

    def get(self, digest: Digest) -> bytes | None:
        raw = self._kept.get(digest)
        if raw is not None:
            self._kept.move_to_end(digest)
        return raw

    def add(self, digest: Digest, raw: bytes) -> None:
        if len(raw) > _CACHED_MANIFEST_BYTES or digest in self._kept:
            return
        self._kept[digest] = raw
        self._size_bytes += len(raw)
        while self._size_bytes > _CACHE_BYTES:
            self._size_bytes -= len(self._kept.popitem(last=False)[1])
