"""Read the manifests of what is asked for, down to the last child, each once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from airferry.content.breaker import Breaker
from airferry.content.protocol import ContentSource
from airferry.errors import AirferryError, UsageError
from airferry.oci import Descriptor, Digest, Manifest, Place, Repository
from airferry.oci.digest import is_digest
from airferry.plan import CopyRequest, Gap
from airferry.survey.crew import work_through

OpenSource = Callable[[Place], ContentSource]


@dataclass(slots=True)
class Findings:
    """What the sources hold. ``roots`` lacks the requests that are in ``gaps``."""

    roots: dict[CopyRequest, Digest] = field(default_factory=dict)
    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Errand:
    """One manifest to read: ``target`` is its digest or a tag."""

    repository: Repository
    target: str

    def __str__(self) -> str:
        return f"{self.repository}{'@' if is_digest(self.target) else ':'}{self.target}"


async def survey_sources(
    requests: Iterable[CopyRequest],
    open_source: OpenSource,
    *,
    workers: int = 16,
    on_read: Callable[[Manifest], None] = lambda manifest: None,
    known: Findings | None = None,
    want_child: Callable[[Descriptor], bool] = lambda child: True,
    breaker: Breaker | None = None,
) -> Findings:
    """Read every request's manifest and all below it. ``known`` (from an earlier call) is extended, not read again.

    A missing or broken manifest becomes a gap of each request that needs it, and the rest goes on. Children of lists
    that ``want_child`` declines are not read, and not missed. Errors that would hit every image alike are raised,
    unless ``breaker`` goes on past them.
    """
    findings = known if known is not None else Findings()
    judge = breaker if breaker is not None else Breaker()
    errands = {request: _Errand(request.source.repository, _target(request)) for request in requests}
    asked = set(errands.values())
    digests: dict[_Errand, Digest] = {}
    failures: dict[_Errand, AirferryError] = {}

    async def read(errand: _Errand) -> list[_Errand]:
        repository = errand.repository
        lost = judge.lost(repository, repository.place)
        if lost is not None:
            failures[errand] = lost
            return []
        attempt = judge.begin(repository, repository.place)
        try:
            manifest = await _read_once(errand, open_source, findings)
        except AirferryError as error:
            attempt.failed(error)
            failures[errand] = error
            return []
        attempt.worked()
        on_read(manifest)
        digests[errand] = manifest.digest
        wanted = (child for child in manifest.children if want_child(child))
        below = dict.fromkeys(_Errand(errand.repository, child.digest) for child in wanted)
        more = [child for child in below if child not in asked]
        asked.update(more)
        return more

    await work_through(list(dict.fromkeys(errands.values())), read, workers=workers)
    for request, errand in errands.items():
        missing = _first_missing(errand, digests, failures, findings)
        if missing is None:
            findings.roots[request] = digests[errand]
            continue
        error = failures[missing]
        findings.gaps.append(Gap(request, str(missing), error.code, error.message))
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


def _first_missing(
    root: _Errand, digests: Mapping[_Errand, Digest], failures: Mapping[_Errand, AirferryError], findings: Findings
) -> _Errand | None:
    """Return the first manifest at or below ``root`` that could not be read, None when the image is whole."""
    if root not in digests:
        return root
    for manifest in walk_down(digests[root], findings.manifests):
        for child in manifest.children:
            errand = _Errand(root.repository, child.digest)
            if child.digest not in findings.manifests and errand in failures:
                return errand
    return None


def walk_down(root: Digest, manifests: Mapping[Digest, Manifest]) -> Iterator[Manifest]:
    """Yield the manifest ``root`` and every known one below it, each once, parents before children."""
    seen: set[Digest] = set()
    stack = [root]
    while stack:
        digest = stack.pop()
        manifest = manifests.get(digest)
        if manifest is None or digest in seen:
            continue
        seen.add(digest)
        yield manifest
        stack.extend(child.digest for child in reversed(manifest.children))


def _target(request: CopyRequest) -> str:
    if request.source.digest is not None:
        return request.source.digest
    if request.source.tag is None:
        raise UsageError(f"{request.source} names a whole repository where one image is needed")
    return request.source.tag
