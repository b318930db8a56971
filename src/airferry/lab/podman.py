"""podman as a second opinion: the machine's own, where there is one, with storage and settings of nobody else."""

import asyncio
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from airferry.oci import Reference

_TIMEOUT_S: Final = 30.0
_POLICY: Final = '{"default":[{"type":"insecureAcceptAnything"}]}\n'
_NOT_ITS_FAULT: Final = ("UIDs or GIDs", "newuidmap", "user namespace", "userns")
"""What podman says on machines where it cannot unpack any image without root."""


@dataclass(frozen=True, slots=True)
class Podman:
    """A podman that works here. ``storage`` has a short name: podman takes no runroot of more than 50 characters."""

    program: str
    storage: Path
    registries_conf: Path
    auth_file: Path
    certs: Path

    @classmethod
    async def find(cls, folder: Path, registries_conf: Path, auth_file: Path, ca_file: Path) -> "Podman | str":
        """Return the machine's podman, to use as a context manager; a sentence where there is none that works."""
        program = shutil.which("podman")
        if program is None:
            return "not installed here, so nobody else was asked"
        certs = folder / "podman-certs"
        certs.mkdir(exist_ok=True)
        shutil.copyfile(ca_file, certs / "ca.crt")
        storage = Path(tempfile.mkdtemp(prefix="ferry-", dir="/tmp"))
        (storage / "policy.json").write_text(_POLICY)
        podman = cls(program, storage, registries_conf, auth_file, certs)
        code, said = await podman._run("info", "--format", "{{.Store.GraphDriverName}}")
        if code != 0:
            podman.__exit__(None, None, None)
            return f"installed, and does not work here: {said}"
        return podman

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.storage, ignore_errors=True)

    async def pull(self, image: Reference) -> str | None:
        """Pull as a node would; None when it came, else the last that podman said."""
        policy = self.storage / "policy.json"
        flags = ("--quiet", "--authfile", self.auth_file, "--cert-dir", self.certs, "--signature-policy", policy)
        code, said = await self._run("pull", *flags, "--os", "linux", "--arch", "amd64", str(image))
        return None if code == 0 or any(words in said for words in _NOT_ITS_FAULT) else said

    async def _run(self, *arguments: object) -> tuple[int, str]:
        storage = ("--root", self.storage / "root", "--runroot", self.storage / "run", "--storage-driver", "vfs")
        environment = {
            **os.environ,
            "CONTAINERS_REGISTRIES_CONF": str(self.registries_conf),
            "TMPDIR": str(self.storage),
        }
        environment.pop("DOCKER_CONFIG", None)  # podman insists on a config.json there
        process = await asyncio.create_subprocess_exec(
            self.program,
            *map(str, (*storage, *arguments)),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                _, error = await process.communicate()
        except TimeoutError:
            return 1, f"no answer within {_TIMEOUT_S:g} s"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        lines = error.decode(errors="replace").strip().splitlines()
        return process.returncode or 0, lines[-1] if lines else "it said nothing"
