"""Catalogs in a folder, read file by file. A catalog image is unpacked into one first."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from airferry.content.filesystem import reading
from airferry.errors import MalformedError
from airferry.openshift.catalog.metas import Meta, read_metas

_BLOCK_BYTES: Final = 256 * 1024


def folder_metas(folder: Path) -> Iterator[Meta]:
    """Yield the documents of every file below ``folder``, files in the order of their paths. Blocks while it reads.

    Raises MalformedError, NotFoundError when there is no such folder, and MalformedError when it holds no document.
    """
    empty = True
    for file in catalog_files(folder):
        for meta in read_metas(_blocks(file), str(file.relative_to(folder))):
            empty = False
            yield meta
    if empty:
        raise MalformedError(f"{folder} holds no document of a file-based catalog")


def catalog_files(folder: Path) -> list[Path]:
    """Return the files of a catalog, in the order of their paths. Raises NotFoundError."""
    with reading(folder):
        return sorted(path for path in folder.rglob("*") if path.is_file())


def _blocks(file: Path) -> Iterator[bytes]:
    with reading(file), file.open("rb") as opened:
        while block := opened.read(_BLOCK_BYTES):
            yield block
