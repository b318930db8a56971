"""A catalog's documents made into an image: on top of the image it came in or another, or on nothing."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from airferry.app.catalogs.catalog_forms import CatalogForm
from airferry.app.catalogs.open_catalog import OpenedCatalog
from airferry.app.images.image_config import read_image_config
from airferry.app.places import Places
from airferry.content.added import AddedSource
from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.oci import Digest, Manifest, Place, PlaceKind, Reference, Repository
from airferry.openshift.catalog.building.documents import Rewritten
from airferry.openshift.catalog.building.layer import Layer, LayerPlan, catalog_layer
from airferry.openshift.catalog.building.provenance import provenance
from airferry.openshift.catalog.building.rebuild import (
    Below,
    BuiltImage,
    Wanted,
    from_nothing,
    list_of,
    put_on_top,
    relisted,
)
from airferry.openshift.catalog.checking import refusals
from airferry.openshift.catalog.model import Catalog

SCRATCH: Final = "scratch"
"""What people write for a base that is no image."""
ARCHITECTURES: Final = ("amd64", "arm64", "ppc64le", "s390x")
"""What OpenShift runs on; a catalog without a program is for all of them."""
_NOWHERE: Final = Repository(Place(PlaceKind.LAYOUT, "(made here)"), "")


@dataclass(frozen=True, slots=True)
class CatalogBase:
    """What the documents are put on: ``image`` None is the source's own image if it runs something; it may be SCRATCH.

    ``architectures`` are those of a catalog on no image; ``tree`` is where ``file://`` names live.
    """

    image: str | None = None
    architectures: Sequence[str] = ARCHITECTURES
    tree: Path | None = None


@dataclass(slots=True)
class MadeCatalog:
    """New content on its way into the pipeline: ``repository`` is where the images below it are.

    ``caches`` are the folders of opm's cache that the image shows no more; ``notes`` what was left out of a list.
    """

    repository: Repository = _NOWHERE
    root: Manifest | None = None
    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    caches: set[str] = field(default_factory=set)

    @property
    def has_program(self) -> bool:
        """Whether the image has what serves it, or the cluster must."""
        return self.repository is not _NOWHERE

    @property
    def reference(self) -> Reference:
        """What a copy of the image is read from, after :meth:`lay_over`."""
        assert self.root is not None, "making an image ends with its root"
        return Reference(self.repository, None, self.root.digest)

    def lay_over(self, places: Places) -> None:
        """From now on read the place of the images below with the new content on it."""
        place = self.repository.place
        below = places.source(place) if self.has_program else None
        places.read_through(AddedSource(place, below, self.manifests.values(), self.blobs))

    def add(self, image: BuiltImage, layer: Layer) -> Manifest:
        """Take an image and its layer, and return its manifest."""
        manifest = image.manifest
        assert manifest.config is not None, "what was built has a configuration"
        self.manifests[manifest.digest] = manifest
        self.blobs |= {manifest.config.digest: image.config, layer.digest: layer.content}
        return manifest

    def finish(self, root: Manifest) -> "MadeCatalog":
        """Take the manifest that the catalog's name will point at."""
        self.root = root
        self.manifests[root.digest] = root
        return self


async def make_catalog_image(
    opened: OpenedCatalog, kept: Catalog, documents: Rewritten, base: CatalogBase, places: Places
) -> MadeCatalog:
    """Make the image of ``documents``, which are those of ``kept``. Nothing is written.

    Raises MalformedError for a catalog that opm would refuse, naming the first reasons, UsageError for a base that
    does not fit, and what reading the base raises.
    """
    _refuse_unservable(kept)
    epoch_s = source_date_epoch()
    created = datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if epoch_s else None
    labels = provenance(kept, opened.image.root.digest if opened.image is not None else None)
    bench = _Bench(documents.packages, Wanted(labels=labels, created=created), epoch_s, places)
    if base.image is not None and base.image != SCRATCH:
        return await bench.on_top(Reference.parse(base.image, tree=str(base.tree or ".")))
    image = opened.image
    if base.image is None and opened.form is CatalogForm.DATABASE and image is not None:
        raise UsageError(
            f"{image.asked} is an index in SQLite, and its opm may be too old to serve documents",
            hint="name an image with a newer one: --base IMAGE, or --base scratch",
        )
    if base.image is None and image is not None and Below(image.manifest, image.config).command:
        return await bench.on_top(image.reference)
    return await asyncio.to_thread(bench.from_nothing, tuple(dict.fromkeys(base.architectures)))


def source_date_epoch() -> int:
    """Return what reproducible-builds.org's SOURCE_DATE_EPOCH says, 0 without it. Raises UsageError."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "").strip()
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or int(text) >= 8**11:
        raise UsageError(f"SOURCE_DATE_EPOCH is {text!r}, and not a number of seconds")
    return int(text)


def _refuse_unservable(kept: Catalog) -> None:
    if not kept.packages:
        raise MalformedError("the catalog has no package, and opm would refuse to serve it")
    reasons = refusals(kept)
    if reasons:
        more = f" (and {len(reasons) - 3} more)" if len(reasons) > 3 else ""
        raise MalformedError(
            f"opm would refuse to serve this catalog: {'; '.join(map(str, reasons[:3]))}{more}",
            hint="one package like this keeps all others from being served; leave it out, or repair its documents: "
            "`airferry catalog check` tells all of it",
        )


class _Bench:
    """Where images are put together; layers that are the same are made once."""

    def __init__(self, packages: Mapping[str, bytes], wanted: Wanted, epoch_s: int, places: Places) -> None:
        self._packages = packages
        self._wanted = wanted
        self._epoch_s = epoch_s
        self._places = places
        self._layers: dict[LayerPlan, Layer] = {}

    def from_nothing(self, architectures: Sequence[str]) -> MadeCatalog:
        made = MadeCatalog()
        layer = self._layer(LayerPlan(self._wanted.configs))
        images = [(name, made.add(from_nothing(layer, self._wanted, name), layer)) for name in architectures]
        return made.finish(images[0][1] if len(images) == 1 else list_of(images))

    async def on_top(self, base: Reference) -> MadeCatalog:
        target = base.digest or base.tag
        if target is None:
            raise UsageError(f"{base} names a repository, not an image", hint="add a tag or a digest")
        made = MadeCatalog(base.repository)
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

    async def _on_image(self, made: MadeCatalog, manifest: Manifest, base: Reference) -> Manifest:
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
