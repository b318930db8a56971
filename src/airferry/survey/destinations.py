"""Ask the destinations what they already hold, so that nothing crosses twice."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from airferry.content.protocol import ContentSink
from airferry.oci import Descriptor, Digest, Place, Repository
from airferry.plan import CopyRequest
from airferry.plan.model import Survey
from airferry.plan.planner import reachable
from airferry.survey.crew import work_through
from airferry.survey.sources import Findings

OpenSink = Callable[[Place], ContentSink]


@dataclass(slots=True)
class Holdings:
    """What destinations hold of what is wanted: manifests and blobs by repository, and where tags point."""

    present: dict[Repository, set[Digest]] = field(default_factory=dict)
    tags: dict[tuple[Repository, str], Digest] = field(default_factory=dict)


async def survey_destinations(
    requests: Iterable[CopyRequest],
    findings: Findings,
    open_sink: OpenSink,
    *,
    workers: int = 16,
    on_asked: Callable[[], None] = lambda: None,
    tags_only: bool = False,
) -> Holdings:
    """Ask each destination for every manifest, blob and tag of the requests, each once.

    A blob is asked for even where its manifest is there: a registry that lost a layer keeps the manifest, and a
    node that gets the manifest fails on the layer. ``tags_only`` asks for nothing but the tags, one question each.
    """
    holdings = Holdings()
    questions = _questions(requests, findings)
    if tags_only:
        questions = [question for question in questions if question.tag is not None]

    async def ask(question: _Question) -> tuple[_Question, ...]:
        repository = question.repository
        sink = open_sink(repository.place)
        if question.tag is not None:
            digest = await sink.tag_digest(repository.path, question.tag)
            if digest is not None:
                holdings.tags[repository, question.tag] = digest
        elif question.blob is not None:
            if await sink.has_blob(repository.path, question.blob):
                holdings.present.setdefault(repository, set()).add(question.blob.digest)
        elif question.manifest is not None and await sink.has_manifest(repository.path, question.manifest):
            holdings.present.setdefault(repository, set()).add(question.manifest)
        on_asked()
        return ()

    await work_through(questions, ask, workers=workers)
    return holdings


def as_survey(findings: Findings, holdings: Holdings) -> Survey:
    """Put both halves together for the planner."""
    present: Mapping[Repository, set[Digest]] = holdings.present
    return Survey(findings.roots, findings.manifests, present, holdings.tags)


@dataclass(frozen=True, slots=True)
class _Question:
    repository: Repository
    manifest: Digest | None = None
    blob: Descriptor | None = None
    tag: str | None = None


def _questions(requests: Iterable[CopyRequest], findings: Findings) -> list[_Question]:
    survey = Survey(findings.roots, findings.manifests)
    questions: dict[tuple[Repository, str], _Question] = {}
    for request in requests:
        root = findings.roots.get(request)
        if root is None:
            continue
        repository = request.destination
        for tag in request.tags:
            questions.setdefault((repository, tag), _Question(repository, tag=tag))
        # The root is asked for even when its manifest was not read (a record of an earlier run names it).
        questions.setdefault((repository, root), _Question(repository, manifest=root))
        for digest in reachable(root, survey):
            questions.setdefault((repository, digest), _Question(repository, manifest=digest))
            for blob in findings.manifests[digest].blobs:
                questions.setdefault((repository, blob.digest), _Question(repository, blob=blob))
    return list(questions.values())
