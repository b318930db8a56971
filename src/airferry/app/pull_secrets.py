"""``secret`` and ``login``: pull secrets merged, shown and checked; credentials proven before they are stored."""

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airferry.app.settings import Side
from airferry.app.text_files import read_text_file
from airferry.content.filesystem import PRIVATE, make_folders, replace_file, sync_folder, writing
from airferry.content.http import (
    Credential,
    FixedCredential,
    HttpContent,
    HttpSettings,
    LoginOutcome,
    default_auth_files,
    default_certs_dirs,
    stored_credentials,
)
from airferry.errors import AirferryError, ExitCode, UsageError
from airferry.openshift.cluster.pull_secret import ShownEntry, check_registry, merge_pull_secret, show_pull_secret

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CheckedEntry:
    """One registry of a pull secret and what it said to its credential. ``code`` is None when it was accepted."""

    registry: str
    user: str | None
    code: str | None
    answer: str


def check_name(registry: str) -> None:
    """Raise MalformedError for a registry that cannot be in a pull secret, before anybody is asked for a password."""
    check_registry(registry)


def read_secret(file: Path) -> str:
    """Return the text of a pull secret. Raises UsageError; the text itself never gets into an error."""
    return read_text_file(file, "the pull secret")


async def merge_secret(file: Path | None, registry: str, user: str, password: str, to: Path) -> None:
    """Write to ``to``, mode 0600, the pull secret of ``file`` (None: a new one) with the registry's user added."""
    text = read_secret(file) if file is not None else ""
    await _write_private(to, merge_pull_secret(text, registry, user, password))
    logger.info("credential stored", extra={"registry": registry, "user": user, "file": str(to)})


def show_secret(file: Path) -> tuple[ShownEntry, ...]:
    """Return the entries of a pull secret without their secrets."""
    entries = show_pull_secret(read_secret(file))
    logger.info("pull secret read", extra={"file": str(file), "entries": len(entries)})
    return entries


async def check_secret(file: Path, side: Side, only: Sequence[str] = ()) -> tuple[CheckedEntry, ...]:
    """Ask each registry of the pull secret whether it accepts its credential; ``only`` names some of them."""
    entries = [entry for entry in show_secret(file) if not only or entry.registry in only]
    unknown = set(only) - {entry.registry for entry in entries}
    if unknown:
        raise UsageError(f"{file} has no entry for {', '.join(sorted(unknown))}")
    content = HttpContent(
        HttpSettings(
            credentials=stored_credentials(file),
            ca_file=side.ca_file,
            insecure=side.insecure,
            certs_dirs=default_certs_dirs(Path.home()),
        )
    )
    try:
        return tuple(await asyncio.gather(*(_check(entry, content) for entry in entries)))
    finally:
        await content.close()


def worst_exit_code(entries: Sequence[CheckedEntry]) -> ExitCode:
    """Return DONE when every registry accepted, USER otherwise."""
    return ExitCode.USER if any(entry.code for entry in entries) else ExitCode.DONE


async def login(registry: str, user: str, password: str, side: Side, to: Path | None) -> Path:
    """Prove a credential to ``registry``, store it in ``to`` (None: the user's auth file), mode 0600; return that file.

    Raises UnauthorizedError, CertificateError, UnreachableError, … and UsageError for a registry that asks nobody
    for credentials, and so can prove none: nothing is stored then.
    """
    check_registry(registry)
    host, _, path = registry.partition("/")
    content = HttpContent(
        HttpSettings(
            credentials=FixedCredential(Credential(user, password, origin="the password you typed")),
            ca_file=side.ca_file,
            insecure=side.insecure,
            certs_dirs=default_certs_dirs(Path.home()),
        )
    )
    try:
        outcome = await content.registry(host).prove_login(path)
    finally:
        await content.close()
    if outcome is not LoginOutcome.ACCEPTED:
        raise UsageError(
            f"{registry} asks nobody for credentials, so it cannot prove these, and nothing was stored",
            hint="no login is needed there; for a tool that wants an entry all the same: "
            f"airferry secret merge {registry} -u {user} --to FILE",
        )
    file = to or _default_auth_file()
    text = read_secret(file) if file.exists() else ""
    await _write_private(file, merge_pull_secret(text, registry, user, password))
    logger.info("credential stored", extra={"registry": registry, "user": user, "file": str(file)})
    return file


def _default_auth_file() -> Path:
    named = os.environ.get("REGISTRY_AUTH_FILE")
    return Path(named) if named else default_auth_files(os.environ, Path.home(), os.getuid())[0]


async def _check(entry: ShownEntry, content: HttpContent) -> CheckedEntry:
    if entry.problem is not None:
        return CheckedEntry(entry.registry, entry.user, "malformed", entry.problem)
    host, _, path = entry.registry.partition("/")
    try:
        outcome = await content.registry(host).prove_login(path)
    except AirferryError as error:
        return CheckedEntry(entry.registry, entry.user, error.code, error.message)
    return CheckedEntry(entry.registry, entry.user, None, outcome.value)


async def _write_private(file: Path, text: str) -> None:
    def write() -> None:
        with writing(file):
            make_folders(file.parent, PRIVATE.folder)
            replace_file(file, text.encode(), PRIVATE.file)
            sync_folder(file.parent)

    await asyncio.to_thread(write)
