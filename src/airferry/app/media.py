"""``media info`` and ``media verify``: what is on a disk, and whether it is whole."""

import asyncio
import logging
import os
from pathlib import Path

from airferry.app.narration import Narrator
from airferry.app.releases.release_records import ReleaseRecord, read_records
from airferry.app.settings import default_state_folder
from airferry.content.errors import NotFoundError
from airferry.content.tree_folder import TreeFolder
from airferry.media import Inventory, Verification, VerifyProgress, discard, take_inventory, verify
from airferry.oci import Place, PlaceKind
from airferry.quantities import print_binary_size
from airferry.transfer.held import load_held

logger = logging.getLogger(__name__)


async def media_info(disk: Path) -> tuple[Inventory, tuple[ReleaseRecord, ...]]:
    """Return what is on ``disk``, and the releases it remembers. Raises NotFoundError."""
    require_tree(disk)
    inventory = await take_inventory(TreeFolder(disk))
    fields = {"disk": str(disk), "repositories": len(inventory.repositories), "size_bytes": inventory.size_bytes}
    logger.info("disk looked at", extra=fields)
    return inventory, await read_records(disk)


async def media_verify(disk: Path, narrator: Narrator) -> Verification:
    """Hash everything on ``disk`` and say what is wrong. Raises NotFoundError."""
    require_tree(disk)
    done_files = done_bytes = 0
    announced = False

    def told(progress: VerifyProgress) -> None:
        nonlocal done_files, done_bytes, announced
        if not announced:
            announced = True
            narrator.phase("verifying", steps=progress.total_files, size_bytes=progress.total_bytes)
        narrator.advance(steps=progress.done_files - done_files, size_bytes=progress.done_bytes - done_bytes)
        done_files, done_bytes = progress.done_files, progress.done_bytes

    found = await verify(TreeFolder(disk), told)
    fields = {"disk": str(disk), "files": found.files, "size_bytes": found.size_bytes, "faults": len(found.faults)}
    logger.info("disk verified", extra=fields)
    return found


def require_tree(disk: Path) -> None:
    """Raise NotFoundError unless ``disk`` holds a tree, be it an empty one: a mistyped folder is not a whole disk."""
    if not disk.exists():
        raise NotFoundError(f"there is no {disk}", hint="name the folder that was given as --to-dir; is it mounted?")
    if not (disk / "v2").is_dir():
        raise NotFoundError(f"{disk} holds no tree of images", hint="name the folder that was given as --to-dir")


async def media_discard(disk: Path, found: Verification) -> tuple[Path, ...]:
    """Remove what ``found`` names as damaged on ``disk``, forget that it was complete, and return what was removed.

    Raises InUseError, ReadOnlyError.
    """
    removed = await discard(TreeFolder(disk), found.faults)
    held = load_held(Place(PlaceKind.TREE, await asyncio.to_thread(os.path.realpath, disk)), default_state_folder())
    if held.images:
        held.images.clear()
        await asyncio.to_thread(held.save, now=0.0)
    logger.info("damaged files removed", extra={"disk": str(disk), "files": len(removed)})
    return removed


def print_inventory(inventory: Inventory, releases: tuple[ReleaseRecord, ...]) -> str:
    """Return the text of ``media info``."""
    lines = [f"{inventory.folder}: {print_binary_size(inventory.size_bytes)}", ""]
    for record in releases:
        trust = "verified" if record.verified else "NOT VERIFIED"
        lines.append(f"release {record.version} ({record.arch_word}), {trust}: {record.digest}")
    if releases:
        lines.append("")
    for repository in inventory.repositories:
        lines.append(
            f"{repository.path}: {len(repository.tags)} tags, {repository.manifests} manifests, "
            f"{repository.blobs} blobs, {print_binary_size(repository.size_bytes)}"
        )
        lines += [f"  {tag} {digest}" for tag, digest in sorted(repository.tags.items())]
        if repository.images_without_tag:
            lines.append(f"  {len(repository.images_without_tag)} images without a tag")
        if repository.unreferenced:
            size = print_binary_size(repository.unreferenced_bytes)
            lines.append(f"  {len(repository.unreferenced)} blobs that no image needs ({size})")
    if inventory.half_written:
        lines += ["", f"{len(inventory.half_written)} leftovers of runs that were cut off"]
    return "\n".join([*lines, ""])


def print_verification(found: Verification) -> str:
    """Return the text of ``media verify``: every fault, every image it breaks, and the sum."""
    lines = [
        f"{fault.kind}: {fault.repository} {fault.digest}: {fault.detail} ({fault.file})" for fault in found.faults
    ]
    lines += [f"dangling tag: {repository}:{tag}" for repository, tag in found.dangling_tags]
    lines += [f"broken: {image} lacks {', '.join(digest for digest in image.faults)}" for image in found.broken]
    size = print_binary_size(found.size_bytes)
    verdict = "whole" if found.whole else f"{len(found.faults)} faults, {len(found.broken)} images broken"
    lines.append(f"{found.folder}: {verdict}; {found.files} files, {size} hashed, {found.images} images")
    return "\n".join([*lines, ""])
