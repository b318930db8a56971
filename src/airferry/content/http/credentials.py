"""Which credential a repository gets: auth files in order, and the helper programs that they name.

Source: docker-credential-helpers (``docker-credential-NAME get``: the server on stdin, JSON on stdout).
"""

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

import msgspec

from airferry.content.http.auth_files import AuthFile, Credential, load_auth_files
from airferry.errors import MalformedError

logger = logging.getLogger(__name__)

HELPER_TIMEOUT_S: Final = 30.0
_DOCKER_HUB_KEY: Final = "https://index.docker.io/v1/"
_HELPER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_NOT_FOUND: Final = "credentials not found"


class CredentialSource(Protocol):
    """Somewhere that credentials are looked up."""

    async def find(self, host: str, path: str) -> Credential | None:
        """Return the credential for repository ``path`` (may be "") on ``host``, None when there is none."""
        ...

    @property
    def searched(self) -> str:
        """Where was looked, in words for an error message."""
        ...


class NoCredentials:
    """Anonymous, always."""

    searched = "no auth file"

    async def find(self, host: str, path: str) -> Credential | None:
        """Return None."""
        return None


class FixedCredential:
    """One credential for every registry it is used with: what ``login`` proves before it stores it."""

    searched = "the command line"

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    async def find(self, host: str, path: str) -> Credential | None:
        """Return the one credential."""
        return self._credential


AskHelper = Callable[[str, str], Awaitable[bytes | None]]
"""Asks helper NAME about a server; returns its answer's JSON, None when it knows no credential."""


class StoredCredentials:
    """Auth files in order; the first that knows the repository decides. Helpers are asked once per host."""

    def __init__(
        self, files: tuple[AuthFile, ...], searched: tuple[Path, ...] = (), *, ask_helper: AskHelper | None = None
    ) -> None:
        self._files = files
        self._searched = searched or tuple(file.path for file in files)
        self._ask_helper = ask_helper or run_helper
        self._helped: dict[tuple[str, str], Credential | None] = {}
        self._lock = asyncio.Lock()

    @property
    def searched(self) -> str:
        """The paths, in the order of looking."""
        return ", ".join(str(path) for path in self._searched) or "no auth file"

    async def find(self, host: str, path: str) -> Credential | None:
        """In each file: its helper for this host, its entries, its helper for everything else."""
        for file in self._files:
            helper = file.helper_for(host, path)
            if helper is not None and (found := await self._helped_by(*helper, file)) is not None:
                return found
            entry = file.find(host, path)
            if entry is not None:
                return entry
            if file.store is not None:
                server = _DOCKER_HUB_KEY if host == "docker.io" else host
                if (found := await self._helped_by(file.store, server, file)) is not None:
                    return found
        return None

    async def _helped_by(self, name: str, server: str, file: AuthFile) -> Credential | None:
        async with self._lock:
            if (name, server) not in self._helped:
                if not _HELPER_NAME.match(name):
                    raise MalformedError(f"{name!r} in {file.path} is not the name of a credential helper")
                answer = await self._ask_helper(name, server)
                origin = f"{server} from docker-credential-{name}, named in {file.path}"
                self._helped[name, server] = None if answer is None else parse_helper_answer(answer, origin)
            return self._helped[name, server]


def stored_credentials(
    given: Path | None, environ: Mapping[str, str] | None = None, home: Path | None = None
) -> StoredCredentials:
    """Return what ``-a FILE`` (or its absence) means; raises as :func:`load_auth_files` does."""
    return StoredCredentials(*load_auth_files(given, environ, home))


def parse_helper_answer(answer: bytes, origin: str) -> Credential:
    """Return the credential in a helper's answer; the user name ``<token>`` marks an identity token."""
    try:
        fields = msgspec.json.decode(answer, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedError(f"the credential helper's answer for {origin} is not its protocol") from None
    username, secret = fields.get("Username", ""), fields.get("Secret", "")
    if username == "<token>":
        return Credential("", identity_token=secret, origin=origin)
    return Credential(username, secret, origin=origin)


async def run_helper(name: str, server: str, *, timeout_s: float = HELPER_TIMEOUT_S) -> bytes | None:
    """Run ``docker-credential-NAME get``; None when it knows nothing about ``server``.

    Raises MalformedError when it is missing, fails, or is silent for longer than ``timeout_s``: credentials
    that were configured and cannot be had must not become an anonymous pull that fails for another reason.
    """
    program = f"docker-credential-{name}"
    question = _filled_pipe(f"{server}\n".encode())
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "get",
            stdin=question,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise MalformedError(
            f"the credential helper {program} cannot be run: {error.strerror}",
            hint=f"install it, or give an auth file without it by -a FILE (asked for {server})",
        ) from error
    finally:
        os.close(question)
    try:
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate()
    except TimeoutError:
        raise MalformedError(
            f"the credential helper {program} gave no answer for {server} within {timeout_s:g} s"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        return output
    if _NOT_FOUND in output.decode(errors="replace"):
        logger.debug("credential helper knows nothing", extra={"helper": name, "server": server})
        return None
    raise MalformedError(f"the credential helper {program} failed for {server} with exit code {process.returncode}")


def _filled_pipe(content: bytes) -> int:
    """Return the end to read from of a pipe that holds ``content`` (less than the 4 KiB that every pipe takes).

    A helper may answer without reading; writing to one that has ended already would be an error of ours.
    """
    reading, writing = os.pipe()
    try:
        os.write(writing, content)
    finally:
        os.close(writing)
    return reading
