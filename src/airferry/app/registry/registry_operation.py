"""``registry reload``, ``status`` and ``unit``, and ``registry init`` for a certificate that is there already."""

import asyncio
import logging
import os
import pwd
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airferry.errors import AirferryError
from airferry.registry import (
    CertificateFacts,
    Holdings,
    OwnCertificate,
    Provisioned,
    Renewed,
    Settings,
    Stock,
    SystemdUnit,
    ask_serving,
    count_stored,
    expiry_warnings,
    init,
    install_certificate,
    read_ca_facts,
    read_facts,
    renew,
    systemd_unit,
)
from airferry.registry.errors import CertificateError, NotFoundError
from airferry.registry.state_files import GC, SCRUB, SHOWN_BYTES, read_state

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate with its chain, its key, and (None: in the chain, or known to the system) its CA."""

    certificate: Path
    key: Path
    ca: Path | None = None


async def init_registry_with(
    root: Path, hosts: Sequence[str], files: CertificateFiles, *, listen: str, user: str, password: str | None
) -> Provisioned:
    """Make a registry in ``root`` that serves with a certificate made elsewhere, which is checked before anything."""
    own = await asyncio.to_thread(_read_own, files, hosts)
    made = await asyncio.to_thread(init, root, own.hosts, listen=listen, user=user, password=password, own=own)
    logger.info("registry made", extra={"root": str(root), "hosts": list(made.hosts), "user": made.user})
    return made


async def renew_registry(root: Path, hosts: Sequence[str], files: CertificateFiles | None) -> Renewed:
    """Give the registry in ``root`` a new certificate: issued by its own CA, or the one in ``files``, checked.

    Without ``hosts`` it is for the names it was for.
    """
    if files is None:
        return await asyncio.to_thread(renew, root, hosts)
    return await asyncio.to_thread(_install, root, hosts, files)


async def reload_registry(root: Path) -> list[dict[str, Any]]:
    """Let every process that serves ``root`` read certificate and settings again; return what each of them said.

    Raises NotFoundError where none serves, and CertificateError, or MalformedError as it were, where one refused:
    it then goes on with what it had.
    """
    answers = await ask_serving(root, "reload")
    if not answers:
        Settings.read(root)
        raise NotFoundError(
            f"no process serves the registry in {root}",
            hint=f"start it with `airferry registry serve --root {root}`; it reads everything when it starts",
        )
    for answer in answers:
        if "error" in answer:
            raise RefusedReloadError.of(answer["error"])
    return answers


class RefusedReloadError(AirferryError):
    """A serving process found that what it should reload cannot be used, and goes on with what it had."""

    code = "certificate"

    @classmethod
    def of(cls, error: dict[str, Any]) -> AirferryError:
        """Return it for what the process said."""
        message = f"not reloaded, what was in force stays: {error.get('message')}"
        kind = cls if error.get("code") == "certificate" else _RefusedSettingsError
        return kind(message, hint=error.get("hint"))


class _RefusedSettingsError(AirferryError):
    code = "malformed"


def certificate_warnings(root: Path) -> tuple[str, ...]:
    """Return a sentence for each certificate of the registry in ``root`` that runs out soon, or has."""
    return expiry_warnings(Settings.read(root))


@dataclass(frozen=True, slots=True)
class RegistryStatus:
    """How a registry is, whether or not it is served. ``serving`` is what each process that serves it says."""

    root: Path
    settings: Settings
    stock: Stock
    holdings: Holdings
    serving: tuple[dict[str, Any], ...]
    collection: dict[str, Any] | None
    scrub: dict[str, Any] | None
    certificate: CertificateFacts | None
    ca: CertificateFacts | None
    warnings: tuple[str, ...]


async def registry_status(root: Path) -> RegistryStatus:
    """Return how the registry in ``root`` is. Raises NotFoundError, MalformedError, DatabaseUnreachableError."""
    settings = Settings.read(root)
    stock, holdings = await count_stored(settings)
    certificate = None
    warnings = list(expiry_warnings(settings))
    try:
        certificate = read_facts(settings.tls) if settings.tls else None
    except CertificateError as error:
        warnings.append(error.message)
    return RegistryStatus(
        root,
        settings,
        stock,
        holdings,
        tuple(answer for answer in await ask_serving(root, "status") if "error" not in answer),
        read_state(root, GC, most_bytes=SHOWN_BYTES),
        read_state(root, SCRUB, most_bytes=SHOWN_BYTES),
        certificate,
        read_ca_facts(root) if certificate else None,
        tuple(warnings),
    )


def status_document(status: RegistryStatus, now: datetime | None = None) -> dict[str, Any]:
    """Return a status for programs."""
    now = now or datetime.now(UTC)
    return {
        "root": str(status.root),
        "serving": list(status.serving),
        "listen": status.settings.listen,
        "readOnly": status.settings.is_read_only,
        "images": status.holdings.images,
        "repositories": status.holdings.repositories,
        "tags": status.holdings.tags,
        "bytes": status.holdings.linked_bytes,
        "uniqueBytes": status.stock.unique_bytes,
        "contents": status.stock.contents,
        "uploads": status.stock.uploads,
        "uploadBytes": status.stock.upload_bytes,
        "gc": status.collection,
        "scrub": status.scrub,
        "certificate": _facts_document(status.certificate, now),
        "caCertificate": _facts_document(status.ca, now),
        "warnings": list(status.warnings),
    }


def registry_unit(root: Path, *, is_user: bool) -> SystemdUnit:
    """Return the systemd unit of the registry in ``root``, started by this program. Raises NotFoundError.

    It runs as who owns ``root``, or for ``is_user`` as who asks.
    """
    settings = Settings.read(root.absolute())
    number = os.getuid() if is_user else root.stat().st_uid
    try:
        account = pwd.getpwuid(number).pw_name
    except KeyError:
        account = str(number)
    return systemd_unit(settings, _program(), is_user=is_user, account=account)


def _program() -> list[str]:
    """Return how this program is started, in absolute words."""
    if getattr(sys, "frozen", False):
        return [sys.executable]
    started = shutil.which(sys.argv[0])
    if started is not None and Path(started).name == "airferry":
        return [str(Path(started).absolute())]
    return [sys.executable, "-m", "airferry"]


def _facts_document(facts: CertificateFacts | None, now: datetime) -> dict[str, Any] | None:
    if facts is None:
        return None
    return {
        "serial": facts.serial,
        "subject": facts.subject,
        "issuer": facts.issuer,
        "expires": facts.expires_at,
        "daysLeft": facts.days_left(now),
        "hosts": list(facts.hosts),
    }


def _read_own(files: CertificateFiles, hosts: Sequence[str]) -> OwnCertificate:
    return OwnCertificate.read(files.certificate, files.key, files.ca, hosts)


def _install(root: Path, hosts: Sequence[str], files: CertificateFiles) -> Renewed:
    return install_certificate(root, _read_own(files, hosts))
