"""A catalog opened, wherever it is: a folder or a file, or an image in a registry, on a disk or in a layout.

What an image is, its labels say, as for opm and oc: a file-based catalog, an index in SQLite, or a bundle. In an image
without such a label, the first file that is a SQLite database is taken for an index, as oc does.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airferry.app.catalogs.catalog_forms import CatalogFiles, CatalogForm, catalog_files
from airferry.app.images.image_config import read_image_config
from airferry.app.places import Places
from airferry.app.releases.release_image import choose_child
from airferry.content.errors import NotFoundError, UnsafeArchiveError
from airferry.content.layout import LayoutPlace
from airferry.content.unpack import extract_file
from airferry.content.unpack_names import clean_name
from airferry.content.unpack_search import follow_links, names_by_magic
from airferry.content.unpack_select import PathMapping
from airferry.content.unpack_tree import ExtractOptions, extract_tree
from airferry.errors import MalformedError, UsageError
from airferry.oci import Manifest, Reference
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.labels import CONFIGS_LABEL, DATABASE_LABEL
from airferry.openshift.catalog.model import Catalog
from airferry.openshift.catalog.reading.bundle_manifests import PACKAGE_ANNOTATION
from airferry.openshift.catalog.reading.metas import Meta
from airferry.survey.catalog_database import HEADER


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
    """A catalog that was read. ``image`` is None for a folder or file.

    ``folder`` holds its documents while it is open; of a catalog of another form than documents, its files.
    """

    catalog: Catalog
    folder: Path
    image: CatalogImage | None = None
    files: CatalogFiles | None = None

    @property
    def form(self) -> CatalogForm:
        """What the catalog was read from."""
        return self.files.form if self.files is not None else CatalogForm.DOCUMENTS

    def metas(self) -> Iterator[Meta]:
        """Yield its documents whole, with manifests, whatever its form. Blocks while it reads."""
        files = self.files or CatalogFiles(self.folder, CatalogForm.DOCUMENTS)
        return files.metas([], with_manifests=True)


@asynccontextmanager
async def open_catalog(
    text: str,
    places: Places,
    *,
    tree: Path | None = None,
    architecture: str | None = None,
    seen: Callable[[int], object] | None = None,
) -> AsyncIterator[OpenedCatalog]:
    """Open and read the catalog that ``text`` names: a folder or file (``./catalog``, ``index.db``), or an image.

    Of a list of images, the one for ``architecture`` is read; without one that for amd64, or else the first. What is
    unpacked for it is gone when it is closed.
    ``seen`` hears the number of documents while they are read. Raises NotFoundError, MalformedError, …
    """
    path = _named_path(text)
    if path is not None:
        files = await asyncio.to_thread(catalog_files, path)
        yield OpenedCatalog(await asyncio.to_thread(files.read, seen), path, files=files)
        return
    image = await read_catalog_image(_parse_reference(text, tree), places, architecture=architecture)
    with tempfile.TemporaryDirectory(prefix="airferry-catalog-") as unpacked:
        files, notes = await _unpack(image, places, Path(unpacked))
        catalog = await asyncio.to_thread(files.read, seen)
        left_out = (Finding(FindingCode.LEFT_OUT, str(image.asked), note) for note in notes)
        catalog = replace(catalog, findings=(*catalog.findings, *left_out))
        yield OpenedCatalog(catalog, Path(unpacked), image, files)


async def read_catalog_image(reference: Reference, places: Places, *, architecture: str | None = None) -> CatalogImage:
    """Read the manifest and configuration of a catalog image, without its layers.

    An OCI layout needs no tag where it holds one image.
    """
    source = places.source(reference.repository.place)
    path = reference.repository.path
    target = reference.digest or reference.tag or await _only_image(reference, places)
    if target is None:
        raise UsageError(f"{reference} names a repository, not a catalog", hint="add a tag or a digest")
    root = await source.read_manifest(path, target)
    manifest = root
    if root.is_index:
        manifest = await source.read_manifest(
            path, choose_child(root, architecture or "amd64", or_first=architecture is None)
        )
    config = await read_image_config(manifest, reference, places)
    return CatalogImage(reference, reference.by_digest(root.digest), root, manifest, config)


async def _only_image(reference: Reference, places: Places) -> str | None:
    """Return the digest of the one image of a layout; None in other places."""
    layout = places.source(reference.repository.place)
    if not isinstance(layout, LayoutPlace):
        return None
    found = {entry.digest for entry in await layout.list_images()}
    if len(found) != 1:
        tags = await layout.list_tags("")
        raise UsageError(
            f"{reference} holds {len(found)} images",
            hint=f"add one of its tags: {', '.join(tags[:10])}" if tags else "add a digest",
        )
    return found.pop()


async def _unpack(image: CatalogImage, places: Places, folder: Path) -> tuple[CatalogFiles, tuple[str, ...]]:
    """Unpack what of the image is the catalog; return it and notes on what had to be left out."""
    labels = image.labels
    if (configs := labels.get(CONFIGS_LABEL)) is not None:
        notes = await _unpack_folder(image, places, configs, folder)
        return CatalogFiles(folder, CatalogForm.DOCUMENTS), notes
    if (database := labels.get(DATABASE_LABEL)) is not None:
        return await _unpack_database(image, places, database, folder), ()
    if PACKAGE_ANNOTATION in labels:
        notes = ()
        for part, usual in (("manifests", "manifests/"), ("metadata", "metadata/")):
            inside = labels.get(f"operators.operatorframework.io.bundle.{part}.v1", usual)
            (folder / part).mkdir()
            notes += await _unpack_folder(image, places, inside, folder / part)
        return CatalogFiles(folder, CatalogForm.BUNDLES, str(image.reference)), notes
    repository = image.reference.repository
    names = await names_by_magic(places.source(repository.place), repository.path, image.manifest, HEADER)
    if not names:
        raise MalformedError(
            f"{image.asked} is not a catalog: it has no label {CONFIGS_LABEL}, and no index in SQLite",
            hint="a catalog image is named such as registry.redhat.io/redhat/redhat-operator-index:v4.16",
        )
    return await _unpack_database(image, places, names[0], folder), ()


async def _unpack_folder(image: CatalogImage, places: Places, inside: str, folder: Path) -> tuple[str, ...]:
    name, repository, manifest = _inside(image, inside), image.reference.repository, image.manifest
    source = places.source(repository.place)
    options = ExtractOptions(confirm=True)

    async def unpacked(name: str) -> tuple[str, ...]:
        mapping = PathMapping(name, None, folder)
        return (await extract_tree(source, repository.path, manifest, [mapping], manifest.layers, options)).notes

    try:
        return await unpacked(name)
    except NotFoundError:
        # Where nothing is below that name, it may be a link; to look for one first would read every layer twice.
        real = await follow_links(source, repository.path, manifest, name)
        if real == name:
            raise
        return await unpacked(real)


async def _unpack_database(image: CatalogImage, places: Places, inside: str, folder: Path) -> CatalogFiles:
    repository = image.reference.repository
    name, file = _inside(image, inside), folder / "index.db"
    with file.open("wb") as opened:
        await extract_file(places.source(repository.place), repository.path, image.manifest, name, opened.write)
    return CatalogFiles(file, CatalogForm.DATABASE, shown=f"/{name} of {image.asked}")


def _inside(image: CatalogImage, path: str) -> str:
    """Return a path that a label says, relative to the image's root. Raises MalformedError."""
    try:
        return clean_name(path)
    except UnsafeArchiveError as error:
        raise MalformedError(f"a label of {image.asked} leads out of the image: {path!r}") from error


def _parse_reference(text: str, tree: Path | None) -> Reference:
    try:
        return Reference.parse(text, tree=str(tree or "."))
    except MalformedError as error:
        if not Path(text).exists():
            raise
        raise MalformedError(error.message, hint=f"for the folder or file of that name write ./{text}") from error


def _named_path(text: str) -> Path | None:
    """Return the folder or file that ``text`` is a path of, None when it is a reference."""
    if text.startswith(("/", "./", "../", "~/")) or text in (".", ".."):
        return Path(text).expanduser()
    return Path(text) if text.endswith(".db") and "://" not in text else None
