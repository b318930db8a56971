"""Lists that a registry keeps: tags page by page, and what refers to a manifest.

Sources: distribution-spec "Listing Tags", "Listing Referrers" and "Pushing Manifests with Subject".
"""

import asyncio
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from airferry.content.errors import DeniedError, NotFoundError, RegistryFailedError, UnauthorizedError
from airferry.content.http.addresses import absolute
from airferry.content.http.authorizer import pull_scope
from airferry.content.http.refusals import Doing
from airferry.content.http.session import Call, RegistrySession
from airferry.errors import AirferryError
from airferry.oci import Descriptor, Digest, Manifest
from airferry.oci.mediatype import OCI_INDEX
from airferry.oci.wire import parse_next_link

_PAGE: Final = 1000
_MAX_PAGES: Final = 10_000
_MAX_PAGE_BYTES: Final = 64 * 1024 * 1024
_NO_REFERRERS: Final = frozenset({400, 404, 405, 406, 501})


def fallback_tag(subject: Digest) -> str:
    """Return the tag that holds the list of referrers where a registry keeps none (distribution-spec)."""
    return f"{subject.algorithm}-{subject.hex}"[:128]


async def list_tags(session: RegistrySession, path: str) -> tuple[str, ...]:
    """Return all tags, sorted. A full page without a Link is followed by asking for what comes after its last."""
    doing = Doing(session.host, path, "list", "tags")
    return await _list_names(session, f"/v2/{path}/tags/list?n={_PAGE}", "tags", doing, pull_scope(path))


async def list_repositories(session: RegistrySession) -> tuple[str, ...]:
    """Return the names of all repositories, sorted, through all pages; those that these credentials may see.

    Source: distribution's API, "Listing Repositories". Many hosted registries refuse it: DeniedError, NotFoundError, …
    """
    doing = Doing(session.host, "", "list its repositories", "")
    return await _list_names(session, f"/v2/_catalog?n={_PAGE}", "repositories", doing, "registry:catalog:*")


async def _list_names(session: RegistrySession, first: str, field: str, doing: Doing, scope: str) -> tuple[str, ...]:
    names: set[str] = set()
    target: str | None = first
    for _ in range(_MAX_PAGES):
        if target is None:
            return tuple(sorted(names))
        answer = await session.answer(Call("GET", target, doing, (scope,)), _MAX_PAGE_BYTES)
        fields = _json(answer.body, doing)
        link = parse_next_link(answer.headers.get("Link", ""))
        page = fields.get(field) if isinstance(fields, dict) else None
        if page is not None and not (isinstance(page, list) and all(isinstance(name, str) for name in page)):
            raise RegistryFailedError(f"{session.host} answered to {doing} with what is no list of {field}")
        fresh = [name for name in page or () if name not in names]
        names.update(fresh)
        if link is not None:
            target = _next_page(session, link, doing) if fresh else None
        elif fresh and page is not None and len(page) == _PAGE:
            target = f"{first}&last={quote(page[-1])}"
        else:
            target = None
    raise RegistryFailedError(f"{session.host} never ends when asked to {doing}")


async def peek_tags(session: RegistrySession, path: str) -> frozenset[str] | None:
    """Return all tags if they fit on one page; None when they do not, or when the registry does not tell."""
    doing = Doing(session.host, path, "list", "tags")
    call = Call("GET", f"/v2/{path}/tags/list?n={_PAGE}", doing, (pull_scope(path),))
    try:
        answer = await session.answer(call, _MAX_PAGE_BYTES)
        fields = _json(answer.body, doing)
    except NotFoundError:
        return frozenset()
    except (DeniedError, UnauthorizedError, RegistryFailedError):
        return None
    page = fields.get("tags") if isinstance(fields, dict) else None
    if page is None:
        return frozenset()
    is_list = isinstance(page, list) and all(isinstance(tag, str) for tag in page)
    if not is_list or len(page) >= _PAGE or parse_next_link(answer.headers.get("Link", "")) is not None:
        return None
    return frozenset(page)


async def list_referrers(session: RegistrySession, path: str, subject: Digest) -> tuple[Descriptor, ...] | None:
    """Return what the referrers endpoint lists, through all pages; None where there is no such endpoint."""
    found: dict[Digest, Descriptor] = {}
    target: str | None = f"/v2/{path}/referrers/{subject}"
    for _ in range(_MAX_PAGES):
        if target is None:
            return tuple(found.values())
        doing = Doing(session.host, path, "list", f"referrers of {subject}")
        call = Call("GET", target, doing, (pull_scope(path),), frozenset({200}) | _NO_REFERRERS, {"Accept": OCI_INDEX})
        answer = await session.answer(call, _MAX_PAGE_BYTES)
        if answer.status != 200:
            return None
        link = parse_next_link(answer.headers.get("Link", ""))
        try:
            page = Manifest.parse(answer.body, OCI_INDEX).children
        except AirferryError:
            return None  # a web page for people, from a server that answers 200 to everything
        fresh = [item for item in page if item.digest not in found]
        found.update((item.digest, item) for item in fresh)
        target = _next_page(session, link, doing) if link is not None and fresh else None
    raise RegistryFailedError(f"{session.host} never ends its list of referrers of {subject}")


def with_referrer(index: Manifest | None, referrer: Manifest) -> Manifest | None:
    """Return the fallback index with ``referrer`` in it, None when it is there already."""
    fields: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    if index is not None and index.is_index:
        if any(child.digest == referrer.digest for child in index.children):
            return None
        fields = msgspec.json.decode(index.raw)
    entry: dict[str, Any] = {
        "mediaType": referrer.media_type,
        "digest": str(referrer.digest),
        "size": referrer.size_bytes,
    }
    artifact_type = referrer.artifact_type or (referrer.config.media_type if referrer.config else None)
    if artifact_type:
        entry["artifactType"] = artifact_type
    if referrer.annotations:
        entry["annotations"] = dict(referrer.annotations)
    fields["manifests"] = [*fields["manifests"], entry]
    return Manifest.parse(msgspec.json.encode(fields), OCI_INDEX)


class SubjectLocks:
    """One lock per fallback tag: two referrers of one subject must not overwrite each other's entry."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, Digest], asyncio.Lock] = {}

    def __call__(self, path: str, subject: Digest) -> asyncio.Lock:
        """Return the lock for ``subject`` in ``path``."""
        return self._locks.setdefault((path, subject), asyncio.Lock())


def _next_page(session: RegistrySession, link: str, doing: Doing) -> str:
    """The next page is on the same registry, whatever host the link names; so credentials stay there."""
    own = urlsplit(session.base)
    return urlsplit(absolute(link, session.base, doing))._replace(scheme=own.scheme, netloc=own.netloc).geturl()


def _json(body: bytes, doing: Doing) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RegistryFailedError(f"{doing.registry} answered to {doing} with what is not JSON") from error
