"""What is told of a registry's accounts and keys: documents for programs, lines for people. Pure, but for the clock."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airferry.registry import Grants
from airferry.registry.access import Account
from airferry.registry.access.accounts import AccessToken
from airferry.registry.access.grants import print_permissions
from airferry.registry.access.token_keys import KeyRing
from airferry.registry.timestamps import print_second


@dataclass(frozen=True, slots=True)
class NewSecret:
    """What was made for an account: shown once. ``token_id`` is None for a password."""

    account: Account
    secret: str | None = field(repr=False)
    token_id: str | None = None
    expires: datetime | None = None


def account_document(account: Account) -> dict[str, Any]:
    """Return an account for programs, without anything secret."""
    return {
        "name": account.name,
        "kind": str(account.kind),
        "created": _time(account.created),
        "grants": grants_document(account.grants),
        "tokens": [_token_document(token) for token in account.tokens],
    }


def secret_document(made: NewSecret) -> dict[str, Any]:
    """Return what was made for programs: the one document that holds a secret, if we made one."""
    document = account_document(made.account)
    kind = "password" if made.token_id is None else "token"
    if made.secret is not None:
        document[kind] = made.secret
    if made.token_id is not None:
        document |= {"tokenId": made.token_id, "expires": _time(made.expires)}
    return document


def keys_document(ring: KeyRing) -> dict[str, Any]:
    """Return the keys for programs, without their private halves."""
    return {
        "service": ring.service,
        "keys": [
            {
                "kid": key.kid,
                "created": _time(key.created),
                "signs": key.until is None,
                "until": _time(key.until),
            }
            for key in ring.keys
        ],
    }


def print_grants(grants: Grants) -> str:
    """Return grants for people: ``team=pull,push other=pull``."""
    return " ".join(f"{name}={','.join(words)}" for name, words in grants_document(grants).items()) or "-"


def grants_document(grants: Grants) -> dict[str, list[str]]:
    """Return grants for programs: permissions by namespace."""
    return {name: list(print_permissions(given)) for name, given in grants.by_namespace.items()}


def _token_document(token: AccessToken) -> dict[str, Any]:
    limit = list(print_permissions(token.permissions)) if token.permissions is not None else None
    return {
        "id": token.id,
        "created": _time(token.created),
        "expires": _time(token.expires),
        "expired": token.is_expired(datetime.now(UTC)),
        "permissions": limit,
    }


def _time(moment: datetime | None) -> str | None:
    return print_second(moment) if moment else None
