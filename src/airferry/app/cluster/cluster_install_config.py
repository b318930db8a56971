"""``cluster install-config``: the user's own file, edited; nothing is written unless that is asked for."""

import asyncio
import logging
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path

from airferry.app.cluster.cluster_mirror_sets import MirrorSetsRequest, mirror_sets, read_sets
from airferry.app.cluster.pem_files import read_ca_files
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.pull_secrets import read_secret
from airferry.app.text_files import read_text_file
from airferry.content.errors import ReadOnlyError
from airferry.content.filesystem import sync_folder, temporary_in, write_new, writing
from airferry.errors import UsageError
from airferry.openshift.cluster.install_config import EditedInstallConfig, InstallConfigChanges, edit_install_config
from airferry.openshift.cluster.mirror_sets import MirrorSet
from airferry.openshift.cluster.release_fields import source_section

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallConfigRequest:
    """What is asked for; the fields are the flags of ``cluster install-config``."""

    file: Path
    ca_files: tuple[Path, ...] = ()
    bundle_policy: str | None = None
    mirror_set_files: tuple[Path, ...] = ()
    mirrored: MirrorSetsRequest | None = None
    release_version: str | None = None
    pull_secret: Path | None = None
    registries: tuple[str, ...] = ()
    bootstrap_os_image: str | None = None
    cluster_os_image: str | None = None
    write: bool = False


async def install_config(asked: InstallConfigRequest, places: Places, narrator: Narrator) -> EditedInstallConfig:
    """Return the edited file, written with ``write``. Raises UsageError, MalformedError, ReadOnlyError, …"""
    sets, version = await _mirror_sets(asked, places, narrator)
    changes = InstallConfigChanges(
        certificates=read_ca_files(asked.ca_files),
        bundle_policy=asked.bundle_policy,
        mirror_sets=sets,
        section=source_section(version) if version is not None else None,
        pull_secret=read_secret(asked.pull_secret) if asked.pull_secret is not None else None,
        registries=_registries(asked, sets),
        bootstrap_os_image=asked.bootstrap_os_image,
        cluster_os_image=asked.cluster_os_image,
    )
    edited = edit_install_config(await asyncio.to_thread(read_text_file, asked.file), changes, str(asked.file))
    if asked.write and edited.is_changed:
        await asyncio.to_thread(_replace_in_place, asked.file, edited.after.encode())
        logger.info("install-config written", extra={"file": str(asked.file), "changes": len(edited.notes)})
    return edited


async def _mirror_sets(
    asked: InstallConfigRequest, places: Places, narrator: Narrator
) -> tuple[tuple[MirrorSet, ...], str | None]:
    """Return the mirror sets to merge, and the version of the release where it is known."""
    sets = [item for file in asked.mirror_set_files for item in read_sets(file)]
    if asked.mirrored is None:
        return tuple(sets), asked.release_version
    answer = await mirror_sets(replace(asked.mirrored, kinds=("idms",)), places, narrator)
    fresh = (MirrorSet(item.kind, item.entries, "", str(asked.mirrored.from_dir)) for item in answer.sets)
    return (*sets, *fresh), asked.release_version or answer.version


def _registries(asked: InstallConfigRequest, sets: tuple[MirrorSet, ...]) -> tuple[str, ...]:
    """Return whose credentials are merged: those named, else those of all mirrors."""
    if asked.pull_secret is None:
        if asked.registries:
            raise UsageError("--registry says whose credential is taken from -a FILE, and there is no file")
        return ()
    mirrors = (mirror for item in sets for entry in item.entries for mirror in entry.mirrors)
    hosts = asked.registries or tuple(dict.fromkeys(mirror.partition("/")[0] for mirror in mirrors))
    if not hosts:
        raise UsageError(
            "-a FILE gives the credential of the mirror, but nothing says which that is",
            hint="--registry HOST[:PORT], or --mirror-sets FILE",
        )
    return hosts


def _replace_in_place(file: Path, content: bytes) -> None:
    """Give ``file`` new content at once, with the owner and permissions it has; behind a link, what it leads to."""
    target = Path(os.path.realpath(file))
    with writing(target):
        known = target.stat()
        temporary = temporary_in(target.parent)
        try:
            write_new(temporary, content, 0o600)
            if (known.st_uid, known.st_gid) != (os.geteuid(), os.getegid()):
                try:
                    os.chown(temporary, known.st_uid, known.st_gid)
                except PermissionError as error:
                    raise ReadOnlyError(
                        f"{target} belongs to another user, and would not any more", hint="run this as that user"
                    ) from error
            temporary.chmod(stat.S_IMODE(known.st_mode))
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
