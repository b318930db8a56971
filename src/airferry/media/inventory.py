"""What is on a medium: repositories, tags, manifests, blobs, bytes, and what no image needs. Nothing is hashed."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airferry.content.filesystem import reading
from airferry.content.tree_folder import TreeFolder
from airferry.media.images import RepositoryImages, read_images
from airferry.media.records import Records
from airferry.oci import Digest


@dataclass(frozen=True, slots=True)
class RepositoryContent:
    """One repository. ``size_bytes`` counts each blob and manifest once; unreferenced ones are in it."""

    path: str
    tags: Mapping[str, Digest]
    images_without_tag: tuple[Digest, ...]
    manifests: int
    blobs: int
    size_bytes: int
    unreferenced: tuple[Digest, ...]
    unreferenced_bytes: int

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain data with stable keys."""
        return {
            "path": self.path,
            "tags": dict(self.tags),
            "imagesWithoutTag": list(self.images_without_tag),
            "manifests": self.manifests,
            "blobs": self.blobs,
            "sizeBytes": self.size_bytes,
            "unreferenced": list(self.unreferenced),
            "unreferencedBytes": self.unreferenced_bytes,
        }


@dataclass(frozen=True, slots=True)
class Inventory:
    """All of a tree. ``size_bytes`` is what it takes on disk: blobs that repositories share by links count once."""

    folder: str
    repositories: tuple[RepositoryContent, ...]
    size_bytes: int
    records: tuple[str, ...]
    half_written: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain data with stable keys."""
        return {
            "folder": self.folder,
            "repositories": [repository.as_json() for repository in self.repositories],
            "sizeBytes": self.size_bytes,
            "records": list(self.records),
            "halfWritten": list(self.half_written),
        }


async def take_inventory(folder: TreeFolder) -> Inventory:
    """Look through the tree. Manifests are read, blobs are not. Raises NotFoundError, DeniedError, DamagedError."""
    records = await Records(folder.root).names()
    return await asyncio.to_thread(_look, folder, records)


def _look(folder: TreeFolder, records: tuple[str, ...]) -> Inventory:
    files: dict[tuple[int, int], int] = {}
    repositories = []
    with reading(folder.root):
        for path in folder.repositories():
            images = read_images(folder, path)
            sizes = {}
            for digest, names in images.files.items():
                for file in names:
                    status = file.stat()
                    sizes[digest] = status.st_size
                    files[status.st_dev, status.st_ino] = status.st_size
            repositories.append(_summarise(images, sizes))
        stale = tuple(str(file.relative_to(folder.root)) for file in folder.stale_names())
    return Inventory(str(folder.root), tuple(repositories), sum(files.values()), records, stale)


def _summarise(images: RepositoryImages, sizes: Mapping[Digest, int]) -> RepositoryContent:
    unreferenced = tuple(sorted(sizes.keys() - images.referenced()))
    return RepositoryContent(
        path=images.path,
        tags=dict(sorted(images.tags.items())),
        images_without_tag=tuple(digest for tag, digest in images.roots if tag is None),
        manifests=len(images.manifest_files),
        blobs=len(sizes.keys() - images.manifest_files),
        size_bytes=sum(sizes.values()),
        unreferenced=unreferenced,
        unreferenced_bytes=sum(sizes[digest] for digest in unreferenced),
    )
