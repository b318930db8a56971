"""``catalog mirror``: a catalog image and every image that its bundles need, to a registry or a disk."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airferry.app.catalogs.catalog_ledger import (
    LedgerLine,
    catalog_ledger_text,
    ledger_lines,
)
from airferry.app.catalogs.catalog_mirror_files import (
    MAPPING_FILE,
    MirrorStyles,
    mapping_text,
    mirror_set_files,
)
from airferry.app.catalogs.catalog_records import CatalogRecord, ImageOnDisk, write_catalog_record
from airferry.app.catalogs.catalog_source import CatalogToMirror, WantedCatalog, open_catalog_to_mirror
from airferry.app.catalogs.mirrored_catalog import MirroredCatalog
from airferry.app.copies.copy_report import CopyReport
from airferry.app.copies.copying import CopyOptions, copy_images, reserve
from airferry.app.generated_files import write_files
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.releases.mirror_files import LEDGER, check_writable, forget_ledger
from airferry.content.errors import NotFoundError
from airferry.errors import AirferryError, UnsupportedError, UsageError
from airferry.oci import Digest, Place, PlaceKind, Reference, Repository
from airferry.oci.reference import is_host
from airferry.openshift.catalog.images import catalog_images
from airferry.openshift.catalog.mirroring.catalog_objects import catalog_objects, check_object_name, object_name
from airferry.openshift.catalog.mirroring.mirror_names import (
    DEFAULT_MAX_COMPONENTS,
    MirrorNames,
    check_max_components,
    mirror_names,
    mirrored_path,
)
from airferry.plan import CopyRequest, Gap
from airferry.survey.crew import work_through


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorCatalog:
    """What is asked for: ``source``, at ``destination``, whose path may be "" in a registry.

    ``folder`` takes the generated files; None is one named after the catalog. ``name`` is the CatalogSource's; None is
    one made of the catalog's own.
    """

    source: WantedCatalog
    destination: Repository
    max_components: int = DEFAULT_MAX_COMPONENTS
    manifests_only: bool = False
    folder: Path | None = None
    name: str | None = None
    styles: MirrorStyles = field(default_factory=MirrorStyles)
    options: CopyOptions = field(default_factory=CopyOptions)


def parse_destination(text: str, tree: Path | None) -> Repository:
    """Return the DEST that ``text`` spells: ``REGISTRY[/NAMESPACE]``, or ``file://NAME`` below ``tree``.

    Raises UsageError, UnsupportedError and MalformedError.
    """
    host = text.removeprefix("docker://").rstrip("/")
    if is_host(host) and ("." in host or ":" in host or host == "localhost"):
        return Repository(Place(PlaceKind.REGISTRY, host), "")
    reference = Reference.parse(text.rstrip("/"), tree=str(tree or "."))
    if reference.tag is not None or reference.digest is not None:
        raise UsageError(
            f"the destination {text} must be a registry or a repository in it, without tag or digest",
            hint="the catalog keeps its own tag",
        )
    if reference.repository.place.kind is PlaceKind.LAYOUT:
        raise UnsupportedError(
            f"{text}: an OCI layout is one repository, and the images of a catalog are many",
            hint="mirror to file://NAME with --dir, or to a registry",
        )
    return reference.repository


async def mirror_catalog(asked: MirrorCatalog, places: Places, narrator: Narrator) -> MirroredCatalog:
    """Mirror the catalog image and every image that it names, or of a selection; what fails becomes a gap.

    Raises what stops all of it: a catalog that cannot be read, a selection that cannot be, a destination that takes
    nothing, files that cannot be written.
    """
    async with open_catalog_to_mirror(asked.source, places, narrator) as wanted:
        return await _Mirroring(asked, wanted, places, narrator).run()


class _Mirroring:
    """One run."""

    def __init__(self, asked: MirrorCatalog, wanted: CatalogToMirror, places: Places, narrator: Narrator) -> None:
        self._asked = asked
        self._wanted = wanted
        self._places = places
        self._narrator = narrator
        self._index = wanted.index.named
        self._on_disk = asked.destination.place.kind is PlaceKind.TREE
        path = self._index.repository.path
        self._name = check_object_name(asked.name) if asked.name is not None else object_name(path)
        self._folder = asked.folder or self._default_folder()
        self._images = catalog_images(wanted.catalog)

    async def run(self) -> MirroredCatalog:
        names = self._names()
        destinations = names.destinations
        if self._index not in destinations:
            raise names.refused[self._index]
        await check_writable(self._folder, flag="--to-manifests")
        files = await asyncio.to_thread(self._files, destinations)
        copy: CopyReport | None = None
        gaps = self._refused(names)
        if not self._asked.manifests_only:
            requests, lost = await self._requests(destinations)
            copy = await self._copy(requests, (*gaps, *lost))
            gaps = copy.gaps
        lines = ledger_lines(gaps, self._images, self._wanted.catalog)
        written = await self._write(files, lines)
        return MirroredCatalog(
            index=self._index,
            name=self._name,
            destinations=destinations,
            label_line=self._wanted.index.label_line,
            copy=copy,
            gaps=lines,
            selected=self._wanted.selected,
            findings=self._wanted.findings,
            notes=(*self._images.notes, *names.notes),
            folder=self._folder,
            files=written,
        )

    def _default_folder(self) -> Path:
        if self._on_disk:
            return Path(self._asked.destination.place.address) / "manifests" / self._name
        return Path(f"manifests-{self._name}")

    def _names(self) -> MirrorNames:
        root, own = self._asked.destination, self._index.repository.path
        if not self._on_disk:
            most = check_max_components(self._asked.max_components)
            return mirror_names([(image, root) for image in (self._index, *self._images.uses)], most)
        # As oc lays out a disk: everything below the catalog's own repository, as deep as it is at the source.
        below = Repository(root.place, mirrored_path(root.path, own, 0))
        return mirror_names([(self._index, root), *((image, below) for image in self._images.uses)], 0)

    def _files(self, destinations: Mapping[Reference, Reference]) -> dict[str, str]:
        files = {MAPPING_FILE: mapping_text(destinations)}
        if self._on_disk:
            return files
        # The index is asked for at the mirror itself; by digest it may be asked for elsewhere as well.
        pulled = {
            source: to for source, to in destinations.items() if source != self._index or source.digest is not None
        }
        files |= mirror_set_files(self._name, pulled, self._asked.styles, self._folder)
        return files | catalog_objects(
            self._name, destinations[self._index], extracted_from=self._wanted.index.extracted_from
        )

    def _refused(self, names: MirrorNames) -> tuple[Gap, ...]:
        root = self._asked.destination
        return tuple(
            Gap(CopyRequest(source, root, (), str(source)), str(source), error)
            for source, error in names.refused.items()
        )

    async def _requests(self, destinations: Mapping[Reference, Reference]) -> tuple[list[CopyRequest], list[Gap]]:
        """Return what to copy, by digest wherever a tag can be resolved, and what the disk lacks."""
        requests: list[CopyRequest] = []
        gaps: list[Gap] = []
        digests = await self._resolved(destinations)
        for image, to in destinations.items():
            source = self._wanted.index.source if image == self._index else self._wanted.locate(image)
            assert to.tag is not None, "names have tags"
            if source is None:
                missing = CopyRequest(image, to.repository, (to.tag,), str(image))
                gaps.append(Gap(missing, str(image), NotFoundError(f"{image} was not mirrored to the disk")))
                continue
            if source.digest is None and image in digests:
                source = source.by_digest(digests[image])
            requests.append(CopyRequest(source, to.repository, (to.tag,), str(image)))
        return requests, gaps

    async def _resolved(self, destinations: Mapping[Reference, Reference]) -> dict[Reference, Digest]:
        """Return what tags point at now; one question for each, so that what is complete need not be read again."""
        tagged = [image for image in destinations if image.digest is None and image != self._index]
        found: dict[Reference, Digest] = {}

        async def resolve(image: Reference) -> Sequence[Reference]:
            source = self._wanted.locate(image)
            if source is not None and source.tag is not None:
                try:
                    place = self._places.source(source.repository.place)
                    found[image] = await place.resolve_tag(source.repository.path, source.tag)
                except AirferryError:
                    return ()  # reading it will fail in the same way, and becomes a gap
            return ()

        await work_through(tagged, resolve, workers=16)
        return found

    async def _copy(self, requests: Sequence[CopyRequest], gaps: Sequence[Gap]) -> CopyReport:
        options = self._asked.options
        if not options.dry_run:
            await reserve(requests, self._places)
        await self._remember(requests, ())
        self._narrator.note(f"info: Mirroring {len(requests)} images to {self._asked.destination} ...")
        report = await copy_images(requests, self._places, options, self._narrator, gaps=gaps)
        if not options.dry_run and not report.arrived and report.gaps:
            raise report.gaps[0].error
        await self._remember(requests, report.arrived)
        return report

    async def _remember(self, requests: Sequence[CopyRequest], arrived: Sequence[tuple[CopyRequest, Digest]]) -> None:
        """Note on a disk what it holds; first of all its name, so that a later run knows what was begun."""
        if not self._on_disk or self._asked.options.dry_run:
            return
        index = next(request for request in requests if request.name == str(self._index))
        digest = index.source.digest
        assert digest is not None, "a catalog is opened by its digest"
        images = {
            request.name: ImageOnDisk(request.destination.path, found)
            for request, found in arrived
            if not request.optional and request is not index
        }
        record = CatalogRecord(str(self._index), index.destination.path, index.tags[0], digest, images)
        private = self._places.settings.private
        await write_catalog_record(Path(self._asked.destination.place.address), record, private=private)

    async def _write(self, files: Mapping[str, str], lines: Sequence[LedgerLine]) -> tuple[Path, ...]:
        """Write the files, as oc does in a dry run too; the ledger is about what was copied."""
        named, findings = str(self._index), self._wanted.findings
        content = {name: text.encode() for name, text in files.items()}
        private = self._places.settings.private
        if self._asked.manifests_only or self._asked.options.dry_run:
            return await write_files(self._folder, content, private=private)
        if lines or findings:
            content[LEDGER] = catalog_ledger_text(named, lines, findings).encode()
        else:
            await forget_ledger(self._folder, named, kind="catalog")
        return await write_files(self._folder, content, private=private)
