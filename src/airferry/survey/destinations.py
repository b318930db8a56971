"""Ask the destinations what they already hold, so that nothing crosses twice."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from airferry.content.protocol import ContentSink
from airferry.oci import Descriptor, Digest, Place, Repository
from airferry.plan import CopyRequest
from airferry.plan.model import Survey
from airferry.survey.crew import work_through
from airferry.survey.sources import Findings, walk_down

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
    lacking: set[tuple[Repository, Digest]] = set()
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
            note(repository, question.blob.digest, await sink.has_blob(repository.path, question.blob))
        elif question.manifest is not None:
            note(repository, question.manifest, await sink.has_manifest(repository.path, question.manifest))
        on_asked()
        return ()

    def note(repository: Repository, digest: Digest, is_there: bool) -> None:
        """Bytes that are wanted both as a blob and as a manifest are there only when both answers say so."""
        held = holdings.present.setdefault(repository, set())
        if is_there and (repository, digest) not in lacking:
            held.add(digest)
        elif not is_there:
            lacking.add((repository, digest))
            held.discard(digest)

    await work_through(questions, ask, workers=workers)
    holdings.present = {repository: held for repository, held in holdings.present.items() if held}
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
    questions: dict[_Question, None] = {}
    for request in requests:
        root = findings.roots.get(request)
        if root is None:
            continue
        repository = request.destination
        questions |= {_Question(repository, tag=tag): None for tag in request.tags}
        # The root is asked for even when its manifest was not read (a record of an earlier run names it).
        questions[_Question(repository, manifest=root)] = None
        for manifest in walk_down(root, findings.manifests):
            questions[_Question(repository, manifest=manifest.digest)] = None
            questions |= {_Question(repository, blob=blob): None for blob in _by_content(manifest.blobs)}
    return list(questions)


def _by_content(blobs: Iterable[Descriptor]) -> Iterable[Descriptor]:
    """Strip what differs between pointers to the same content, so that it is asked for once."""
    return (Descriptor("", blob.digest, blob.size_bytes) for blob in blobs)
