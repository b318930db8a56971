"""A disk asked for the images of a cluster by the cluster's names, before it leaves the connected side."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from airferry.app.media import require_tree
from airferry.content.errors import NotFoundError
from airferry.content.protocol import ByteStream
from airferry.content.tree import TreePlace
from airferry.oci import Descriptor, Digest, Manifest, Place
from airferry.oci.digest import is_digest
from airferry.oci.pull_sources import PullSource
from airferry.openshift.release.naming import DEFAULT_DISK_PATH


class DiskPlaces:
    """Every repository of one disk as if it were one: loading the disk brings all of them to one mirror."""

    def __init__(self, tree: TreePlace, repositories: tuple[str, ...]) -> None:
        self._tree = tree
        # Where tags mean the release, first.
        self._repositories = tuple(sorted(repositories, key=lambda path: (path != DEFAULT_DISK_PATH, path)))

    def open(self, source: PullSource) -> "DiskPlace":
        """Return the disk, whatever place was meant."""
        return DiskPlace(self._tree, self._repositories)

    async def close(self) -> None:
        """Let the disk go."""
        await self._tree.close()


class DiskPlace:
    """One disk as the place of a pull: ``path`` is the cluster's name, and does not matter."""

    def __init__(self, tree: TreePlace, repositories: tuple[str, ...]) -> None:
        self.place: Place = tree.place
        self._tree = tree
        self._repositories = repositories

    async def resolve_tag(self, path: str, tag: str) -> Digest:
        """Return what the first repository with this tag says."""
        for repository in self._repositories:
            found = await self._tree.tag_digest(repository, tag)
            if found is not None:
                return found
        raise NotFoundError(f"the disk has no tag {tag}")

    async def read_manifest(self, path: str, target: str) -> Manifest:
        """Return the manifest from the first repository that has it."""
        for repository in self._repositories:
            try:
                if is_digest(target) and not await self._tree.has_manifest(repository, Digest(target)):
                    continue
                return await self._tree.read_manifest(repository, target)
            except NotFoundError:
                continue
        raise NotFoundError(f"the disk {self._tree.place.address} has no manifest {target}")

    async def has_blob(self, path: str, blob: Descriptor) -> bool:
        """Whether a repository holds this blob whole."""
        return await self._holder(blob) is not None

    def open_blob(self, path: str, blob: Descriptor, offset: int = 0) -> AbstractAsyncContextManager[ByteStream]:
        """Open the blob in the repository that holds it. Raises NotFoundError."""
        return self._open(blob, offset)

    async def list_tags(self, path: str) -> tuple[str, ...]:
        """Return all tags of all repositories."""
        listed = [await self._tree.list_tags(repository) for repository in self._repositories]
        return tuple(sorted({tag for tags in listed for tag in tags}))

    async def list_referrers(self, path: str, subject: Digest) -> tuple[Descriptor, ...]:
        """Return what refers to ``subject`` in any repository."""
        listed = [await self._tree.list_referrers(repository, subject) for repository in self._repositories]
        return tuple({item.digest: item for items in listed for item in items}.values())

    async def close(self) -> None:
        """Nothing of its own to give back."""

    @asynccontextmanager
    async def _open(self, blob: Descriptor, offset: int) -> AsyncIterator[ByteStream]:
        repository = await self._holder(blob)
        if repository is None:
            raise NotFoundError(f"the disk {self._tree.place.address} has no blob {blob.digest}")
        async with self._tree.open_blob(repository, blob, offset) as stream:
            yield stream

    async def _holder(self, blob: Descriptor) -> str | None:
        for repository in self._repositories:
            if await self._tree.has_blob(repository, blob):
                return repository
        return None


async def open_disk(folder: Path) -> DiskPlaces:
    """Open the disk in ``folder``, to read. Raises NotFoundError when it holds no tree."""
    require_tree(folder)
    tree = TreePlace(folder)
    return DiskPlaces(tree, await tree.list_repositories())
