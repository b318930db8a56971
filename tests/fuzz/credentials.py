"""Credentials as fuzz targets: headers, scopes, bearer tokens, and files of passwords."""

import asyncio
import base64
import json
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from airferry.registry.access import Account, AccountKind, Grants, Permission, Tokens
from airferry.registry.access.accounts import AccessToken
from airferry.registry.access.credentials import BearerToken, Credentials, parse_authorization
from airferry.registry.access.passwords import PasswordChecks, Verdict, parse_htpasswd
from airferry.registry.access.scopes import MOST_SCOPES, Scopes, parse_scopes, scopes_of_claims
from airferry.registry.access.token_keys import KeyRing, LoadedRing, TokenKey

from .target import Target, header
from .targets import JSON_WORDS

SERVICE: Final = "airferry-registry-fuzzed"
KID: Final = "0123456789abcdef"
HASH: Final = "$2b$04$" + "." * 53


def done(work: Coroutine[Any, Any, Any]) -> Any:
    """What ``work`` returns, which waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    work.close()
    raise AssertionError("it waits for something")


class Ring:
    """One key that is the same in every run."""

    def __init__(self) -> None:
        private = ec.derive_private_key(2**200 + 1, ec.SECP256R1())
        public = private.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        key = TokenKey(KID, datetime.now(UTC), pem, secret)
        self.loaded = LoadedRing(KeyRing(SERVICE, (key,)), private, {KID: public})

    async def current(self) -> LoadedRing:
        return self.loaded


@cache
def ring() -> Ring:
    return Ring()


SCOPES: Final = Scopes({"team/app": frozenset({Permission.PULL, Permission.PUSH})}, catalog=True)


@cache
def issued(minute: int) -> str:
    """A good token of ours; a new one now and then, because they expire."""
    return str(done(Tokens(ring()).issue("bob", "c1", SCOPES)).secret)


def good_token() -> str:
    return issued(int(time.monotonic() / 60))


def authorization(data: bytes) -> None:
    found = parse_authorization(header(data))
    assert found is None or "***" in repr(found)
    match found:
        case Credentials(name, password):
            assert name and ":" not in name
            again = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
            assert parse_authorization(again) == found
            assert _CHECKS.recall(found, HASH) is None
            account = Account(name, AccountKind.ROBOT, NOW, tokens=(AccessToken("t", "0" * 64, NOW),))
            assert account.token_for(password) is None
        case BearerToken(secret):
            assert secret and secret == secret.strip()
            assert parse_authorization(f"Bearer {secret}") == found


_CHECKS: Final = PasswordChecks()
NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


def scopes(data: bytes) -> None:
    found = parse_scopes([header(line) for line in data.split(b"\n")])
    assert len(found.by_path) <= MOST_SCOPES
    assert all(path and path == path.lower() and actions for path, actions in found.by_path.items())
    assert Permission.ADMIN not in frozenset().union(*found.by_path.values())
    assert parse_scopes(found.words()) == parse_scopes([" ".join(found.words())]) == found
    assert scopes_of_claims(json.loads(json.dumps(found.claims()))) == found
    assert not found.narrowed(Grants(), limit=None, catalog=False)


def token(data: bytes) -> None:
    """``{h}``, ``{c}`` and ``{s}`` in the input stand for the parts of a good token."""
    good = good_token()
    text = header(data)
    for name, part in zip(("{h}", "{c}", "{s}"), good.split("."), strict=True):
        text = text.replace(name, part)
    found = done(Tokens(ring()).check(text))
    # A signature may be written in several ways, what it signs only in one.
    assert text.rpartition(".")[0] == good.rpartition(".")[0]
    assert (found.account, found.credential, found.scopes, found.kid) == ("bob", "c1", SCOPES, KID)


def token_claims(data: bytes) -> None:
    """Claims that our own key signed, whatever they are: what another version of us may have issued."""
    now = int(time.time())
    common = {"iss": SERVICE, "aud": SERVICE, "sub": "", "iat": now, "nbf": now, "exp": now + 60, "jti": "", "cred": ""}
    payload = b'{"access":[],' + json.dumps(common)[1:-1].encode() + b"," + data + b"}"
    secret = jwt.api_jws.encode(payload, ring().loaded.signing, "ES256", {"kid": KID})
    found = done(Tokens(ring()).check(secret))
    assert found.expires_s > now - 1
    assert json.loads(json.dumps(found.scopes.claims())) is not None


def htpasswd(data: bytes) -> None:
    found = parse_htpasswd(data, "users")
    lines = "".join(f"{name}:{hashed}\n" for name, hashed in found.items())
    assert parse_htpasswd(lines.encode(), "users") == found
    for name, hashed in list(found.items())[:2]:
        assert name and ":" not in name
        if _is_quick(hashed):
            asyncio.run(_nobody_is_let_in(Credentials(name, "guess"), hashed))


def _is_quick(hashed: str) -> bool:
    """Whether bcrypt takes no time over it: few rounds."""
    return hashed[4:7] == "04$"


async def _nobody_is_let_in(credentials: Credentials, hashed: str) -> None:
    checks = PasswordChecks()
    try:
        assert await checks.check(credentials, hashed) is Verdict.WRONG
    finally:
        checks.close()


def _basic(text: bytes) -> bytes:
    return b"Basic " + base64.b64encode(text)


CREDENTIALS: Final = (
    Target(
        "authorization",
        authorization,
        (
            _basic(b"bob:secret"),
            _basic(b"$oauthtoken:a:b"),
            _basic(b":x"),
            b"Bearer abc.def.ghi",
            b"bearer",
            b"Negotiate x",
        ),
        (b"Basic ", b"Bearer ", _basic(b"\xff:\xff"), _basic(b"\0:\0")),
    ),
    Target(
        "scopes",
        scopes,
        (b"repository:team/app:pull,push registry:catalog:*", b"repository(plugin):a:*\nrepository:a:delete", b"a:b:c"),
        (b"repository:", b"registry:", b"catalog:", b":pull", b",push", b":*", b"\xc2\x85"),
    ),
    Target(
        "token",
        token,
        (b"{h}.{c}.{s}", b"{h}.{c}.", b"{h}..{s}", b"eyJhbGciOiJub25lIn0.{c}.", b"{h}.{c}.{s}=", b"{h}.{c}.{s}.{s}"),
        (b"{h}", b"{c}", b"{s}", b"eyJhbGciOiJFUzI1NiIsImtpZCI6IjEiLCJ0eXAiOiJKV1QifQ", b"\xff"),
    ),
    Target(
        "token-claims",
        token_claims,
        (
            b'"access":[{"type":"repository","name":"a","actions":["pull"]}]',
            b'"exp":99999999999',
            b'"sub":null,"aud":["x","airferry-registry-fuzzed"]',
            b'"cred":7,"access":{}',
        ),
        (*(f'"{name}":'.encode() for name in ("exp", "nbf", "iat", "aud", "sub", "access", "actions")), *JSON_WORDS),
    ),
    Target(
        "htpasswd",
        htpasswd,
        (f"# users\n\nadmin:{HASH}\nbob:{HASH.replace('b', 'y')}\n".encode(), f"\xe9:{HASH}".encode("latin-1"), b"a:b"),
        (b"$2b$", b"$2y$04$", b"\r\n", b"#", b":", b"\xe2\x80\xa8", b"\xef\xbb\xbf"),
    ),
)
