"""What carrying out a plan does with failures, mounts, progress and workers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from airferry.content.breaker import FATAL
from airferry.content.errors import (
    CertificateError,
    DeniedError,
    InUseError,
    NoSpaceError,
    NotFoundError,
    ReadOnlyError,
    ThrottledError,
    UnauthorizedError,
    UnfitFilesystemError,
    UnreachableError,
)
from airferry.content.memory import MemoryPlace
from airferry.content.protocol import BlobFetch, ByteStream
from airferry.errors import AirferryError
from airferry.oci import ContentMismatchError, Descriptor, Digest, Repository
from airferry.plan import CopyBlob, MountBlob, Plan, PutManifest, PutTag, Step
from airferry.transfer import carry_out, gaps_of

from .freight import Freight, carried_out, plan_of, settled


class Onlooker:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.begun: list[Step] = []
        self.ended: list[Step] = []
        self.moves: list[int] = []

    def started(self, step: Step) -> None:
        self.begun.append(step)

    def moved(self, size_bytes: int) -> None:
        self.moves.append(size_bytes)

    def finished(self, step: Step) -> None:
        self.ended.append(step)


def two_repositories() -> tuple[Freight, MemoryPlace]:
    sink = MemoryPlace("sink.test")
    freight = Freight(sink.place)
    image = freight.image("base", "own")
    freight.ask(image, "x", "v1")
    freight.ask(image, "y", "v1")
    return freight, sink


async def test_everything_arrives_and_is_counted() -> None:
    freight, sink = two_repositories()
    plan = freight.plan()
    outcome = await carried_out(plan, freight.source, sink)
    blobs = freight.requests and next(iter(freight.manifests.values())).blobs
    assert (outcome.done, outcome.skipped, outcome.failures, outcome.undone) == (len(plan.steps), 0, [], {})
    assert (outcome.copied_blobs, outcome.mounted_blobs) == (3, 3)
    assert outcome.moved_bytes == sum(blob.size_bytes for blob in blobs)
    assert sink.tags("x") == sink.tags("y")


async def test_an_empty_plan_is_done() -> None:
    outcome = await carried_out(plan_of([]), MemoryPlace(), MemoryPlace())
    assert (outcome.done, outcome.failures) == (0, [])


@pytest.mark.parametrize("workers", [-1, 0, 1])
async def test_there_is_always_one_worker(workers: int) -> None:
    freight, sink = two_repositories()
    plan = freight.plan()
    assert (await carried_out(plan, freight.source, sink, workers=workers)).done == len(plan.steps)


async def test_a_declined_mount_becomes_a_copy() -> None:
    freight, _ = two_repositories()
    sink = MemoryPlace("sink.test", mounts=False)
    outcome = await carried_out(freight.plan(), freight.source, sink)
    assert outcome.failures == []
    assert (outcome.copied_blobs, outcome.mounted_blobs) == (6, 0)


async def test_a_mount_whose_sibling_never_got_the_blob_becomes_a_copy() -> None:
    sink = MemoryPlace("sink.test")
    freight = Freight(sink.place)
    freight.ask(freight.image("base", path="up/poor"), "x", path="up/poor")
    freight.ask(freight.image("base", path="up/rich"), "y", path="up/rich")
    plan = freight.plan()
    (lost,) = [step.blob for step in plan.steps if isinstance(step, CopyBlob) and step.blob.size_bytes == 4]
    freight.source.fail("open_blob", lost.digest, NotFoundError("the poor repository lost it"))
    outcome = await carried_out(plan, freight.source, sink, workers=1)
    assert [failure.error.code for failure in outcome.failures] == ["not-found"]
    assert sink.manifests("x") == {}
    assert len(sink.manifests("y")) == 1
    gaps = gaps_of(outcome, plan, freight.requests, freight.survey)
    assert [gap.request.destination.path for gap in gaps] == ["x"]


async def test_a_failed_blob_is_a_gap_of_the_repository_it_would_have_been_mounted_into_too() -> None:
    freight, sink = two_repositories()
    plan = freight.plan()
    blob = next(step.blob for step in plan.steps if isinstance(step, CopyBlob))
    freight.source.fail("open_blob", blob.digest, NotFoundError("gone"), times=100)
    outcome = await carried_out(plan, freight.source, sink)
    gaps = gaps_of(outcome, plan, freight.requests, freight.survey)
    assert [(gap.request.destination.path, gap.code) for gap in gaps] == [("x", "not-found"), ("y", "not-found")]
    assert {gap.missing for gap in gaps} == {f"source.test/up/stream@{blob.digest}"}


async def test_the_gap_of_a_list_names_the_blob_of_the_child() -> None:
    sink = MemoryPlace("sink.test")
    freight = Freight(sink.place)
    amd, arm = freight.image("amd"), freight.image("arm")
    asked = freight.ask(freight.index(amd, arm), "x", "v1")
    other = freight.ask(freight.image("other"), "x", "v2")
    freight.source.fail("open_blob", Digest.of(b"arm"), ContentMismatchError("wrong bytes"))
    plan = freight.plan()
    outcome = await carried_out(plan, freight.source, sink)
    (gap,) = gaps_of(outcome, plan, [other, asked], freight.survey)
    assert (gap.request, gap.code, gap.reason) == (asked, "content-mismatch", "wrong bytes")
    assert gap.missing == f"source.test/up/stream@{Digest.of(b'arm')}"
    # The blob, its manifest, the list and the tag; the other child of the list arrived.
    assert (len(outcome.failures), outcome.skipped) == (1, 3)
    assert amd.digest in sink.manifests("x")
    assert sink.tags("x").keys() == {"v2"}


async def test_a_manifest_that_is_refused_is_a_gap_of_its_image_and_of_lists_with_it() -> None:
    sink = MemoryPlace("sink.test")
    freight = Freight(sink.place)
    child = freight.image("a")
    asked = [
        freight.ask(child, "x", "v1"),
        freight.ask(freight.index(child), "x"),
        freight.ask(freight.image("b"), "x"),
    ]
    sink.fail("write_manifest", child.digest, DeniedError("not today"))
    plan = freight.plan()
    outcome = await carried_out(plan, freight.source, sink)
    gaps = gaps_of(outcome, plan, asked, freight.survey)
    assert [(gap.request, gap.missing) for gap in gaps] == [
        (asked[0], f"source.test/up/stream@{child.digest}"),
        (asked[1], f"source.test/up/stream@{child.digest}"),
    ]


async def test_a_tag_that_is_refused_is_a_gap_of_that_request_only() -> None:
    freight, sink = two_repositories()
    extra = freight.ask(next(iter(freight.manifests.values())), "x", "v2")
    sink.fail("write_tag", "v2", DeniedError("v2 is immutable"))
    plan = freight.plan()
    outcome = await carried_out(plan, freight.source, sink)
    (gap,) = gaps_of(outcome, plan, freight.requests, freight.survey)
    assert (gap.request, gap.missing, gap.code) == (extra, "sink.test/x:v2", "denied")


async def test_what_arrived_is_no_gap() -> None:
    freight, sink = two_repositories()
    plan = freight.plan()
    outcome = await carried_out(plan, freight.source, sink)
    assert gaps_of(outcome, plan, freight.requests, freight.survey) == ()


@pytest.mark.parametrize("kind", FATAL, ids=lambda kind: kind.code)
async def test_these_errors_stop_the_run(kind: type[AirferryError]) -> None:
    freight, sink = two_repositories()
    sink.fail("write_blob", Digest.of(b"base"), kind("as it was"))
    with pytest.raises(kind, match="as it was"):
        await carried_out(freight.plan(), freight.source, sink)
    assert sink.manifests("x") == {}


def test_the_errors_that_stop_a_run_are_those_that_would_come_again_at_once() -> None:
    assert set(FATAL) == {
        NoSpaceError,
        ReadOnlyError,
        UnfitFilesystemError,
        InUseError,
        UnauthorizedError,
        CertificateError,
        UnreachableError,
        ThrottledError,
    }


async def test_an_error_that_stops_the_run_keeps_its_cause_and_hint() -> None:
    freight, sink = two_repositories()
    cause = OSError(28, "No space left on device")
    full = NoSpaceError("the disk is full", hint="free some")
    full.__cause__ = cause
    sink.fail("write_blob", Digest.of(b"base"), full)
    with pytest.raises(NoSpaceError) as raised:
        await carried_out(freight.plan(), freight.source, sink)
    assert raised.value is full
    assert (raised.value.__cause__, raised.value.hint) == (cause, "free some")


async def test_a_bug_is_raised_as_it_is_and_not_taken_for_a_gap() -> None:
    freight, sink = two_repositories()
    sink.fail("write_blob", Digest.of(b"base"), ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        await carried_out(freight.plan(), freight.source, sink)


class StuckSink(MemoryPlace):
    """Blobs named in ``stuck`` are never finished; remembers what was given up."""

    def __init__(self, *stuck: Digest) -> None:
        super().__init__("sink.test")
        self.stuck = stuck
        self.reached = asyncio.Event()
        self.given_up: list[Digest] = []

    async def write_blob(self, path: str, blob: Descriptor, fetch: BlobFetch) -> None:
        if blob.digest not in self.stuck:
            await self.reached.wait()
            return await super().write_blob(path, blob, fetch)
        self.reached.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.given_up.append(blob.digest)
            raise
        return None


async def test_a_fatal_error_takes_the_other_workers_with_it() -> None:
    freight, _ = two_repositories()
    sink = StuckSink(Digest.of(b"own"))
    sink.fail("write_blob", Digest.of(b"base"), UnreachableError("cut"))
    before = asyncio.all_tasks()
    with pytest.raises(UnreachableError, match="cut"):
        await carried_out(freight.plan(mount=False), freight.source, sink, workers=6)
    assert sink.given_up
    assert asyncio.all_tasks() == before


async def test_who_cancels_the_run_cancels_all_of_it() -> None:
    freight, _ = two_repositories()
    sink = StuckSink(Digest.of(b"own"))
    before = asyncio.all_tasks()
    running = asyncio.create_task(carried_out(freight.plan(), freight.source, sink))
    await sink.reached.wait()
    await settled()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sink.given_up == [Digest.of(b"own")]
    assert asyncio.all_tasks() == before


async def test_the_largest_blobs_go_first_and_a_ready_manifest_before_them() -> None:
    sink = MemoryPlace("sink.test")
    freight = Freight(sink.place)
    freight.ask(freight.image("x" * 10, "y" * 1000), "x")
    freight.ask(freight.image("z" * 2000), "x")
    onlooker = Onlooker()
    await carried_out(freight.plan(), freight.source, sink, workers=1, progress=onlooker)
    shown = [step.blob.size_bytes if isinstance(step, CopyBlob) else "manifest" for step in onlooker.begun]
    sizes = [size for size in shown if size != "manifest"]
    assert sizes == sorted(sizes, reverse=True)
    assert shown[-1] == "manifest"
    assert shown.index("manifest") < len(shown) - 2


async def test_an_onlooker_sees_each_step_begin_and_the_good_ones_end() -> None:
    freight, sink = two_repositories()
    plan = freight.plan()
    sink.fail("write_manifest", next(iter(freight.manifests)), DeniedError("no"))
    onlooker = Onlooker()
    outcome = await carried_out(plan, freight.source, sink, progress=onlooker)
    assert len(onlooker.begun) == len(plan.steps) - outcome.skipped
    assert set(map(id, onlooker.begun)) - set(map(id, onlooker.ended)) == {id(f.step) for f in outcome.failures}
    assert all(isinstance(failure.step, PutManifest) for failure in outcome.failures)
    assert any(isinstance(step, PutTag) for step in onlooker.ended)


class RestartingSink(MemoryPlace):
    """Reads a blob from each offset given, some bytes at a time, as a sink does that keeps partial files."""

    def __init__(self, *reads: tuple[int, int]) -> None:
        super().__init__("sink.test")
        self.reads = reads

    async def write_blob(self, path: str, blob: Descriptor, fetch: BlobFetch) -> None:
        for offset, length in self.reads:
            async with fetch(offset) as stream:
                got = 0
                async for chunk in stream:
                    got += len(chunk)
                    if got >= length:
                        break


RESTARTS = {
    "in one go": [(0, 100)],
    "again from the start": [(0, 100), (0, 100)],
    "again from the middle": [(0, 60), (60, 40)],
    "again with some overlap": [(0, 60), (40, 60)],
    "from a part that an earlier run kept": [(70, 30)],
    "from a kept part that turned out to be bad": [(70, 30), (0, 100)],
    "broken off three times": [(0, 30), (30, 30), (20, 50), (70, 30)],
}


@pytest.mark.parametrize("reads", RESTARTS.values(), ids=RESTARTS)
async def test_every_byte_of_a_blob_is_progress_once(reads: list[tuple[int, int]]) -> None:
    source = MemoryPlace("source.test", chunk_bytes=10)
    blob = source.add_blob("a", bytes(range(100)))
    sink, onlooker = RestartingSink(*reads), Onlooker()
    step = CopyBlob(Repository(source.place, "a"), Repository(sink.place, "a"), blob)
    outcome = await carried_out(plan_of([step]), source, sink, progress=onlooker)
    assert sum(onlooker.moves) == 100
    assert all(move > 0 for move in onlooker.moves)
    assert outcome.moved_bytes == sum(length for _, length in reads)


class EndlessSource(MemoryPlace):
    """Never stops sending; remembers whether its stream was closed."""

    closed_streams = 0

    def open_blob(self, path: str, blob: Descriptor, offset: int = 0) -> AbstractAsyncContextManager[ByteStream]:
        source = self

        class Opened:
            async def __aenter__(self) -> ByteStream:
                return endless()

            async def __aexit__(self, *exception: object) -> None:
                source.closed_streams += 1

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 10

        return Opened()


async def test_a_source_that_never_ends_is_cut_off_and_closed() -> None:
    source, sink, onlooker = EndlessSource("source.test"), MemoryPlace("sink.test"), Onlooker()
    blob = Descriptor("", Digest.of(b"x" * 95), 95)
    step = CopyBlob(Repository(source.place, "a"), Repository(sink.place, "a"), blob)
    outcome = await carried_out(plan_of([step]), source, sink, progress=onlooker)
    assert [failure.error.code for failure in outcome.failures] == ["content-mismatch"]
    assert outcome.moved_bytes == 100
    assert sum(onlooker.moves) == 95
    assert source.closed_streams == 1


async def test_sources_and_sinks_are_opened_by_their_place() -> None:
    one, two = MemoryPlace("one.test"), MemoryPlace("two.test")
    near, far = MemoryPlace("near.test"), MemoryPlace("far.test")
    places = {place.place: place for place in (one, two, near, far)}
    steps = [
        CopyBlob(Repository(source.place, "a"), Repository(sink.place, "b"), source.add_blob("a", content))
        for source, sink, content in ((one, far, b"1"), (two, near, b"2"))
    ]
    await carry_out(plan_of(steps), places.__getitem__, places.__getitem__)
    assert (set(near.blobs("b").values()), set(far.blobs("b").values())) == ({b"2"}, {b"1"})


async def test_a_sink_that_cannot_mount_gets_copies() -> None:
    freight, _ = two_repositories()
    plan = freight.plan()
    assert any(isinstance(step, MountBlob) for step in plan.steps)

    class Plain:
        """The sink's side of a memory place, without mounting."""

        def __init__(self, inside: MemoryPlace) -> None:
            self.place = inside.place
            self.write_blob = inside.write_blob
            self.write_manifest = inside.write_manifest
            self.write_tag = inside.write_tag

    inside = MemoryPlace("sink.test")
    outcome = await carried_out(plan, freight.source, Plain(inside))  # type: ignore[arg-type]
    assert (outcome.copied_blobs, outcome.mounted_blobs) == (6, 0)
    assert len(inside.manifests("y")) == 1


async def test_twenty_thousand_steps_in_one_long_chain_come_to_an_end() -> None:
    """Only one step is ready at any time: the workers that wait must cost nothing, nor the stack grow."""
    sink = MemoryPlace("sink.test")
    source = MemoryPlace("source.test")
    blob = source.add_blob("a", b"content")
    step = CopyBlob(Repository(source.place, "a"), Repository(sink.place, "a"), blob)
    plan = Plan((step,) * 20_000, tuple((index - 1,) if index else () for index in range(20_000)))
    assert (await carried_out(plan, source, sink, workers=64)).done == 20_000
    assert source.calls["open_blob", blob.digest] == 1
