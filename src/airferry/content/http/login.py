"""Proving a credential to a registry without touching any repository of it.

Source: Docker Registry HTTP API v2, "API Version Check"; the token specification (a token without a scope).
"""

from enum import Enum

from airferry.content.http.refusals import Doing
from airferry.content.http.session import Call, RegistrySession


class LoginOutcome(Enum):
    """What a registry said about a credential that it did not refuse."""

    ACCEPTED = "the registry accepted the credential"
    NOT_ASKED = "the registry asks nobody for credentials, so nothing is proven"
    ANONYMOUS = "there is no credential for this registry, and it lets anonymous users in"


async def prove_login(session: RegistrySession, path: str) -> LoginOutcome:
    """Return how the credential for ``path`` ("" for the host itself) fares.

    Raises UnauthorizedError when it is refused, or when the registry wants one and there is none.
    """
    doing = Doing(session.host, path, f"log in to {session.host}", "this registry")
    await session.meet(doing)
    scopes: tuple[str, ...] = ()
    if session.authorizer.scheme is None:
        return LoginOutcome.NOT_ASKED
    await session.answer(Call("GET", "/v2/", doing, scopes, frozenset({200, 404})))
    if await session.authorizer.credential(path) is None:
        return LoginOutcome.ANONYMOUS
    return LoginOutcome.ACCEPTED
