"""The forms a catalog has on a disk, told apart; whichever it is, it is read as documents."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from airferry.content.filesystem import reading
from airferry.openshift.catalog.findings import Finding
from airferry.openshift.catalog.model import Catalog
from airferry.openshift.catalog.reading.catalog_reader import CatalogReader
from airferry.openshift.catalog.reading.metas import Meta, read_metas
from airferry.survey.bundle_folder import (
    bundle_folder_metas,
    bundle_folders,
    half_bundles,
    is_bundle,
    package_files,
    package_folder_metas,
)
from airferry.survey.catalog_database import database_file_metas, is_database
from airferry.survey.catalog_folder import folder_metas, read_blocks

_PROGRESS_EVERY = 100


class CatalogForm(StrEnum):
    """What a catalog was read from."""

    DOCUMENTS = "documents"
    DATABASE = "database"
    BUNDLES = "bundles"
    PACKAGES = "packages"


@dataclass(frozen=True, slots=True)
class CatalogFiles:
    """A catalog on a disk: ``path`` is a folder or a file; ``image`` is the bundle image that it was unpacked from.

    ``shown`` is what errors call an index in SQLite, by default its path.
    """

    path: Path
    form: CatalogForm
    image: str = ""
    shown: str = ""

    def metas(self, findings: list[Finding], *, with_manifests: bool = False) -> Iterator[Meta]:
        """Yield its documents; what had to be left out is added to ``findings``. Blocks while it reads.

        Of a file-based catalog these are the documents as they were written. Those of the other forms are made, and
        have the bundles' manifests in them only ``with_manifests``. Raises MalformedError, NotFoundError, …
        """
        match self.form:
            case CatalogForm.DOCUMENTS:
                if self.path.is_file():
                    return read_metas(read_blocks(self.path), self.path.name)
                return folder_metas(self.path, findings)
            case CatalogForm.DATABASE:
                shown = self.shown or str(self.path)
                return database_file_metas(self.path, findings, shown=shown, with_manifests=with_manifests)
            case CatalogForm.BUNDLES:
                if is_bundle(self.path):
                    folders = [self.path]
                else:
                    folders = bundle_folders(self.path)
                    findings += half_bundles(self.path)
                return bundle_folder_metas(folders, findings, image=self.image, with_manifests=with_manifests)
            case CatalogForm.PACKAGES:
                return package_folder_metas(package_files(self.path), findings, with_manifests=with_manifests)

    def read(self, seen: Callable[[int], object] | None = None) -> Catalog:
        """Return what the catalog holds; ``seen`` is called every now and then with the number of documents."""
        reader, left_out = CatalogReader(), list[Finding]()
        for number, meta in enumerate(self.metas(left_out), 1):
            reader.add(meta)
            if seen is not None and number % _PROGRESS_EVERY == 0:
                seen(number)
        catalog = reader.catalog()
        return replace(catalog, findings=(*catalog.findings, *left_out)) if left_out else catalog


def catalog_files(path: Path) -> CatalogFiles:
    """Return the catalog at ``path``, a folder or a file. Raises NotFoundError, DeniedError.

    A folder is, in this order: a bundle, an app registry's packages, a folder of bundles, an index in SQLite when
    that is its only file, and else a file-based catalog.
    """
    with reading(path):
        if path.is_file():
            return CatalogFiles(path, CatalogForm.DATABASE if is_database(path) else CatalogForm.DOCUMENTS)
        inside = sorted(path.iterdir())
    if is_bundle(path):
        return CatalogFiles(path, CatalogForm.BUNDLES)
    if _are_package_manifests(package_files(path)):
        return CatalogFiles(path, CatalogForm.PACKAGES)
    if bundle_folders(path):
        return CatalogFiles(path, CatalogForm.BUNDLES)
    if len(inside) == 1 and inside[0].is_file() and is_database(inside[0]):
        return CatalogFiles(inside[0], CatalogForm.DATABASE)
    return CatalogFiles(path, CatalogForm.DOCUMENTS)


def _are_package_manifests(files: list[Path]) -> bool:
    """Whether these files, by their names package manifests, are: documents of a catalog may be called so too."""
    return bool(files) and all(b"packageName" in next(read_blocks(file), b"") for file in files)
