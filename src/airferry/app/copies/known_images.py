"""Images that an earlier run left complete at their destination: believed, checked by one question each, remembered.

A registry is believed for a day (docs/adr/0006). A disk is carried about, copied and cleaned up by people, and to look
at its names is cheap; so what is missing or too short there is noticed by the next run, without `--refresh`.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from airferry.app.places import Places
from airferry.content.breaker import Breaker
from airferry.oci import Digest, Place, PlaceKind, Reference, Repository
from airferry.plan import CopyRequest, Gap
from airferry.survey import Findings, Holdings, survey_destinations, survey_sources
from airferry.survey.sources import walk_down


def believed(requests: Iterable[CopyRequest], places: Places) -> dict[CopyRequest, Digest]:
    """Return the requests by digest whose image was seen complete at its destination not long ago."""
    now = time.time()
    return {
        request: request.source.digest
        for request in requests
        if request.source.digest is not None
        and places.held(request.destination.place).seen(request.destination, request.source.digest, now=now)
    }


async def still_there(
    remembered: Mapping[CopyRequest, Digest], places: Places, breaker: Breaker, on_asked: Callable[[], None]
) -> dict[CopyRequest, Digest]:
    """Return those of ``remembered`` that the destination still has; the others are forgotten.

    A registry is asked for each image's tag, or for its manifest where it has no tag.
    """
    found = Findings(roots=dict(remembered))
    tagged = [request for request in remembered if request.tags]
    untagged = [request for request in remembered if not request.tags]
    answers = await survey_destinations(tagged, found, places.sink, on_asked=on_asked, tags_only=True, breaker=breaker)
    more = await survey_destinations(untagged, found, places.sink, on_asked=on_asked, breaker=breaker)
    lost = await _lost_on_disk(remembered, places)
    held = {}
    for request, digest in remembered.items():
        tags_right = all(answers.tags.get((request.destination, tag)) == digest for tag in request.tags)
        is_there = tags_right if request.tags else digest in more.present.get(request.destination, ())
        if is_there and request not in lost:
            held[request] = digest
        else:
            places.held(request.destination.place).forget(request.destination, digest)
    return held


def remember(requests: Sequence[CopyRequest], findings: Findings, gaps: Iterable[Gap], places: Places) -> None:
    """Note what is complete. An image whose attachment did not arrive is asked for again next time."""
    now = time.time()
    incomplete = {gap.request for gap in gaps}
    holed = _with_holes(requests, incomplete, findings)
    attached = _attachments(requests, findings)
    noted: set[Place] = set()
    for request in requests:
        if request in findings.roots and request not in holed and not request.optional:
            record = places.held(request.destination.place)
            record.note(request.destination, findings.roots[request], now=now, attached=attached(request))
            noted.add(request.destination.place)
    for place in noted:
        places.held(place).save(now=now)


def _with_holes(
    requests: Sequence[CopyRequest], incomplete: Iterable[CopyRequest], findings: Findings
) -> set[CopyRequest]:
    """Return the incomplete requests and all that those are attached to, directly or through other attachments."""
    holed = set(incomplete)
    subjects = {(request.destination, request.attached_to) for request in holed}
    grown = True
    while grown:
        grown = False
        for request in requests:
            root = findings.roots.get(request)
            if root is None or request in holed:
                continue
            parts = (manifest.digest for manifest in walk_down(root, findings.manifests))
            if any((request.destination, digest) in subjects for digest in parts):
                holed.add(request)
                subjects.add((request.destination, request.attached_to))
                grown = True
    return holed


def _attachments(
    requests: Sequence[CopyRequest], findings: Findings
) -> Callable[[CopyRequest], dict[Digest, tuple[str, ...]]]:
    """Return a function that gives what is attached to a request's image, to its children or to an attachment."""
    direct: dict[tuple[Repository, Digest], list[CopyRequest]] = {}
    for request in requests:
        if request.attached_to is not None and request in findings.roots:
            direct.setdefault((request.destination, request.attached_to), []).append(request)

    def of(request: CopyRequest) -> dict[Digest, tuple[str, ...]]:
        found: dict[Digest, tuple[str, ...]] = {}
        left = [findings.roots[request]]
        while left:
            for manifest in walk_down(left.pop(), findings.manifests):
                for attachment in direct.get((request.destination, manifest.digest), ()):
                    digest = findings.roots[attachment]
                    if digest not in found:
                        left.append(digest)
                    found[digest] = (*found.get(digest, ()), *attachment.tags)
        return found

    return of


async def _lost_on_disk(held: Mapping[CopyRequest, Digest], places: Places) -> set[CopyRequest]:
    """Return those of ``held`` that are on disk and lack a manifest, a blob or its size, or an attachment or its tag.

    Manifests are hashed, blobs are not: `media verify` does that. Destinations in a registry are never among them.
    """
    now = time.time()
    looks: dict[CopyRequest, CopyRequest] = {}
    for request, digest in held.items():
        into = request.destination
        if into.place.kind is PlaceKind.REGISTRY:
            continue
        looks[_look(into, digest, (), request.name)] = request
        seen = places.held(into.place).seen(into, digest, now=now)
        for attachment, tags in seen.attached.items() if seen is not None else ():
            looks[_look(into, attachment, tags, request.name)] = request
    findings = await survey_sources(looks, places.source)
    holdings = await survey_destinations(looks, findings, places.sink)
    return {request for look, request in looks.items() if not _is_whole(look, findings, holdings)}


def _look(into: Repository, digest: Digest, tags: tuple[str, ...], name: str) -> CopyRequest:
    return CopyRequest(Reference(into, None, digest), into, tags, name)


def _is_whole(look: CopyRequest, findings: Findings, holdings: Holdings) -> bool:
    present = holdings.present.get(look.destination, set())
    root = findings.roots.get(look)
    if root is None or any(holdings.tags.get((look.destination, tag)) != root for tag in look.tags):
        return False
    needed = walk_down(root, findings.manifests)
    return all(
        manifest.digest in present and all(blob.digest in present for blob in manifest.blobs) for manifest in needed
    )
