"""Files of an image found by how they begin, where nothing says what they are called."""

from typing import Final

from airferry.content.protocol import ContentSource
from airferry.content.unpack_names import Shadow, clean_name, is_whiteout
from airferry.content.unpack_stream import DEFAULT_LIMITS, LayerVisitor, UnpackLimits, visit_layer
from airferry.content.unpack_tar import EntryKind, TarEntry
from airferry.oci import Manifest

_MAX_NAMES: Final = 1000


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


class _MagicFinder(LayerVisitor):
    """Looks at the first bytes of each file that no higher layer hides."""

    def __init__(self, magic: bytes) -> None:
        self._magic = magic
        self._shadow = Shadow()
        self._name: str | None = None
        self._begins = b""
        self.names: set[str] = set()

    def entry(self, entry: TarEntry) -> None:
        name = clean_name(entry.name)
        self._shadow.note(name, entry.kind)
        hidden = not name or is_whiteout(name) or self._shadow.hides(name)
        self._name = name if entry.kind is EntryKind.FILE and not hidden else None
        self._begins = b""

    def content(self, piece: memoryview) -> None:
        if self._name is None:
            return
        self._begins += bytes(piece[: len(self._magic) - len(self._begins)])
        if len(self._begins) == len(self._magic):
            if self._begins == self._magic and len(self.names) < _MAX_NAMES:
                self.names.add(self._name)
            self._name = None

    def satisfied(self) -> bool:
        return False

    def settle(self) -> None:
        self._shadow.settle()
        self._name = None
