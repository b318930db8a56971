"""One request on its way through the registry, and the shapes of answers that every noun uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from airferry.oci import Digest
from airferry.oci.wire import print_errors
from airferry.registry.access import Visitor
from airferry.registry.body import Limits
from airferry.registry.errors import DeletesDisabledError, NotWritableStoreError, PageInvalidError
from airferry.registry.protocol import ReadableStore, WritableStore

JSON: Final = "application/json"

IDENTITY: Final = {"Docker-Distribution-API-Version": "registry/2.0", "Server": "airferry"}
"""The headers of every answer; clients know a registry by the first."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in, with what it takes to answer it."""

    request: web.Request
    store: ReadableStore
    visitor: Visitor
    limits: Limits

    @property
    def writable(self) -> WritableStore:
        """The store, if it can be written to; raises NotWritableStoreError (405) otherwise."""
        if self.limits.is_read_only:
            raise NotWritableStoreError(
                "this registry is read-only at the moment", hint="its administrator has switched off changes"
            )
        if isinstance(self.store, WritableStore):
            return self.store
        raise NotWritableStoreError(
            "this registry only reads", hint="push to a registry that was started with `airferry registry serve`"
        )

    @property
    def deletable(self) -> WritableStore:
        """The store, if it can be deleted from; raises NotWritableStoreError, DeletesDisabledError (405) otherwise."""
        if not self.limits.can_delete:
            raise DeletesDisabledError("this registry deletes nothing", hint="its administrator has switched it off")
        return self.writable

    @property
    def is_head(self) -> bool:
        """Whether only the headers are wanted."""
        return self.request.method == "HEAD"


def etag(digest: Digest) -> str:
    """Return the entity tag of content: its digest never changes meaning."""
    return f'"{digest}"'


def is_unchanged(request: web.Request, digest: Digest) -> bool:
    """Whether the client says by If-None-Match that it has this content (RFC 9110 section 13.1.2)."""
    said = request.headers.get("If-None-Match")
    if said is None:
        return False
    return any(entry.strip().removeprefix("W/") in (etag(digest), "*") for entry in said.split(","))


def json_answer(body: Any, headers: dict[str, str] | None = None, content_type: str = JSON) -> web.Response:
    """Return a 200 with ``body`` as JSON."""
    return web.Response(body=msgspec.json.encode(body), content_type=content_type, headers=headers)


def refusal(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """Return an answer with an error body of the distribution API."""
    return web.Response(status=status, body=print_errors(code, message), content_type=JSON, headers=headers)


def last_of(request: web.Request) -> str | None:
    """Return the ``last`` parameter: where the page before ended.

    It is cut off before a NUL, which not every database can compare with: no name holds one, so that the same
    names stand behind what is left of it.
    """
    said = request.query.get("last")
    return said.partition("\0")[0] if said is not None else None


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for: at most ``limit`` names behind ``after``."""

    limit: int
    after: str | None

    @classmethod
    def of(cls, call: Call) -> "Page":
        """Read ``n`` and ``last``; ``n`` is capped. Raises PageInvalidError when it is no number."""
        said = call.request.query.get("n")
        most = call.limits.page
        if said is None:
            limit = most
        elif said.isascii() and said.isdigit():
            limit = min(int(said[:20]), most)
        else:
            raise PageInvalidError(f"n={said[:40]!r} is not a number of at least 0")
        return cls(limit, last_of(call.request))

    def link(self, names: Sequence[str], path: str) -> dict[str, str]:
        """Return the Link header when ``names``, asked for with one more than ``limit``, go on behind this page."""
        if self.limit == 0 or len(names) <= self.limit:
            return {}
        query = urlencode({"last": names[self.limit - 1], "n": self.limit})
        return {"Link": f'<{path}?{query}>; rel="next"'}
