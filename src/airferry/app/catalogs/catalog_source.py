"""The catalog that is to be mirrored: by which name the far side knows it, and where its images are read."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from airferry.app.catalogs.catalog_forms import CatalogForm
from airferry.app.catalogs.catalog_records import CatalogRecord, find_catalog, read_catalog_record
from airferry.app.catalogs.catalog_wanted import WantedRequest, read_wanted
from airferry.app.catalogs.make_catalog_image import ARCHITECTURES, CatalogBase, make_catalog_image
from airferry.app.catalogs.open_catalog import CatalogImage, OpenedCatalog, open_catalog
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.content.errors import NotFoundError
from airferry.errors import UsageError
from airferry.oci import PlaceKind, Reference, Repository
from airferry.openshift.catalog.building.documents import rewritten
from airferry.openshift.catalog.building.rebuild import Below
from airferry.openshift.catalog.findings import Finding
from airferry.openshift.catalog.labels import CONFIGS_LABEL, DATABASE_LABEL, DEFAULT_CONFIGS
from airferry.openshift.catalog.model import Catalog
from airferry.openshift.catalog.selecting.select import Selected, select_catalog


@dataclass(frozen=True, slots=True)
class WantedCatalog:
    """Which catalog is asked for, as it is named, and what of it.

    ``tree`` is where ``file://`` names live; ``from_dir`` the disk it is read from, on which the name that it has at
    its source will do. Of a list of images the one for ``architecture`` is read; without one that for amd64, or else
    the first. ``base`` is what a selection is put on.
    """

    name: str
    tree: Path | None = None
    from_dir: Path | None = None
    architecture: str | None = None
    wanted: WantedRequest = field(default_factory=WantedRequest)
    base: str | None = None


@dataclass(frozen=True, slots=True)
class IndexImage:
    """The catalog image to push.

    ``source`` is where it is copied from, by digest. ``named`` is what it is called at its source, by which its name at
    the destination is made, whatever disk it crossed on. ``documents`` is the folder in it and ``database`` the file,
    as its labels say, "" without one; ``serves_itself`` is False for an image of documents without a program, such as
    one that was built on nothing: OLM has to serve it with its own.
    """

    source: Reference
    named: Reference
    documents: str = ""
    database: str = ""
    serves_itself: bool = True

    @property
    def extracted_from(self) -> str | None:
        """The folder in the image that OLM has to serve; None where the image does it."""
        return None if self.serves_itself else self.documents

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
    under their own names; ``record`` is what that disk says of them. ``selected`` says what was selected of the
    source's catalog, None for all of it.
    """

    catalog: Catalog
    index: IndexImage
    disk: Repository | None = None
    record: CatalogRecord | None = None
    selected: Selected | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong in the catalog, and what the selection lacks."""
        return (*self.catalog.findings, *(self.selected.warnings if self.selected is not None else ()))

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
    asked: WantedCatalog, places: Places, narrator: Narrator
) -> AsyncIterator[CatalogToMirror]:
    """Open the catalog that is asked for: in a registry, ``file://`` on a disk, or ``oci://``; and select from it.

    Where a selection was made, ``places`` read the index image of it along with what is there. Raises UsageError for a
    folder of documents, NotFoundError, MalformedError, …
    """
    wanted = await asyncio.to_thread(read_wanted, asked.wanted, asked.name, narrator)
    text, disk = asked.name, asked.from_dir or asked.tree
    narrator.phase("reading the catalog")
    if asked.from_dir is not None and not text.startswith(("file://", "oci://")):
        text = await find_catalog(asked.from_dir, str(Reference.parse(text)))
        await _demand_complete(text, asked.from_dir, places)
    async with open_catalog(text, places, tree=disk, architecture=asked.architecture) as opened:
        if opened.image is None:
            raise UsageError(
                f"{text} is a folder of documents, and what is mirrored is a catalog image",
                hint="make one of it with `airferry catalog build`",
            )
        if opened.form not in (CatalogForm.DOCUMENTS, CatalogForm.DATABASE):
            raise UsageError(
                f"{text} is a bundle, not a catalog", hint="make a catalog of bundles with `airferry catalog build`"
            )
        whole = await _whole(opened, opened.image)
        selected = await asyncio.to_thread(select_catalog, opened.catalog, wanted)
        yield await _narrowed(opened, whole, selected, CatalogBase(asked.base, tree=disk), places)


async def _demand_complete(text: str, disk: Path, places: Places) -> None:
    """Raise NotFoundError, with what to do, when ``disk`` remembers a catalog whose image never arrived."""
    image = Reference.parse(text, tree=str(disk))
    assert image.tag is not None, "the disk's names have tags"
    try:
        await places.source(image.repository.place).resolve_tag(image.repository.path, image.tag)
    except NotFoundError as error:
        hint = "the run that wrote the disk was cut off before that: run it again, and it goes on from there"
        raise NotFoundError(f"the catalog image did not arrive on the disk: {error.message}", hint=hint) from error


async def _whole(opened: OpenedCatalog, image: CatalogImage) -> CatalogToMirror:
    """Return all of an opened catalog, with what the disk that it is on knows of it."""
    record = disk = None
    repository = image.reference.repository
    if repository.place.kind is PlaceKind.TREE:
        disk = repository
        record = await read_catalog_record(Path(repository.place.address), repository.path, image.root.digest)
    named = Reference.parse(record.named) if record is not None else image.asked
    documents, database = (image.labels.get(label, "") for label in (CONFIGS_LABEL, DATABASE_LABEL))
    serves_itself = bool(Below(image.manifest, image.config).command) or not documents
    index = IndexImage(image.reference, _named(named), documents, database, serves_itself)
    return CatalogToMirror(opened.catalog, index, disk, record)


async def _narrowed(
    opened: OpenedCatalog, whole: CatalogToMirror, selected: Selected, base: CatalogBase, places: Places
) -> CatalogToMirror:
    """Return what to mirror of a selection: its images, and an index image of its documents, made here.

    From now on ``places`` read the made image along with what is there. Raises what making it raises.
    """
    if selected.whole:
        return whole
    documents = await asyncio.to_thread(rewritten, opened.metas(), selected.catalog)
    made = await make_catalog_image(opened, selected.catalog, documents, base, places)
    made.lay_over(places)
    index = IndexImage(
        made.reference,
        whole.index.named,
        documents=whole.index.documents or DEFAULT_CONFIGS,
        serves_itself=made.has_program,
    )
    return replace(whole, catalog=selected.catalog, index=index, selected=selected)


def parse_index_filter(expression: str) -> str:
    """Return the architecture whose catalog image is read, by ``--index-filter-by-os``. Raises UsageError."""
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise UsageError(f"--index-filter-by-os is not a regular expression: {error}") from error
    for architecture in ARCHITECTURES:
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
