"""``catalog build``: a catalog image out of a part of another catalog, or of a folder of documents."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from airferry.app.catalogs.build_report import BuildReport
from airferry.app.catalogs.bundle_images import BundleImages
from airferry.app.catalogs.catalog_forms import CatalogForm
from airferry.app.catalogs.catalog_wanted import WantedRequest, read_wanted
from airferry.app.catalogs.make_catalog_image import CatalogBase, MadeCatalog, make_catalog_image, source_date_epoch
from airferry.app.catalogs.open_catalog import OpenedCatalog, open_catalog
from airferry.app.copies.copying import CopyOptions, Tolerance, copy_images
from airferry.app.generated_files import write_files
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.errors import UsageError
from airferry.oci import Manifest, PlaceKind, Reference
from airferry.openshift.catalog.building.documents import Rewritten, rewritten
from airferry.openshift.catalog.checking import absent_deprecations
from airferry.openshift.catalog.findings import FindingCode
from airferry.openshift.catalog.labels import DEFAULT_CONFIGS
from airferry.openshift.catalog.mirroring.catalog_objects import catalog_objects, check_object_name, object_name
from airferry.openshift.catalog.model import Catalog
from airferry.openshift.catalog.selecting.select import select_catalog
from airferry.plan import CopyRequest

_LOST: Final = (FindingCode.LEFT_OUT, FindingCode.DUPLICATE_NAME)


@dataclass(frozen=True, slots=True)
class BuildCatalog:
    """What is asked for: ``wanted`` of the catalog at ``source``, put on ``base``, at ``destination``.

    ``tree`` and ``source_tree`` are where ``file://`` names of the destination and of the source live.
    """

    source: str
    destination: str
    wanted: WantedRequest = field(default_factory=WantedRequest)
    base: CatalogBase = field(default_factory=CatalogBase)
    tree: Path | None = None
    source_tree: Path | None = None
    manifests_dir: Path | None = None
    name: str | None = None
    bundle_images: BundleImages = field(default_factory=BundleImages)
    dry_run: bool = False
    workers: int = 6


async def build_catalog(asked: BuildCatalog, places: Places, narrator: Narrator) -> BuildReport:
    """Build the catalog image and bring it to its destination, by the pipeline of every copy.

    Raises MalformedError for a catalog that opm would refuse, naming the first reasons, what opening a catalog
    raises, and what copying does. Nothing is written before the image is complete.
    """
    destination = _destination(asked)
    epoch_s = source_date_epoch()
    wanted = await asyncio.to_thread(read_wanted, asked.wanted, asked.source, narrator)
    narrator.phase("reading the catalog")
    async with open_catalog(asked.source, places, tree=asked.source_tree or asked.tree) as opened:
        selected = await asyncio.to_thread(select_catalog, opened.catalog, wanted)
        kept = selected.catalog
        documents = await asyncio.to_thread(rewritten, asked.bundle_images.given_to(opened, kept, epoch_s), kept)
        documents = _with_findings(documents, opened, kept)
        narrator.phase("making the layer")
        made = await make_catalog_image(opened, kept, documents, asked.base, places)
    assert made.root is not None, "making an image ends with its root"
    requests = [*_bundle_requests(asked.bundle_images, made), _request(made.root, destination, made)]
    made.lay_over(places)
    options = CopyOptions(dry_run=asked.dry_run, attachments=False, tolerance=Tolerance.NOTHING, workers=asked.workers)
    copied = await copy_images(requests, places, options, narrator)
    report = BuildReport(
        destination=destination,
        root=made.root,
        selected=selected,
        documents=documents,
        notes=tuple(made.notes),
        removed_caches=tuple(sorted(made.caches)),
        extract_content=not made.has_program,
        copied=copied,
    )
    return await _with_files(report, asked)


async def _with_files(report: BuildReport, asked: BuildCatalog) -> BuildReport:
    if asked.manifests_dir is None or not report.complete or asked.dry_run:
        return report
    image = report.destination
    name = asked.name or object_name(image.repository.path)
    objects = catalog_objects(name, image, extracted_from=DEFAULT_CONFIGS if report.extract_content else None)
    content = {file: text.encode() for file, text in objects.items()}
    return report.with_files(await write_files(asked.manifests_dir, content))


def _with_findings(documents: Rewritten, opened: OpenedCatalog, kept: Catalog) -> Rewritten:
    """Return the same with what reading found: what is no document of a file-based catalog is repaired by then."""
    found = opened.catalog.findings
    ours = {"", *kept.packages}
    lost = tuple(f"{item.where}: {item.what}" for item in found if item.code in _LOST and item.package in ours)
    lost += tuple(
        f"{name}: {item.what}, and is left out"
        for name in kept.packages
        for item in absent_deprecations(opened.catalog.packages[name])
    )
    repairs = documents.repairs
    if opened.form is not CatalogForm.DOCUMENTS:
        repairs = tuple(item for item in found if item.code not in _LOST and item.package in kept.packages)
    return replace(documents, repairs=repairs, left_out=(*lost, *documents.left_out))


def _request(root: Manifest, destination: Reference, made: MadeCatalog) -> CopyRequest:
    tags = (destination.tag,) if destination.tag else ()
    source = Reference(made.repository, None, root.digest)
    return CopyRequest(source, destination.repository, tags, name=str(destination))


def _bundle_requests(images: BundleImages, made: MadeCatalog) -> list[CopyRequest]:
    """Return what brings the bundles' images to their repository, and add them to what was made."""
    if images.repository is None:
        return []
    return [
        _request(made.add(built.image, built.layer), Reference(images.repository, tag), made)
        for tag, built in images.built.items()
    ]


def _destination(asked: BuildCatalog) -> Reference:
    destination = Reference.parse(asked.destination, tree=str(asked.tree or "."))
    if destination.digest is not None or destination.tag is None:
        raise UsageError(
            f"{asked.destination!r} must name a tag: the digest of what is built is not known before",
            hint="such as mirror.example.com:8443/olm/my-catalog:v1",
        )
    if asked.name is not None:
        check_object_name(asked.name)
    if asked.manifests_dir is not None and destination.repository.place.kind is not PlaceKind.REGISTRY:
        raise UsageError(
            "--to-manifests needs a destination in a registry: a cluster takes catalogs from nowhere else",
            hint="leave it out, and give it when the catalog is loaded into the mirror",
        )
    return destination
