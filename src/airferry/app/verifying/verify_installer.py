"""Whether the installer at hand belongs to the release: the pull spec and version that were written into it."""

import asyncio
import mmap
import shlex
from dataclasses import dataclass
from pathlib import Path

from airferry.app.verifying.verify_release import CompiledRelease
from airferry.errors import MalformedError, UsageError
from airferry.oci import Reference
from airferry.openshift.release.baked import Baked, find_baked


@dataclass(frozen=True, slots=True)
class InstallerAnswer:
    """What the installer says of itself, and whether that is the release. ``reason`` and ``fix`` are "" when it is."""

    file: Path
    baked: Baked
    reference: Reference | None
    belongs: bool
    reason: str = ""
    fix: str = ""


async def check_installer(file: Path, release: CompiledRelease | None, disk: Path | None = None) -> InstallerAnswer:
    """Read the program and compare; ``disk`` is where the release lies. Raises UsageError when it cannot be read."""
    baked = await asyncio.to_thread(_read, file)
    reference: Reference | None = None
    if baked.image is not None:
        try:
            reference = Reference.parse(baked.image)
        except MalformedError:
            reference = None
    reason = _objection(baked, reference, release)
    return InstallerAnswer(file, baked, reference, not reason, reason, _fix(release, disk) if reason else "")


def _fix(release: CompiledRelease | None, disk: Path | None) -> str:
    if release is None or (release.by_digest is None and release.version is None):
        return "mend what stands in the way of the release first"
    where = f" --from-dir {shlex.quote(str(disk))}" if disk is not None else ""
    return f"extract it from the release: airferry release extract --command=openshift-install {release.words}{where}"


def _objection(baked: Baked, reference: Reference | None, release: CompiledRelease | None) -> str:
    if reference is None:
        return "no release is written into it"
    if release is None or (release.by_digest is None and release.version is None):
        return "the release could not be read, so there is nothing to compare it with"
    if baked.version is not None and release.version is not None and baked.version != release.version:
        return f"it is for {baked.version}, and the release is {release.version}"
    if release.by_digest is None:
        return ""
    if reference.digest is not None and reference.digest != release.by_digest.digest:
        return f"it installs {reference}, and the release is {release.by_digest.digest}"
    if reference.digest is None and release.by_tag is not None and reference.tag != release.by_tag.tag:
        return f"it installs {reference}, and the release is {release.by_tag}"
    return ""


def _read(file: Path) -> Baked:
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return find_baked(content)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is empty"
        raise UsageError(f"the installer {file} cannot be read: {reason}") from error
