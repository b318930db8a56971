"""Files and folders of an image looked for: by how a file begins, or behind links."""

from typing import Final

from airferry.content.errors import UnsafeArchiveError
from airferry.content.protocol import ContentSource
from airferry.content.unpack_names import Shadow, clean_name, is_whiteout, link_target
from airferry.content.unpack_stream import DEFAULT_LIMITS, LayerVisitor, UnpackLimits, visit_layer
from airferry.content.unpack_tar import EntryKind, TarEntry
from airferry.oci import Manifest

_MAX_NAMES: Final = 1000
_MAX_LINKS: Final = 16


async def names_by_magic(
    source: ContentSource, path: str, manifest: Manifest, magic: bytes, *, limits: UnpackLimits = DEFAULT_LIMITS
) -> tuple[str, ...]:
    """Return the names of the image's files that begin with ``magic``, sorted; at most a thousand.

    Every layer is read. Raises what :func:`airferry.content.unpack.read_files` raises.
    """
    finder = _MagicFinder(magic)
    for layer in reversed(manifest.layers):
        await visit_layer(source, path, layer, finder, limits)
        finder.settle()
    return tuple(sorted(finder.names))


async def follow_links(
    source: ContentSource, path: str, manifest: Manifest, name: str, *, limits: UnpackLimits = DEFAULT_LIMITS
) -> str:
    """Return where ``name``, relative to the image's root, really is, when symbolic links are on the way to it.

    Every layer is read for each link. Raises UnsafeArchiveError for links in a circle, and what
    :func:`airferry.content.unpack.read_files` raises.
    """
    for _ in range(_MAX_LINKS):
        finder = _LinkFinder(name)
        for layer in reversed(manifest.layers):
            await visit_layer(source, path, layer, finder, limits)
            finder.settle()
        if not finder.links:
            return name
        first = min(finder.links, key=len)
        name = clean_name(link_target(finder.links[first]) + name[len(first) :])
    raise UnsafeArchiveError(f"links in the layers lead in a circle: {name!r}")


class _Finder(LayerVisitor):
    """Sees the entries that no higher layer hides, from the top layer down."""

    def __init__(self) -> None:
        self._shadow = Shadow()

    def entry(self, entry: TarEntry) -> None:
        name = clean_name(entry.name)
        self._shadow.note(name, entry.kind)
        hidden = not name or is_whiteout(name) or self._shadow.hides(name)
        self.see("" if hidden else name, entry)

    def see(self, name: str, entry: TarEntry) -> None:
        """Take an entry; ``name`` is "" for one that is hidden."""

    def content(self, piece: memoryview) -> None:
        """Names are enough."""

    def satisfied(self) -> bool:
        return False

    def settle(self) -> None:
        self._shadow.settle()


class _LinkFinder(_Finder):
    """Keeps the links on the way to a name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        parts = name.split("/")
        self._way = {"/".join(parts[:count]) for count in range(1, len(parts) + 1)}
        self.links: dict[str, TarEntry] = {}

    def see(self, name: str, entry: TarEntry) -> None:
        if name in self._way and entry.kind is EntryKind.SYMLINK:
            self.links.setdefault(name, entry)


class _MagicFinder(_Finder):
    """Looks at the first bytes of each file."""

    def __init__(self, magic: bytes) -> None:
        super().__init__()
        self._magic = magic
        self._name: str | None = None
        self._begins = b""
        self.names: set[str] = set()

    def see(self, name: str, entry: TarEntry) -> None:
        self._name = name if name and entry.kind is EntryKind.FILE else None
        self._begins = b""

    def content(self, piece: memoryview) -> None:
        if self._name is None:
            return
        self._begins += bytes(piece[: len(self._magic) - len(self._begins)])
        if len(self._begins) == len(self._magic):
            if self._begins == self._magic and len(self.names) < _MAX_NAMES:
                self.names.add(self._name)
            self._name = None

    def settle(self) -> None:
        super().settle()
        self._name = None
