"""The one pipeline behind every copy: survey, plan, reserve, transfer, remember. Which places are involved,
and what the images mean, is the caller's business.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from airferry.app.copies.copy_report import CopyReport, Estimate, print_summary
from airferry.app.copies.destination_check import Destinations, check_plan, prepare_destinations
from airferry.app.copies.known_images import believed, remember, still_there
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.content.breaker import Breaker
from airferry.content.errors import NotFoundError, UnreachableError
from airferry.content.protocol import Mounting, Reserving
from airferry.errors import UsageError
from airferry.oci import Digest, Place
from airferry.plan import CopyBlob, CopyRequest, Gap, Plan, Step, plan_copies, summarize
from airferry.plan.outline import outline
from airferry.plan.platforms import PlatformFilter, filter_list
from airferry.plan.summary import bytes_to_write
from airferry.quantities import print_binary_size, print_decimal_size, print_duration
from airferry.survey import Findings, Holdings, find_attachments, survey_destinations, survey_sources
from airferry.survey.destinations import as_survey
from airferry.transfer import Outcome, carry_out, gaps_of

_EVENT_FROM_BYTES = 16 * 1024


class Tolerance(StrEnum):
    """What a copy goes on past, to end with gaps. Each value includes those before it."""

    NOTHING = "nothing: a source that cannot be read stops it before anything is copied"
    MISSING = "sources that do not exist"
    BROKEN = "whatever is wrong with one image"
    FAILURES = "registries that cannot be reached, or refuse everything"


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """How a copy is carried out."""

    dry_run: bool = False
    attachments: bool = True
    refresh: bool = False
    tolerance: Tolerance = Tolerance.BROKEN
    force: bool = False
    mount: bool = True
    workers: int = 6


async def copy_images(
    requests: Sequence[CopyRequest],
    places: Places,
    options: CopyOptions,
    narrator: Narrator,
    *,
    platforms: PlatformFilter | None = None,
    gaps: Sequence[Gap] = (),
) -> CopyReport:
    """Bring every request to its destination, or with ``dry_run`` say what that would take.

    ``platforms`` filters lists, which changes digests; the narrator is told of each. ``gaps`` are those known before.

    Raises what ``options.tolerance`` does not cover, and what stopped everything; all that was done stays done, and
    the same call again goes on from there.
    """
    return await _Copy(requests, places, options, narrator, platforms, gaps).carry_out()


async def reserve(requests: Sequence[CopyRequest], places: Places, sizes: Mapping[Place, int] | None = None) -> None:
    """Take hold of the disks that ``requests`` go to, and see that ``sizes`` bytes fit on each.

    Raises InUseError, UnfitFilesystemError, ReadOnlyError, NoSpaceError. Nothing has been written then.
    """
    for place in sorted({request.destination.place for request in requests}):
        sink = places.sink(place)
        if isinstance(sink, Reserving):
            await sink.reserve((sizes or {}).get(place, 0))


class _Copy:
    """One copy on its way through the pipeline."""

    def __init__(
        self,
        requests: Sequence[CopyRequest],
        places: Places,
        options: CopyOptions,
        narrator: Narrator,
        platforms: PlatformFilter | None,
        gaps: Sequence[Gap],
    ) -> None:
        self._requests = requests
        self._places = places
        self._options = options
        self._narrator = narrator
        self._platforms = platforms
        self._gaps = list(gaps)
        self._destinations_found = Destinations()
        self._breaker = Breaker(go_on=options.tolerance is Tolerance.FAILURES)

    async def carry_out(self) -> CopyReport:
        started = time.monotonic()
        narrator, dry_run = self._narrator, self._options.dry_run
        if not dry_run:
            await reserve(self._requests, self._places)
        held = await self._known_complete()
        wanted = [request for request in self._requests if request not in held]
        await self._prepare_destinations(wanted)
        findings, attachments = await self._look_at_sources(wanted)
        holdings, mountable = await self._look_at_destinations((*wanted, *attachments), findings)
        wanted = [request for request in (*wanted, *attachments) if request.destination not in holdings.lost]
        survey = as_survey(findings, holdings)
        plan = plan_copies(wanted, survey, can_mount=mountable)
        summary = summarize(plan, images=len(self._requests))
        estimate = self._estimate(summary.moved_bytes)
        narrator.note(outline(plan, survey, tuple(wanted)))
        narrator.note(f"info: Planning completed in {print_duration(time.monotonic() - started)}")
        narrator.note(print_summary(summary, len(held), estimate))
        self._stop_at_gaps()
        plan = await check_plan(plan, survey, self._destinations_found, self._places, dry_run=dry_run)
        self._refuse_unfit()
        self._tell_destinations()
        outcome = Outcome()
        if dry_run:
            narrator.note("info: Dry run complete")
        else:
            outcome = await self._transfer(plan)
            self._gaps += gaps_of(outcome, plan, wanted, survey)
            if self._options.attachments and self._platforms is None:
                # What was left out on purpose must not pass for complete in a later run.
                remember(wanted, findings, self._gaps, self._places)
        narrator.done()
        arrived = self._arrived((*self._requests, *attachments), {**held, **findings.roots})
        if outcome.failures and not outcome.done and not arrived and not self._goes_on:
            raise outcome.failures[0].error
        return CopyReport(
            requests=(*self._requests, *attachments),
            arrived=arrived,
            gaps=tuple(self._gaps),
            summary=summary,
            outcome=outcome,
            seconds=time.monotonic() - started,
            estimate=estimate,
            dry_run=dry_run,
            destinations=tuple(self._destinations_found.facts.values()),
        )

    @property
    def _goes_on(self) -> bool:
        return self._options.tolerance is Tolerance.FAILURES

    @property
    def _destinations(self) -> list[Place]:
        return sorted({request.destination.place for request in self._requests})

    async def _known_complete(self) -> dict[CopyRequest, Digest]:
        """Return the requests that the record of an earlier run, and one question each, prove complete."""
        if self._options.refresh or self._options.force or self._platforms is not None:
            return {}
        candidates = believed(self._requests, self._places)
        if candidates:
            self._narrator.phase("asking for known images", steps=len(candidates))
        try:
            return await still_there(candidates, self._places, self._breaker, self._count_step)
        except UnreachableError:
            if not self._options.dry_run:
                raise
            return {}  # what a dry run says of a destination that is out of reach, it says further down

    async def _look_at_sources(self, requests: Sequence[CopyRequest]) -> tuple[Findings, tuple[CopyRequest, ...]]:
        """Read the manifests, and those of what is attached to them; what cannot be read becomes a gap."""
        self._narrator.phase("reading manifests", steps=len(requests))
        findings = await survey_sources(
            requests,
            self._places.source,
            on_read=lambda manifest: self._count_step(),
            want_child=self._platforms.wants if self._platforms is not None else lambda child: True,
            breaker=self._breaker,
        )
        if self._platforms is not None:
            self._filter_lists(requests, findings, self._platforms)
        attachments: tuple[CopyRequest, ...] = ()
        if self._options.attachments:
            self._narrator.phase("looking for signatures and referrers", steps=len(findings.roots))
            attachments = await find_attachments(requests, findings, self._places.source, on_asked=self._count_step)
        self._gaps += findings.gaps
        return findings, attachments

    def _filter_lists(self, requests: Sequence[CopyRequest], findings: Findings, platforms: PlatformFilter) -> None:
        """Replace each list by what the filter leaves of it."""
        for request in requests:
            root = findings.roots.get(request)
            if root is None or not findings.manifests[root].is_index:
                continue
            try:
                filtered = filter_list(findings.manifests[root], platforms, findings.manifests, str(request.source))
            except UsageError as error:
                if not self._goes_on:
                    raise
                self._gaps.append(Gap(request, str(request.source), error))
                del findings.roots[request]
                continue
            self._narrator.warn(filtered.note)
            findings.manifests[filtered.manifest.digest] = filtered.manifest
            findings.roots[request] = filtered.manifest.digest

    async def _look_at_destinations(
        self, requests: Sequence[CopyRequest], findings: Findings
    ) -> tuple[Holdings, set[Place]]:
        """Return what destinations hold, and which of them take blobs over; what is lost to us becomes a gap."""
        if self._options.force:
            return Holdings(), set()
        self._narrator.phase("asking the destination")
        try:
            asked = [request for request in requests if not self._destinations_found.lacks(request.destination)]
            holdings = await survey_destinations(
                asked, findings, self._places.sink, on_asked=self._count_step, breaker=self._breaker
            )
        except UnreachableError as error:
            # A dry run is often made where the mirror cannot be reached: its text is wanted all the same.
            if not self._options.dry_run:
                raise
            self._narrator.warn(f"{error.message}; planning as if it were empty")
            return Holdings(), set()
        for request in requests:
            lost = holdings.lost.get(request.destination)
            if lost is not None and request in findings.roots:
                self._gaps.append(Gap(request, str(request.destination), lost))
        if not self._options.mount:
            return holdings, set()
        return holdings, {place for place in self._destinations if isinstance(self._places.sink(place), Mounting)}

    async def _prepare_destinations(self, requests: Sequence[CopyRequest]) -> None:
        """Get the namespaces that the requests go to ready. Raises UnfitRegistryError for those that cannot be."""
        self._narrator.phase("preparing the destination")
        self._destinations_found = await prepare_destinations(
            (request.destination for request in requests),
            self._places,
            dry_run=self._options.dry_run,
            refresh=self._options.refresh,
        )
        for facts in self._destinations_found.facts.values():
            # Who cannot be reached now is not waited for again, unless the copy goes on or only rehearses.
            if isinstance(facts.trouble, UnreachableError) and not self._options.dry_run and not self._goes_on:
                raise facts.trouble
        self._refuse_unfit()

    def _refuse_unfit(self) -> None:
        refusals = self._destinations_found.refusals
        if not refusals or self._options.dry_run or self._goes_on:
            return
        self._tell_destinations(with_refusals=False)
        first, *more = refusals
        also = f" (and {len(more)} more)" if more else ""
        raise type(first)(f"{first.message}{also}; nothing was copied", hint=first.hint)

    def _tell_destinations(self, *, with_refusals: bool = True) -> None:
        found = self._destinations_found
        for line in (line for facts in found.facts.values() for line in facts.notable_lines()):
            self._narrator.note(f"info: {line}")
        for error in found.refusals if with_refusals else ():
            self._narrator.warn(f"{error.message}; {error.hint}")

    def _stop_at_gaps(self) -> None:
        """Raise what the first gap is about, if gaps of its kind are not tolerated."""
        if self._options.tolerance not in (Tolerance.NOTHING, Tolerance.MISSING):
            return
        is_missing_fine = self._options.tolerance is Tolerance.MISSING
        gaps = [gap for gap in self._gaps if not (is_missing_fine and gap.code == NotFoundError.code)]
        if not gaps:
            return
        more = f" (and {len(gaps) - 1} more)" if len(gaps) > 1 else ""
        raise type(gaps[0].error)(
            f"{gaps[0].request.source}: {gaps[0].reason}{more}; nothing was copied",
            hint="--no-attachments leaves out signatures, attestations and referrers"
            if gaps[0].request.optional
            else "--skip-missing leaves out what does not exist, --continue-on-error goes on past every failure",
        )

    async def _transfer(self, plan: Plan) -> Outcome:
        sizes = {place: bytes_to_write(plan, place) for place in self._destinations}
        await reserve(self._requests, self._places, sizes)
        total = sum(step.blob.size_bytes for step in plan.steps if isinstance(step, CopyBlob))
        self._narrator.phase("copying", steps=len(plan.steps), size_bytes=total)
        started = time.monotonic()
        outcome = await carry_out(
            plan,
            self._places.source,
            self._places.sink,
            workers=self._options.workers,
            progress=_Told(self._narrator),
            breaker=self._breaker,
        )
        seconds = time.monotonic() - started
        rate = outcome.moved_bytes / max(seconds, 1e-6)
        self._narrator.note(f"info: Mirroring completed in {print_duration(seconds)} ({print_decimal_size(rate)}/s)")
        if seconds > 1:
            for place in self._destinations:
                self._places.held(place).bytes_per_second = rate
        return outcome

    def _arrived(
        self, requests: Sequence[CopyRequest], roots: Mapping[CopyRequest, Digest]
    ) -> tuple[tuple[CopyRequest, Digest], ...]:
        incomplete = {gap.request for gap in self._gaps}
        return tuple(
            (request, roots[request]) for request in requests if request in roots and request not in incomplete
        )

    def _estimate(self, size_bytes: int) -> Estimate:
        measured = [self._places.held(place).bytes_per_second for place in self._destinations[:1]]
        return Estimate.of(size_bytes, measured[0] if measured else None)

    def _count_step(self) -> None:
        self._narrator.advance(steps=1)


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
