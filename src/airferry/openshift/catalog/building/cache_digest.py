"""The digest by which opm tells whether its cache is of the documents that it is to serve.

Source: operator-registry, "pkg/cache": with a cache folder, and unless told otherwise, ``opm serve`` compares the
digest that the cache holds with the one it computes, and ends when they differ. There are two kinds of cache. The
older one is files, in ``cache/``, with its digest in ``digest``: 64-bit FNV-1a, in hexadecimal, over an archive of
the documents' folder followed by one of ``cache/``. The newer one is a database in ``pogreb.v1/``, whose digest is
over documents and entries, not over files.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from airferry.openshift.catalog.building.tar_stream import TarFile, tar_stream

FILES_DIGEST: Final = "digest"
FILES_FOLDER: Final = "cache"
DATABASE_FOLDER: Final = "pogreb.v1"
_OFFSET_BASIS: Final = 0xCBF29CE484222325
_PRIME: Final = 0x100000001B3
_MASK: Final = 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True, slots=True)
class CacheVerdict:
    """Whether opm would start with a cache: True, False, or None where we cannot compute its digest."""

    valid: bool | None
    reason: str


def check_cache(documents: Mapping[str, TarFile], cache: Mapping[str, TarFile]) -> CacheVerdict:
    """Return what opm would make of a cache. Both are trees: path in the folder to entry, "." for the folder itself.

    Where both kinds of cache are there, the database counts, as in opm.
    """
    if not cache.keys() - {"."}:
        return CacheVerdict(False, "the cache is empty, and opm takes that for a broken one")
    if DATABASE_FOLDER in cache:
        if f"{DATABASE_FOLDER}/digest" not in cache:
            return CacheVerdict(False, f"{DATABASE_FOLDER} holds no digest")
        return CacheVerdict(
            None, f"the digest of a cache in {DATABASE_FOLDER} is over its database, which we cannot read"
        )
    if FILES_DIGEST not in cache:
        return CacheVerdict(False, "the cache holds no digest")
    stored = (cache[FILES_DIGEST].content or b"").decode("utf-8", "replace").strip()
    computed = files_digest(documents, cache)
    if stored == computed:
        return CacheVerdict(True, f"its digest {stored} is that of the documents")
    return CacheVerdict(False, f"its digest is {stored}, that of the documents {computed}")


def files_digest(documents: Mapping[str, TarFile], cache: Mapping[str, TarFile]) -> str:
    """Return the digest of a cache of files; it is over modes too, but not over owners and times. About 5 MB/s."""
    inner = {
        path.removeprefix(f"{FILES_FOLDER}/") if path != FILES_FOLDER else ".": entry
        for path, entry in cache.items()
        if path == FILES_FOLDER or path.startswith(f"{FILES_FOLDER}/")
    }
    value = _fnv1a(_OFFSET_BASIS, tar_stream(_walked(documents)))
    if inner:
        value = _fnv1a(value, tar_stream(_walked(inner)))
    # Go prints the eight bytes, not the number: zeros in front stay.
    return f"{value:016x}"


def _walked(tree: Mapping[str, TarFile]) -> list[TarFile]:
    """Return the entries as Go walks a folder: each folder before what is in it, names in the order of their bytes."""
    paths = sorted(tree, key=lambda path: [] if path == "." else [part.encode() for part in path.split("/")])
    return [replace(tree[path], path=path) for path in paths]


def _fnv1a(value: int, pieces: Iterable[bytes]) -> int:
    prime, mask = _PRIME, _MASK  # names of a function are found faster
    for piece in pieces:
        for byte in piece:
            value = (value ^ byte) * prime & mask
    return value
