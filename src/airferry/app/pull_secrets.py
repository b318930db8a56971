"""``secret`` and ``login``: pull secrets merged, shown and checked; credentials proven before they are stored."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airferry.app.settings import Side
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
from airferry.openshift.cluster.pull_secret import ShownEntry, merge_pull_secret, show_pull_secret


@dataclass(frozen=True, slots=True)
class CheckedEntry:
    """One registry of a pull secret and what it said to its credential. ``code`` is None when it was accepted."""

    registry: str
    user: str | None
    code: str | None
    answer: str


def read_secret(file: Path) -> str:
    """Return the text of a pull secret. Raises UsageError; the text itself never gets into an error."""
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"the pull secret {file} cannot be read: {reason}") from error


async def merge_secret(file: Path | None, registry: str, user: str, password: str, to: Path) -> None:
    """Write to ``to``, mode 0600, the pull secret of ``file`` (None: a new one) with the registry's user added."""
    text = read_secret(file) if file is not None else ""
    await _write_private(to, merge_pull_secret(text, registry, user, password))


def show_secret(file: Path) -> tuple[ShownEntry, ...]:
    """Return the entries of a pull secret without their secrets."""
    return show_pull_secret(read_secret(file))


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


async def login(registry: str, user: str, password: str, side: Side, to: Path | None) -> tuple[LoginOutcome, Path]:
    """Prove a credential to ``registry``, then store it in ``to`` (None: the user's auth file), mode 0600.

    Raises UnauthorizedError, CertificateError, UnreachableError, …: nothing is stored then.
    """
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
    file = to or _default_auth_file()
    text = read_secret(file) if file.exists() else ""
    await _write_private(file, merge_pull_secret(text, registry, user, password))
    return outcome, file


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
