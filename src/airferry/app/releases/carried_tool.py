"""``--with-tool``: the airferry executable travels on the disk, since the far side may have neither PyPI nor Python."""

import asyncio
import hashlib
import os
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from airferry.app.narration import Narrator
from airferry.app.releases.release_request import MirrorRelease
from airferry.content.errors import DamagedError
from airferry.content.filesystem import (
    READABLE,
    make_folders,
    reading,
    replace_file,
    sync_folder,
    unique_name,
    write_all,
    writing,
)
from airferry.errors import UsageError

EXECUTABLE_VARIABLE: Final = "AIRFERRY_EXECUTABLE"
_STATICX_VARIABLE: Final = "STATICX_PROG_PATH"
"""Where staticx says which file was started: it unpacks the program and runs it from a temporary folder."""

_BLOCK_BYTES: Final = 1024 * 1024
_EXECUTABLE: Final = 0o755
_BUILD_HINT: Final = f"build the executable with `make dist` and name it in {EXECUTABLE_VARIABLE}, or run that one"

_MACHINES: Final = {21: "ppc64le", 22: "s390x", 62: "x86_64", 183: "aarch64"}
_SEGMENT_INTERPRETER: Final = 3


@dataclass(frozen=True, slots=True)
class CarriedTool:
    """An executable that runs everywhere, and its ``name`` on a disk."""

    executable: Path
    name: str


async def find_tool() -> CarriedTool:
    """Return the running program when that is one self-contained file, else the one in ``$AIRFERRY_EXECUTABLE``.

    `make dist` builds it. Raises UsageError when there is none that runs everywhere.
    """
    executable = find_executable(os.environ, frozen=bool(getattr(sys, "frozen", False)))
    return CarriedTool(executable, await asyncio.to_thread(tool_name, executable))


async def carry_tool(tool: CarriedTool, asked: MirrorRelease, narrator: Narrator) -> MirrorRelease:
    """Put ``tool`` on the disk of ``asked`` and return the request with its name there.

    Raises DamagedError when the disk does not give back what was written, NoSpaceError, ReadOnlyError, …
    """
    assert asked.to_dir is not None, "a checked request for the tool has a disk"
    target = asked.to_dir / tool.name
    if not asked.options.dry_run:
        await asyncio.to_thread(place_tool, tool.executable, target)
    narrator.note(f"info: {tool.executable} travels along as {target}")
    return replace(asked, tool_name=tool.name)


def find_executable(environ: Mapping[str, str], *, frozen: bool) -> Path:
    """Return the executable to carry. ``frozen`` says that this process is self-contained. Raises UsageError."""
    named = environ.get(EXECUTABLE_VARIABLE)
    if named:
        return Path(named)
    # Where we are not frozen ourselves, the variable is that of a program that started us.
    started = environ.get(_STATICX_VARIABLE) if frozen else None
    if started:
        return Path(started)
    form = "is the one-folder form" if frozen else "runs from a Python installation"
    raise UsageError(f"this airferry {form}, which cannot travel as one file", hint=_BUILD_HINT)


def tool_name(executable: Path) -> str:
    """Return the name on the disk, which says what it runs on, such as ``airferry-linux-x86_64``.

    (``airferry`` itself is the folder of our records there.) Raises UsageError for what is not a Linux program that
    needs nothing else, as its ELF header tells (elf(5)): such a file would be of no use on the far side.
    """
    with reading(executable), executable.open("rb") as file:
        header = file.read(64)
        order = "<" if header[5:6] == b"\1" else ">"
        if len(header) < 64 or not header.startswith(b"\x7fELF\2") or not os.access(executable, os.X_OK):
            raise UsageError(f"{executable} is not an executable for 64-bit Linux", hint=_BUILD_HINT)
        (machine,) = struct.unpack_from(f"{order}H", header, 18)
        (segments_at,) = struct.unpack_from(f"{order}Q", header, 32)
        entry_bytes, count = struct.unpack_from(f"{order}HH", header, 54)
        file.seek(segments_at)
        segments = file.read(entry_bytes * count)
    kinds = {struct.unpack_from(f"{order}I", segments, at)[0] for at in range(0, len(segments) - 3, entry_bytes or 1)}
    if _SEGMENT_INTERPRETER in kinds:
        raise UsageError(f"{executable} needs libraries of this system and cannot travel alone", hint=_BUILD_HINT)
    return f"airferry-linux-{_MACHINES.get(machine, f'machine-{machine}')}"


def place_tool(executable: Path, target: Path) -> None:
    """Copy ``executable`` to ``target``, mode 0755, and write ``TARGET.sha256`` beside it, for ``sha256sum -c``.

    The copy appears whole and read back, or not at all. Raises NoSpaceError, ReadOnlyError, DamagedError, …
    """
    temporary = target.with_name(f".{unique_name()}")
    with writing(target.parent):
        changed = make_folders(target.parent, READABLE.folder)
        try:
            digest = _write_copy(executable, temporary)
            if _digest(temporary) != digest:
                raise DamagedError(
                    f"{target} reads back other bytes than were written", hint="the disk is failing; use another one"
                )
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        replace_file(target.with_name(f"{target.name}.sha256"), f"{digest}  {target.name}\n".encode(), READABLE.file)
        for folder in (*changed, target.parent):
            sync_folder(folder)


def _write_copy(executable: Path, copy: Path) -> str:
    """Return the sha256, in hex, of what was read and written."""
    hasher = hashlib.sha256()
    handle = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for block in _blocks(executable):
            hasher.update(block)
            write_all(handle, block)
        os.fchmod(handle, _EXECUTABLE)
        os.fsync(handle)
        # What was just written would be read back from memory, not from the disk.
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)
    return hasher.hexdigest()


def _digest(file: Path) -> str:
    hasher = hashlib.sha256()
    for block in _blocks(file):
        hasher.update(block)
    return hasher.hexdigest()


def _blocks(file: Path) -> Iterator[bytes]:
    with reading(file), file.open("rb") as source:
        while block := source.read(_BLOCK_BYTES):
            yield block
