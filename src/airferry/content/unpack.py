"""Named files read out of an image's layers, as the running container would see them.

Layers are searched from the top down and the first hit wins, as ``oc`` does; whiteouts are honoured and links
followed inside the image. Every byte of a layer is checked against its descriptor before anything found in it is
returned. For whole trees see :mod:`airferry.content.unpack_tree`.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final

from airferry.content.errors import NotFoundError, UnsafeArchiveError
from airferry.content.protocol import ContentSource
from airferry.content.unpack_names import Shadow, clean_name, is_whiteout, link_target
from airferry.content.unpack_stream import DEFAULT_LIMITS, LayerVisitor, UnpackLimits, visit_layer
from airferry.content.unpack_tar import EntryKind, TarEntry
from airferry.oci import Descriptor, Digest, Manifest

__all__ = ["FoundFile", "LayerFile", "UnpackLimits", "extract_file", "read_files"]

_MAX_LINKS: Final = 16
_LINKS: Final = (EntryKind.SYMLINK, EntryKind.HARDLINK)

Wanted = Collection[str] | Callable[[str], bool]
"""Names relative to the image's root, without a leading slash; or a test of such names."""


class FileMissingError(NotFoundError):
    """The image is there, all its layers were read, and none of them has the file."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file of an image: permission bits, seconds since 1970, size, and the layer it is in."""

    name: str
    mode: int
    mtime: int
    size_bytes: int
    layer: Digest


@dataclass(frozen=True, slots=True)
class LayerFile(FoundFile):
    """A file with its content."""

    content: bytes


async def read_files(
    source: ContentSource,
    path: str,
    manifest: Manifest,
    wanted: Wanted,
    *,
    limits: UnpackLimits = DEFAULT_LIMITS,
) -> dict[str, LayerFile]:
    """Return the wanted files that the image has, by name; names it does not have are simply not there.

    The names in the answer are relative to the image's root, without a leading slash, however they were asked for.

    With names, lower layers are read until all are found. With a test, the search ends with the first layer that
    has a hit, so that a release's metadata costs one small layer. Raises UnsafeArchiveError when a wanted file is
    larger than ``limits.file_bytes`` or the layers are hostile, ContentMismatchError or DamagedError when they
    are not what the manifest promises, MalformedError and UnsupportedError when they are no tar.
    """
    return await _read(source, path, manifest, wanted, limits, _MAX_LINKS)


async def _read(
    source: ContentSource, path: str, manifest: Manifest, wanted: Wanted, limits: UnpackLimits, links_left: int
) -> dict[str, LayerFile]:
    finder = _Finder(wanted, limits)
    for layer in _from_the_top(manifest):
        finder.begin(layer)
        await visit_layer(source, path, layer, finder, limits)
        finder.settle()
        if finder.all_found():
            break
    if finder.links and not links_left:
        raise UnsafeArchiveError(f"links in the layers lead in a circle: {', '.join(sorted(finder.links))}")
    targets = {name: link_target(entry) for name, entry in finder.links.items()}
    if targets:
        linked = await _read(source, path, manifest, set(targets.values()), limits, links_left - 1)
        finder.files.update(
            {name: replace(linked[target], name=name) for name, target in targets.items() if target in linked}
        )
    return finder.files


async def extract_file(
    source: ContentSource,
    path: str,
    manifest: Manifest,
    name: str,
    sink: Callable[[memoryview], object],
    *,
    limits: UnpackLimits = DEFAULT_LIMITS,
) -> FoundFile:
    """Give ``sink`` the content of one file of any size, piece by piece, and return what it is.

    ``sink`` is called in worker threads; what it got must not be used before this returns, and is to be thrown
    away when this raises: FileMissingError when the image has no such file, else as :func:`read_files`.
    """
    target = clean_name(name)
    for _ in range(_MAX_LINKS):
        streamer = _Streamer(target, sink)
        for layer in _from_the_top(manifest):
            streamer.begin(layer)
            await visit_layer(source, path, layer, streamer, limits)
            streamer.settle()
            if streamer.found is not None:
                return replace(streamer.found, name=clean_name(name))
            if streamer.satisfied():
                break
        if streamer.link is None:
            raise FileMissingError(f"the image {manifest.digest} has no file {name!r}")
        target = link_target(streamer.link)
    raise UnsafeArchiveError(f"links in the layers lead in a circle: {name!r}")


def _from_the_top(manifest: Manifest) -> Iterable[Descriptor]:
    return reversed(manifest.layers)


class _Layers:
    """Layers from the top down, and what is hidden in them."""

    def __init__(self) -> None:
        self._shadow = Shadow()
        self._layer: Descriptor | None = None

    def begin(self, layer: Descriptor) -> None:
        self._layer = layer

    def settle(self) -> None:
        self._shadow.settle()

    def visible_name(self, entry: TarEntry) -> str | None:
        """Return the entry's clean name, None when it is not to be seen: hidden, a whiteout, or the root."""
        name = clean_name(entry.name)
        self._shadow.note(name, entry.kind)
        return None if not name or is_whiteout(name) or self._shadow.hides(name) else name

    def found(self, name: str, entry: TarEntry) -> FoundFile:
        assert self._layer is not None
        return FoundFile(name, entry.mode, entry.mtime, entry.size_bytes, self._layer.digest)


class _Finder(LayerVisitor):
    """Keeps the content of wanted files."""

    def __init__(self, wanted: Wanted, limits: UnpackLimits) -> None:
        self._layers = _Layers()
        names = None if callable(wanted) else {clean_name(name) for name in wanted}
        self._names = names
        self._test = wanted if callable(wanted) else (names or set()).__contains__
        self._limits = limits
        self._current: tuple[FoundFile, bytearray] | None = None
        self._held_bytes = 0
        self.files: dict[str, LayerFile] = {}
        self.links: dict[str, TarEntry] = {}
        self._gone: set[str] = set()

    def begin(self, layer: Descriptor) -> None:
        self._layers.begin(layer)

    def entry(self, entry: TarEntry) -> None:
        self._keep()
        name = self._layers.visible_name(entry)
        if name is None or not self._test(name) or name in self.files or name in self.links:
            return
        if entry.kind in _LINKS:
            self.links[name] = entry
        elif entry.kind in (EntryKind.FILE, EntryKind.SPARSE):
            self._held_bytes += entry.size_bytes
            if entry.kind is EntryKind.SPARSE or self._held_bytes > self._limits.file_bytes:
                raise UnsafeArchiveError(f"{name} is a {entry.kind} of {entry.size_bytes} bytes, too large to read")
            self._current = self._layers.found(name, entry), bytearray()
        else:
            self._gone.add(name)

    def content(self, piece: memoryview) -> None:
        if self._current is not None:
            self._current[1].extend(piece)

    def satisfied(self) -> bool:
        # The last wanted file is still coming in until the next entry begins.
        return self._current is None and self._names is not None and self._have() >= self._names

    def settle(self) -> None:
        self._keep()
        self._layers.settle()

    def all_found(self) -> bool:
        return bool(self._have()) if self._names is None else self._have() >= self._names

    def _have(self) -> set[str]:
        return self.files.keys() | self.links.keys() | self._gone

    def _keep(self) -> None:
        if self._current is not None:
            found, content = self._current
            self._current = None
            self.files[found.name] = LayerFile(
                found.name, found.mode, found.mtime, found.size_bytes, found.layer, bytes(content)
            )


class _Streamer(LayerVisitor):
    """Passes the content of one file on."""

    def __init__(self, name: str, sink: Callable[[memoryview], object]) -> None:
        self._layers = _Layers()
        self._name = name
        self._sink = sink
        self._coming = False
        self._gone = False
        self.found: FoundFile | None = None
        self.link: TarEntry | None = None

    def begin(self, layer: Descriptor) -> None:
        self._layers.begin(layer)

    def settle(self) -> None:
        self._layers.settle()

    def entry(self, entry: TarEntry) -> None:
        self._coming = False
        if self._layers.visible_name(entry) != self._name or self.satisfied():
            return
        if entry.kind in _LINKS:
            self.link = entry
        elif entry.kind is EntryKind.FILE:
            self.found, self._coming = self._layers.found(self._name, entry), True
        else:
            self._gone = True

    def content(self, piece: memoryview) -> None:
        if self._coming:
            self._sink(piece)

    def satisfied(self) -> bool:
        return not self._coming and (self.found is not None or self.link is not None or self._gone)
