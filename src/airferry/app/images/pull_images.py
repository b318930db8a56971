"""Pull images as a node would, by their own names through mirror rules, and hash every byte."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.errors import AirferryError
from airferry.oci import Descriptor, Digest, Reference, Repository, Verifier
from airferry.plan import CopyRequest, Gap
from airferry.plan.planner import reachable
from airferry.survey import Findings, survey_sources
from airferry.survey.crew import work_through
from airferry.survey.destinations import Holdings, as_survey


@dataclass(slots=True)
class PullReport:
    """What could be pulled whole. ``size_bytes`` counts what was hashed, each blob once."""

    pulled: list[Reference] = field(default_factory=list)
    failures: list[tuple[Reference, AirferryError | Gap]] = field(default_factory=list)
    blobs: int = 0
    size_bytes: int = 0


async def pull_images(
    images: Sequence[Reference], places: Places, narrator: Narrator, *, workers: int = 6
) -> PullReport:
    """Read every manifest of ``images``, children included, and hash every blob, each digest once."""
    requests = {image: CopyRequest(image, image.repository, (), str(image)) for image in images}
    narrator.phase("pulling manifests", steps=len(requests))
    findings = await survey_sources(
        requests.values(), places.source, on_read=lambda manifest: narrator.advance(steps=1)
    )
    blobs = _blobs(requests, findings)
    narrator.phase("pulling layers", size_bytes=sum(blob.size_bytes for blob, _ in blobs.values()))
    report = PullReport()
    failed: dict[Digest, AirferryError] = {}

    async def pull(item: tuple[Descriptor, Repository]) -> tuple[tuple[Descriptor, Repository], ...]:
        blob, repository = item
        try:
            await _hash(blob, repository, places, narrator)
        except AirferryError as error:
            failed[blob.digest] = error
        else:
            report.blobs += 1
            report.size_bytes += blob.size_bytes
        return ()

    await work_through(sorted(blobs.values(), key=lambda item: -item[0].size_bytes), pull, workers=workers)
    narrator.done()
    _judge(requests, findings, failed, report)
    return report


def _blobs(requests: dict[Reference, CopyRequest], findings: Findings) -> dict[Digest, tuple[Descriptor, Repository]]:
    survey = as_survey(findings, Holdings())
    found: dict[Digest, tuple[Descriptor, Repository]] = {}
    for image, request in requests.items():
        if request in findings.roots:
            for digest in reachable(findings.roots[request], survey):
                for blob in findings.manifests[digest].blobs:
                    found.setdefault(blob.digest, (blob, image.repository))
    return found


async def _hash(blob: Descriptor, repository: Repository, places: Places, narrator: Narrator) -> None:
    verifier = Verifier(blob.digest, blob.size_bytes)
    async with places.source(repository.place).open_blob(repository.path, blob) as stream:
        async for chunk in stream:
            verifier.update(chunk)
            narrator.advance(size_bytes=len(chunk))
    verifier.finish()


def _judge(
    requests: dict[Reference, CopyRequest],
    findings: Findings,
    failed: dict[Digest, AirferryError],
    report: PullReport,
) -> None:
    survey = as_survey(findings, Holdings())
    gaps = {gap.request: gap for gap in findings.gaps}
    for image, request in requests.items():
        if request in gaps:
            report.failures.append((image, gaps[request]))
            continue
        needed = (
            blob.digest
            for digest in reachable(findings.roots[request], survey)
            for blob in findings.manifests[digest].blobs
        )
        broken = next((failed[digest] for digest in needed if digest in failed), None)
        if broken is None:
            report.pulled.append(image)
        else:
            report.failures.append((image, broken))
