"""``--with-tool``: the airferry executable travels on the disk, since the far side may have neither PyPI nor Python."""

import asyncio
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from airferry.app.mirror_release import MirrorRelease
from airferry.app.narration import Narrator
from airferry.content.filesystem import READABLE, make_folders, unique_name, writing
from airferry.errors import UsageError

TOOL_NAME = "airferry"


async def carry_tool(asked: MirrorRelease, narrator: Narrator) -> MirrorRelease:
    """Put the executable on the disk of ``asked`` and return the request with its name.

    The executable is the running program when that is self-contained, else the file that ``$AIRFERRY_EXECUTABLE``
    names, as ``make dist`` builds it. Raises UsageError when there is none, or no disk to put it on.
    """
    if asked.to_dir is None:
        raise UsageError("--with-tool puts the executable on a disk, and there is none", hint="add --to-dir=FOLDER")
    executable = _executable()
    if not asked.options.dry_run:
        await asyncio.to_thread(_copy, executable, asked.to_dir / TOOL_NAME)
    narrator.note(f"info: {executable} travels along as {asked.to_dir / TOOL_NAME}")
    return replace(asked, tool_name=TOOL_NAME)


def _executable() -> Path:
    named = os.environ.get("AIRFERRY_EXECUTABLE")
    if named:
        file = Path(named)
        if not file.is_file() or not os.access(file, os.X_OK):
            raise UsageError(f"AIRFERRY_EXECUTABLE={named} is not an executable file")
        return file
    # staticx unpacks and runs us from a temporary place; it tells where it was started from.
    frozen = os.environ.get("STATICX_PROG_PATH") or (sys.executable if getattr(sys, "frozen", False) else None)
    if frozen is None:
        raise UsageError(
            "this airferry runs from a Python installation, which cannot travel as one file",
            hint="build the executable with `make dist` and name it in AIRFERRY_EXECUTABLE, or run that one",
        )
    return Path(frozen)


def _copy(executable: Path, target: Path) -> None:
    with writing(target.parent):
        make_folders(target.parent, READABLE.folder)
        temporary = target.with_name(f".{unique_name()}")
        try:
            shutil.copyfile(executable, temporary)
            temporary.chmod(0o755)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
