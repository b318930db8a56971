"""The one way in which generated files are written: each whole or not at all, and on the disk when it is told."""

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path

from airferry.content.filesystem import PRIVATE, READABLE, make_folders, replace_file, sync_folder, writing


async def write_files(
    folder: Path, files: Mapping[str, bytes], *, private: bool | Collection[str] = False
) -> tuple[Path, ...]:
    """Write each file, named by its path below ``folder``, and return their paths, sorted.

    ``private`` makes all of them readable for their owner alone, with the folders they need, or those it names.
    Raises NoSpaceError, ReadOnlyError, …
    """
    folders = PRIVATE.folder if private is True else READABLE.folder

    def write() -> tuple[Path, ...]:
        with writing(folder):
            changed = dict.fromkeys(make_folders(folder, folders))
            for name, content in sorted(files.items()):
                path = folder / name
                changed |= dict.fromkeys((*make_folders(path.parent, folders), path.parent))
                is_private = private if isinstance(private, bool) else name in private
                replace_file(path, content, (PRIVATE if is_private else READABLE).file)
            for item in changed:
                sync_folder(item)
        return tuple(folder / name for name in sorted(files))

    return await asyncio.to_thread(write)


def kept_file_hint(file: Path, hint: str | None) -> str:
    """Return what to do about a file that nobody named, and that stands where one is to be written and cannot be read.

    ``hint`` says how to mend it, where that is known.
    """
    mend = f"mend {file}, since what it holds is kept, or move it away to begin anew"
    return f"{mend}; {hint}" if hint else mend
