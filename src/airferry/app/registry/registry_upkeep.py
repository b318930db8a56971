"""``registry gc`` and ``registry scrub``: looking after a registry, whether or not it is served at the same time."""

import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from airferry.app.narration import Narrator
from airferry.errors import UsageError
from airferry.quantities import print_binary_size, print_duration
from airferry.registry import RegistryStore, Settings
from airferry.registry.amounts import parse_duration
from airferry.registry.collecting import CollectionPolicy
from airferry.registry.disk import in_thread
from airferry.registry.metadata import damage
from airferry.registry.scrubbing import Pace
from airferry.registry.upkeep import collect_and_note, scrub_and_note
from airferry.registry.upkeep_settings import NEVER, OFF, UpkeepSettings, parse_optional, parse_rate

logger = logging.getLogger(__name__)

SHORT_GRACE_S: Final = 900.0
"""Below this a push under way may lose a blob that its manifest is about to name."""


@asynccontextmanager
async def opened_store(root: Path) -> AsyncIterator[tuple[Settings, RegistryStore]]:
    """Open the registry in ``root`` beside whoever serves it.

    Raises ``not-found`` where there is none, UsageError for root where the registry is another's: what root makes
    there, its owner could not change.
    """
    settings = Settings.read(root)
    owner = (await in_thread(root.stat)).st_uid
    if os.geteuid() == 0 and owner != 0:
        raise UsageError(
            f"the registry in {root} belongs to another user",
            hint=f"run this as its owner: sudo -u '#{owner}' airferry …",
        )
    store = await in_thread(RegistryStore.on_disk, root, settings.database)
    try:
        yield settings, store
    finally:
        await store.close()


async def collect_garbage(
    root: Path, *, grace: str | None, untagged: str | None, is_dry_run: bool
) -> tuple[dict[str, Any], str | None]:
    """Collect once and return what went, or would go, and a warning where there is one.

    What is not said is as registry.toml has it.
    """
    grace_s = parse_duration(grace) if grace is not None else None
    untagged_after_s = parse_optional(untagged, NEVER) if untagged is not None else None
    async with opened_store(root) as (settings, store):
        policy = CollectionPolicy(
            settings.upkeep.gc_grace_s if grace_s is None else grace_s,
            settings.upkeep.untagged_after_s if untagged is None else untagged_after_s,
        )
        document = await collect_and_note(store, root, policy, is_dry_run=is_dry_run)
    warning = None
    if policy.grace_s < SHORT_GRACE_S:
        warning = (
            f"with a grace period of {print_duration(policy.grace_s)}, a push that is under way may lose a blob before"
            " its manifest comes; it is then refused, and has to be repeated"
        )
    return document, warning


def print_garbage(document: dict[str, Any]) -> str:
    """Return the text of ``registry gc``."""
    done, size = ("Would free", "would go") if document["dryRun"] else ("Freed", "gone")
    return (
        f"{done} {print_binary_size(document['freedBytes'])} ({document['freedBytes']} bytes): "
        f"{document['objects']} stored objects {size}, {document['links']} unused blobs left their repositories, "
        f"{document['manifests']} untagged manifests, {document['uploads']} abandoned uploads\n"
    )


async def scrub_content(root: Path, rate: str | None, narrator: Narrator) -> dict[str, Any]:
    """Re-hash everything that is stored, and return what ``state/scrub.json`` says then."""
    async with opened_store(root) as (settings, store):
        speed = settings.upkeep.scrub_rate if rate is None else None if rate == OFF else parse_rate(rate)
        objects, size_bytes = await store.metadata.read(damage.total)
        narrator.phase("scrubbing", steps=objects, size_bytes=size_bytes)
        told: Callable[[int], None] = lambda size: narrator.advance(steps=1, size_bytes=size)  # noqa: E731
        return await scrub_and_note(store, root, Pace(speed), told)


def print_scrubbed(document: dict[str, Any]) -> str:
    """Return the text of ``registry scrub``."""
    lines = [
        f"Re-hashed {document['objects']} objects, {print_binary_size(document['bytes'])}: "
        + (f"{document['damaged']} damaged" if document["damaged"] else "all whole")
    ]
    for found in document["found"]:
        lines.append(
            f"{found['digest']} {found['state']}" + (f", now {found['quarantine']}" * bool(found["quarantine"]))
        )
        for image in found["images"]:
            tags = f" ({', '.join(image['tags'])})" if image["tags"] else ""
            lines.append(f"  breaks {image['repository']}@{image['digest']}{tags}")
        if not found["images"]:
            lines.append(f"  no image needs it; in {', '.join(found['repositories']) or 'no repository'}")
    if document["damaged"]:
        lines.append("Push or mirror these images again: what is damaged is asked for again, the rest is not.")
    return "".join(f"{line}\n" for line in lines)


def changed_upkeep(
    settings: UpkeepSettings,
    *,
    gc_interval: str | None = None,
    gc_grace: str | None = None,
    scrub_interval: str | None = None,
    scrub_rate: str | None = None,
) -> UpkeepSettings:
    """Return ``settings`` with what was said for this run. Raises UsageError."""
    if gc_interval is not None:
        settings = replace(settings, gc_interval_s=parse_optional(gc_interval, OFF))
    if gc_grace is not None:
        settings = replace(settings, gc_grace_s=parse_duration(gc_grace))
    if scrub_interval is not None:
        settings = replace(settings, scrub_interval_s=parse_optional(scrub_interval, OFF))
    if scrub_rate is not None:
        settings = replace(settings, scrub_rate=parse_rate(scrub_rate))
    return settings
