"""skopeo, podman and umoci, run as somebody runs them who has never heard of airferry."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .registries import program


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    def done(self) -> "Said":
        assert self.code == 0, self.err
        return self


def run(name: str, *arguments: object, **environment: str) -> Said:
    """Run a program from Debian."""
    command = [program(name), *map(str, arguments)]
    # podman insists on a config.json where DOCKER_CONFIG points.
    inherited = {key: value for key, value in os.environ.items() if key != "DOCKER_CONFIG"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, env=inherited | environment, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


def skopeo(*arguments: object) -> Said:
    return run("skopeo", *arguments)


def inspect(image: str, *flags: object) -> dict[str, Any]:
    """Return what ``skopeo inspect`` says of an image."""
    found: dict[str, Any] = json.loads(skopeo("inspect", *flags, image).done().out)
    return found


@dataclass(frozen=True)
class Podman:
    """A podman with storage and settings of its own, as a node that was just installed.

    ``folder`` has a short name: podman takes no runroot of more than 50 characters. ``within`` is the command that
    runs others on the host that it is on.
    """

    folder: Path
    registries_conf: Path | None = None
    within: tuple[str, ...] = ()

    def __call__(self, *arguments: object) -> Said:
        storage = ("--root", self.folder / "root", "--runroot", self.folder / "runroot", "--storage-driver", "vfs")
        environment = {"TMPDIR": str(self.folder)}
        if self.registries_conf is not None:
            environment["CONTAINERS_REGISTRIES_CONF"] = str(self.registries_conf)
        self.folder.mkdir(exist_ok=True)
        name, *command = (*self.within, "podman")
        return run(name, *command, *storage, *arguments, **environment)

    def images(self) -> list[dict[str, Any]]:
        """Return the images it has."""
        found: list[dict[str, Any]] = json.loads(self("images", "--digests", "--format", "json").done().out)
        return found
