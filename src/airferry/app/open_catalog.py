"""A catalog opened, wherever it is: a folder of documents, or an image in a registry, on a disk or in a layout."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from airferry.app.image_config import read_image_config
from airferry.app.places import Places
from airferry.app.release_image import choose_child
from airferry.content.unpack_select import PathMapping
from airferry.content.unpack_tree import ExtractOptions, extract_tree
from airferry.errors import MalformedError, UnsupportedError, UsageError
from airferry.oci import Manifest, Reference
from airferry.openshift.catalog.model import Catalog
from airferry.openshift.catalog.reading import read_catalog
from airferry.survey.catalog_folder import folder_metas

CONFIGS_LABEL: Final = "operators.operatorframework.io.index.configs.v1"
"""The label that says in which folder of an image a file-based catalog is."""
DATABASE_LABEL: Final = "operators.operatorframework.io.index.database.v1"
"""The label that says which file of an image is an index of the older kind, in SQLite."""


@dataclass(frozen=True, slots=True)
class CatalogImage:
    """The image that a catalog came in: ``root`` is what the reference names, ``manifest`` the one looked into."""

    asked: Reference
    reference: Reference
    root: Manifest
    manifest: Manifest
    config: dict[str, Any]

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the image's configuration."""
        config = self.config.get("config")
        labels = config.get("Labels") if isinstance(config, dict) else None
        return {str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {}


@dataclass(frozen=True, slots=True)
class OpenedCatalog:
    """A catalog that was read. ``folder`` holds its documents while it is open; ``image`` is None for a folder."""

    catalog: Catalog
    folder: Path
    image: CatalogImage | None = None


@asynccontextmanager
async def open_catalog(
    text: str, places: Places, *, tree: Path | None = None, architecture: str = "amd64"
) -> AsyncIterator[OpenedCatalog]:
    """Open and read the catalog that ``text`` names: a folder (``./catalog``, ``/srv/catalog``), or an image.

    Of a list of images, the one for ``architecture`` is read. What is unpacked for it is gone when it is closed.
    Raises NotFoundError, MalformedError, UnsupportedError, …
    """
    folder = _named_folder(text)
    if folder is not None:
        yield OpenedCatalog(await asyncio.to_thread(_read, folder), folder)
        return
    image = await read_catalog_image(Reference.parse(text, tree=str(tree or ".")), places, architecture=architecture)
    with tempfile.TemporaryDirectory(prefix="airferry-catalog-") as unpacked:
        await _unpack(image, places, Path(unpacked))
        yield OpenedCatalog(await asyncio.to_thread(_read, Path(unpacked)), Path(unpacked), image)


async def read_catalog_image(reference: Reference, places: Places, *, architecture: str = "amd64") -> CatalogImage:
    """Read the manifest and configuration of a catalog image, without its layers."""
    source = places.source(reference.repository.place)
    path = reference.repository.path
    target = reference.digest or reference.tag
    if target is None:
        raise UsageError(f"{reference} names a repository, not a catalog", hint="add a tag or a digest")
    root = await source.read_manifest(path, target)
    manifest = root
    if root.is_index:
        manifest = await source.read_manifest(path, choose_child(root, architecture))
    config = await read_image_config(manifest, reference, places)
    return CatalogImage(reference, reference.by_digest(root.digest), root, manifest, config)


async def _unpack(image: CatalogImage, places: Places, folder: Path) -> None:
    configs = image.labels.get(CONFIGS_LABEL)
    if configs is None:
        if DATABASE_LABEL in image.labels:
            raise UnsupportedError(f"{image.asked} is an index in SQLite")
        raise MalformedError(
            f"{image.asked} is not a catalog: it has no label {CONFIGS_LABEL}",
            hint="a catalog image is named such as registry.redhat.io/redhat/redhat-operator-index:v4.16",
        )
    mapping = PathMapping.parse(f"{configs.rstrip('/')}/:{folder}")
    repository = image.reference.repository
    source = places.source(repository.place)
    options = ExtractOptions(confirm=True)
    await extract_tree(source, repository.path, image.manifest, [mapping], image.manifest.layers, options)


def _named_folder(text: str) -> Path | None:
    """Return the folder that ``text`` is a path of, None when it is a reference."""
    if text.startswith(("/", "./", "../", "~/")) or text in (".", ".."):
        return Path(text).expanduser()
    return None


def _read(folder: Path) -> Catalog:
    return read_catalog(folder_metas(folder))
