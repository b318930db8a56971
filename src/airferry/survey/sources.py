"""Read the manifests of what is asked for, down to the last child, each once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from airferry.content.errors import DamagedError, DeniedError, NotFoundError
from airferry.content.protocol import ContentSource
from airferry.errors import AirferryError, MalformedError, UnsupportedError
from airferry.oci import ContentMismatchError, Descriptor, Digest, Manifest, Place, Repository
from airferry.plan import CopyRequest, Gap
from airferry.survey.crew import work_through

MISSING = (NotFoundError, DeniedError, ContentMismatchError, DamagedError, MalformedError, UnsupportedError)
"""Errors that concern one image. Any other (no network, no credentials, …) would hit every image alike."""

OpenSource = Callable[[Place], ContentSource]


@dataclass(slots=True)
class Findings:
    """What the sources hold. ``roots`` lacks the requests that are in ``gaps``; optional ones are simply absent."""

    roots: dict[CopyRequest, Digest] = field(default_factory=dict)
    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Errand:
    repository: Repository
    target: str
    requests: tuple[CopyRequest, ...]
    is_root: bool


async def survey_sources(
    requests: Iterable[CopyRequest],
    open_source: OpenSource,
    *,
    workers: int = 16,
    on_read: Callable[[Manifest], None] = lambda manifest: None,
    known: Findings | None = None,
    want_child: Callable[[Descriptor], bool] = lambda child: True,
) -> Findings:
    """Read every request's manifest and all below it. ``known`` (from an earlier call) is extended, not read again.

    A missing or broken manifest becomes a gap of each request that needs it, and the rest goes on; a missing
    manifest of an optional request is no gap. Children of lists that ``want_child`` declines are not read.
    Errors that would hit every image alike are raised.
    """
    findings = known if known is not None else Findings()
    errands: dict[tuple[Repository, str], list[CopyRequest]] = {}
    for request in requests:
        errands.setdefault((request.source.repository, _target(request)), []).append(request)
    broken: set[CopyRequest] = set()

    async def read(errand: _Errand) -> Sequence[_Errand]:
        try:
            manifest = await _read_once(errand, open_source, findings)
        except MISSING as error:
            for request in errand.requests:
                if request not in broken and not request.optional:
                    broken.add(request)
                    findings.gaps.append(
                        Gap(request, f"{errand.repository}@{errand.target}", error.code, error.message)
                    )
                broken.add(request)
            return ()
        on_read(manifest)
        if errand.is_root:
            findings.roots |= dict.fromkeys(errand.requests, manifest.digest)
        return [
            _Errand(errand.repository, child.digest, errand.requests, False)
            for child in manifest.children
            if want_child(child)
        ]

    first = [_Errand(repository, target, tuple(found), True) for (repository, target), found in errands.items()]
    await work_through(first, read, workers=workers)
    for request in broken:
        findings.roots.pop(request, None)
    findings.gaps.sort(key=lambda gap: (gap.request.name, str(gap.request.source), gap.missing))
    return findings


async def _read_once(errand: _Errand, open_source: OpenSource, findings: Findings) -> Manifest:
    held = findings.manifests.get(Digest(errand.target))
    if held is not None:
        return held
    source = open_source(errand.repository.place)
    manifest = await source.read_manifest(errand.repository.path, errand.target)
    findings.manifests[manifest.digest] = manifest
    return manifest


def _target(request: CopyRequest) -> str:
    if request.source.digest is not None:
        return request.source.digest
    if request.source.tag is None:
        raise AirferryError(f"{request.source} names a whole repository where one image is needed")
    return request.source.tag
