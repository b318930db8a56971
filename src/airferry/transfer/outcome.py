"""What came of carrying out a plan, and which requests have gaps because of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from airferry.content.errors import (
    CertificateError,
    InUseError,
    NoSpaceError,
    ReadOnlyError,
    UnauthorizedError,
    UnfitFilesystemError,
    UnreachableError,
)
from airferry.errors import AirferryError
from airferry.oci import Digest, Repository
from airferry.plan import CopyBlob, CopyRequest, Gap, MountBlob, Plan, PutManifest, PutTag, Step, Survey
from airferry.plan.planner import reachable

FATAL = (
    NoSpaceError,
    ReadOnlyError,
    UnfitFilesystemError,
    InUseError,
    UnauthorizedError,
    CertificateError,
    UnreachableError,
)
"""Errors that would hit every following step alike: the run stops, and the same command goes on from there."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that could not be done, and why."""

    step: Step
    error: AirferryError


@dataclass(slots=True)
class Outcome:
    """What was done. ``failures`` has steps that failed themselves; ``skipped`` counts those that waited for them."""

    done: int = 0
    skipped: int = 0
    moved_bytes: int = 0
    copied_blobs: int = 0
    mounted_blobs: int = 0
    failures: list[Failure] = field(default_factory=list)


def gaps_of(outcome: Outcome, plan: Plan, requests: Iterable[CopyRequest], survey: Survey) -> tuple[Gap, ...]:
    """Return a gap for each request that needs something that failed, in the order of ``requests``."""
    if not outcome.failures:
        return ()
    failed: dict[tuple[Repository, str], Failure] = {}
    for failure in outcome.failures:
        failed[_made_by(failure.step)] = failure
    gaps = []
    for request in requests:
        root = survey.roots.get(request)
        cause = _first_failure(request, root, failed, survey) if root is not None else None
        if cause is not None:
            missing = f"{request.source.repository}@{_made_by(cause.step)[1]}"
            gaps.append(Gap(request, missing, cause.error.code, cause.error.message))
    return tuple(gaps)


def _made_by(step: Step) -> tuple[Repository, str]:
    match step:
        case CopyBlob() | MountBlob():
            return step.destination, step.blob.digest
        case PutManifest():
            return step.destination, step.manifest.digest
        case PutTag():
            return step.destination, step.tag


def _first_failure(
    request: CopyRequest, root: Digest, failed: dict[tuple[Repository, str], Failure], survey: Survey
) -> Failure | None:
    needed: list[str] = []
    for digest in reachable(root, survey):
        needed += [blob.digest for blob in survey.manifests[digest].blobs]
        needed.append(digest)
    needed += request.tags
    return next((failed[request.destination, name] for name in needed if (request.destination, name) in failed), None)
