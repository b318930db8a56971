"""Ask the destinations what they already hold, so that nothing crosses twice."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from airferry.content.breaker import Breaker
from airferry.content.protocol import ContentSink
from airferry.errors import AirferryError
from airferry.oci import Descriptor, Digest, Place, Repository
from airferry.plan import CopyRequest
from airferry.plan.model import Survey
from airferry.survey.crew import work_through
from airferry.survey.sources import Findings, walk_down

OpenSink = Callable[[Place], ContentSink]


@dataclass(slots=True)
class Holdings:
    """What destinations hold of what is wanted: manifests and blobs by repository, and where tags point.

    ``lost`` names the repositories that a breaker went on past, and why: there is no use in copying to them.
    """

    present: dict[Repository, set[Digest]] = field(default_factory=dict)
    tags: dict[tuple[Repository, str], Digest] = field(default_factory=dict)
    lost: dict[Repository, AirferryError] = field(default_factory=dict)


async def survey_destinations(
    requests: Iterable[CopyRequest],
    findings: Findings,
    open_sink: OpenSink,
    *,
    workers: int = 16,
    on_asked: Callable[[], None] = lambda: None,
    tags_only: bool = False,
    breaker: Breaker | None = None,
) -> Holdings:
    """Ask each destination for every manifest, blob and tag of the requests, each once.

    A blob is asked for even where its manifest is there: a registry that lost a layer keeps the manifest, and a
    node that gets the manifest fails on the layer. ``tags_only`` asks for nothing but the tags, one question each.

    A question that is refused counts as answered with no: what is then copied in vain is named as a gap. Errors that
    would hit every question alike are raised, unless ``breaker`` goes on past them.
    """
    questions = _questions(requests, findings)
    if tags_only:
        questions = [question for question in questions if question.tag is not None]
    inquiry = _Inquiry(open_sink, breaker or Breaker())

    async def ask(question: _Question) -> tuple[_Question, ...]:
        await inquiry.ask(question)
        on_asked()
        return ()

    await work_through(questions, ask, workers=workers)
    return inquiry.holdings(questions)


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

    @property
    def contents(self) -> tuple[Digest, ...]:
        """What it asks for by digest; nothing for a tag."""
        if self.blob is not None:
            return (self.blob.digest,)
        return () if self.manifest is None else (self.manifest,)


class _Inquiry:
    """Puts questions to destinations and keeps the answers."""

    def __init__(self, open_sink: OpenSink, breaker: Breaker) -> None:
        self._open_sink = open_sink
        self._breaker = breaker
        self._present: dict[Repository, set[Digest]] = {}
        self._lacking: set[tuple[Repository, Digest]] = set()
        self._tags: dict[tuple[Repository, str], Digest] = {}

    async def ask(self, question: _Question) -> None:
        repository = question.repository
        if self._breaker.lost(repository, repository.place) is not None:
            return
        attempt = self._breaker.begin(repository, repository.place)
        try:
            is_there = await self._answer(question, self._open_sink(repository.place))
        except AirferryError as error:
            attempt.failed(error)
            is_there = False
        else:
            attempt.worked()
        for digest in question.contents:
            self._note(repository, digest, is_there=is_there)

    async def _answer(self, question: _Question, sink: ContentSink) -> bool:
        path = question.repository.path
        if question.tag is not None:
            digest = await sink.tag_digest(path, question.tag)
            if digest is not None:
                self._tags[question.repository, question.tag] = digest
            return digest is not None
        if question.blob is not None:
            return await sink.has_blob(path, question.blob)
        return question.manifest is not None and await sink.has_manifest(path, question.manifest)

    def _note(self, repository: Repository, digest: Digest, *, is_there: bool) -> None:
        """Bytes that are wanted both as a blob and as a manifest are there only when both answers say so."""
        held = self._present.setdefault(repository, set())
        if is_there and (repository, digest) not in self._lacking:
            held.add(digest)
        elif not is_there:
            self._lacking.add((repository, digest))
            held.discard(digest)

    def holdings(self, questions: Iterable[_Question]) -> Holdings:
        lost = {
            repository: error
            for repository in dict.fromkeys(question.repository for question in questions)
            if (error := self._breaker.lost(repository, repository.place)) is not None
        }
        return Holdings({repository: held for repository, held in self._present.items() if held}, self._tags, lost)


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
