"""Find what is attached to images: Sigstore tags (``.sig``, ``.att``) and OCI referrers.

Sources: cosign's tag scheme ``sha256-<hex>.sig``; distribution-spec "Listing Referrers".
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from airferry.content.breaker import Breaker
from airferry.content.errors import DeniedError, NotFoundError
from airferry.content.protocol import TagPeeking
from airferry.errors import AirferryError, MalformedError, UnsupportedError
from airferry.oci import Digest, PlaceKind, Reference, Repository
from airferry.plan import CopyRequest, Gap
from airferry.survey.crew import work_through
from airferry.survey.sources import Findings, OpenSource, survey_sources, walk_down

_NONE = (NotFoundError, DeniedError, UnsupportedError, MalformedError)
"""Answers that mean that nothing is attached; registries give any of them."""

TAG_SUFFIXES = (".sig", ".att")
"""Attachments that travel: signatures and attestations. SBOM tags (``.sbom``) were given up by cosign."""


async def find_attachments(
    requests: Iterable[CopyRequest],
    findings: Findings,
    open_source: OpenSource,
    *,
    workers: int = 16,
    on_asked: Callable[[], None] = lambda: None,
) -> tuple[CopyRequest, ...]:
    """Return requests for everything attached to the images of ``requests``, and read it into ``findings``.

    Asked for each image and, when it is an index, for each of its children; what is found is asked in turn, so
    that an attestation of a signature travels too. Nothing attached is no gap. Not to be told what is attached is one,
    and so is an attachment that was named and cannot be read: no such error is raised, for the images themselves may
    well be had.
    """
    judge, reading = Breaker(go_on=True), Breaker(go_on=True)
    found: dict[tuple[Repository, Repository, str, tuple[str, ...]], CopyRequest] = {}
    asked: set[tuple[Repository, Repository, Digest]] = set()
    known = _KnownTags(open_source)

    async def ask(image: tuple[CopyRequest, Digest]) -> list[tuple[CopyRequest, Digest]]:
        request, digest = image
        source, destination = request.source.repository, request.destination
        if (source, destination, digest) in asked:
            return []
        asked.add((source, destination, digest))
        told = _Told()
        await _ask_about(request, digest, open_source, known, judge, told)
        new = []
        for attachment in told.attached:
            key = (source, destination, str(attachment.source), attachment.tags)
            if found.setdefault(key, attachment) is attachment:
                new.append(attachment)
        if told.failure is not None:
            unknown = _attachment(request, digest, Reference(source, None, digest), (), "attachments of")
            findings.gaps.append(Gap(unknown, f"{source}@{digest}", told.failure.code, told.failure.message))
        if new:
            await survey_sources(new, open_source, workers=2, known=findings, breaker=reading)
        on_asked()
        return [(attachment, findings.roots[attachment]) for attachment in new if attachment in findings.roots]

    images = [
        (request, digest)
        for request in requests
        if request in findings.roots
        for digest in (manifest.digest for manifest in walk_down(findings.roots[request], findings.manifests))
    ]
    await work_through(images, ask, workers=workers)
    return tuple(request for key, request in sorted(found.items()) if request in findings.roots)


class _KnownTags:
    """All tags of repositories with few of them, so that absent attachments cost no request each."""

    def __init__(self, open_source: OpenSource) -> None:
        self._open_source = open_source
        self._found: dict[Repository, asyncio.Task[frozenset[str] | None]] = {}

    async def may_have(self, repository: Repository, tag: str) -> bool:
        """Whether asking for ``tag`` is worth a request."""
        if repository not in self._found:
            self._found[repository] = asyncio.create_task(self._look(repository))
        tags = await self._found[repository]
        return tags is None or tag in tags

    async def _look(self, repository: Repository) -> frozenset[str] | None:
        source = self._open_source(repository.place)
        try:
            if isinstance(source, TagPeeking):
                return await source.peek_tags(repository.path)
            if repository.place.kind is not PlaceKind.REGISTRY:
                return frozenset(await source.list_tags(repository.path))
        except NotFoundError:
            return frozenset()
        return None


@dataclass(slots=True)
class _Told:
    """What is attached to one image, and why that may not be all."""

    attached: list[CopyRequest] = field(default_factory=list)
    failure: AirferryError | None = None


async def _ask_about(
    request: CopyRequest, digest: Digest, open_source: OpenSource, known: _KnownTags, judge: Breaker, told: _Told
) -> None:
    repository = request.source.repository
    source = open_source(repository.place)
    tags = [(f"{digest.algorithm}-{digest.hex}{suffix}", suffix[1:]) for suffix in TAG_SUFFIXES]

    async def tagged(tag: str, word: str) -> None:
        if await known.may_have(repository, tag):
            # Resolved now, so that what is planned is what was seen even if the tag moves meanwhile.
            target = Reference(repository, None, await source.resolve_tag(repository.path, tag))
            told.attached.append(_attachment(request, digest, target, (tag,), f"{word} of"))

    async def referrers() -> None:
        known_already = {attachment.source.digest for attachment in told.attached}
        for referrer in await source.list_referrers(repository.path, digest):
            if referrer.digest not in known_already:
                target = Reference(repository, None, referrer.digest)
                told.attached.append(_attachment(request, digest, target, (), "referrer of"))

    questions: list[Callable[[], Awaitable[None]]] = [partial(tagged, tag, word) for tag, word in tags]
    for question in (*questions, referrers):
        lost = judge.lost(repository, repository.place)
        if lost is not None:
            told.failure = told.failure or lost
            return
        attempt = judge.begin(repository, repository.place)
        try:
            await question()
        except _NONE:
            pass
        except AirferryError as error:
            attempt.failed(error)
            told.failure = told.failure or error
            continue
        attempt.worked()


def _attachment(
    request: CopyRequest, attached_to: Digest, source: Reference, tags: tuple[str, ...], word: str
) -> CopyRequest:
    return CopyRequest(source, request.destination, tags, f"{word} {request.name}", attached_to)
