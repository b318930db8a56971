"""The registry's own store: bytes in a driver, who holds them in the metadata. Implements WritableStore.

Order of effects: bytes → verified → durable → named → linked → answered. Nothing is visible under its digest
before it is whole, and nothing is readable from a repository before it is linked to it.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from time import time
from typing import Final, Self
from uuid import uuid4

from airferry.errors import AirferryError
from airferry.oci import Descriptor, Digest
from airferry.registry import uploading
from airferry.registry.acceptance import PushedManifest
from airferry.registry.collecting import Collected, CollectionPolicy, collect
from airferry.registry.disk import in_thread
from airferry.registry.drivers import Driver, FilesystemDriver, MemoryDriver
from airferry.registry.errors import DamagedError, NoSpaceError, NotFoundError, ReadOnlyError
from airferry.registry.metadata import Metadata, linking, open_metadata, reading
from airferry.registry.metadata.reading import Content
from airferry.registry.metadata.uploads import forget_old_upload, old_uploads
from airferry.registry.protocol import StoredBlob, StoredManifest
from airferry.registry.settings import DatabaseUrl
from airferry.registry.storage import Storage
from airferry.registry.upload import upload_key
from airferry.registry.uploading import LinkingUpload

_CACHE_BYTES: Final = 32 * 1024 * 1024
_ENTRY_BYTES: Final = 350  # what Python needs to keep one, besides its bytes
_CACHED_MANIFEST_BYTES: Final = 1024 * 1024
TOUCH_S: Final = 1.0
"""How old the note may be of when a blob without a manifest was asked for last: a grace period is shorter by so much
for who is told that he need not push it. What a manifest needs is never noted, so pulls write nothing."""

_SWEPT_TOGETHER: Final = 100
METADATA_FILE: Final = "metadata.sqlite"


class RegistryStore:
    """Implements :class:`airferry.registry.protocol.WritableStore` over a driver and the metadata.

    Nothing that matters lives in this process only: several may serve one root.
    """

    def __init__(
        self,
        driver: Driver,
        metadata: Metadata,
        *,
        patience_s: float = 5.0,
        is_read_only: bool = False,
        clock: Callable[[], float] = time,
    ) -> None:
        self.driver = driver
        self.metadata = metadata
        self.storage = Storage(driver, metadata, clock)
        self._clock = clock
        self._patience_s = patience_s
        self.is_read_only = is_read_only
        """Whether nothing is noted of what is read. May be changed at any time."""
        self._manifests = _ManifestCache()

    @classmethod
    def on_disk(
        cls,
        root: Path,
        database: DatabaseUrl | None = None,
        *,
        is_read_only: bool = False,
        clock: Callable[[], float] = time,
    ) -> Self:
        """Return the store in the folder ``root``, with its metadata in ``database`` or in the folder.

        With ``is_read_only`` nothing is noted of what is read; not to write is the caller's.
        Raises ReadOnlyError, NoSpaceError, UnsupportedError (what another airferry wrote), DatabaseUnreachableError.
        """
        metadata = open_metadata(database or root / METADATA_FILE)
        return cls(FilesystemDriver(root), metadata, is_read_only=is_read_only, clock=clock)

    @classmethod
    def in_memory(cls, *, clock: Callable[[], float] = time) -> Self:
        """Return an empty store that is gone with the process."""
        return cls(MemoryDriver(clock), open_metadata(None), patience_s=0, clock=clock)

    async def close(self) -> None:
        """Finish writing and close the files."""
        await in_thread(self.metadata.close)

    async def manifest(self, path: str, target: str) -> StoredManifest:
        """Return the manifest at a tag or digest, its bytes checked when they are read from disk."""
        digest, media_type, content = await self.metadata.read(reading.find_manifest, path, target)
        _refuse_damaged(digest, content)  # even where we remember it: who is told that it is here does not push it
        raw = self._manifests.get(digest)
        if raw is None:
            raw = await self._read(digest, content)
            self._manifests.add(digest, raw)
        return StoredManifest(digest, media_type, raw)

    async def blob(self, path: str, digest: Digest) -> StoredBlob:
        """Return the blob; one that lost its file, or whose file has another length, is DamagedError.

        Who is told that a blob is here need not push it: it is then kept as if he had.
        """
        content, idle_since_s = await self.metadata.read(reading.find_blob, path, digest)
        if not self.is_read_only:
            await self._note_use(path, digest, idle_since_s)
        await self._check_size(digest, content)
        return StoredBlob(digest, content.size_bytes, await self.driver.open(content.object_name))

    async def tags(self, path: str, *, after: str | None = None, limit: int | None = None) -> tuple[str, ...]:
        """Return tags in byte order."""
        return await self.metadata.read(reading.list_tags, path, after, limit)

    async def repositories(self, *, after: str | None = None, limit: int | None = None) -> tuple[str, ...]:
        """Return repository names in byte order."""
        return await self.metadata.read(reading.list_repositories, after, limit)

    async def referrers(self, path: str, digest: Digest) -> tuple[Descriptor, ...]:
        """Return what names ``digest`` as its subject."""
        return await self.metadata.read(reading.list_referrers, path, digest)

    async def begin_upload(self, path: str, algorithm: str) -> str:
        """Begin an upload and return its id."""
        upload_id = str(uuid4())
        await uploading.begin(self.storage, upload_key(path, upload_id), algorithm)
        return upload_id

    @asynccontextmanager
    async def open_upload(self, path: str, upload_id: str) -> AsyncIterator[LinkingUpload]:
        """Hold an upload for writing; what was received is settled when it is let go, whatever happened."""
        key = upload_key(path, upload_id)
        async with self.driver.open_upload(key, patience_s=self._patience_s) as handle:
            upload = await LinkingUpload.resume(self.storage, path, key, handle)
            try:
                yield upload
            except BaseException:
                with suppress(AirferryError):
                    await upload.settle()
                raise
            await upload.settle()

    async def upload_size(self, path: str, upload_id: str) -> int:
        """Return how many bytes an upload holds."""
        return await uploading.received(self.storage, upload_key(path, upload_id))

    async def cancel_upload(self, path: str, upload_id: str) -> None:
        """Forget an upload."""
        await uploading.forget(self.storage, upload_key(path, upload_id))

    async def mount_blob(
        self, path: str, digest: Digest, from_path: str | None, may_read: Callable[[str], bool]
    ) -> bool:
        """Link a whole blob of another repository that may be read; without ``from_path``, of any such."""
        for holder, content in await self.metadata.read(reading.holders, digest):
            if from_path not in (None, holder) or not may_read(holder):
                continue
            if not await self.storage.is_whole(content):
                return False
            mount = partial(linking.mount_blob, path=path, digest=digest, from_path=holder, now_s=self._clock())
            if await self.metadata.write(mount):
                return True
        return False

    async def put_manifest(self, path: str, pushed: PushedManifest, tags: Sequence[str]) -> None:
        """Store the bytes, then link and tag them in one transaction that also checks what they need."""
        async with self.driver.holding(pushed.digest):
            name = await self.driver.put(pushed.digest, pushed.raw)
            await self.metadata.write(
                partial(
                    linking.link_manifest,
                    path=path,
                    pushed=pushed,
                    tags=tags,
                    object_name=name,
                    now_s=self._clock(),
                )
            )
        self._manifests.add(pushed.digest, pushed.raw)

    async def delete_manifest(self, path: str, target: str) -> None:
        """Remove a tag, or a manifest with all its tags."""
        now_s = self._clock()
        if isinstance(target, Digest):
            await self.metadata.write(partial(linking.unlink_manifest, path=path, digest=target, now_s=now_s))
        else:
            await self.metadata.write(partial(linking.untag, path=path, tag=target, now_s=now_s))

    async def delete_blob(self, path: str, digest: Digest) -> None:
        """Remove a blob from this repository."""
        await self.metadata.write(partial(linking.unlink_blob, path=path, digest=digest, now_s=self._clock()))

    async def collect(self, policy: CollectionPolicy, *, is_dry_run: bool = False) -> Collected:
        """Collect garbage, while serving; see :func:`airferry.registry.collecting.collect`."""
        return await collect(self.storage, policy, is_dry_run=is_dry_run)

    async def sweep_uploads(self, older_than_s: float) -> int:
        """Forget uploads that nobody wrote to for ``older_than_s``; return how many."""
        swept = await self.driver.sweep(older_than_s)
        before_s = self._clock() - older_than_s
        while keys := await self.metadata.read(old_uploads, before_s, _SWEPT_TOGETHER):
            for key in keys:
                if await self.metadata.write(partial(forget_old_upload, key=key, before_s=before_s), is_lasting=False):
                    with suppress(NotFoundError):
                        await self.driver.abort(key)
                        swept += 1
        return swept

    async def _note_use(self, path: str, digest: Digest, idle_since_s: float) -> None:
        now_s = self._clock()
        if now_s - idle_since_s <= TOUCH_S or await self.metadata.read(reading.is_referred_to, path, digest):
            return
        touch = partial(linking.touch_blob, path=path, digest=digest, now_s=now_s)
        with suppress(NoSpaceError, ReadOnlyError):  # a full disk must not keep anybody from pulling
            await self.metadata.write(touch, is_lasting=False)

    async def _read(self, digest: Digest, stored: Content) -> bytes:
        await self._check_size(digest, stored)
        content = await self.driver.open(stored.object_name)
        raw = content if isinstance(content, bytes) else await in_thread(content.read_bytes)
        if Digest.of(raw, digest.algorithm) != digest:
            raise DamagedError(f"the stored content of {digest} is damaged", hint="push the image again")
        return raw

    async def _check_size(self, digest: Digest, stored: Content) -> None:
        _refuse_damaged(digest, stored)
        found = await self.driver.stat(stored.object_name)
        if found != stored.size_bytes:
            state = "is missing" if found is None else f"holds {found} bytes"
            raise DamagedError(
                f"the stored content of {digest} {state}, {stored.size_bytes} bytes were acknowledged",
                hint="push the image again",
            )


def _refuse_damaged(digest: Digest, stored: Content) -> None:
    if stored.damaged_s is not None:
        raise DamagedError(
            f"the stored content of {digest} was found damaged and is quarantined", hint="push the image again"
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
        self._size_bytes += len(raw) + _ENTRY_BYTES
        while self._size_bytes > _CACHE_BYTES:
            self._size_bytes -= len(self._kept.popitem(last=False)[1]) + _ENTRY_BYTES
