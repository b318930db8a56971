"""A fixed set of workers carries out a plan: manifests as soon as they can be put, the largest blobs early.

The plan is an intention: writes are idempotent, and a mount that is declined, or whose sibling never got the
blob, falls back to a copy. Tags are moved when everything else has been tried, so that a reader never finds a
tag before its neighbours.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Final, assert_never

from airferry.content.breaker import Breaker
from airferry.content.errors import DeniedError
from airferry.content.protocol import BlobFetch, ByteStream, Chunk, ContentSink, ContentSource, Mounting
from airferry.errors import AirferryError, UnsupportedError
from airferry.oci import Descriptor, Place, Repository
from airferry.plan import CopyBlob, MountBlob, Plan, PutManifest, PutTag, Step
from airferry.transfer.outcome import Failure, Outcome
from airferry.transfer.progress import Progress, Silent

logger = logging.getLogger(__name__)

OpenSource = Callable[[Place], ContentSource]
OpenSink = Callable[[Place], ContentSink]
_Ready = asyncio.PriorityQueue[tuple[int, int]]
"""Positions of steps that can be done now, the most urgent first."""
_NOTHING_LEFT: Final = -1
_REFUSALS: Final = (DeniedError, UnsupportedError)
_HOPELESS_AFTER: Final = 10
"""So many refusals before the first step is done, and the destination takes nothing at all."""


async def carry_out(
    plan: Plan,
    open_source: OpenSource,
    open_sink: OpenSink,
    *,
    workers: int = 8,
    progress: Progress | None = None,
    breaker: Breaker | None = None,
) -> Outcome:
    """Do every step of ``plan`` that can be done and return what came of it.

    A step that fails on its own content is kept as a failure, and what waits for it is skipped; an error that
    would hit everything alike stops the run and is raised, with all finished work kept, unless ``breaker`` goes on.
    """
    run = _Run(plan, open_source, open_sink, progress or Silent(), breaker or Breaker())
    await run.phase([index for index, step in enumerate(plan.steps) if not isinstance(step, PutTag)], workers)
    await run.phase([index for index, step in enumerate(plan.steps) if isinstance(step, PutTag)], workers)
    return run.outcome


def _urgency(step: Step) -> int:
    """Lower goes first: manifests that are ready, then mounts, then blobs by falling size."""
    match step:
        case PutManifest() | PutTag():
            return -(2**63)
        case MountBlob():
            return -(2**62)
        case CopyBlob():
            return -step.blob.size_bytes
        case _:
            assert_never(step)


def _parties(step: Step) -> tuple[tuple[Repository, ...], tuple[Place, ...]]:
    """Return the repositories and the places that a step needs to answer."""
    match step:
        case CopyBlob() | MountBlob():
            return (step.source, step.destination), (step.source.place, step.destination.place)
        case PutManifest() | PutTag():
            return (step.destination,), (step.destination.place,)
        case _:
            assert_never(step)


class _Run:
    """The state of one run: what waits for what, what is ready, what was left undone and why."""

    def __init__(
        self, plan: Plan, open_source: OpenSource, open_sink: OpenSink, progress: Progress, breaker: Breaker
    ) -> None:
        self._steps = plan.steps
        self._needs = plan.needs
        self._open_source = open_source
        self._open_sink = open_sink
        self._progress = progress
        self._breaker = breaker
        self._left = 0
        self._waiting: dict[int, int] = {}
        self._dependants: dict[int, list[int]] = {}
        self._ready = _Ready()
        self.outcome = Outcome()

    async def phase(self, indices: list[int], workers: int) -> None:
        """Carry out the steps at ``indices``; needs outside of them were settled by an earlier phase."""
        if not indices:
            return
        self._left = len(indices)
        self._queue_up(indices)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(max(1, min(workers, len(indices)))):
                    group.create_task(self._worker())
        except BaseExceptionGroup as failures:
            first = failures.exceptions[0]
        else:
            return
        # The first is the cause; the others are workers that met the same wall. Raised outside of the except
        # block, since `from None` would take the error's own cause from it.
        raise first

    def _queue_up(self, indices: list[int]) -> None:
        self._waiting, self._dependants, self._ready = {}, {}, _Ready()
        inside = set(indices)
        for index in indices:
            open_needs = [need for need in self._needs[index] if need in inside]
            self._waiting[index] = len(open_needs)
            for need in open_needs:
                self._dependants.setdefault(need, []).append(index)
            if not open_needs:
                self._make_ready(index)

    def _make_ready(self, index: int) -> None:
        self._ready.put_nowait((_urgency(self._steps[index]), index))

    async def _worker(self) -> None:
        while self._left:
            _, index = await self._ready.get()
            if index == _NOTHING_LEFT:
                break
            await self._attempt(index)
            self._settle(index)
        # Wake the next of those that wait for work, which wakes the next.
        self._ready.put_nowait((0, _NOTHING_LEFT))

    async def _attempt(self, index: int) -> None:
        step = self._steps[index]
        cause = self._what_it_lacks(index)
        if cause is not None:
            self.outcome.skipped += 1
            self.outcome.undone[index] = cause
            return
        repositories, places = _parties(step)
        lost = self._breaker.lost(repositories, places)
        if lost is not None:
            self._fail(index, lost)
            return
        self._progress.started(step)
        attempt = self._breaker.begin(repositories, places)
        try:
            await self._do(step)
        except AirferryError as error:
            attempt.failed(error)
            self._fail(index, error)
            if not self.outcome.done and len(self.outcome.failures) >= _HOPELESS_AFTER and isinstance(error, _REFUSALS):
                raise
        else:
            attempt.worked()
            self.outcome.done += 1
            self._progress.finished(step)

    def _fail(self, index: int, error: AirferryError) -> None:
        logger.info("step failed", extra={"step": type(self._steps[index]).__name__, "code": error.code})
        failure = Failure(self._steps[index], error)
        self.outcome.failures.append(failure)
        self.outcome.undone[index] = failure

    def _what_it_lacks(self, index: int) -> Failure | None:
        """Return why a step cannot be done. A mount always can: without its sibling's blob it is a copy."""
        if isinstance(self._steps[index], MountBlob):
            return None
        undone = self.outcome.undone
        return next((undone[need] for need in self._needs[index] if need in undone), None)

    def _settle(self, index: int) -> None:
        self._left -= 1
        for dependant in self._dependants.get(index, ()):
            self._waiting[dependant] -= 1
            if self._waiting[dependant] == 0:
                self._make_ready(dependant)

    async def _do(self, step: Step) -> None:
        sink = self._open_sink(step.destination.place)
        path = step.destination.path
        match step:
            case CopyBlob():
                await self._copy(sink, step.source, path, step.blob)
            case MountBlob():
                if isinstance(sink, Mounting) and await sink.mount_blob(path, step.blob, step.sibling.path):
                    self.outcome.mounted_blobs += 1
                else:
                    await self._copy(sink, step.source, path, step.blob)
            case PutManifest():
                await sink.write_manifest(path, step.manifest)
            case PutTag():
                await sink.write_tag(path, step.tag, step.manifest)
            case _:
                assert_never(step)

    async def _copy(self, sink: ContentSink, source: Repository, path: str, blob: Descriptor) -> None:
        fetch = self._counting_fetch(self._open_source(source.place), source.path, blob)
        await sink.write_blob(path, blob, fetch)
        self.outcome.copied_blobs += 1

    def _counting_fetch(self, source: ContentSource, path: str, blob: Descriptor) -> BlobFetch:
        """Return a fetch that reports bytes as they pass, counting each position of the blob once."""
        high_water = 0

        @asynccontextmanager
        async def fetch(offset: int) -> AsyncIterator[ByteStream]:
            nonlocal high_water
            if offset > high_water:
                self._progress.moved(offset - high_water)
                high_water = offset
            async with source.open_blob(path, blob, offset) as stream, aclosing(count(stream, offset)) as counted:
                yield counted

        async def count(stream: ByteStream, position: int) -> AsyncGenerator[Chunk, None]:
            nonlocal high_water
            async for chunk in stream:
                position += len(chunk)
                self.outcome.moved_bytes += len(chunk)
                reached = min(position, blob.size_bytes)
                if reached > high_water:
                    self._progress.moved(reached - high_water)
                    high_water = reached
                yield chunk

        return fetch
