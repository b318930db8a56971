"""Making a registry's folder: CA, server certificate, users, settings.

Files: ``registry.toml``, ``ca.crt`` and ``ca.key``, ``server.crt`` and ``server.key``, ``accounts.json``,
``token-keys.json``, and ``admin-password`` when the password is ours. What is secret has mode 0600.
``registry.toml`` is written last, so a folder that has it is whole, and a run that was broken off can simply be
started again.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import tomli_w

from airferry.registry.access.accounts import check_user_name
from airferry.registry.access.accounts_file import ACCOUNTS_FILE, write_first_account
from airferry.registry.access.passwords import hash_password
from airferry.registry.access.token_keys import write_first_keys
from airferry.registry.certificates import make_ca, make_leaf
from airferry.registry.disk import disk_errors
from airferry.registry.durable import write_durably as write_durably
from airferry.registry.errors import InUseError
from airferry.registry.settings import CA_FILE, CONFIG_FILE, DEFAULT_LISTEN, parse_listen

if TYPE_CHECKING:
    from airferry.registry.operation.own_certificate import OwnCertificate

PASSWORD_FILE: Final = "admin-password"  # noqa: S105 - a file name
CA_KEY_FILE: Final = "ca.key"
_PASSWORD_BYTES: Final = 24


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What ``init`` made. ``password_file`` is None when the caller chose the password.

    ``ca_certificate`` is None where clients trust the CA without being told.
    """

    root: Path
    ca_certificate: Path | None
    user: str
    password_file: Path | None
    hosts: tuple[str, ...]


def is_initialized(root: Path) -> bool:
    """Whether ``root`` holds a registry that can be served."""
    return (root / CONFIG_FILE).is_file()


def init(
    root: Path,
    hosts: Sequence[str],
    *,
    listen: str = DEFAULT_LISTEN,
    user: str = "admin",
    password: str | None = None,
    own: "OwnCertificate | None" = None,
) -> Provisioned:
    """Make a registry in ``root``: its own CA, a certificate for ``hosts`` (or ``own``, made elsewhere), one user.

    Without ``password`` a random one is written to ``admin-password``, once, and nowhere else. Raises
    InUseError when there is a registry already (nothing is changed), UsageError, ReadOnlyError, NoSpaceError.
    """
    parse_listen(listen)
    check_user_name(user)
    if is_initialized(root):
        raise InUseError(
            f"{root} holds a registry already",
            hint=f"serve it with `airferry registry serve --root {root}`, or choose another folder",
        )
    files = _certificate_files(hosts) if own is None else _files_of(own)
    chosen = password if password is not None else secrets.token_urlsafe(_PASSWORD_BYTES)
    hashed = hash_password(chosen)
    with disk_errors(f"initialising {root}"):
        root.mkdir(parents=True, exist_ok=True)
        for name, (content, mode) in files.items():
            write_durably(root / name, content, mode)
        write_first_account(root, user, hashed)
        write_first_keys(root)
        if password is None:
            write_durably(root / PASSWORD_FILE, f"{chosen}\n".encode(), 0o600)
        write_durably(root / CONFIG_FILE, _config(listen), 0o644)
    password_file = root / PASSWORD_FILE if password is None else None
    ca_certificate = root / CA_FILE if CA_FILE in files else None
    return Provisioned(root, ca_certificate, user, password_file, tuple(dict.fromkeys(hosts)))


_Files = dict[str, tuple[bytes, int]]


def _certificate_files(hosts: Sequence[str]) -> _Files:
    """Return a new CA and a certificate of it, as names with content and mode."""
    now = datetime.now(UTC)
    ca = make_ca(f"airferry registry CA {now:%Y-%m-%d} {secrets.token_hex(3)}", now)
    leaf = make_leaf(ca, hosts, now)
    return {
        CA_KEY_FILE: (ca.key_pem, 0o600),
        CA_FILE: (ca.certificate_pem, 0o644),
        "server.key": (leaf.key_pem, 0o600),
        "server.crt": (leaf.certificate_pem + ca.certificate_pem, 0o644),
    }


def _files_of(own: "OwnCertificate") -> _Files:
    files = {"server.key": (own.key_pem, 0o600), "server.crt": (own.chain_pem, 0o644)}
    return files if own.ca_pem is None else {CA_FILE: (own.ca_pem, 0o644), **files}


def _config(listen: str) -> bytes:
    fields = {
        "listen": listen,
        "tls": {"certificate": "server.crt", "key": "server.key"},
        "access": {"users": ACCOUNTS_FILE, "anonymous_pull": False},
    }
    return (
        b"# Written by `airferry registry init`. Paths are relative to this folder.\n" + tomli_w.dumps(fields).encode()
    )
