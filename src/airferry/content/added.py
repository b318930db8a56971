"""A place with something added that it does not hold: how new content gets into the pipeline of every copy."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from airferry.content.errors import NotFoundError
from airferry.content.protocol import ByteStream, ContentSource
from airferry.oci import Descriptor, Digest, Manifest, Place

_CHUNK_BYTES = 256 * 1024


class AddedSource:
    """A ContentSource that answers with what was added first, then with the place below; None is an empty one.

    What is added is in every repository of the place. It has no tags and no referrers.
    """

    def __init__(
        self,
        place: Place,
        below: ContentSource | None,
        manifests: Iterable[Manifest],
        blobs: Mapping[Digest, bytes],
    ) -> None:
        self.place = place
        self._below = below
        self._manifests = {manifest.digest: manifest for manifest in manifests}
        self._blobs = blobs

    async def resolve_tag(self, path: str, tag: str) -> Digest:
        """Return what the place below says."""
        return await self._others(tag).resolve_tag(path, tag)

    async def read_manifest(self, path: str, target: str) -> Manifest:
        """Return the manifest that was added under this digest, or that of the place below."""
        added = self._manifests.get(Digest(target))
        return added if added is not None else await self._others(target).read_manifest(path, target)

    @asynccontextmanager
    async def open_blob(self, path: str, blob: Descriptor, offset: int = 0) -> AsyncIterator[ByteStream]:
        """Open a blob that was added, or one of the place below."""
        content = self._blobs.get(blob.digest)
        if content is None:
            async with self._others(blob.digest).open_blob(path, blob, offset) as stream:
                yield stream
            return
        yield _chunks(content, offset)

    async def list_tags(self, path: str) -> tuple[str, ...]:
        """Return the tags of the place below."""
        return await self._below.list_tags(path) if self._below is not None else ()

    async def list_referrers(self, path: str, subject: Digest) -> tuple[Descriptor, ...]:
        """Return what the place below has; nothing refers to what was added."""
        if self._below is None or subject in self._manifests:
            return ()
        return await self._below.list_referrers(path, subject)

    async def close(self) -> None:
        """Leave the place below open: whoever opened it closes it."""

    def _others(self, wanted: str) -> ContentSource:
        if self._below is None:
            raise NotFoundError(f"{wanted} is not among what was made for {self.place}")
        return self._below


async def _chunks(content: bytes, offset: int) -> AsyncIterator[bytes]:
    for start in range(offset, len(content), _CHUNK_BYTES):
        yield content[start : start + _CHUNK_BYTES]
