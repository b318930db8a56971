"""The registry as an aiohttp application: route, admit, answer, refuse, log.

It makes no assumption about where it runs: wrap it in middlewares, mount it behind other ports, give it any
store. Source of the protocol: OCI distribution-spec 1.1, Docker Registry HTTP API v2.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from airferry.errors import AirferryError
from airferry.oci.wire import WireCode
from airferry.registry.access import Access, Everyone, Knock, Verb, Visitor
from airferry.registry.access.door import TOKEN_PATH
from airferry.registry.access.token_endpoint import give_token, knock_of, retry_after
from airferry.registry.access.visible import VisibleStore
from airferry.registry.access.visitors import NotGrantedError
from airferry.registry.answered import NO_ROUTE, PAGE_ROUTE, ROUTES, TOKEN_ROUTE, Answered, Observer
from airferry.registry.audit import AuditLog
from airferry.registry.audited import write_down
from airferry.registry.body import Limits, expect_nothing_yet
from airferry.registry.errors import DeletesDisabledError, NotWritableStoreError, ReadOnlyError
from airferry.registry.handlers import blobs, listings, manifests, uploads
from airferry.registry.handlers.call import IDENTITY, Call, refusal
from airferry.registry.operation.pages import Page, Pages, is_local
from airferry.registry.protocol import ReadableStore
from airferry.registry.refusals import refusal_of
from airferry.registry.routes import (
    BlobAt,
    Catalog,
    Endpoint,
    ManifestAt,
    Ping,
    Referrers,
    TagList,
    UploadAt,
    Uploads,
    parse_endpoint,
    repository_of,
)
from airferry.registry.under_way import UNDER_WAY, UnderWay

logger: Final = logging.getLogger("airferry.registry")

Handler = Callable[[Call, Any], Awaitable[web.StreamResponse]]

_ANSWERS: Final[dict[tuple[type[Endpoint], str], tuple[Verb, Handler]]] = {
    (Ping, "GET"): (Verb.PING, listings.ping),
    (Catalog, "GET"): (Verb.LIST, listings.list_repositories),
    (TagList, "GET"): (Verb.PULL, listings.list_tags),
    (Referrers, "GET"): (Verb.PULL, listings.list_referrers),
    (ManifestAt, "GET"): (Verb.PULL, manifests.get_manifest),
    (ManifestAt, "PUT"): (Verb.PUSH, manifests.put_manifest),
    (ManifestAt, "DELETE"): (Verb.DELETE, manifests.delete_manifest),
    (BlobAt, "GET"): (Verb.PULL, blobs.get_blob),
    (BlobAt, "DELETE"): (Verb.DELETE, blobs.delete_blob),
    (Uploads, "POST"): (Verb.PUSH, uploads.begin),
    (UploadAt, "GET"): (Verb.PUSH, uploads.look),
    (UploadAt, "PATCH"): (Verb.PUSH, uploads.receive),
    (UploadAt, "PUT"): (Verb.PUSH, uploads.finish),
    (UploadAt, "DELETE"): (Verb.PUSH, uploads.cancel),
}
"""The whole API: what each method of each endpoint wants to do, and who answers it. HEAD goes as GET."""

_FORBIDDEN_BY: Final[dict[type[AirferryError], frozenset[Verb]]] = {
    DeletesDisabledError: frozenset({Verb.DELETE}),
    NotWritableStoreError: frozenset({Verb.PUSH, Verb.DELETE}),
    ReadOnlyError: frozenset({Verb.PUSH, Verb.DELETE}),
}
"""What cannot be done at all where one of these was met."""


@dataclass(slots=True)
class _Seen:
    """What is found out about a request while it is answered."""

    route: str = NO_ROUTE
    account: str | None = None


class _Registry:
    """The one handler of the application."""

    def __init__(
        self,
        store: ReadableStore,
        access: Access | None,
        limits: Limits,
        under_way: UnderWay,
        audit: AuditLog | None,
        pages: Pages,
        observers: Sequence[Observer],
    ) -> None:
        self._pages = pages
        self._observers = observers
        self._audit = audit
        self._under_way = under_way
        self._store = store
        self._access = access
        self.limits = limits

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer any request; every refusal has a body of the distribution API."""
        with self._under_way.one():
            answer = await self._answer_and_log(request)
            if self._under_way.is_stopping and not answer.prepared:
                answer.force_close()
            return answer

    async def _answer_and_log(self, request: web.Request) -> web.StreamResponse:
        started_s, seen = time.monotonic(), _Seen()
        try:
            answer = await self._answer(request, seen)
        except ConnectionError:
            self._tell(request, seen, 499, 0, started_s)
            raise
        except Exception:
            logger.exception("request failed", extra={"method": request.method, "path": request.path})
            answer = refusal(500, WireCode.UNKNOWN, "the registry failed; its log says why")
        if not answer.prepared:
            answer.headers.update(IDENTITY)
        self._tell(request, seen, answer.status, _sent_bytes(request, answer), started_s)
        return answer

    def _tell(self, request: web.Request, seen: _Seen, status: int, sent_bytes: int, started_s: float) -> None:
        answered = Answered(
            request.method,
            request.rel_url.raw_path,
            seen.route,
            status,
            seen.account,
            request.remote,
            request.content.total_bytes,
            sent_bytes,
            time.monotonic() - started_s,
        )
        for observer in self._observers:
            observer(answered)
        _log(answered)

    async def _answer(self, request: web.Request, seen: _Seen) -> web.StreamResponse:
        if request.rel_url.raw_path == TOKEN_PATH and self._access is not None:
            seen.route = TOKEN_ROUTE
            return await give_token(request, self._access, self.limits.silence_s)
        page = self._pages.get(request.rel_url.raw_path)
        if page is not None:
            return await self._show(page, request, seen)
        endpoint, trouble = _parse(request)
        method = "GET" if request.method == "HEAD" else request.method
        verb, handler = _ANSWERS.get((type(endpoint), method), (Verb.PULL, None)) if endpoint else (Verb.PING, None)
        seen.route = ROUTES.get(type(endpoint), NO_ROUTE) if endpoint else NO_ROUTE
        knock = knock_of(request, verb, repository_of(endpoint) if endpoint else None)
        account: str | None = None
        answer: web.StreamResponse
        try:
            visitor = await self._access.admit(knock) if self._access is not None else Everyone()
            account = visitor.name
            if trouble is not None:
                raise trouble
            assert endpoint is not None, "there is an endpoint or there is trouble"
            if handler is None:
                answer = _not_possible(request, endpoint)
            else:
                answer = await handler(self._call(request, visitor, verb), endpoint)
        except AirferryError as error:
            account = error.account if isinstance(error, NotGrantedError) else account
            answer = await self._refuse(request, error, endpoint, knock)
        seen.account = account
        if self._audit is not None:
            await write_down(self._audit, knock, endpoint, account, answer)
        return answer

    async def _show(self, page: Page, request: web.Request, seen: _Seen) -> web.StreamResponse:
        seen.route = PAGE_ROUTE
        if request.method not in ("GET", "HEAD"):
            return refusal(405, WireCode.UNSUPPORTED, f"{request.method} is not possible here", {"Allow": "GET, HEAD"})
        knock = knock_of(request, Verb.ADMINISTER, None)
        is_free = not page.is_guarded or self._access is None or (knock.authorization is None and is_local(request))
        try:
            if self._access is not None and not is_free:
                visitor = await self._access.admit(knock)
                seen.account = visitor.name
            return await page.answer(request)
        except AirferryError as error:
            return await self._refuse(request, error, None, knock)

    def _call(self, request: web.Request, visitor: Visitor, verb: Verb) -> Call:
        store = VisibleStore(self._store, visitor) if verb is Verb.LIST and self._access is not None else self._store
        return Call(request, store, visitor, self.limits)

    async def _refuse(
        self, request: web.Request, error: AirferryError, endpoint: Endpoint | None, knock: Knock
    ) -> web.StreamResponse:
        status, code = refusal_of(error, endpoint)
        headers: dict[str, str] = {}
        if status == 429:
            headers["Retry-After"] = retry_after(error)
        if status == 405 and endpoint is not None:
            headers["Allow"] = _allowed(endpoint, _FORBIDDEN_BY.get(type(error), frozenset()))
        if status >= 500:
            logger.error("request failed: %s", error.message, extra={"code": error.code})
        answer = refusal(status, code, error.message, headers)
        if status == 401 and self._access is not None:
            for challenge in await self._access.challenges(knock, error):
                answer.headers.add("WWW-Authenticate", challenge)
        return answer


def _not_possible(request: web.Request, endpoint: Endpoint) -> web.Response:
    return refusal(
        405, WireCode.UNSUPPORTED, f"{request.method} is not possible here", {"Allow": _allowed(endpoint, frozenset())}
    )


def _allowed(endpoint: Endpoint, without: frozenset[Verb]) -> str:
    """Return the methods of an endpoint for the Allow header (RFC 9110 section 10.2.1), but for some verbs."""
    names = [name for (kind, name), (verb, _) in _ANSWERS.items() if kind is type(endpoint) and verb not in without]
    return ", ".join(["HEAD", *names] if "GET" in names else names)


def _parse(request: web.Request) -> tuple[Endpoint | None, AirferryError | None]:
    """Return the endpoint, or why there is none: told only to those who are let in."""
    try:
        return parse_endpoint(request.rel_url.raw_path), None
    except AirferryError as error:
        return None, error


def make_app(
    store: ReadableStore,
    access: Access | None = None,
    *,
    limits: Limits | None = None,
    audit: AuditLog | None = None,
    pages: Pages | None = None,
    observers: Sequence[Observer] = (),
    middlewares: Sequence[Middleware] = (),
) -> web.Application:
    """Return the registry over ``store`` as an application; whoever calls this closes the store.

    Without ``access`` everybody may do everything; without ``audit`` nothing is written down. A store without the
    write half refuses writes with 405. ``pages`` are served beside the API; ``observers`` are told of every request.
    :func:`change_limits` puts other limits in force later.
    Serve it with :func:`airferry.registry.serve_app`, or with an ``aiohttp.web.AppRunner`` made with
    ``auto_decompress=False``, without which compressed bodies change their digest.
    """
    under_way = UnderWay()
    registry = _Registry(store, access, limits or Limits(), under_way, audit, pages or {}, tuple(observers))
    app = web.Application(middlewares=middlewares)
    app[UNDER_WAY] = under_way
    app[_REGISTRY] = registry
    app.router.add_route("*", r"/{tail:[\s\S]*}", registry.answer, expect_handler=expect_nothing_yet)
    return app


def change_limits(app: web.Application, limits: Limits) -> None:
    """Put ``limits`` in force from the next request on, in an application of :func:`make_app`."""
    app[_REGISTRY].limits = limits


_REGISTRY: Final = web.AppKey("registry", _Registry)


def _sent_bytes(request: web.Request, answer: web.StreamResponse) -> int:
    if answer.prepared:
        return answer.body_length
    return 0 if request.method == "HEAD" else answer.content_length or 0


def _log(answered: Answered) -> None:
    if not logger.isEnabledFor(logging.INFO):
        return
    fields = {
        "method": answered.method,
        "path": answered.path,
        "status": answered.status,
        "size_bytes": answered.sent_bytes,
        "duration_s": round(answered.duration_s, 6),
        "remote": answered.remote,
    }
    logger.info("%(method)s %(path)s %(status)s", fields, extra=fields)
