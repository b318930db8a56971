"""The settings of one registry: what ``registry init`` wrote into its folder, and what ``serve`` was told."""

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from airferry.errors import MalformedError, UsageError
from airferry.registry.disk import disk_errors
from airferry.registry.errors import NotFoundError
from airferry.registry.upkeep_settings import UpkeepSettings

CONFIG_FILE: Final = "registry.toml"
USERS_FILE: Final = "users.htpasswd"
CA_FILE: Final = "ca.crt"
DEFAULT_LISTEN: Final = "127.0.0.1:8443"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A certificate, with its chain, and its key, both in PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Where a PostgreSQL database is. Shows no password, however it is printed."""

    url: URL

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address that ``text`` spells, or raise MalformedError, which does not repeat ``text``."""
        hint = "write postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE"
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):
            raise MalformedError("the database's address is not a URL", hint=hint) from None
        if url.drivername not in ("postgresql", "postgresql+psycopg"):
            raise MalformedError(f"the database's address begins with {url.drivername!r}", hint=hint)
        if "password" in url.query:
            raise MalformedError(
                "the database's address has its password in the query, where it would be shown", hint=hint
            )
        return cls(url.set(drivername="postgresql+psycopg"))

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    def __repr__(self) -> str:
        return f"DatabaseUrl({self})"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything :func:`airferry.registry.serve` needs to know. ``tls`` and ``users`` may be None: no TLS, no users.

    ``database`` is None for SQLite in the registry's folder. ``is_read_only``: every push and delete is refused;
    ``can_delete`` False: every delete.
    """

    root: Path
    listen: str = DEFAULT_LISTEN
    tls: TlsFiles | None = None
    users: Path | None = None
    anonymous_pull: bool = False
    database: DatabaseUrl | None = None
    is_read_only: bool = False
    can_delete: bool = True
    upkeep: UpkeepSettings = field(default_factory=UpkeepSettings)

    @classmethod
    def read(
        cls,
        root: Path,
        *,
        listen: str | None = None,
        use_tls: bool = True,
        use_auth: bool = True,
        is_read_only: bool = False,
        can_delete: bool = True,
    ) -> Self:
        """Return the settings of the registry that was initialised in ``root``.

        ``use_tls=False`` and ``use_auth=False`` are for labs. ``is_read_only`` and ``can_delete`` may forbid more than
        the file does, and not allow more. Raises NotFoundError when there is none,
        MalformedError for a file that is not as we write it.
        """
        file = root / CONFIG_FILE
        try:
            with disk_errors(f"reading {file}"):
                fields = tomllib.loads(file.read_text())
        except FileNotFoundError:
            raise NotFoundError(
                f"there is no registry in {root}", hint=f"make one with `airferry registry init --root {root}`"
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise MalformedError(f"{file} is not TOML: {error}") from error
        tls, access = _table(fields, "tls", file), _table(fields, "access", file)
        settings = cls(
            root=root,
            listen=_text(fields, "listen", file),
            tls=TlsFiles(root / _text(tls, "certificate", file), root / _text(tls, "key", file)),
            users=root / _text(access, "users", file),
            anonymous_pull=access.get("anonymous_pull", False) is True,
            database=DatabaseUrl.parse(_text(fields, "database", file)) if "database" in fields else None,
            is_read_only=_flag(fields, "read_only", file, otherwise=False) or is_read_only,
            can_delete=_flag(fields, "deletes", file, otherwise=True) and can_delete,
            upkeep=UpkeepSettings.parse(fields, file),
        )
        return replace(
            settings,
            listen=listen or settings.listen,
            tls=settings.tls if use_tls else None,
            users=settings.users if use_auth else None,
        )


def parse_listen(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT`` or ``[IPV6]:PORT``. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise UsageError(f"{text!r} is not an address to listen on", hint=f"write HOST:PORT, such as {DEFAULT_LISTEN}")
    return host, int(port)


def _table(fields: dict[str, Any], name: str, file: Path) -> dict[str, Any]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise MalformedError(f"{file} has no table [{name}]")
    return value


def _flag(fields: dict[str, Any], name: str, file: Path, *, otherwise: bool) -> bool:
    value = fields.get(name, otherwise)
    if not isinstance(value, bool):
        raise MalformedError(f"{name} in {file} is neither true nor false")
    return value


def _text(fields: dict[str, Any], name: str, file: Path) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedError(f"{file} says no {name}")
    return value
