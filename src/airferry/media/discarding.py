"""Taking away what is damaged on a medium, so that mirroring to it again brings exactly that."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from airferry.content.filesystem import READABLE, sync_folder, writing
from airferry.content.partial import Workspace
from airferry.content.tree_folder import TreeFolder, digest_of_name, names_in
from airferry.media.verification import Fault, FaultKind

_LEFT_ALONE: Final = (FaultKind.MISSING, FaultKind.NOT_A_MANIFEST)
"""Nothing is there to take away, or the bytes are right and would only come back."""


async def discard(folder: TreeFolder, faults: Iterable[Fault]) -> tuple[Path, ...]:
    """Remove every file of the damaged blobs and manifests in ``faults`` and return their paths; tags stay.

    Raises InUseError while somebody writes to the tree, and ReadOnlyError.
    """
    bad = [fault for fault in faults if fault.kind not in _LEFT_ALONE]
    return await asyncio.to_thread(_discard, folder, bad) if bad else ()


def _discard(folder: TreeFolder, faults: list[Fault]) -> tuple[Path, ...]:
    workspace = Workspace(folder.root, READABLE)
    workspace.open()
    try:
        removed = []
        for fault in faults:
            for place in (folder.blobs(fault.repository), folder.manifests(fault.repository)):
                named = [place / name for name in names_in(place) if digest_of_name(name) == fault.digest]
                for file in named:
                    # A tag may be spelled like a digest; links are left to point at what comes back.
                    if not file.is_symlink():
                        with writing(file):
                            file.unlink()
                        removed.append(file)
                if named:
                    with writing(place):
                        sync_folder(place)
        return tuple(removed)
    finally:
        workspace.close()
