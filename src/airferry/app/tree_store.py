"""A disk tree in the shape that the registry serves from; the registry knows only its protocol, media only trees."""

import asyncio
from pathlib import Path

from airferry.content.errors import NotFoundError
from airferry.media import ServedTree
from airferry.oci import Descriptor, Digest
from airferry.registry import StoredBlob, StoredManifest


class TreeStore:
    """The registry's ReadableStore over the tree in ``disk``."""

    def __init__(self, disk: Path) -> None:
        self._tree = ServedTree(disk)

    async def manifest(self, path: str, target: str) -> StoredManifest:
        """Return the manifest at a tag or digest, checked. Raises NotFoundError, DamagedError."""
        manifest = await asyncio.to_thread(self._tree.resolve, path, target)
        if manifest is None:
            raise NotFoundError(f"{path} has no manifest {target}")
        return StoredManifest(manifest.digest, manifest.media_type, manifest.raw)

    async def blob(self, path: str, digest: Digest) -> StoredBlob:
        """Return the blob's file. Raises NotFoundError."""
        file = await asyncio.to_thread(self._tree.blob_file, path, digest)
        if file is None:
            raise NotFoundError(f"{path} has no blob {digest}")
        status = await asyncio.to_thread(file.stat)
        return StoredBlob(digest, status.st_size, file)

    async def tags(self, path: str, *, after: str | None = None, limit: int | None = None) -> tuple[str, ...]:
        """Return at most ``limit`` tags behind ``after``, sorted. Raises NotFoundError."""
        return _page(await asyncio.to_thread(self._tree.list_tags, path), after, limit)

    async def repositories(self, *, after: str | None = None, limit: int | None = None) -> tuple[str, ...]:
        """Return at most ``limit`` repository names behind ``after``, sorted."""
        return _page(await asyncio.to_thread(self._tree.list_repositories), after, limit)

    async def referrers(self, path: str, digest: Digest) -> tuple[Descriptor, ...]:
        """Return what refers to ``digest``."""
        return await asyncio.to_thread(self._tree.list_referrers, path, digest)

    async def close(self) -> None:
        """Nothing is held open."""


def _page(names: tuple[str, ...], after: str | None, limit: int | None) -> tuple[str, ...]:
    behind = names if after is None else tuple(name for name in names if name > after)
    return behind if limit is None else behind[:limit]
