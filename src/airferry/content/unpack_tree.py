"""Layers unpacked into folders: the working half of ``image extract``.

Layers are read from the top down and each path is taken once, so that nothing is ever written and then deleted
again by a whiteout. A layer's files get their names when all its bytes were checked. Symbolic and hard links are
made last, so that no file is written through one. Source of the flags and of the listing: ``oc image extract``.
"""

import asyncio
import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from airferry.content.errors import NotFoundError
from airferry.content.protocol import ContentSource
from airferry.content.unpack import FileMissingError, extract_file
from airferry.content.unpack_disk import Destination, StagedFile
from airferry.content.unpack_names import Shadow, clean_name, is_whiteout, link_target
from airferry.content.unpack_select import PathMapping
from airferry.content.unpack_stream import DEFAULT_LIMITS, LayerVisitor, UnpackLimits, visit_layer
from airferry.content.unpack_tar import EntryKind, TarEntry
from airferry.errors import UsageError
from airferry.oci import Descriptor, Manifest

_TYPE_BITS: Final = {EntryKind.FOLDER: stat.S_IFDIR, EntryKind.SYMLINK: stat.S_IFLNK}
_TAKEN: Final = (EntryKind.FILE, EntryKind.FOLDER, EntryKind.SYMLINK, EntryKind.HARDLINK)
_LINKS: Final = (EntryKind.SYMLINK, EntryKind.HARDLINK)


@dataclass(frozen=True, slots=True)
class Extracted:
    """One entry that was, or in a dry run would be, written to ``destination``."""

    layer_number: int
    name: str
    kind: EntryKind
    mode: int
    size_bytes: int
    destination: Path

    def line(self) -> str:
        """Return the line that ``oc image extract --dry-run`` prints: layer, mode, size, path."""
        mode = stat.filemode(_TYPE_BITS.get(self.kind, stat.S_IFREG) | self.mode)
        return f"{self.layer_number:2d} {mode} {self.size_bytes:12d} {self.name}"


@dataclass(frozen=True, slots=True)
class Extraction:
    """What an extraction wrote, in the order of the layers from the top down, and what it left out and why."""

    entries: tuple[Extracted, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """How to extract: ``only_files`` leaves symbolic links out, ``confirm`` allows folders that are not empty."""

    only_files: bool = False
    confirm: bool = False
    dry_run: bool = False
    limits: UnpackLimits = DEFAULT_LIMITS


@dataclass(slots=True)
class _Link:
    entry: TarEntry
    name: str
    mapping: PathMapping
    relative: str


async def extract_tree(
    source: ContentSource,
    path: str,
    manifest: Manifest,
    mappings: Sequence[PathMapping],
    layers: Sequence[Descriptor],
    options: ExtractOptions | None = None,
) -> Extraction:
    """Unpack ``layers``, some or all of the manifest's, into the folders that ``mappings`` name.

    Nothing is written outside of those folders. Devices, fifos, sparse files and links that lead out of what is
    extracted are left out and named in the notes. Raises NotFoundError when a destination does not exist or a
    mapping matches nothing, UsageError when a destination is not empty (without ``confirm``), UnsafeArchiveError
    and the errors of :func:`airferry.content.unpack.read_files`; what lower layers would have added is then missing.
    """
    options = options or ExtractOptions()
    await asyncio.to_thread(_check_destinations, mappings, options)
    numbers = {layer.digest: number for number, layer in enumerate(manifest.layers)}
    with ExitStack() as stack:
        work = _Extractor(mappings, options)
        if not options.dry_run:
            await asyncio.to_thread(work.open)
            stack.callback(work.close)
        for layer in reversed(layers):
            work.begin(numbers[layer.digest])
            await visit_layer(source, path, layer, work, options.limits)
            await asyncio.to_thread(work.settle)
        work.check_matches(manifest)
        for link in await asyncio.to_thread(work.make_links):
            await _copy_linked(source, path, manifest, link, work)
    return Extraction(tuple(work.entries), tuple(work.notes))


async def _copy_linked(source: ContentSource, path: str, manifest: Manifest, link: _Link, work: "_Extractor") -> None:
    """Write a hard link's content as a file of its own: its other name is not among what was extracted."""
    destination = work.destination(link.mapping)
    staged = destination.stage()
    try:
        found = await extract_file(
            source, path, manifest, link_target(link.entry), staged.write, limits=work.options.limits
        )
    except FileMissingError:
        work.notes.append(f"{link.name}: left out, a hard link to {link.entry.link}, which the image does not have")
        return
    finally:
        staged.close()
    await asyncio.to_thread(destination.place, staged, link.relative, found.mode, found.mtime)


class _Extractor(LayerVisitor):
    """Stages what mappings want of one layer after another. Entries are seen in worker threads."""

    def __init__(self, mappings: Sequence[PathMapping], options: ExtractOptions) -> None:
        self.options = options
        self.entries: list[Extracted] = []
        self.notes: list[str] = []
        self._destinations = {mapping.destination: Destination(mapping.destination) for mapping in mappings}
        self._unmatched = list(mappings)
        self._mappings = mappings
        self._shadow = Shadow()
        self._number = 0
        self._staged: list[tuple[StagedFile, _Link]] = []
        self._current: list[StagedFile] = []
        self._folders: list[_Link] = []
        self._links: list[_Link] = []
        self._placed: set[tuple[Path, str]] = set()

    def open(self) -> None:
        for destination in self._destinations.values():
            destination.open()

    def close(self) -> None:
        self._end_file()
        for destination in self._destinations.values():
            destination.close()

    def destination(self, mapping: PathMapping) -> Destination:
        return self._destinations[mapping.destination]

    def begin(self, number: int) -> None:
        self._number = number

    def entry(self, entry: TarEntry) -> None:
        self._end_file()
        name = clean_name(entry.name)
        self._shadow.note(name, entry.kind)
        if not name or is_whiteout(name) or self._shadow.hides(name):
            return
        if self.options.only_files and entry.kind in (EntryKind.SYMLINK, EntryKind.DEVICE, EntryKind.FIFO):
            return
        for mapping in self._mappings:
            if (relative := mapping.relative(name)) is not None:
                self._take(_Link(entry, name, mapping, relative))

    def content(self, piece: memoryview) -> None:
        for staged in self._current:
            staged.write(piece)

    def satisfied(self) -> bool:
        return False

    def settle(self) -> None:
        """The layer's bytes were checked: its files and folders get their names."""
        self._end_file()
        for folder in self._folders:
            self.destination(folder.mapping).make_folder(folder.relative)
        for staged, item in self._staged:
            self.destination(item.mapping).place(staged, item.relative, item.entry.mode, item.entry.mtime)
            self._placed.add((item.mapping.destination, item.relative))
        self._folders.clear()
        self._staged.clear()
        self._shadow.settle()

    def check_matches(self, manifest: Manifest) -> None:
        if self._unmatched:
            names = ", ".join(mapping.source for mapping in self._unmatched)
            raise NotFoundError(f"the chosen layers of {manifest.digest} have nothing that matches {names}")

    def make_links(self) -> list[_Link]:
        """Make the links; return the hard links whose other name was not extracted."""
        if self.options.dry_run:
            return []
        rest = []
        for link in self._links:
            if link.entry.kind is EntryKind.SYMLINK:
                self._make_symlink(link)
            elif not self._make_hardlink(link):
                rest.append(link)
        return rest

    def _take(self, item: _Link) -> None:
        entry = item.entry
        if item.mapping in self._unmatched:
            self._unmatched.remove(item.mapping)
        if entry.kind not in _TAKEN:
            self.notes.append(f"{item.name}: left out, a {entry.kind}")
            return
        self.entries.append(
            Extracted(
                self._number,
                item.name,
                entry.kind,
                entry.mode,
                entry.size_bytes,
                item.mapping.destination / item.relative,
            )
        )
        if self.options.dry_run:
            return
        if entry.kind in _LINKS:
            link_target(entry)  # refuses what climbs out of the image, before anything of this layer has a name
            self._links.append(item)
        elif entry.kind is EntryKind.FOLDER:
            self._folders.append(item)
        else:
            staged = self.destination(item.mapping).stage()
            self._current.append(staged)
            self._staged.append((staged, item))

    def _end_file(self) -> None:
        for staged in self._current:
            staged.close()
        self._current.clear()

    def _make_symlink(self, link: _Link) -> None:
        """Make a link that works, and stays, inside the destination: an absolute target becomes a relative one."""
        target = link.mapping.relative(link_target(link.entry))
        if target is None:
            self.notes.append(f"{link.name}: left out, a link to {link.entry.link}, which is not extracted")
            return
        folder = link.relative.rpartition("/")[0]
        self.destination(link.mapping).make_symlink(link.relative, os.path.relpath(f"/{target}", f"/{folder}"))

    def _make_hardlink(self, link: _Link) -> bool:
        target = link.mapping.relative(link_target(link.entry))
        if target is None or (link.mapping.destination, target) not in self._placed:
            return False
        self.destination(link.mapping).make_hardlink(link.relative, target)
        self._placed.add((link.mapping.destination, link.relative))
        return True


def _check_destinations(mappings: Sequence[PathMapping], options: ExtractOptions) -> None:
    for mapping in mappings:
        folder = mapping.destination
        if not folder.is_dir():
            raise NotFoundError(f"destination path does not exist: {folder}", hint="make the folder first")
        if not options.confirm and not options.dry_run and any(folder.iterdir()):
            raise UsageError(
                f"directory {folder} must be empty, pass --confirm to overwrite contents of directory",
                hint="add --confirm, or name an empty folder",
            )
