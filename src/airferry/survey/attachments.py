"""Find what is attached to images: Sigstore tags (``.sig``, ``.att``) and OCI referrers.

Sources: cosign's tag scheme ``sha256-<hex>.sig``; distribution-spec "Listing Referrers".
"""

import asyncio
from collections.abc import Callable, Iterable

from airferry.content.breaker import Breaker
from airferry.content.errors import NotFoundError
from airferry.content.protocol import TagPeeking
from airferry.errors import AirferryError
from airferry.oci import Digest, PlaceKind, Reference, Repository
from airferry.plan import CopyRequest, Gap
from airferry.survey.crew import work_through
from airferry.survey.sources import NOT_THERE, Findings, OpenSource, survey_sources, walk_down

TAG_SUFFIXES = (".sig", ".att")
"""Attachments that travel: signatures and attestations. SBOM tags (``.sbom``) were given up by cosign."""


async def find_attachments(
    requests: Iterable[CopyRequest],
    findings: Findings,
    open_source: OpenSource,
    *,
    workers: int = 16,
    on_asked: Callable[[], None] = lambda: None,
    breaker: Breaker | None = None,
) -> tuple[CopyRequest, ...]:
    """Return requests for everything attached to the images of ``requests``, and read it into ``findings``.

    Asked for each image and, when it is an index, for each of its children; what is found is asked in turn, so
    that an attestation of a signature travels too. Nothing attached is no gap; not to be told what is attached is one.
    Errors that would hit every image alike are raised, unless ``breaker`` goes on past them.
    """
    judge = breaker if breaker is not None else Breaker()
    found: dict[tuple[Repository, Repository, str, tuple[str, ...]], CopyRequest] = {}
    asked: set[tuple[Repository, Repository, Digest]] = set()
    known = _KnownTags(open_source)

    async def ask(image: tuple[CopyRequest, Digest]) -> list[tuple[CopyRequest, Digest]]:
        request, digest = image
        source, destination = request.source.repository, request.destination
        if (source, destination, digest) in asked:
            return []
        asked.add((source, destination, digest))
        new = []
        try:
            attached = await _attached_to(request, digest, open_source, known)
        except AirferryError as error:
            judge.failed(error, source, source.place)
            unknown = _attachment(request, digest, Reference(source, None, digest), (), "attachments of")
            findings.gaps.append(Gap(unknown, f"{source}@{digest}", error.code, error.message))
            on_asked()
            return []
        judge.worked(source.place)
        for attachment in attached:
            key = (source, destination, str(attachment.source), attachment.tags)
            if found.setdefault(key, attachment) is attachment:
                new.append(attachment)
        if new:
            await survey_sources(new, open_source, workers=2, known=findings, breaker=judge)
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


async def _attached_to(
    request: CopyRequest, digest: Digest, open_source: OpenSource, known: _KnownTags
) -> list[CopyRequest]:
    repository = request.source.repository
    source = open_source(repository.place)
    attached = []
    for suffix in TAG_SUFFIXES:
        tag = f"{digest.algorithm}-{digest.hex}{suffix}"
        if not await known.may_have(repository, tag):
            continue
        try:
            # Resolved now, so that what is planned is what was seen even if the tag moves meanwhile.
            target = await source.resolve_tag(repository.path, tag)
        except NOT_THERE:
            continue
        found = Reference(repository, None, target)
        attached.append(_attachment(request, digest, found, (tag,), f"{suffix[1:]} of"))
    try:
        referrers = await source.list_referrers(repository.path, digest)
    except NOT_THERE:
        referrers = ()
    tagged = {attachment.source.digest for attachment in attached}
    for referrer in referrers:
        if referrer.digest in tagged:
            continue
        found = Reference(repository, None, referrer.digest)
        attached.append(_attachment(request, digest, found, (), "referrer of"))
    return attached


def _attachment(
    request: CopyRequest, attached_to: Digest, source: Reference, tags: tuple[str, ...], word: str
) -> CopyRequest:
    return CopyRequest(source, request.destination, tags, f"{word} {request.name}", attached_to)
