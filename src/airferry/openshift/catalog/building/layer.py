"""The one layer that makes an image a catalog: the folder of documents, and what must go from the layers below.

Sources: OCI image-spec layer.md, "Whiteouts" and "Opaque Whiteout"; RFC 1952 (gzip).
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from airferry.errors import UnsupportedError
from airferry.oci import Digest
from airferry.openshift.catalog.building.tar_stream import TarFile, tar_stream

_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LEVEL: Final = 6
_RAW_DEFLATE: Final = -15
FOLDER_MODE: Final = 0o755
_SHARED: Final = {"tmp": 0o1777, "var/tmp": 0o1777}
"""Folders that every user may write to. A layer that names them with another mode takes that away from all of them,
and opm, which runs under a user that nobody knew before, cannot make its temporary cache."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as it is stored: a tar in gzip. ``diff_id`` is the digest of the tar.

    The tar is the same wherever it is made; the gzip wherever zlib is the same.
    """

    content: bytes
    digest: Digest
    diff_id: Digest


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """Where the documents go, and what of the layers below must not be seen any more.

    ``configs`` is the folder of the documents, ``cache`` that of opm's cache, None when it has none; with
    ``on_top`` the layer hides what lower ones have in both.
    """

    configs: str = "/configs"
    cache: str | None = None
    on_top: bool = False


def catalog_layer(packages: Mapping[str, bytes], plan: LayerPlan, *, mtime_s: int = 0) -> Layer:
    """Return the layer with one file for each of ``packages``, ``<configs>/<package>/catalog.json``.

    Folders and files are root's and readable by all: catalogs are served by users that nobody knows before.
    Raises UnsupportedError where ``configs`` or ``cache`` is no folder of its own.
    """
    return pack(_entries(packages, plan), mtime_s=mtime_s)


def pack(entries: Iterable[TarFile], *, mtime_s: int = 0) -> Layer:
    """Return the layer of ``entries``, in their order."""
    content = bytearray(_GZIP_HEADER)
    plain, checksum, plain_bytes = hashlib.sha256(), 0, 0
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW_DEFLATE, 8, zlib.Z_DEFAULT_STRATEGY)
    for piece in tar_stream(entries, mtime_s=mtime_s):
        plain.update(piece)
        checksum = zlib.crc32(piece, checksum)
        plain_bytes += len(piece)
        content += deflate.compress(piece)
    content += deflate.flush() + struct.pack("<II", checksum, plain_bytes & 0xFFFFFFFF)
    whole = bytes(content)
    return Layer(whole, Digest.of(whole), Digest(f"sha256:{plain.hexdigest()}"))


def image_folder(path: str) -> str:
    """Return ``path``, a folder of an image, without slashes around it. Raises UnsupportedError for the root."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or any(part.startswith(".wh.") for part in parts):
        raise UnsupportedError(f"{path!r} is not a folder that a catalog can be kept in")
    return "/".join(parts)


def _entries(packages: Mapping[str, bytes], plan: LayerPlan) -> Iterator[TarFile]:
    configs = image_folder(plan.configs)
    folders: dict[str, None] = dict.fromkeys(with_parents(configs))
    gone = []
    if plan.on_top:
        gone.append(f"{configs}/.wh..wh..opq")
        if plan.cache is not None:
            parent, _, name = image_folder(plan.cache).rpartition("/")
            if not f"{configs}/".startswith(f"{parent}/{name}/".lstrip("/")):
                folders |= dict.fromkeys(with_parents(parent))
                gone.append(f"{parent}/.wh.{name}".lstrip("/"))
    for folder in sorted(folders):
        yield TarFile(f"{folder}/", None, _SHARED.get(folder, FOLDER_MODE))
    for path in sorted(gone):
        yield TarFile(path)
    yield from _files(packages, configs)


def _files(packages: Mapping[str, bytes], configs: str) -> Iterator[TarFile]:
    for package in sorted(packages):
        yield TarFile(f"{configs}/{package}/", None, FOLDER_MODE)
        yield TarFile(f"{configs}/{package}/catalog.json", packages[package])


def with_parents(folder: str) -> Iterable[str]:
    """Return the folders on the way to ``folder``, and it, from the top down."""
    parts = [part for part in folder.split("/") if part]
    return ("/".join(parts[: length + 1]) for length in range(len(parts)))
