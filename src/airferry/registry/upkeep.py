"""Looking after a registry while it serves: garbage collection and scrubbing, each run when it is due.

When a run is due is told by the file that the last one wrote, whatever process that was: several servers of one root, a
restart and ``registry gc`` all count. One process at a time runs each of them.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any, Final

from airferry.errors import AirferryError
from airferry.registry.collecting import Collected, CollectionPolicy
from airferry.registry.disk import in_thread
from airferry.registry.scrubbing import Pace, Told, scrub
from airferry.registry.state_files import GC, SCRUB, alone, finished_s, read_state, write_state
from airferry.registry.store import RegistryStore
from airferry.registry.timestamps import print_time
from airferry.registry.upkeep_settings import UpkeepSettings

logger: Final = logging.getLogger("airferry.registry")

STALE_UPLOAD_S: Final = 24 * 3600.0
"""Uploads that nobody touched for this long are forgotten."""

_FIRST_S: Final = 600.0
"""How long after the start a registry that was never looked after is, at most."""

_AFTER_FAILURE_S: Final = 300.0

Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Task:
    """Something to be run every ``interval_s`` seconds, whose last result is the state file ``name``."""

    name: str
    interval_s: float
    run: Callable[[], Awaitable[Any]]


async def collect_and_note(
    store: RegistryStore, root: Path, policy: CollectionPolicy, *, is_dry_run: bool = False
) -> dict[str, Any]:
    """Collect once, note the result in ``state/gc.json`` (but for a dry run), and return that document."""
    started_s = time()
    uploads = 0 if is_dry_run else await store.sweep_uploads(STALE_UPLOAD_S)
    found = await store.collect(policy, is_dry_run=is_dry_run)
    document = _gc_document(found, policy, uploads, started_s)
    if not is_dry_run:
        await in_thread(write_state, root, GC, document)
    logger.info("garbage collected", extra={"freed_bytes": found.freed_bytes, "dry_run": is_dry_run})
    return document | {"dryRun": is_dry_run}


async def scrub_and_note(
    store: RegistryStore, root: Path, pace: Pace, told: Told = lambda size_bytes: None
) -> dict[str, Any]:
    """Re-hash everything once, note the result in ``state/scrub.json``, and return that document."""
    started_s = time()
    found = await scrub(store.storage, pace, told)
    for damage in found.damaged:
        hit = [f"{image.repository}@{image.digest}" for image in damage.images]
        logger.error("stored content is %s", damage.state, extra={"digest": damage.digest, "images": hit})
    now_s = time()
    document = {
        "startedAt": print_time(started_s),
        "finishedAt": print_time(now_s),
        "durationSeconds": round(now_s - started_s, 3),
        "objects": found.objects,
        "bytes": found.size_bytes,
        "damaged": len(found.damaged),
        "found": [damage.as_json() for damage in found.damaged],
    }
    await in_thread(write_state, root, SCRUB, document)
    logger.info("content re-hashed", extra={"objects": found.objects, "damaged": len(found.damaged)})
    return document


@asynccontextmanager
async def looked_after(store: RegistryStore, root: Path, settings: UpkeepSettings) -> AsyncIterator[None]:
    """Do all upkeep that ``settings`` want, as long as the block runs."""
    tasks: list[Task] = []
    if settings.gc_interval_s is not None:
        policy = CollectionPolicy(settings.gc_grace_s, settings.untagged_after_s)
        tasks.append(Task(GC, settings.gc_interval_s, lambda: collect_and_note(store, root, policy)))
    if settings.scrub_interval_s is not None:
        pace = Pace(settings.scrub_rate)
        tasks.append(Task(SCRUB, settings.scrub_interval_s, lambda: scrub_and_note(store, root, pace)))
    running = [asyncio.ensure_future(keep_running(root, task)) for task in tasks]
    try:
        yield
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def keep_running(root: Path, task: Task, pause: Pause = asyncio.sleep) -> None:
    """Run ``task`` whenever it is due, for ever; a run that fails is said in the log, and tried again."""
    wait_s = min(_FIRST_S, task.interval_s) if await _due_in_s(root, task) is None else 0.0
    while True:
        await pause(max(wait_s, await _due_in_s(root, task) or 0.0))
        try:
            wait_s = await _run_once(root, task)
        except (AirferryError, OSError) as error:
            logger.error("%s failed: %s", task.name, error)
            wait_s = min(_AFTER_FAILURE_S, task.interval_s)


async def _run_once(root: Path, task: Task) -> float:
    """Run it if it is still due and nobody else is at it; return how long to wait at least."""
    with alone(root, task.name) as is_alone:
        if is_alone and (await _due_in_s(root, task) or 0.0) <= 0:
            await task.run()
            return 0.0
    return min(1.0, task.interval_s)


async def _due_in_s(root: Path, task: Task) -> float | None:
    """Return in how many seconds the next run is due; None when there never was one."""
    last_s = finished_s(await in_thread(read_state, root, task.name))
    # A clock that was set back must not keep it from running.
    return None if last_s is None else min(last_s + task.interval_s - time(), task.interval_s)


def _gc_document(found: Collected, policy: CollectionPolicy, uploads: int, started_s: float) -> dict[str, Any]:
    now_s = time()
    return {
        "startedAt": print_time(started_s),
        "finishedAt": print_time(now_s),
        "durationSeconds": round(now_s - started_s, 3),
        "freedBytes": found.freed_bytes,
        "objects": found.objects,
        "manifests": found.manifests,
        "links": found.links,
        "uploads": uploads,
        "graceSeconds": policy.grace_s,
        "untaggedAfterSeconds": policy.untagged_after_s,
    }
