"""What came of carrying out a plan, and which requests have gaps because of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, assert_never

from airferry.errors import AirferryError
from airferry.oci import Digest, Repository
from airferry.plan import CopyBlob, CopyRequest, Gap, MountBlob, Plan, PutManifest, PutTag, Step, Survey
from airferry.plan.planner import reachable


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that could not be done, and why."""

    step: Step
    error: AirferryError


@dataclass(slots=True)
class Outcome:
    """What was done. ``failures`` has steps that failed themselves; ``skipped`` counts those that waited for them.

    ``undone`` gives, for the position in the plan of each step of both kinds, the failure that is to blame.
    """

    done: int = 0
    skipped: int = 0
    moved_bytes: int = 0
    copied_blobs: int = 0
    mounted_blobs: int = 0
    failures: list[Failure] = field(default_factory=list)
    undone: dict[int, Failure] = field(default_factory=dict)


def gaps_of(outcome: Outcome, plan: Plan, requests: Iterable[CopyRequest], survey: Survey) -> tuple[Gap, ...]:
    """Return a gap for each request that needs something left undone, in the order of ``requests``."""
    if not outcome.undone:
        return ()
    undone = {_made_by(plan.steps[index]): failure for index, failure in outcome.undone.items()}
    gaps = []
    for request in requests:
        root = survey.roots.get(request)
        cause = _first_failure(request, root, undone, survey) if root is not None else None
        if cause is not None:
            gaps.append(Gap(request, _what_is_missing(cause.step, request), cause.error))
    return tuple(gaps)


_Made = tuple[Repository, Literal["blob", "manifest", "tag"], str]
"""What a step brings about: a content or a name in a repository."""


def _made_by(step: Step) -> _Made:
    match step:
        case CopyBlob() | MountBlob():
            return step.destination, "blob", step.blob.digest
        case PutManifest():
            return step.destination, "manifest", step.manifest.digest
        case PutTag():
            return step.destination, "tag", step.tag
        case _:
            assert_never(step)


def _what_is_missing(step: Step, request: CopyRequest) -> str:
    match step:
        case CopyBlob() | MountBlob():
            return f"{step.source}@{step.blob.digest}"
        case PutManifest():
            return f"{request.source.repository}@{step.manifest.digest}"
        case PutTag():
            return f"{step.destination}:{step.tag}"
        case _:
            assert_never(step)


def _first_failure(
    request: CopyRequest, root: Digest, undone: Mapping[_Made, Failure], survey: Survey
) -> Failure | None:
    """Return the failure of the first thing that the request's image, its manifests or its tags miss."""
    destination = request.destination
    needed: list[_Made] = []
    for digest in reachable(root, survey):
        needed += [(destination, "blob", blob.digest) for blob in survey.manifests[digest].blobs]
        needed.append((destination, "manifest", digest))
    needed += [(destination, "tag", tag) for tag in request.tags]
    return next((undone[made] for made in needed if made in undone), None)
