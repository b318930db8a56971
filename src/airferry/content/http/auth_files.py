"""Credentials as files hold them: containers' auth.json, docker's config.json, a pull secret, ~/.dockercfg.

Sources: containers-auth.json(5); docker's config.json; containers/image, pkg/docker/config (key matching).
"""

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from airferry.content.errors import NotFoundError
from airferry.errors import MalformedError, parser_words

_MAX_FILE_BYTES: Final = 16 * 1024 * 1024
_DOCKER_HUB: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


@dataclass(frozen=True, slots=True)
class Credential:
    """What proves who we are to one registry. Printing it never shows a secret.

    ``origin`` says where it comes from, in words for error messages: ``KEY in FILE``. ``identity_token`` is an
    OAuth2 refresh token, ``registry_token`` a ready bearer token; both are None in nearly every file.
    """

    username: str
    password: str = field(default="", repr=False)
    identity_token: str | None = field(default=None, repr=False)
    registry_token: str | None = field(default=None, repr=False)
    origin: str = "the command line"

    def __repr__(self) -> str:
        return "***"

    def __str__(self) -> str:
        return "***"

    def basic_header(self) -> str:
        """Return the value of an Authorization header. A secret."""
        raw = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(raw).decode()}"


@dataclass(frozen=True, slots=True)
class AuthFile:
    """One auth file: entries by key as written, helpers by key, and the helper for everything else.

    ``blank`` are keys without a credential: what one of them speaks for is asked without any, as containers/image
    does it.
    """

    path: Path
    entries: Mapping[str, Credential] = field(default_factory=dict)
    helpers: Mapping[str, str] = field(default_factory=dict)
    store: str | None = None
    blank: frozenset[str] = frozenset()

    def find(self, host: str, path: str) -> Credential | None:
        """Return the entry for repository ``path`` on ``host``: the longest key first, then keys that are URLs.

        Ports must match exactly; the names of Docker Hub are one; a path's entry never serves its siblings.
        """
        key = self.find_key(host, path)
        return None if key is None else self.entries[key]

    def find_key(self, host: str, path: str) -> str | None:
        """Return the key, as written, of the entry that :meth:`find` returns."""
        for key in keys_for(host, path):
            if key in self.entries:
                return key
            if key in self.blank:
                return None
        wanted = _normalized(host)
        return next((key for key in self.entries if _host_of(key) == wanted), None)

    def helper_for(self, host: str, path: str) -> tuple[str, str] | None:
        """Return the helper's name and the key to ask it for, as ``credHelpers`` says; None without an entry."""
        for key in keys_for(host, path):
            if key in self.helpers:
                return self.helpers[key], key
        return None


def keys_for(host: str, path: str) -> Iterator[str]:
    """Yield the keys that speak for a repository, most specific first: host/a/b, host/a, host."""
    parts = [part for part in path.split("/") if part]
    for length in range(len(parts), -1, -1):
        yield "/".join((host, *parts[:length]))


def default_auth_files(environ: Mapping[str, str], home: Path, uid: int) -> tuple[Path, ...]:
    """Return where credentials are looked for when nobody named a file, in order (oc's and podman's).

    The deprecated REGISTRY_AUTH_PREFERENCE=docker puts docker's files first.
    """
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/containers/{uid}"
    config = environ.get("XDG_CONFIG_HOME")
    docker_config = environ.get("DOCKER_CONFIG")
    podman = (
        Path(runtime) / ("containers/auth.json" if environ.get("XDG_RUNTIME_DIR") else "auth.json"),
        (Path(config) if config else home / ".config") / "containers/auth.json",
    )
    docker = (
        (Path(docker_config) if docker_config else home / ".docker") / "config.json",
        home / ".dockercfg",
    )
    return (*docker, *podman) if environ.get("REGISTRY_AUTH_PREFERENCE") == "docker" else (*podman, *docker)


def load_auth_files(
    given: Path | None, environ: Mapping[str, str] | None = None, home: Path | None = None
) -> tuple[tuple[AuthFile, ...], tuple[Path, ...]]:
    """Return the auth files that count, and every path that was looked at, in order.

    A file that was ``given``, or named by $REGISTRY_AUTH_FILE, counts alone and must exist (NotFoundError);
    default ones may be missing. Any of them that cannot be read as an auth file raises MalformedError.
    """
    environ = os.environ if environ is None else environ
    named = environ.get("REGISTRY_AUTH_FILE")
    if given is not None:
        return (read_auth_file(given),), (given,)
    if named:
        try:
            return (read_auth_file(Path(named)),), (Path(named),)
        except NotFoundError as error:
            raise NotFoundError(f"{error.message}, named by $REGISTRY_AUTH_FILE", hint=error.hint) from error
    paths = default_auth_files(environ, Path.home() if home is None else home, os.getuid())
    return tuple(read_auth_file(path) for path in paths if path.is_file()), paths


def read_auth_file(path: Path, *, as_nodes: bool = False) -> AuthFile:
    """Return what ``path`` holds, or with ``as_nodes`` what they make of it (:func:`parse_auth_file`).

    Raises NotFoundError and MalformedError, neither with a secret in it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"the auth file {path} does not exist", hint="download the pull secret, or use airferry login HOST"
        ) from error
    except OSError as error:
        raise MalformedError(f"the auth file {path} cannot be read: {error.strerror}") from error
    return parse_auth_file(content, path, as_nodes=as_nodes)


def parse_auth_file(content: bytes, path: Path, *, as_nodes: bool = False) -> AuthFile:
    """Return what ``content`` holds; ``path`` names it in errors (MalformedError). An empty file has no entries.

    docker and kubelet also know ``username`` and ``password`` beside ``auth``; with ``as_nodes`` they count for
    nothing, as in containers/image, by which nodes pull the release.
    """
    if not content.strip():
        return AuthFile(path)
    fields = _decode(content, path)
    if not fields.keys() & {"auths", "credHelpers", "credsStore"}:
        # ~/.dockercfg: the same entries, without "auths" around them.
        legacy = {key: value for key, value in fields.items() if isinstance(value, dict) and value.keys() & _FIELDS}
        return AuthFile(path, _entries(legacy, path, as_nodes=as_nodes))
    auths, helpers, store = (fields.get(name) for name in ("auths", "credHelpers", "credsStore"))
    auths, helpers = {} if auths is None else auths, {} if helpers is None else helpers
    if not isinstance(auths, dict):
        raise MalformedError(f"the auth file {path} is malformed: auths is not an object")
    if not isinstance(helpers, dict) or not all(isinstance(name, str) for name in helpers.values()):
        raise MalformedError(f"the auth file {path} is malformed: credHelpers does not map hosts to helper names")
    if store is not None and not isinstance(store, str):
        raise MalformedError(f"the auth file {path} is malformed: credsStore is not a helper's name")
    auths = {key: {} if entry is None else entry for key, entry in auths.items()}
    entries = _entries(auths, path, as_nodes=as_nodes)
    return AuthFile(path, entries, helpers, store or None, frozenset(auths.keys() - entries.keys()))


_FIELDS: Final = frozenset({"auth", "username", "password", "identitytoken", "registrytoken"})


def _decode(content: bytes, path: Path) -> dict[str, Any]:
    if len(content) > _MAX_FILE_BYTES:
        raise MalformedError(f"the auth file {path} is larger than {_MAX_FILE_BYTES} bytes")
    try:
        fields = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The decoder's message names a position, never the text, so no secret leaks.
        raise MalformedError(
            f"the auth file {path} is not JSON: {parser_words(error)}",
            hint='it must hold a pull secret: {"auths": {"HOST": {"auth": "…"}}}',
        ) from None
    if not isinstance(fields, dict):
        raise MalformedError(f"the auth file {path} does not hold a JSON object")
    return fields


def _entries(auths: Mapping[str, Any], path: Path, *, as_nodes: bool) -> dict[str, Credential]:
    entries: dict[str, Credential] = {}
    for key, fields in auths.items():
        credential = _credential(key, fields, path, as_nodes=as_nodes)
        if credential is not None:
            entries[key] = credential
    return entries


def _credential(key: str, fields: Any, path: Path, *, as_nodes: bool) -> Credential | None:
    """An entry without any secret is what docker leaves for a helper to fill in: no entry."""
    if not isinstance(fields, dict) or not all(isinstance(fields.get(name, ""), str) for name in _FIELDS):
        raise MalformedError(f"the entry for {key!r} in the auth file {path} is malformed")
    username, password = ("", "") if as_nodes else (fields.get("username", ""), fields.get("password", ""))
    if fields.get("auth"):
        username, password = _decode_auth(fields["auth"], key, path)
    identity, ready = fields.get("identitytoken") or None, fields.get("registrytoken") or None
    if not (username or password or identity or ready):
        return None
    return Credential(username, password, identity, ready, origin=f"{key} in {path}")


def _decode_auth(text: str, key: str, path: Path) -> tuple[str, str]:
    """Docker adds a NUL to the password at times, which containers/image strips; base64 may have several lines."""
    try:
        decoded = base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        decoded = ""
    username, colon, password = decoded.partition(":")
    if not colon:
        raise MalformedError(
            f"the auth of {key!r} in the auth file {path} is not base64 of user:password",
            hint="airferry login HOST writes it correctly",
        )
    return username, password.strip("\x00")


def _host_of(key: str) -> str:
    """The host of a key; only keys that are URLs may carry a path (https://index.docker.io/v1/)."""
    stripped = key.removeprefix("https://").removeprefix("http://")
    return _normalized(stripped if stripped == key else stripped.partition("/")[0])


def _normalized(host: str) -> str:
    return "docker.io" if host in _DOCKER_HUB else host
