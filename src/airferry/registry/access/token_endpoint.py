"""HTTP words to the door's and back: what a request brings, and the token endpoint.

Sources: Docker token specification "Requesting a Token" (GET) and "OAuth2" (POST, which containerd begins with).
"""

import re
from datetime import UTC, datetime
from math import ceil
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from airferry.errors import AirferryError, MalformedError
from airferry.oci.wire import WireCode
from airferry.registry.access.credentials import BearerToken, Credentials, parse_authorization
from airferry.registry.access.door import BASIC_CHALLENGE
from airferry.registry.access.throttle import SlowedError
from airferry.registry.access.visitors import Access, IssuedToken, Knock, TokenWish, Verb
from airferry.registry.body import read_whole
from airferry.registry.errors import TooLargeError, UnauthorizedError
from airferry.registry.handlers.call import JSON, refusal
from airferry.registry.refusals import refusal_of
from airferry.registry.timestamps import print_second

_HOST: Final = re.compile(r"[A-Za-z0-9._\-:\[\]]{1,270}")
_MOST_FORM_BYTES: Final = 64 * 1024
_MOST_FIELDS: Final = 500
_PATIENCE_S: Final = "2"


def knock_of(request: web.Request, verb: Verb, path: str | None) -> Knock:
    """Return the request as the door sees it."""
    return Knock(request.headers.get("Authorization"), verb, path, request.remote, _origin(request))


def retry_after(error: AirferryError) -> str:
    """Return the seconds for Retry-After."""
    return str(max(1, ceil(error.retry_after_s))) if isinstance(error, SlowedError) else _PATIENCE_S


async def give_token(request: web.Request, access: Access, silence_s: float) -> web.Response:
    """Answer a request for a bearer token; ``silence_s`` is how long a client may send nothing of its form."""
    try:
        if request.method not in ("GET", "HEAD", "POST"):
            return refusal(405, WireCode.UNSUPPORTED, "tokens are got by GET or POST", {"Allow": "GET, POST"})
        wish = await _posted(request, silence_s) if request.method == "POST" else _asked(request)
        issued = await access.issue(wish)
    except AirferryError as error:
        return _refused(error)
    return web.Response(body=_body(issued), content_type=JSON, headers={"Cache-Control": "no-store"})


def _asked(request: web.Request) -> TokenWish:
    credentials = parse_authorization(request.headers.get("Authorization"))
    if isinstance(credentials, BearerToken):
        raise UnauthorizedError("a bearer token does not get another one", hint="log in with name and password")
    query = request.query
    return TokenWish(credentials, tuple(query.getall("scope", [])), query.get("service"), request.remote)


async def _posted(request: web.Request, silence_s: float) -> TokenWish:
    try:
        raw = await read_whole(request, _MOST_FORM_BYTES, silence_s)
        fields = dict(parse_qsl(raw.decode(), max_num_fields=_MOST_FIELDS))
    except (ValueError, TooLargeError):
        raise MalformedError("the form is not one that asks for a token") from None
    name, password = fields.get("username"), fields.get("password")
    if fields.get("grant_type") != "password" or not name or password is None:
        raise MalformedError("only grant_type=password with username and password gets a token here")
    return TokenWish(Credentials(name, password), (fields.get("scope", ""),), fields.get("service"), request.remote)


def _body(issued: IssuedToken) -> bytes:
    issued_at = print_second(datetime.fromtimestamp(issued.issued_at_s, UTC))
    fields = {
        "token": issued.secret,
        "access_token": issued.secret,
        "expires_in": issued.life_s,
        "issued_at": issued_at,
        "scope": " ".join(issued.scopes),
    }
    return msgspec.json.encode(fields)


def _refused(error: AirferryError) -> web.Response:
    status, code = refusal_of(error, None)
    headers = {"Retry-After": retry_after(error)} if status == 429 else {}
    if status == 401:
        headers["WWW-Authenticate"] = BASIC_CHALLENGE
    return refusal(status, code, error.message, headers)


def _origin(request: web.Request) -> str | None:
    """Return the URL under which the client knows us. A proxy that ends TLS says so; nobody can take it away."""
    host = request.headers.get("Host", "")
    if not _HOST.fullmatch(host):
        return None
    is_tls = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
    return f"{'https' if is_tls else 'http'}://{host}"
