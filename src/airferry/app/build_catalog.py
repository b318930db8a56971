"""``catalog build``: a catalog image out of a part of another catalog, or of a folder of documents."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from airferry.app.build_report import BuildReport, CatalogFiles
from airferry.app.bundle_images import BundleImages
from airferry.app.catalog_forms import CatalogForm
from airferry.app.copying import CopyOptions, Tolerance, copy_images
from airferry.app.generated_files import write_files
from airferry.app.image_config import read_image_config
from airferry.app.narration import Narrator
from airferry.app.open_catalog import OpenedCatalog, open_catalog
from airferry.app.places import Places
from airferry.content.added import AddedSource
from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.oci import Digest, Manifest, Place, PlaceKind, Reference, Repository
from airferry.openshift.catalog.catalog_objects import check_object_name
from airferry.openshift.catalog.documents import Rewritten, rewritten
from airferry.openshift.catalog.findings import FindingCode
from airferry.openshift.catalog.layer import Layer, LayerPlan, catalog_layer
from airferry.openshift.catalog.model import Catalog
from airferry.openshift.catalog.provenance import provenance
from airferry.openshift.catalog.rebuild import Below, BuiltImage, Wanted, from_nothing, list_of, put_on_top, relisted
from airferry.openshift.catalog.servable import refusals
from airferry.plan import CopyRequest

SCRATCH: Final = "scratch"
"""What people write for a base that is no image."""
ARCHITECTURES: Final = ("amd64", "arm64", "ppc64le", "s390x")
"""What OpenShift runs on; a catalog without a program is for all of them."""
_NOWHERE: Final = Repository(Place(PlaceKind.LAYOUT, "(made here)"), "")


@dataclass(frozen=True, slots=True)
class BuildCatalog:
    """What is asked for. ``base`` None is the source's own image if it runs something; it may also be SCRATCH.

    ``select`` says what of the catalog is kept; it may raise. ``architectures`` are those of a catalog on no image.
    """

    source: str
    destination: str
    select: Callable[[Catalog], Catalog] = lambda catalog: catalog
    base: str | None = None
    architectures: Sequence[str] = ARCHITECTURES
    tree: Path | None = None
    source_tree: Path | None = None
    manifests_dir: Path | None = None
    name: str | None = None
    bundle_images: BundleImages = field(default_factory=BundleImages)
    dry_run: bool = False
    workers: int = 6


@dataclass(slots=True)
class _Made:
    """New content on its way into the pipeline: ``repository`` is where the images below it are."""

    repository: Repository = _NOWHERE
    root: Manifest | None = None
    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    caches: set[str] = field(default_factory=set)

    def add(self, image: BuiltImage, layer: Layer) -> Manifest:
        manifest = image.manifest
        assert manifest.config is not None, "what was built has a configuration"
        self.manifests[manifest.digest] = manifest
        self.blobs |= {manifest.config.digest: image.config, layer.digest: layer.content}
        return manifest

    def finish(self, root: Manifest) -> "_Made":
        self.root = root
        self.manifests[root.digest] = root
        return self


async def build_catalog(asked: BuildCatalog, places: Places, narrator: Narrator) -> BuildReport:
    """Build the catalog image and bring it to its destination, by the pipeline of every copy.

    Raises MalformedError for a catalog that opm would refuse, naming the first reasons, what opening a catalog
    raises, and what copying does. Nothing is written before the image is complete.
    """
    destination = _destination(asked)
    epoch_s = _source_date_epoch()
    narrator.phase("reading the catalog")
    async with open_catalog(asked.source, places, tree=asked.source_tree or asked.tree) as opened:
        kept = asked.select(opened.catalog)
        _refuse_unservable(kept)
        documents = await asyncio.to_thread(rewritten, asked.bundle_images.given_to(opened, kept, epoch_s), kept)
        documents = _with_findings(documents, opened, kept)
        narrator.phase("making the layer")
        made = await _make(asked, opened, kept, documents, places, epoch_s)
    assert made.root is not None, "making an image ends with its root"
    requests = [*_bundle_requests(asked.bundle_images, made), _request(made.root, destination, made)]
    places.read_through(_added(made, places))
    options = CopyOptions(dry_run=asked.dry_run, attachments=False, tolerance=Tolerance.NOTHING, workers=asked.workers)
    copied = await copy_images(requests, places, options, narrator)
    report = BuildReport(
        destination=destination,
        root=made.root,
        kept=kept,
        documents=documents,
        notes=tuple(made.notes),
        removed_caches=tuple(sorted(made.caches)),
        extract_content=made.repository is _NOWHERE,
        copied=copied,
    )
    return await _with_files(report, asked)


async def _with_files(report: BuildReport, asked: BuildCatalog) -> BuildReport:
    if asked.manifests_dir is None or not report.complete or asked.dry_run:
        return report
    files = CatalogFiles(report, asked.name)
    return report.with_files(await write_files(asked.manifests_dir, files.content()))


def only_packages(catalog: Catalog, names: Sequence[str]) -> Catalog:
    """Return the catalog with the packages named, or all of it when none is. Raises UsageError for one it lacks."""
    for name in names:
        if name not in catalog.packages:
            known = ", ".join(catalog.packages)
            raise UsageError(f"the catalog has no package {name}", hint=f"it has {known}"[:1000])
    return Catalog({name: catalog.packages[name] for name in sorted(names)}, catalog.findings) if names else catalog


def _with_findings(documents: Rewritten, opened: OpenedCatalog, kept: Catalog) -> Rewritten:
    """Return the same with what reading found: what is no document of a file-based catalog is repaired by then."""
    found = opened.catalog.findings
    lost = tuple(f"{item.where}: {item.what}" for item in found if item.code is FindingCode.LEFT_OUT)
    repairs = documents.repairs
    if opened.form is not CatalogForm.DOCUMENTS:
        repairs = tuple(
            item for item in found if item.code is not FindingCode.LEFT_OUT and item.package in kept.packages
        )
    return replace(documents, repairs=repairs, left_out=(*lost, *documents.left_out))


def _request(root: Manifest, destination: Reference, made: _Made) -> CopyRequest:
    tags = (destination.tag,) if destination.tag else ()
    source = Reference(made.repository, None, root.digest)
    return CopyRequest(source, destination.repository, tags, name=str(destination))


def _bundle_requests(images: BundleImages, made: _Made) -> list[CopyRequest]:
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


def _source_date_epoch() -> int:
    """Return what reproducible-builds.org's SOURCE_DATE_EPOCH says, 0 without it."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "").strip()
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or int(text) >= 8**11:
        raise UsageError(f"SOURCE_DATE_EPOCH is {text!r}, and not a number of seconds")
    return int(text)


def _refuse_unservable(kept: Catalog) -> None:
    reasons = refusals(kept)
    if not kept.packages:
        reasons = ("it has no package",)
    if reasons:
        more = f" (and {len(reasons) - 3} more)" if len(reasons) > 3 else ""
        raise MalformedError(
            f"opm would refuse to serve this catalog: {'; '.join(reasons[:3])}{more}",
            hint="one package like this keeps all others from being served; leave it out, or repair its documents",
        )


async def _make(
    asked: BuildCatalog,
    opened: OpenedCatalog,
    kept: Catalog,
    documents: Rewritten,
    places: Places,
    epoch_s: int,
) -> _Made:
    created = datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if epoch_s else None
    labels = provenance(kept, opened.image.root.digest if opened.image is not None else None)
    wanted = Wanted(labels=labels, created=created)
    bench = _Bench(documents.packages, wanted, epoch_s, places)
    base = asked.base
    if base is not None and base != SCRATCH:
        return await bench.on_top(Reference.parse(base, tree=str(asked.source_tree or asked.tree or ".")))
    image = opened.image
    if base is None and opened.form is CatalogForm.DATABASE and image is not None:
        raise UsageError(
            f"{asked.source} is an index in SQLite, and its opm may be too old to serve documents",
            hint="name an image with a newer one: --base IMAGE, or --base scratch",
        )
    if base is None and image is not None and Below(image.manifest, image.config).command:
        return await bench.on_top(image.reference)
    return await asyncio.to_thread(bench.from_nothing, tuple(dict.fromkeys(asked.architectures)))


def _added(made: _Made, places: Places) -> AddedSource:
    place = made.repository.place
    below = None if made.repository is _NOWHERE else places.source(place)
    return AddedSource(place, below, made.manifests.values(), made.blobs)


class _Bench:
    """Where images are put together; layers that are the same are made once."""

    def __init__(self, packages: Mapping[str, bytes], wanted: Wanted, epoch_s: int, places: Places) -> None:
        self._packages = packages
        self._wanted = wanted
        self._epoch_s = epoch_s
        self._places = places
        self._layers: dict[LayerPlan, Layer] = {}

    def from_nothing(self, architectures: Sequence[str]) -> _Made:
        made = _Made()
        layer = self._layer(LayerPlan(self._wanted.configs))
        images = [(name, made.add(from_nothing(layer, self._wanted, name), layer)) for name in architectures]
        return made.finish(images[0][1] if len(images) == 1 else list_of(images))

    async def on_top(self, base: Reference) -> _Made:
        target = base.digest or base.tag
        if target is None:
            raise UsageError(f"{base} names a repository, not an image", hint="add a tag or a digest")
        made = _Made(base.repository)
        source = self._places.source(base.repository.place)
        root = await source.read_manifest(base.repository.path, target)
        if not root.is_index:
            return made.finish(await self._on_image(made, root, base))
        rebuilt = {}
        for child in root.children:
            platform = child.platform
            if platform is None or platform.os == "unknown":
                made.notes.append(f"{child.digest} of {base} is left out: it is for no platform")
                continue
            manifest = await source.read_manifest(base.repository.path, child.digest)
            rebuilt[child.digest] = await self._on_image(made, manifest, base)
        if not rebuilt:
            raise MalformedError(f"the list {base} has no image for any platform")
        return made.finish(relisted(root, rebuilt))

    async def _on_image(self, made: _Made, manifest: Manifest, base: Reference) -> Manifest:
        below = Below(manifest, await read_image_config(manifest, base, self._places))
        plan = below.layer_plan
        wanted = Wanted(plan.configs, self._wanted.labels, self._wanted.created)
        try:
            layer = await asyncio.to_thread(self._layer, plan)
            image = put_on_top(below, layer, wanted)
        except AirferryError as error:
            error.message = f"{base}: {error.message}"
            raise
        made.caches |= {plan.cache} if plan.cache else set()
        return made.add(image, layer)

    def _layer(self, plan: LayerPlan) -> Layer:
        if plan not in self._layers:
            self._layers[plan] = catalog_layer(self._packages, plan, mtime_s=self._epoch_s)
        return self._layers[plan]
