"""A folder of an image held in memory, as it is when all layers are on top of each other, with modes."""

from dataclasses import dataclass, field

from airferry.content.errors import UnsafeArchiveError
from airferry.content.protocol import ContentSource
from airferry.content.unpack_names import Shadow, clean_name, is_whiteout
from airferry.content.unpack_stream import DEFAULT_LIMITS, LayerVisitor, UnpackLimits, visit_layer
from airferry.content.unpack_tar import EntryKind, TarEntry
from airferry.oci import Manifest


@dataclass(slots=True)
class HeldEntry:
    """A file, or with None for ``content`` a folder. ``mode`` has the permissions."""

    mode: int
    content: bytearray | None = field(default=None)


async def read_folders(
    source: ContentSource,
    path: str,
    manifest: Manifest,
    folders: tuple[str, ...],
    *,
    limit_bytes: int,
    limits: UnpackLimits = DEFAULT_LIMITS,
) -> dict[str, dict[str, HeldEntry]]:
    """Return each of ``folders`` with what is below it, by relative path; "." is the folder. Links are left out.

    A folder that the image does not have is empty. Raises UnsafeArchiveError when it is more than ``limit_bytes``
    in all, and what :func:`airferry.content.unpack.read_files` raises.
    """
    holder = _Holder({clean_name(folder): folder for folder in folders}, limit_bytes)
    for layer in reversed(manifest.layers):
        await visit_layer(source, path, layer, holder, limits)
        holder.settle()
    return holder.held


class _Holder(LayerVisitor):
    """Keeps what no higher layer hides."""

    def __init__(self, folders: dict[str, str], limit_bytes: int) -> None:
        self._folders = folders
        self._bytes_left = limit_bytes
        self._shadow = Shadow()
        self._file: bytearray | None = None
        self._fresh: dict[str, HeldEntry] = {}
        self._all: dict[str, HeldEntry] = {}

    @property
    def held(self) -> dict[str, dict[str, HeldEntry]]:
        """What was found, by folder as it was asked for."""
        found: dict[str, dict[str, HeldEntry]] = {asked: {} for asked in self._folders.values()}
        for name, entry in self._all.items():
            for folder, asked in self._folders.items():
                if name == folder:
                    found[asked]["."] = entry
                elif name.startswith(f"{folder}/"):
                    found[asked][name.removeprefix(f"{folder}/")] = entry
        return found

    def entry(self, entry: TarEntry) -> None:
        self._file = None
        name = clean_name(entry.name)
        self._shadow.note(name, entry.kind)
        if is_whiteout(name) or self._shadow.hides(name) or not self._is_wanted(name):
            return
        if entry.kind is EntryKind.FOLDER:
            self._fresh[name] = HeldEntry(entry.mode)
        elif entry.kind is EntryKind.FILE:
            self._bytes_left -= entry.size_bytes
            if self._bytes_left < 0:
                raise UnsafeArchiveError(f"{name} and what is beside it are too much to be held in memory")
            self._file = bytearray()
            self._fresh[name] = HeldEntry(entry.mode, self._file)

    def content(self, piece: memoryview) -> None:
        if self._file is not None:
            self._file += piece

    def satisfied(self) -> bool:
        return False

    def settle(self) -> None:
        self._shadow.settle()
        for name, entry in self._fresh.items():
            self._all.setdefault(name, entry)
        self._fresh, self._file = {}, None

    def _is_wanted(self, name: str) -> bool:
        return any(name == folder or name.startswith(f"{folder}/") for folder in self._folders)
