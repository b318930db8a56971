"""Names inside layers: made safe, hidden by what lies above, links followed within the image. Pure.

Source: OCI image-spec layer.md "Whiteouts" and "Opaque Whiteout"; ``.wh.`` names hide entries of lower layers only.
"""

from typing import Final

from airferry.content.errors import UnsafeArchiveError
from airferry.content.unpack_tar import EntryKind, TarEntry

_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"


def clean_name(name: str) -> str:
    """Return ``name`` relative to the image's root, without ``.``, ``..`` and doubled slashes; "" is the root.

    A leading slash means the image's root. Raises UnsafeArchiveError when the name climbs out of it.
    """
    if "\0" in name:
        raise UnsafeArchiveError(f"the layer has an entry with a zero byte in its name: {name!r}")
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                raise UnsafeArchiveError(
                    f"the layer has an entry outside of the image: {name!r}",
                    hint="a layer like this is made to overwrite files of whoever unpacks it; do not use the image",
                )
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def link_target(entry: TarEntry) -> str:
    """Return what a link points at, relative to the image's root. Raises UnsafeArchiveError when it climbs out."""
    if entry.kind is EntryKind.HARDLINK or entry.link.startswith("/"):
        return clean_name(entry.link)
    folder = clean_name(entry.name).rpartition("/")[0]
    return clean_name(f"{folder}/{entry.link}")


def is_whiteout(name: str) -> bool:
    """Whether a cleaned name only says that something of lower layers is gone."""
    return name.rpartition("/")[2].startswith(_WHITEOUT)


class Shadow:
    """What the layers seen so far, from the top down, hide of those below."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._covered: set[str] = set()
        self._opaque: set[str] = set()
        self._layer: list[tuple[str, EntryKind]] = []

    def hides(self, name: str) -> bool:
        """Whether an upper layer has or removed ``name``, or something it would lie under."""
        if name in self._seen or name in self._covered:
            return True
        folder = name
        while folder:
            folder = folder.rpartition("/")[0]
            if folder in self._covered or folder in self._opaque:
                return True
        return False

    def note(self, name: str, kind: EntryKind) -> None:
        """Remember an entry of the layer that is being read; it hides nothing of its own layer."""
        self._layer.append((name, kind))

    def settle(self) -> None:
        """The layer is done: what it holds now hides what comes below."""
        for name, kind in self._layer:
            folder, _, last = name.rpartition("/")
            if last == _OPAQUE:
                self._opaque.add(folder)
            elif last.startswith(_WHITEOUT):
                self._covered.add(f"{folder}/{last[len(_WHITEOUT) :]}".lstrip("/"))
            else:
                (self._seen if kind is EntryKind.FOLDER else self._covered).add(name)
        self._layer.clear()
