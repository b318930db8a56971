"""The catalog as one visitor sees it: only what that visitor may pull."""

from typing import Final

from airferry.oci import Descriptor, Digest
from airferry.registry.access.visitors import Visitor
from airferry.registry.protocol import ReadableStore, StoredBlob, StoredManifest

_AT_ONCE: Final = 1000


class VisibleStore:
    """A store whose list of repositories leaves out what ``visitor`` may not pull. Implements ``ReadableStore``."""

    def __init__(self, store: ReadableStore, visitor: Visitor) -> None:
        self._store = store
        self._visitor = visitor

    async def repositories(self, *, after: str | None = None, limit: int | None = None) -> tuple[str, ...]:
        """Return as many names as asked for, if there are so many that may be seen."""
        seen: list[str] = []
        while limit is None or len(seen) < limit:
            names = await self._store.repositories(after=after, limit=_AT_ONCE)
            seen += [name for name in names if self._visitor.sees(name)]
            if len(names) < _AT_ONCE:
                break
            after = names[-1]
        return tuple(seen[:limit])

    async def manifest(self, path: str, target: str) -> StoredManifest:
        """As the store does."""
        return await self._store.manifest(path, target)

    async def blob(self, path: str, digest: Digest) -> StoredBlob:
        """As the store does."""
        return await self._store.blob(path, digest)

    async def tags(self, path: str, *, after: str | None = None, limit: int | None = None) -> tuple[str, ...]:
        """As the store does."""
        return await self._store.tags(path, after=after, limit=limit)

    async def referrers(self, path: str, digest: Digest) -> tuple[Descriptor, ...]:
        """As the store does."""
        return await self._store.referrers(path, digest)

    async def close(self) -> None:
        """As the store does."""
        await self._store.close()
