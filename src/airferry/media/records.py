"""Our own small JSON documents on a medium, in the visible folder ``airferry`` at the root of the tree.

They travel with the disk: which releases are on it, how far they are trusted, what is missing. A record appears
whole and durable, or not at all.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from airferry.content.errors import NotFoundError
from airferry.content.filesystem import PRIVATE, READABLE, make_folders, reading, replace_file, sync_folder, writing
from airferry.content.tree_folder import OWN_FOLDER
from airferry.errors import MalformedError, parser_words

_SUFFIX: Final = ".json"


class Records:
    """Documents under ``airferry/`` of the tree at ``root``, each with a name such as ``releases/<hex>``.

    With ``private`` new files are readable by their owner alone.
    """

    def __init__(self, root: Path, *, private: bool = False) -> None:
        self._folder = root / OWN_FOLDER
        self._modes = PRIVATE if private else READABLE

    def path(self, name: str) -> Path:
        """Return the file of a record. Raises MalformedError for a name that leads out of the folder."""
        parts = name.split("/")
        if any(part in ("", ".", "..") or part.startswith((".", "_")) or "\0" in part for part in parts):
            raise MalformedError(f"{name!r} is not the name of a record")
        return self._folder.joinpath(*parts[:-1], parts[-1] + _SUFFIX)

    async def write(self, name: str, document: Mapping[str, Any]) -> Path:
        """Store ``document``, replacing an older one at once, and return its file; the same input gives the same bytes.

        Raises NoSpaceError, ReadOnlyError.
        """
        file = self.path(name)
        content = msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=2) + b"\n"
        await asyncio.to_thread(self._write, file, content)
        return file

    async def read(self, name: str) -> dict[str, Any]:
        """Return a record. Raises NotFoundError, and MalformedError when the file is not a JSON object."""
        file = self.path(name)
        return await asyncio.to_thread(_read, file)

    async def find(self, name: str) -> dict[str, Any] | None:
        """Return a record, None when there is none. Raises MalformedError."""
        try:
            return await self.read(name)
        except NotFoundError:
            return None

    async def names(self, folder: str = "") -> tuple[str, ...]:
        """Return the names of all records, or of those in a folder such as ``releases``, sorted."""
        start = self._folder / folder if folder else self._folder
        return await asyncio.to_thread(self._names, start)

    async def remove(self, name: str) -> None:
        """Remove a record; one that is not there is no error. Raises ReadOnlyError."""
        file = self.path(name)
        await asyncio.to_thread(_remove, file)

    def _write(self, file: Path, content: bytes) -> None:
        with writing(file):
            changed = make_folders(file.parent, self._modes.folder)
            replace_file(file, content, self._modes.file)
            for folder in (file.parent, *changed):
                sync_folder(folder)

    def _names(self, start: Path) -> tuple[str, ...]:
        with reading(start):
            files = [file for file in start.rglob(f"*{_SUFFIX}") if not file.name.startswith((".", "_"))]
            relative = (file.relative_to(self._folder).as_posix() for file in files if file.is_file())
            return tuple(sorted(name.removesuffix(_SUFFIX) for name in relative))


def _read(file: Path) -> dict[str, Any]:
    with reading(file):
        content = file.read_bytes()
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"{file} is not JSON: {parser_words(error)}") from error
    if not isinstance(document, dict):
        raise MalformedError(f"{file} is not a JSON object")
    return document


def _remove(file: Path) -> None:
    with writing(file):
        file.unlink(missing_ok=True)
