"""The catalog that is to be mirrored: by which name the far side knows it, and where its images are read."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from airferry.app.catalog_forms import CatalogForm
from airferry.app.catalog_records import CatalogRecord, find_catalog, read_catalog_record
from airferry.app.open_catalog import CONFIGS_LABEL, DATABASE_LABEL, OpenedCatalog, open_catalog
from airferry.app.places import Places
from airferry.errors import UsageError
from airferry.oci import PlaceKind, Reference, Repository
from airferry.openshift.catalog.model import Catalog

_ARCHITECTURES: Final = ("amd64", "arm64", "ppc64le", "s390x")


@dataclass(frozen=True, slots=True)
class IndexImage:
    """The catalog image to push.

    ``source`` is where it is copied from, by digest. ``named`` is what it is called at its source, by which its name at
    the destination is made, whatever disk it crossed on. ``documents`` is the folder in it and ``database`` the file,
    as its labels say, "" without one; ``serves_itself`` is False for an image without a cache, which OLM has to serve
    with its own program.
    """

    source: Reference
    named: Reference
    documents: str = ""
    database: str = ""
    serves_itself: bool = True

    @property
    def label_line(self) -> str:
        """What the image's label says of where its catalog is, in oc's words; "" without one."""
        if self.documents:
            return f"src image has index label for declarative configs path: {self.documents}"
        return f"src image has index label for database path: {self.database}" if self.database else ""


@dataclass(frozen=True, slots=True)
class CatalogToMirror:
    """What to mirror: the images of ``catalog``, and ``index``.

    ``disk`` is the repository below which the images lie on the disk that they are read from, None when they are read
    under their own names; ``record`` is what that disk says of them.
    """

    catalog: Catalog
    index: IndexImage
    disk: Repository | None = None
    record: CatalogRecord | None = None

    def locate(self, image: Reference) -> Reference | None:
        """Return where an image of the documents is read, under its own name or on the disk; None when it is not there.

        On a disk without a record, one that ``oc`` wrote, images lie below the catalog's own repository.
        """
        if self.disk is None:
            return image
        known = self.record.images.get(str(image)) if self.record is not None else None
        if known is not None:
            return Reference(Repository(self.disk.place, known.path), None, known.digest)
        if self.record is not None and image.digest is None:
            return None  # what lies under its name may be an image of another registry
        return replace(image, repository=Repository(self.disk.place, f"{self.disk.path}/{image.repository.path}"))


@asynccontextmanager
async def open_catalog_to_mirror(
    text: str, places: Places, *, tree: Path | None, from_dir: Path | None, architecture: str
) -> AsyncIterator[tuple[OpenedCatalog, CatalogToMirror]]:
    """Open the catalog that SRC names: in a registry, ``file://`` on a disk, or ``oci://``.

    With ``from_dir`` the name that a catalog on that disk has at its source will do. Raises UsageError for a folder of
    documents, NotFoundError, MalformedError, …
    """
    disk = from_dir or tree
    if from_dir is not None and not text.startswith(("file://", "oci://")):
        text = await find_catalog(from_dir, str(Reference.parse(text)))
    async with open_catalog(text, places, tree=disk, architecture=architecture) as opened:
        if opened.image is None:
            raise UsageError(
                f"{text} is a folder of documents, and what is mirrored is a catalog image",
                hint="make one of it with `airferry catalog build`",
            )
        if opened.form not in (CatalogForm.DOCUMENTS, CatalogForm.DATABASE):
            raise UsageError(
                f"{text} is a bundle, not a catalog", hint="make a catalog of bundles with `airferry catalog build`"
            )
        image = opened.image
        record = disk_repository = None
        place = image.reference.repository.place
        if place.kind is PlaceKind.TREE:
            disk_repository = image.reference.repository
            record = await read_catalog_record(Path(place.address), image.reference.repository.path, image.root.digest)
        asked = Reference.parse(record.named) if record is not None else image.asked
        documents, database = (image.labels.get(label, "") for label in (CONFIGS_LABEL, DATABASE_LABEL))
        index = IndexImage(image.reference, _named(asked), documents, database)
        yield opened, CatalogToMirror(opened.catalog, index, disk_repository, record)


def parse_index_filter(expression: str) -> str:
    """Return the architecture whose catalog image is read, by ``--index-filter-by-os``. Raises UsageError."""
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise UsageError(f"--index-filter-by-os is not a regular expression: {error}") from error
    for architecture in _ARCHITECTURES:
        if pattern.search(f"linux/{architecture}"):
            return architecture
    raise UsageError(
        f"--index-filter-by-os={expression} matches no platform", hint="write it as OS/ARCH, such as linux/arm64"
    )


def _named(asked: Reference) -> Reference:
    """A layout has no repositories; its folder's name is the nearest to one."""
    place = asked.repository.place
    if place.kind is not PlaceKind.LAYOUT:
        return asked
    words = re.sub(r"[^a-z0-9]+", "-", Path(place.address).name.lower()).strip("-")
    return replace(asked, repository=Repository(place, words or "catalog"))
