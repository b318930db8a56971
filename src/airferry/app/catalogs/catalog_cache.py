"""``catalog cache``: would opm start with the cache that a catalog image holds?"""

import asyncio
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from airferry.app.catalogs.open_catalog import read_catalog_image
from airferry.app.places import Places
from airferry.content.unpack_folder import HeldEntry, read_folders
from airferry.errors import ExitCode
from airferry.oci import Reference
from airferry.openshift.catalog.building.cache_digest import CacheVerdict, check_cache
from airferry.openshift.catalog.building.layer import FOLDER_MODE
from airferry.openshift.catalog.building.rebuild import Below
from airferry.openshift.catalog.building.tar_stream import TarFile

_LIMIT_BYTES: Final = 1024 * 1024 * 1024


async def check_image_cache(text: str, places: Places, *, tree: Path | None = None) -> CacheVerdict:
    """Return whether the image's command, and the cache that it names, go with the image's documents.

    Raises NotFoundError, UsageError, … and UnsafeArchiveError for more than a GiB.
    """
    image = await read_catalog_image(Reference.parse(text, tree=str(tree or ".")), places)
    below = Below(image.manifest, image.config)
    plan = below.layer_plan
    if not below.command:
        return CacheVerdict(
            None,
            "the image runs nothing: a CatalogSource needs grpcPodConfig.extractContent, and the cluster's opm then "
            "makes a cache of its own",
        )
    if plan.cache is None:
        return CacheVerdict(True, "opm is told of no cache, and makes one of its own")
    repository = image.reference.repository
    source = places.source(repository.place)
    folders = (plan.configs, plan.cache)
    found = await read_folders(source, repository.path, image.manifest, folders, limit_bytes=_LIMIT_BYTES)
    documents, cache = (_as_archive(found[folder]) for folder in folders)
    return await asyncio.to_thread(check_cache, documents, cache)


def exit_code(verdict: CacheVerdict) -> ExitCode:
    """DONE for yes, USER for no, GAPS where it cannot be told."""
    return {True: ExitCode.DONE, False: ExitCode.USER, None: ExitCode.GAPS}[verdict.valid]


def _as_archive(folder: Mapping[str, HeldEntry]) -> dict[str, TarFile]:
    """Return the entries, and the folders that layers imply without naming them: they are made as 0755."""
    archive = {
        path: TarFile(path, None if entry.content is None else bytes(entry.content), entry.mode)
        for path, entry in folder.items()
    }
    for path in folder:
        for parent in (str(parent) for parent in PurePosixPath(path).parents):
            archive.setdefault(parent, TarFile(parent, None, FOLDER_MODE))
    return archive
