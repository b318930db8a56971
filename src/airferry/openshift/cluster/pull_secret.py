"""Pull secrets: a registry's user added, a look without the secrets, and what is wrong with one.

Form: ``{"auths": {"host[:port][/path]": {"auth": base64("user:password"), …}}}``, as Red Hat hands it out and
as podman and docker keep it. Nothing returned here for showing holds a password or a token, and no error
message repeats the text it is about.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from airferry.errors import MalformedError
from airferry.oci.reference import is_host, is_repository_path


class CredentialKind(StrEnum):
    """What an entry holds."""

    PASSWORD = "password"  # noqa: S105 (a word of the table, not a password)
    IDENTITY_TOKEN = "identity token"  # noqa: S105 (as above)
    REGISTRY_TOKEN = "registry token"  # noqa: S105 (as above)
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """One entry without its secret. ``user`` is None when it holds no user; ``problem`` a sentence, or None."""

    registry: str
    user: str | None
    kind: CredentialKind
    problem: str | None = None


def merge_pull_secret(text: str, registry: str, user: str, password: str) -> str:
    """Return the pull secret with ``registry``'s entry set to that user, on one line, ended by a newline.

    Everything else stays: other entries, fields unknown to us, their order. An entry that exists keeps its
    place and its other fields, such as email, but loses tokens that would be used instead. ``text`` may be
    empty or blank for a new one. Raises MalformedError.
    """
    check_registry(registry)
    if not user or ":" in user:
        raise MalformedError(f"the user for {registry} is empty or holds a colon")
    if not password:
        raise MalformedError(f"the password for {registry} is empty")
    document = _decode(text) if text.strip() else {"auths": {}}
    auths = document.setdefault("auths", {})
    if not isinstance(auths, dict):
        raise MalformedError("auths of the pull secret is not a map")
    old = auths.get(registry)
    kept = dict(old) if isinstance(old, dict) else {}
    for token in ("identitytoken", "registrytoken", "username", "password"):
        kept.pop(token, None)
    kept["auth"] = base64.b64encode(f"{user}:{password}".encode()).decode()
    auths[registry] = kept
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n"


def copy_credentials(text: str, giver: str, registries: Iterable[str]) -> str:
    """Return the pull secret ``text`` with the entries that ``giver`` has for ``registries``, on one line.

    Entries for paths of a registry come along. Everything else stays; where nothing changes, ``text`` is
    returned as it is. Raises MalformedError when ``giver`` has no entry for a registry, and for what is no pull secret.
    """
    document, given = _decode(text), _decode(giver).get("auths")
    auths = document.setdefault("auths", {})
    if not isinstance(auths, dict) or not isinstance(given, dict):
        raise MalformedError("auths of the pull secret is not a map")
    wanted: dict[str, Any] = {}
    for registry in registries:
        found = {key: entry for key, entry in given.items() if key == registry or key.startswith(f"{registry}/")}
        if not found:
            raise MalformedError(
                f"there is no credential for {registry} among those given",
                hint=f"`airferry login {registry}` stores one, `airferry secret show FILE` lists those there are",
            )
        wanted |= found
    for entry in (_shown(registry, entry) for registry, entry in wanted.items()):
        if entry.problem:
            raise MalformedError(f"the credential for {entry.registry} is of no use: {entry.problem}")
    if all(auths.get(registry) == entry for registry, entry in wanted.items()):
        return text
    auths.update(wanted)
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def show_pull_secret(text: str) -> tuple[ShownEntry, ...]:
    """Return every entry without its secret, in order, each with what is wrong with it. Raises MalformedError."""
    auths = _decode(text).get("auths")
    if not isinstance(auths, dict):
        raise MalformedError(
            "the pull secret has no map named auths", hint='its form is {"auths":{"HOST":{"auth":"…"}}}'
        )
    return tuple(_shown(registry, entry) for registry, entry in auths.items())


def check_pull_secret(text: str) -> tuple[str, ...]:
    """Return what is wrong with a pull secret, as sentences that hold no secrets; empty when it is sound."""
    try:
        entries = show_pull_secret(text)
    except MalformedError as error:
        return (error.message,)
    problems = tuple(f"{entry.registry}: {entry.problem}" for entry in entries if entry.problem)
    return problems if entries else ("the pull secret has no entries",)


def _shown(registry: str, entry: Any) -> ShownEntry:
    problem = None if _is_registry(registry) else "the name is not host[:port][/path]"
    if not isinstance(entry, dict):
        return ShownEntry(registry, None, CredentialKind.NONE, problem or "the entry is not a map")
    user, kind, found = _credentials(entry)
    return ShownEntry(registry, user, kind, problem or found)


def _credentials(entry: Mapping[str, Any]) -> tuple[str | None, CredentialKind, str | None]:
    """Return user, kind of secret and problem of one entry."""
    if entry.get("identitytoken"):
        return _user(entry), CredentialKind.IDENTITY_TOKEN, None
    if entry.get("registrytoken"):
        return None, CredentialKind.REGISTRY_TOKEN, None
    auth = entry.get("auth")
    if auth is None and entry.get("username") and entry.get("password"):
        return str(entry["username"]), CredentialKind.PASSWORD, None
    if not isinstance(auth, str) or not auth:
        return None, CredentialKind.NONE, "it has no auth"
    user, colon, password = (_plain(auth) or "").partition(":")
    if not colon:
        return None, CredentialKind.NONE, "its auth is not base64 of user:password"
    if not user or not password.rstrip("\0"):
        return user or None, CredentialKind.NONE, "its auth has no user" if not user else "its auth has no password"
    if password.endswith(("\n", "\r")):
        return user, CredentialKind.PASSWORD, "its password ends in a line break"
    return user, CredentialKind.PASSWORD, None


def _user(entry: Mapping[str, Any]) -> str | None:
    auth = entry.get("auth")
    plain = _plain(auth) if isinstance(auth, str) else None
    return plain.partition(":")[0] if plain else None


def _plain(auth: str) -> str | None:
    try:
        return base64.b64decode(auth, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def _decode(text: str) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        # The decoder's own message could quote the text; where it broke is worth less than the secret.
        raise MalformedError(
            "the pull secret is not JSON", hint="it must be the file as downloaded, complete"
        ) from None
    if not isinstance(document, dict):
        raise MalformedError(f"the pull secret is not a JSON object but {type(document).__name__}")
    return document


def check_registry(registry: str) -> None:
    """Raise MalformedError unless ``registry`` can be the name of an entry: host[:port][/path]."""
    if not _is_registry(registry):
        raise MalformedError(
            f"{registry!r} is not host[:port][/path]", hint="write it as images are named, without https://"
        )


def _is_registry(text: str) -> bool:
    host, slash, path = text.partition("/")
    return is_host(host) and (not slash or is_repository_path(path))
