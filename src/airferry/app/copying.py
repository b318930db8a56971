"""The one pipeline behind every copy: survey, plan, reserve, transfer, record. Which places are involved,
and what the images mean, is the caller's business.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from airferry.app.copy_report import CopyReport
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.whole_on_disk import lost_on_disk
from airferry.content.errors import NotFoundError, UnreachableError
from airferry.content.protocol import Mounting, Reserving
from airferry.errors import AirferryError
from airferry.oci import Digest, Place
from airferry.plan import CopyBlob, CopyRequest, Gap, Plan, Step, Summary, plan_copies, summarize
from airferry.plan.outline import outline
from airferry.plan.platforms import PlatformFilter, filter_list
from airferry.plan.summary import bytes_to_write
from airferry.quantities import print_binary_size, print_decimal_size, print_duration
from airferry.survey import Findings, Holdings, find_attachments, survey_destinations, survey_sources
from airferry.survey.destinations import as_survey
from airferry.survey.sources import MISSING
from airferry.transfer import Outcome, carry_out, gaps_of
from airferry.transfer.held import HeldRecord

_EVENT_FROM_BYTES = 16 * 1024
_KINDS: dict[str, type[AirferryError]] = {kind.code: kind for kind in MISSING}
_ASSUMED_BYTES_PER_SECOND = 50 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """How a copy is carried out. ``stop_at_gaps`` stops after planning when a source is missing."""

    dry_run: bool = False
    attachments: bool = True
    refresh: bool = False
    stop_at_gaps: bool = False
    force: bool = False
    mount: bool = True
    workers: int = 8


async def copy_images(
    requests: Sequence[CopyRequest],
    places: Places,
    options: CopyOptions,
    narrator: Narrator,
    *,
    platforms: PlatformFilter | None = None,
) -> CopyReport:
    """Bring every request to its destination, or with ``dry_run`` say what that would take.

    ``platforms`` filters lists, which changes digests; the narrator is told of each.

    Raises what would hit every image alike, and with ``stop_at_gaps`` the first missing source; everything
    that was done stays done, and the same call again goes on from there.
    """
    started = time.monotonic()
    if not options.dry_run:
        await _reserve(requests, places, {})
    held, open_requests = await _set_held_aside(requests, places, options, narrator, platforms)
    findings, attachments = await _look_at_sources(open_requests, places, options, narrator, platforms)
    wanted = (*open_requests, *attachments)
    holdings, mountable = await _look_at_destinations(wanted, findings, places, options, narrator)
    survey = as_survey(findings, holdings)
    plan = plan_copies(wanted, survey, can_mount=mountable)
    summary = summarize(plan, images=len(requests))
    narrator.note(outline(plan, survey, wanted))
    estimate = _estimate(summary, wanted, places)
    narrator.note(f"info: Planning completed in {print_duration(time.monotonic() - started)}")
    narrator.note(_print_summary(summary, len(held), estimate))
    if findings.gaps and options.stop_at_gaps:
        _stop(findings.gaps)
    if options.dry_run:
        outcome = Outcome()
        gaps: tuple[Gap, ...] = tuple(findings.gaps)
        narrator.note("info: Dry run complete")
    else:
        outcome = await _transfer(plan, wanted, places, options, narrator)
        gaps = (*findings.gaps, *gaps_of(outcome, plan, wanted, survey))
        if options.attachments and platforms is None:
            # What was left out on purpose must not pass for complete in a later run.
            _record(wanted, findings, gaps, places)
    narrator.done()
    incomplete = {gap.request for gap in gaps}
    roots = {**held, **findings.roots}
    arrived = [(request, roots[request]) for request in (*requests, *attachments) if request in roots]
    return CopyReport(
        requests=(*requests, *attachments),
        arrived=tuple((request, digest) for request, digest in arrived if request not in incomplete),
        gaps=gaps,
        summary=summary,
        outcome=outcome,
        seconds=time.monotonic() - started,
        dry_run=options.dry_run,
        estimate=estimate,
        digests=roots,
    )


async def _reserve(requests: Sequence[CopyRequest], places: Places, sizes: dict[Place, int]) -> None:
    for place in sorted({request.destination.place for request in requests}):
        sink = places.sink(place)
        if isinstance(sink, Reserving):
            await sink.reserve(sizes.get(place, 0))


async def _set_held_aside(
    requests: Sequence[CopyRequest],
    places: Places,
    options: CopyOptions,
    narrator: Narrator,
    platforms: PlatformFilter | None,
) -> tuple[dict[CopyRequest, Digest], list[CopyRequest]]:
    """Split off the requests that the record of an earlier run, and one question each, prove complete."""
    held: dict[CopyRequest, Digest] = {}
    if options.refresh or options.force or platforms is not None:
        return held, list(requests)
    now = time.time()
    candidates = [
        request
        for request in requests
        if request.source.digest is not None
        and places.held(request.destination.place).holds(request.destination, request.source.digest, now=now)
    ]
    if candidates:
        narrator.phase("asking for known images", steps=len(candidates))
    questions = Findings()
    for request in candidates:
        assert request.source.digest is not None
        questions.roots[request] = request.source.digest
    tagged = [request for request in candidates if request.tags]
    untagged = [request for request in candidates if not request.tags]
    answers = await survey_destinations(
        tagged, questions, places.sink, on_asked=lambda: narrator.advance(steps=1), tags_only=True
    )
    more = await survey_destinations(untagged, questions, places.sink, on_asked=lambda: narrator.advance(steps=1))
    lost = await lost_on_disk(questions.roots, places)
    for request in candidates:
        digest = questions.roots[request]
        tags_right = all(answers.tags.get((request.destination, tag)) == digest for tag in request.tags)
        if request not in lost and tags_right and (request.tags or digest in more.present.get(request.destination, ())):
            held[request] = digest
        else:
            places.held(request.destination.place).forget(request.destination, digest)
    return held, [request for request in requests if request not in held]


async def _look_at_sources(
    requests: Sequence[CopyRequest],
    places: Places,
    options: CopyOptions,
    narrator: Narrator,
    platforms: PlatformFilter | None,
) -> tuple[Findings, tuple[CopyRequest, ...]]:
    narrator.phase("reading manifests", steps=len(requests))
    findings = await survey_sources(
        requests,
        places.source,
        on_read=lambda manifest: narrator.advance(steps=1),
        want_child=platforms.wants if platforms is not None else lambda child: True,
    )
    if platforms is not None:
        _filter_lists(requests, findings, platforms, narrator)
    if not options.attachments:
        return findings, ()
    narrator.phase("looking for signatures and referrers", steps=len(findings.roots))
    attachments = await find_attachments(requests, findings, places.source, on_asked=lambda: narrator.advance(steps=1))
    return findings, attachments


def _filter_lists(
    requests: Sequence[CopyRequest], findings: Findings, platforms: PlatformFilter, narrator: Narrator
) -> None:
    """Replace each list by what the filter leaves of it."""
    for request in requests:
        root = findings.roots.get(request)
        if root is None or not findings.manifests[root].is_index:
            continue
        filtered = filter_list(findings.manifests[root], platforms, findings.manifests, str(request.source))
        narrator.warn(filtered.note)
        findings.manifests[filtered.manifest.digest] = filtered.manifest
        findings.roots[request] = filtered.manifest.digest


async def _look_at_destinations(
    requests: Sequence[CopyRequest], findings: Findings, places: Places, options: CopyOptions, narrator: Narrator
) -> tuple[Holdings, set[Place]]:
    destinations = {request.destination.place for request in requests}
    if options.force:
        return Holdings(), set()
    narrator.phase("asking the destination")
    try:
        holdings = await survey_destinations(
            requests, findings, places.sink, on_asked=lambda: narrator.advance(steps=1)
        )
    except UnreachableError as error:
        # A dry run is often made where the mirror cannot be reached: its text is wanted all the same.
        if not options.dry_run:
            raise
        narrator.warn(f"{error.message}; planning as if it were empty")
        return Holdings(), set()
    mountable = {place for place in destinations if options.mount and isinstance(places.sink(place), Mounting)}
    return holdings, mountable


async def _transfer(
    plan: Plan, requests: Sequence[CopyRequest], places: Places, options: CopyOptions, narrator: Narrator
) -> Outcome:
    destinations = {request.destination.place for request in requests}
    await _reserve(requests, places, {place: bytes_to_write(plan, place) for place in destinations})
    total = sum(step.blob.size_bytes for step in plan.steps if isinstance(step, CopyBlob))
    narrator.phase("copying", steps=len(plan.steps), size_bytes=total)
    started = time.monotonic()
    outcome = await carry_out(plan, places.source, places.sink, workers=options.workers, progress=_Told(narrator))
    seconds = time.monotonic() - started
    rate = outcome.moved_bytes / max(seconds, 1e-6)
    narrator.note(f"info: Mirroring completed in {print_duration(seconds)} ({print_decimal_size(rate)}/s)")
    if seconds > 1:
        for place in destinations:
            places.held(place).bytes_per_second = rate
    return outcome


class _Told:
    """Transfer's progress, retold to the narrator."""

    def __init__(self, narrator: Narrator) -> None:
        self._narrator = narrator

    def started(self, step: Step) -> None:
        if isinstance(step, CopyBlob) and step.blob.size_bytes >= _EVENT_FROM_BYTES:
            size = print_binary_size(step.blob.size_bytes)
            self._narrator.event(f"uploading: {step.destination} {step.blob.digest} {size}")

    def moved(self, size_bytes: int) -> None:
        self._narrator.advance(size_bytes=size_bytes)

    def finished(self, step: Step) -> None:
        self._narrator.advance(steps=1)


def _record(
    requests: Sequence[CopyRequest],
    findings: Findings,
    gaps: Sequence[Gap],
    places: Places,
) -> None:
    """Remember what is complete; an image whose attachment failed is asked for again next time."""
    now = time.time()
    incomplete = {gap.request for gap in gaps}
    holed = {request.destination for request in incomplete if request.optional}
    records: set[Place] = set()
    for request in requests:
        if request in findings.roots and request not in incomplete and request.destination not in holed:
            record: HeldRecord = places.held(request.destination.place)
            record.note(request.destination, findings.roots[request], now=now)
            records.add(request.destination.place)
    for place in records:
        places.held(place).save(now=now)


def _stop(gaps: Sequence[Gap]) -> None:
    first = gaps[0]
    more = f" (and {len(gaps) - 1} more)" if len(gaps) > 1 else ""
    raise _KINDS.get(first.code, NotFoundError)(
        f"{first.request.source}: {first.reason}{more}; nothing was copied",
        hint="--skip-missing leaves out what is missing, --continue-on-error goes on past every failure",
    )


def _estimate(summary: Summary, requests: Sequence[CopyRequest], places: Places) -> str:
    measured = [places.held(request.destination.place).bytes_per_second for request in requests[:1]]
    rate = measured[0] if measured and measured[0] else None
    seconds = summary.moved_bytes / (rate or _ASSUMED_BYTES_PER_SECOND)
    basis = "as fast as last time" if rate else "assumed"
    return f"{print_duration(seconds)} at {print_decimal_size(rate or _ASSUMED_BYTES_PER_SECOND)}/s ({basis})"


def _print_summary(summary: Summary, held: int, estimate: str) -> str:
    known = f", {held} known complete" if held else ""
    to_move, shared = print_binary_size(summary.moved_bytes), print_binary_size(summary.shared_bytes)
    there = f"{summary.already_there_blobs} already there ({print_binary_size(summary.already_there_bytes)})"
    return (
        f"info: {summary.images} images{known}: {summary.blobs} blobs to move ({to_move}), {summary.mounts} to mount, "
        f"{shared} shared, {there}; {estimate}"
    )
