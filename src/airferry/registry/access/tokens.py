"""Bearer tokens: JSON Web Tokens that this registry signs for itself.

Sources: RFC 7519, RFC 8725 (one algorithm, keys only from our own ring, every claim checked); Docker token
specification "Token Authentication Implementation" for the claims.
"""

import hashlib
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import jwt

from airferry.registry.access.scopes import Scopes, scopes_of_claims
from airferry.registry.access.token_keys import TOKEN_LIFE_S, LoadedRing, TokenKeysFile
from airferry.registry.access.visitors import IssuedToken
from airferry.registry.errors import UnauthorizedError

_ALGORITHM: Final = "ES256"
_HEADER_FIELDS: Final = {"alg", "kid", "typ"}
_MOST_HEADER_CHARACTERS: Final = 200
_MOST_TOKEN_CHARACTERS: Final = 32 * 1024
_MOST_REMEMBERED: Final = 4096
_CLAIMS: Final = ("exp", "nbf", "iat", "iss", "aud", "sub", "jti")


class TokenInvalidError(UnauthorizedError):
    """A bearer token that is not ours, not for us, or too old. The message does not say which."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What a good token says: whose it is (None: nobody's), by which credential it was got, and for what."""

    account: str | None
    credential: str | None
    scopes: Scopes
    kid: str
    expires_s: int


class Tokens:
    """Makes and checks tokens. Those checked before are remembered by their hash until they expire."""

    def __init__(self, keys: TokenKeysFile, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._clock = clock
        self._good: OrderedDict[bytes, Pass] = OrderedDict()

    async def service(self) -> str:
        """Return the name of this registry, which is the audience of its tokens."""
        return (await self._keys.current()).ring.service

    async def issue(self, account: str | None, credential: str | None, scopes: Scopes) -> IssuedToken:
        """Return a token that expires :data:`TOKEN_LIFE_S` from now."""
        loaded = await self._keys.current()
        now = int(self._clock())
        claims = {
            "iss": loaded.ring.service,
            "aud": loaded.ring.service,
            "sub": account or "",
            "iat": now,
            "nbf": now,
            "exp": now + TOKEN_LIFE_S,
            "jti": secrets.token_hex(8),
            "cred": credential or "",
            "access": scopes.claims(),
        }
        headers = {"kid": loaded.ring.keys[0].kid}
        secret = jwt.encode(claims, loaded.signing, algorithm=_ALGORITHM, headers=headers)
        return IssuedToken(secret, now, TOKEN_LIFE_S, scopes.words())

    async def check(self, secret: str) -> Pass:
        """Return what the token says. Raises TokenInvalidError for every other text."""
        loaded = await self._keys.current()
        now = self._clock()
        mark = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
        found = self._good.get(mark)
        if found is None:
            found = _verify(secret, loaded)
            self._good[mark] = found
            while len(self._good) > _MOST_REMEMBERED:
                self._good.popitem(last=False)
        if found.expires_s <= now or loaded.ring.key(found.kid, datetime.fromtimestamp(now, UTC)) is None:
            self._good.pop(mark, None)
            raise _invalid()
        return found


def _verify(secret: str, loaded: LoadedRing) -> Pass:
    kid = _kid(secret)
    key = loaded.verifying.get(kid)
    if key is None:
        raise _invalid()
    service = loaded.ring.service
    try:
        claims = jwt.decode(
            secret, key, algorithms=[_ALGORITHM], audience=service, issuer=service, options={"require": list(_CLAIMS)}
        )
        return Pass(
            str(claims["sub"]) or None,
            str(claims["cred"]) or None,
            scopes_of_claims(claims["access"]),
            kid,
            int(claims["exp"]),
        )
    except (jwt.PyJWTError, KeyError, ValueError, TypeError, RecursionError):
        raise _invalid() from None


def _kid(secret: str) -> str:
    """Return the key that the token names, if its header is one of ours to the letter.

    A key that a token brings along (jwk, jku, x5c), or another algorithm, is refused here, before anything is
    computed (CVE-2025-24976 and its kin).
    """
    header, dot, _ = secret.partition(".")
    if not dot or len(header) > _MOST_HEADER_CHARACTERS or len(secret) > _MOST_TOKEN_CHARACTERS:
        raise _invalid()
    try:
        fields: Any = json.loads(jwt.utils.base64url_decode(header))
    except (ValueError, RecursionError):
        raise _invalid() from None
    if not isinstance(fields, dict) or set(fields) != _HEADER_FIELDS or fields["alg"] != _ALGORITHM:
        raise _invalid()
    return str(fields["kid"])


def _invalid() -> TokenInvalidError:
    return TokenInvalidError("the bearer token is not good, or not any more", hint="log in again")
