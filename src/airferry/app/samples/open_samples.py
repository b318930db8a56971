"""Open a source of image streams: a release, a folder, a file, stdin, or the record on a disk."""

import asyncio
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from airferry.app.places import Places
from airferry.app.releases.release_image import choose_child, components_repository, parse_release, read_release
from airferry.app.releases.release_records import ImageOnDisk, refuse_unverified
from airferry.app.samples.samples_records import SamplesRecord, read_samples_record
from airferry.app.text_files import read_standard_input, read_text_file
from airferry.content.errors import NotFoundError
from airferry.content.unpack_select import PathMapping
from airferry.content.unpack_tree import ExtractOptions, extract_tree
from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.oci import PlaceKind, Reference
from airferry.openshift.samples.belonging import with_belonging
from airferry.openshift.samples.reading import CONTENT_FOLDER, is_stream_file, parse_streams
from airferry.openshift.samples.rewriting import SamplesTarget
from airferry.openshift.samples.streams import Inventory, Stream, make_inventory

OPERATOR: Final = "cluster-samples-operator"
"""The component of a release whose image holds the streams."""

_SUFFIXES: Final = (".json", ".yaml", ".yml")
_ON_DISK: Final = f"{PlaceKind.TREE}://"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesSource:
    """Where streams are read: ``text`` as given, ``disk`` for releases and records on one.

    ``architecture`` is what a bare version means, and whose streams are taken; with ``every_architecture`` all are.
    ``allow_unverified`` takes a release on a disk that was copied without a valid signature.
    """

    text: str
    disk: Path | None = None
    architecture: str = "amd64"
    every_architecture: bool = False
    allow_unverified: bool = False

    @property
    def is_on_disk(self) -> bool:
        """Whether the samples are those that a disk carries; a release on a disk has a tag or a digest."""
        last = self.text.rpartition("/")[2]
        return self.text.startswith(_ON_DISK) and ":" not in last and "@" not in last

    @property
    def prefix(self) -> str:
        """The path that samples on a disk are below. Raises MalformedError."""
        return SamplesTarget.parse(self.text).prefix


@dataclass(frozen=True, slots=True)
class OpenedSamples:
    """The streams of a source. ``record`` is what a disk remembers, None for any other source."""

    inventory: Inventory
    record: SamplesRecord | None = None


async def open_samples(asked: SamplesSource, places: Places) -> OpenedSamples:
    """Read the streams. Raises UsageError, NotFoundError, MalformedError (with file, document and field), …"""
    if asked.is_on_disk:
        opened = await _from_record(asked)
    else:
        opened = OpenedSamples(await _read(asked, places))
    if asked.every_architecture:
        return opened
    inventory = opened.inventory.for_architecture(asked.architecture)
    if not inventory.streams:
        there = ", ".join(opened.inventory.architectures)
        raise NotFoundError(
            f"{asked.text} has no image stream for {asked.architecture}",
            hint=f"its streams are for {there}: --arch ARCHITECTURE, or --all-architectures",
        )
    return replace(opened, inventory=inventory)


async def _from_record(asked: SamplesSource) -> OpenedSamples:
    if asked.disk is None:
        raise UsageError(
            f"{asked.text} names samples on a disk",
            hint="name the disk with --from-dir FOLDER, for verify with --samples-dir",
        )
    prefix = asked.prefix
    record = await read_samples_record(asked.disk, prefix)
    if record is None:
        below = f" below {prefix}" if prefix else ""
        raise NotFoundError(
            f"the disk {asked.disk} remembers no samples{below}",
            hint="airferry samples mirror SOURCE file:// --dir FOLDER brings them there",
        )
    return OpenedSamples(record.inventory, record)


async def _read(asked: SamplesSource, places: Places) -> Inventory:
    if asked.text == "-":
        text = await asyncio.to_thread(read_standard_input, "the list of image streams")
        return _inventory(parse_streams(text, "stdin"), "stdin")
    named = _named_path(asked.text)
    if named is None:
        return await _from_release(asked, places)
    if await asyncio.to_thread(named.is_dir):
        return _inventory(await asyncio.to_thread(_read_folder, named, str(named)), str(named))
    text = await asyncio.to_thread(read_text_file, named, "the list of image streams")
    return _inventory(parse_streams(text, str(named)), str(named))


def _named_path(text: str) -> Path | None:
    """Return the path that ``text`` is, None when it is a release."""
    if text.startswith(("/", "./", "../", "~/")) or text in (".", "..") or text.endswith((*_SUFFIXES, "/")):
        return Path(text).expanduser()
    return None


async def _from_release(asked: SamplesSource, places: Places) -> Inventory:
    try:
        reference = parse_release(asked.text, architecture=asked.architecture, disk=asked.disk)
    except MalformedError as error:
        if await asyncio.to_thread(Path(asked.text).exists):
            raise MalformedError(f"{asked.text} is no release", hint=f"for the path write ./{asked.text}") from error
        raise
    release = await read_release(reference, places, architecture=asked.architecture)
    place, path = release.reference.repository.place, release.reference.repository.path
    if place.kind is PlaceKind.TREE and not asked.allow_unverified:
        await refuse_unverified(Path(place.address), {ImageOnDisk(path, release.digest)})
    names = frozenset(component.name for component in release.payload.components)
    component = next((one for one in release.payload.components if one.name == OPERATOR), None)
    if component is None:
        raise NotFoundError(
            f"{reference} has no component {OPERATOR}, so a cluster of it imports no samples",
            hint="name a folder of ImageStream files, or what `oc get is -n openshift -o json` printed",
        )
    repository = await components_repository(release, places) or component.image.repository
    image = replace(component.image, repository=repository)
    with tempfile.TemporaryDirectory(prefix="airferry-samples-") as unpacked:
        await _unpack(image, places, Path(unpacked), asked.architecture)
        where = f"{reference}, {OPERATOR}: /{CONTENT_FOLDER.rstrip('/')}"
        streams = await asyncio.to_thread(_read_folder, Path(unpacked), where, of_operator=True)
    return _inventory(streams, where, release.payload.version, names)


async def _unpack(image: Reference, places: Places, folder: Path, architecture: str) -> None:
    source, path = places.source(image.repository.place), image.repository.path
    assert image.digest is not None, "components are named by digest"
    try:
        manifest = await source.read_manifest(path, image.digest)
        if manifest.is_index:
            manifest = await source.read_manifest(path, choose_child(manifest, architecture))
        mapping = PathMapping.parse(f"{CONTENT_FOLDER}:{folder}")
        await extract_tree(
            source, path, manifest, [mapping], manifest.layers, ExtractOptions(only_files=True, confirm=True)
        )
    except AirferryError as error:
        error.message = f"{OPERATOR} ({image}): {error.message}"
        raise


def _read_folder(folder: Path, where: str, *, of_operator: bool = False) -> list[Stream]:
    """Read every file of streams below ``folder``; ``where`` names the folder in errors."""
    root = folder.resolve()
    found: list[Stream] = []
    for file in sorted(folder.rglob("*")):
        relative = file.relative_to(folder).as_posix()
        if of_operator and not is_stream_file(f"{CONTENT_FOLDER}{relative}"):
            continue
        if file.suffix not in _SUFFIXES or "templates" in file.relative_to(folder).parts[:-1]:
            continue
        # An image may hold links to anywhere; only what is in the folder itself is read.
        if not file.is_file() or not file.resolve().is_relative_to(root):
            continue
        found += parse_streams(read_text_file(file), f"{where}/{relative}", is_one_of_many=True)
    return found


def _inventory(
    streams: list[Stream] | tuple[Stream, ...],
    where: str,
    version: str | None = None,
    components: frozenset[str] = frozenset(),
) -> Inventory:
    if not streams:
        raise NotFoundError(
            f"{where} holds no image stream",
            hint="name a release, a folder of ImageStream files, or what `oc get is -n openshift -o json` printed",
        )
    return make_inventory(with_belonging(streams, components), version)
