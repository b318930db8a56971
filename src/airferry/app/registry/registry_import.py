"""``registry import``: a tree on disk becomes repositories of the registry in a folder, without HTTP.

The registry knows its own store and media knows trees; here they meet. Blobs first, then images, then the indexes that
name them. What is damaged or missing in the tree is left out with every image that needs it, and named.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from airferry.app.media import require_tree
from airferry.app.narration import Narrator
from airferry.app.registry.registry_upkeep import opened_store
from airferry.content.tree_folder import TreeFolder
from airferry.errors import AirferryError, UsageError
from airferry.media.images import RepositoryImages, read_images
from airferry.oci import Digest, Manifest
from airferry.oci.reference import is_repository_path
from airferry.quantities import print_binary_size
from airferry.registry import RegistryStore
from airferry.registry.acceptance import accept_manifest
from airferry.registry.importing import Import, import_blob

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 4
_FAULTS: Final = ("content-mismatch", "damaged", "not-found", "malformed", "unsupported")
"""What is wrong with one object, and not with the registry or its disk."""


@dataclass(slots=True)
class Imported:
    """What was taken over. ``blobs`` and ``bytes`` count by the way they came; ``faults`` are what was left out."""

    repositories: list[str] = field(default_factory=list)
    images: int = 0
    tags: int = 0
    blobs: Counter[Import] = field(default_factory=Counter)
    bytes: Counter[Import] = field(default_factory=Counter)
    faults: list[dict[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain data with stable keys."""
        return {
            "repositories": self.repositories,
            "images": self.images,
            "tags": self.tags,
            "blobs": {str(how): self.blobs[how] for how in Import},
            "bytes": {str(how): self.bytes[how] for how in Import},
            "faults": self.faults,
        }


async def import_tree(root: Path, tree: Path, *, prefix: str, may_share: bool, narrator: Narrator) -> Imported:
    """Take the tree in ``tree`` over into the registry in ``root``, below the repository name ``prefix``.

    Raises ``not-found`` (no registry, no tree), UsageError (a prefix that is no name), NoSpaceError, ReadOnlyError, and
    ``denied`` where a quota is exceeded; what came until then stays.
    """
    if prefix and not is_repository_path(prefix):
        raise UsageError(f"{prefix[:120]!r} is not the beginning of a repository's name", hint="write mirror or team/x")
    require_tree(tree)
    folder, imported = TreeFolder(tree), Imported()
    async with opened_store(root) as (_, store):
        for path in await asyncio.to_thread(folder.repositories):
            images = await asyncio.to_thread(read_images, folder, path)
            target = f"{prefix}/{path}" if prefix else path
            await _Repository(store, images, _tags_of(images), target, may_share, imported).take(narrator)
    fields = {"tree": str(tree), "images": imported.images, "faults": len(imported.faults)}
    logger.info("tree imported", extra=fields)
    return imported


@dataclass(frozen=True, slots=True)
class _Repository:
    store: RegistryStore
    images: RepositoryImages
    tags: Mapping[Digest, Sequence[str]]
    path: str
    may_share: bool
    imported: Imported

    async def take(self, narrator: Narrator) -> None:
        blobs = sorted(self.images.files.keys() - self.images.manifest_files)
        narrator.phase(f"importing {self.path}", steps=len(blobs) + len(self.images.manifest_files))
        room = asyncio.Semaphore(_AT_ONCE)

        async def take_one(digest: Digest) -> None:
            async with room:
                await self._take_blob(digest)
            narrator.advance(steps=1)

        try:
            async with asyncio.TaskGroup() as group:
                for digest in blobs:
                    group.create_task(take_one(digest))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        for digest in sorted(self.images.manifest_files - self.images.manifests.keys()):
            self._fault(digest, "the manifest is damaged")
        for manifest in _children_first(self.images.manifests.values()):
            await self._take_manifest(manifest)
            narrator.advance(steps=1)
        self.imported.repositories.append(self.path)

    async def _take_blob(self, digest: Digest) -> None:
        file = self.images.files[digest][0]
        try:
            how = await import_blob(self.store.storage, self.path, digest, file, may_share=self.may_share)
            size_bytes = (await asyncio.to_thread(file.stat)).st_size
        except AirferryError as error:
            if error.code not in _FAULTS:
                raise
            self._fault(digest, error.message)
        else:
            self.imported.blobs[how] += 1
            self.imported.bytes[how] += size_bytes

    async def _take_manifest(self, manifest: Manifest) -> None:
        tags = self.tags.get(manifest.digest, ())
        try:
            pushed = accept_manifest(manifest.raw, manifest.media_type, manifest.digest)
            await self.store.put_manifest(self.path, pushed, tags)
        except AirferryError as error:
            if error.code not in _FAULTS:
                raise
            self._fault(manifest.digest, error.message)
        else:
            self.imported.images += 1
            self.imported.tags += len(tags)

    def _fault(self, digest: Digest, message: str) -> None:
        tags = " ".join(self.tags.get(digest, ()))
        fault = {"repository": self.path, "digest": str(digest), "message": message}
        self.imported.faults.append(fault | ({"tags": tags} if tags else {}))


def _tags_of(images: RepositoryImages) -> dict[Digest, list[str]]:
    """Return the tags of each digest that has some."""
    tags: dict[Digest, list[str]] = {}
    for tag, digest in images.tags.items():
        tags.setdefault(digest, []).append(tag)
    return tags


def _children_first(manifests: Iterable[Manifest]) -> list[Manifest]:
    """Return images before indexes, and indexes of indexes last."""
    known = {manifest.digest: manifest for manifest in manifests}
    depths: dict[Digest, int] = {}

    def depth(manifest: Manifest) -> int:
        if manifest.digest not in depths:
            depths[manifest.digest] = 0  # no digest can be part of itself; this is only against a broken tree
            below = [depth(known[child.digest]) for child in manifest.children if child.digest in known]
            depths[manifest.digest] = 1 + max(below, default=0)
        return depths[manifest.digest]

    return sorted(known.values(), key=lambda manifest: (depth(manifest), manifest.digest))


def print_imported(imported: Imported) -> str:
    """Return the text of ``registry import``."""
    shared = imported.bytes[Import.REFLINK] + imported.bytes[Import.HARD_LINK]
    lines = [
        f"Imported {imported.images} images with {imported.tags} tags into {len(imported.repositories)} repositories",
        f"blobs: {sum(imported.blobs.values())}, of them {imported.blobs[Import.HELD]} here before; "
        f"{print_binary_size(shared)} shared with the tree, {print_binary_size(imported.bytes[Import.COPY])} copied",
    ]
    lines += [f"left out: {fault['repository']} {fault['digest']}: {fault['message']}" for fault in imported.faults]
    return "".join(f"{line}\n" for line in lines)
