"""Catalogs in a folder, read file by file. A catalog image is unpacked into one first.

Which files count is as in operator-registry's loader (``declcfg.WalkMetasFS``, which ``oc`` has too): every file below
the folder, hidden ones as well, except ``.indexignore`` files and what they name, by the grammar of ``.gitignore`` and
each for its own folder. A file without a document is passed over. Links to files are followed, links to folders are
not (opm stops at one; here it is told as a finding).
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from pathspec import GitIgnoreSpec

from airferry.content.filesystem import reading
from airferry.errors import MalformedError
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.reading.metas import Meta, read_metas

IGNORE_FILE: Final = ".indexignore"
_BLOCK_BYTES: Final = 256 * 1024
_MAX_IGNORE_BYTES: Final = 1024 * 1024
_HINT: Final = f"files that are no documents of a catalog are left out by naming them in {IGNORE_FILE}"


def folder_metas(folder: Path, findings: list[Finding] | None = None) -> Iterator[Meta]:
    """Yield the documents of every file below ``folder``, files in the order of their paths. Blocks while it reads.

    What had to be left out is added to ``findings``. Raises MalformedError, NotFoundError when there is no such
    folder, and MalformedError when it holds no document.
    """
    empty = True
    for file in catalog_files(folder, findings):
        for meta in read_metas(read_blocks(file), str(file.relative_to(folder)), hint=_HINT):
            empty = False
            yield meta
    if empty:
        raise MalformedError(f"{folder} holds no document of a file-based catalog")


def catalog_files(folder: Path, findings: list[Finding] | None = None) -> list[Path]:
    """Return the files of a catalog, in the order of their paths. Raises NotFoundError, DeniedError."""
    left_out = findings if findings is not None else []
    files = []
    ignored = _Ignored()
    for path in walk(folder):
        relative = PurePosixPath(path.relative_to(folder).as_posix())
        if path.is_symlink() and not path.is_file():
            what = f"left out: a link to {path.readlink()}, which is {'a folder' if path.is_dir() else 'not there'}"
            left_out.append(Finding(FindingCode.LEFT_OUT, str(relative), what))
        elif path.is_file():
            if path.name == IGNORE_FILE:
                ignored.add(path, relative.parent)
            else:
                files.append(path)
    return [path for path in sorted(files) if not ignored.has(path.relative_to(folder).as_posix())]


def walk(folder: Path) -> Iterator[Path]:
    """Yield what is below ``folder`` and no folder itself, links not followed. Raises NotFoundError, DeniedError."""

    def stop(error: OSError) -> None:
        raise error

    with reading(folder):
        for where, folders, names in os.walk(folder, onerror=stop):
            links = [name for name in folders if Path(where, name).is_symlink()]
            yield from (Path(where, name) for name in (*names, *links))


def read_blocks(file: Path) -> Iterator[bytes]:
    """Yield the content of a file in blocks. Raises NotFoundError, DeniedError, DamagedError."""
    with reading(file), file.open("rb") as opened:
        while block := opened.read(_BLOCK_BYTES):
            yield block


class _Ignored:
    """What the ``.indexignore`` files of a catalog name; one deeper down wins, as with git."""

    def __init__(self) -> None:
        self._specs: dict[PurePosixPath, GitIgnoreSpec] = {}

    def add(self, file: Path, folder: PurePosixPath) -> None:
        with reading(file), file.open("rb") as opened:
            content = opened.read(_MAX_IGNORE_BYTES + 1)
        if len(content) > _MAX_IGNORE_BYTES:
            raise MalformedError(f"{file} is longer than {_MAX_IGNORE_BYTES >> 20} MiB")
        try:
            self._specs[folder] = GitIgnoreSpec.from_lines(content.decode("utf-8", "replace").splitlines())
        except ValueError as error:
            raise MalformedError(f"{file} is not written as .gitignore is: {error}") from error

    def has(self, relative: str) -> bool:
        path = PurePosixPath(relative)
        for folder in path.parents if self._specs else ():
            spec = self._specs.get(folder)
            if spec is not None and (found := spec.check_file(path.relative_to(folder)).include) is not None:
                return found
        return False
