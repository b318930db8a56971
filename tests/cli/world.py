"""Both sides of the gap, built once by the commands themselves, for tests that only look."""

import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airferry.app.pull_secrets import merge_secret
from airferry.app.registry.mirror_registry import HowToServe, prepare_registry, serve_registry
from airferry.lab import SMALL, PublishedRelease, Shape, publish_release
from airferry.registry import Running
from failures.stage import QUICK, Quay, Run, Served, airferry

ANSI = re.compile(r"\x1b\[")


class OurRegistry(Served[Running]):
    """``registry serve`` on a free port: TLS and a user, unless told otherwise."""

    def __init__(self, root: Path, *, use_tls: bool = True, use_auth: bool = True) -> None:
        @asynccontextmanager
        async def opening() -> AsyncIterator[Running]:
            how = HowToServe(root, listen="127.0.0.1:0", use_tls=use_tls, use_auth=use_auth)
            await prepare_registry(root, listen=how.listen, hosts=("localhost", "127.0.0.1"))
            async with serve_registry(how) as running:
                yield running

        super().__init__(opening)
        self.root = root
        self._is_open = not use_tls and not use_auth

    @property
    def host(self) -> str:
        return f"localhost:{self.server.port}"

    @property
    def repository(self) -> str:
        return f"{self.host}/ocp4/openshift4"

    @property
    def authority(self) -> Path:
        return self.root / "ca.crt"

    @property
    def password(self) -> str:
        return (self.root / "admin-password").read_text().strip()

    @property
    def auth_file(self) -> Path:
        """An auth file with the registry's one user."""
        file = self.root / "auth.json"
        if not file.exists():
            import asyncio

            asyncio.run(merge_secret(None, self.host, "admin", self.password, file))
        return file

    @property
    def flags(self) -> tuple[object, ...]:
        """What any command needs to reach this registry."""
        if self._is_open:
            return ("--insecure", *QUICK)
        return ("-a", self.auth_file, "--certificate-authority", self.authority, *QUICK)


@dataclass(frozen=True)
class World:
    """An upstream with the small release, the disk it was mirrored to, and the registry that was loaded from it."""

    release: PublishedRelease
    quay: Quay
    disk: Path
    to_disk: Run
    mirror: OurRegistry
    files: Path
    to_mirror: Run

    @property
    def version(self) -> str:
        return self.release.version

    @property
    def mirrored(self) -> str:
        """The release in the mirror, by tag."""
        return f"{self.mirror.repository}:{self.release.tag}"

    @property
    def trust(self) -> tuple[object, ...]:
        return ("--verification-key", self.release.verification_key)

    @property
    def component_digests(self) -> set[str]:
        return set(self.release.components.values())


@contextmanager
def build_world(folder: Path, shape: Shape = SMALL) -> Iterator[World]:
    """Publish, mirror to a disk, and load a registry from there, as an operator would."""
    release = publish_release(folder / "store", shape)
    disk, files = folder / "disk", folder / "manifests"
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name in ("HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(folder))
        quay = stack.enter_context(Quay(folder, release))
        mirror = stack.enter_context(OurRegistry(folder / "registry"))
        to_disk = quay.mirror(disk).done()
        key = ("--verification-key", release.verification_key)
        to = ("--to", mirror.repository, "--manifests-dir", files)
        to_mirror = airferry("release", "mirror", release.version, "--from-dir", disk, *to, *key, *mirror.flags).done()
        patch.undo()
        yield World(release, quay, disk, to_disk, mirror, files, to_mirror)


@contextmanager
def nothing_listens() -> Iterator[str]:
    """Give the address of a port of this machine that refuses connections while the block lasts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take it meanwhile
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def as_json(run: Run) -> Any:
    """Return the answer of a command that was asked for JSON."""
    return json.loads(run.done().out)


def error_of(run: Run) -> dict[str, Any]:
    """Return the error of a command that was asked for JSON: the last line of stderr."""
    error: dict[str, Any] = json.loads(run.err.splitlines()[-1])["error"]
    return error
