"""The Authorization header. Sources: RFC 7617 for Basic, RFC 6750 section 2.1 for Bearer."""

import base64
import binascii
from dataclasses import dataclass

from airferry.registry.errors import UnauthorizedError


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and a password as a client sent them. Never shown."""

    name: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(***)"


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A bearer token as a client sent it. Never shown."""

    secret: str

    def __repr__(self) -> str:
        return "BearerToken(***)"


def parse_authorization(header: str | None) -> Credentials | BearerToken | None:
    """Return what an Authorization header brings, None when there is no header.

    Raises UnauthorizedError for another scheme and for what cannot be decoded.
    """
    if header is None:
        return None
    scheme, _, rest = header.partition(" ")
    match scheme.lower():
        case "basic":
            return _basic(rest.strip())
        case "bearer" if rest.strip():
            return BearerToken(rest.strip())
        case _:
            raise UnauthorizedError("this registry takes Basic and Bearer credentials")


def _basic(encoded: str) -> Credentials:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        raise UnauthorizedError("the Basic credentials cannot be decoded") from None
    name, colon, password = text.partition(":")
    if not colon or not name:
        raise UnauthorizedError("the Basic credentials are not of the form name:password")
    return Credentials(name, password)
