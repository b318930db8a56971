"""What the kill tests need: upstreams and commands in processes of their own, and moments to kill them at."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from airferry.lab import SMALL, LabStore, PublishedRelease, publish_release

from .stage import QUICK, own_layer

MIB = 1024 * 1024
LARGE_BYTES = 24 * MIB
AT_MOST_AGAIN_BYTES = 8 * MIB
"""How much of a blob in flight may be fetched a second time after a kill."""
PACE_BYTES_PER_S = 48 * MIB
PATIENCE_S = 60.0


def seed() -> str:
    """Return the seed of this session: ``AIRFERRY_KILL_SEED``, or a new one."""
    return os.environ.setdefault("AIRFERRY_KILL_SEED", str(random.SystemRandom().randrange(10**9)))


@contextmanager
def process(*arguments: object, home: Path) -> Iterator[subprocess.Popen[str]]:
    """Run ``python -m`` with these arguments; it is killed at the end of the block, if it still runs."""
    environment = {**os.environ, "HOME": str(home), "XDG_STATE_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment, **pipes) as started:  # type: ignore[call-overload]
        try:
            yield started
        finally:
            started.kill()
            started.communicate()


@dataclass(frozen=True)
class Server:
    """A lab upstream in its own process, and the log that it writes."""

    host: str
    signatures: str
    log: Path

    def entries(self) -> list[dict[str, object]]:
        """Return what was asked so far; the last line may still be on its way."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]


@contextmanager
def upstream(release: PublishedRelease, folder: Path, *, pace: int | None) -> Iterator[Server]:
    """Serve ``release``, with ``pace`` bytes a second for each blob."""
    folder.mkdir()
    log = folder / "log"
    slowly = ("--pace", pace) if pace else ()
    with process("airferry.lab.serve", release.folder, "--log", log, *slowly, home=folder) as served:
        assert served.stdout is not None
        url, signatures = (served.stdout.readline().split()[-1] for _ in range(2))
        yield Server(url.removeprefix("http://"), signatures, log)


@dataclass(frozen=True)
class Grounds:
    """A release with one large layer, a slow upstream to be killed at, and a quick one to finish at."""

    release: PublishedRelease
    large: str
    slow: Server
    quick: Server

    def sizes(self) -> Mapping[str, int]:
        """Return the sizes of the blobs that only mirroring reads; the release image is read by every run."""
        store = LabStore(self.release.folder)
        fields = json.loads(store.read(self.release.digest))
        read_anyway = {item["digest"] for item in (fields["config"], *fields["layers"])}
        return {digest: size for digest, size in store.sizes().items() if digest not in read_anyway}

    def mirror(self, server: Server, folder: Path) -> tuple[object, ...]:
        """Return the command that mirrors the release from ``server`` to the disk in ``folder``."""
        rules = folder / f"{server.log.parent.name}.conf"
        rules.write_text(f'[[registry]]\nprefix = "quay.io"\nlocation = "{server.host}"\ninsecure = true\n')
        trust = ("--verification-key", self.release.verification_key, "--signature-store", server.signatures)
        command = ("airferry", "release", "mirror", "4.12.0", "--to-dir", folder / "disk")
        return (*command, "--registries-conf", rules, *trust, *QUICK)


@contextmanager
def grounds(folder: Path) -> Iterator[Grounds]:
    """Publish the release and serve it twice."""
    folder.mkdir()
    content = random.Random(1).randbytes(LARGE_BYTES)
    release = publish_release(folder / "store", SMALL, layers={"machine-os-content": content})
    large = own_layer(LabStore(release.folder), release.components["machine-os-content"])
    with (
        upstream(release, folder / "slow", pace=PACE_BYTES_PER_S) as slow,
        upstream(release, folder / "quick", pace=None) as quick,
    ):
        yield Grounds(release, large, slow, quick)


def finish(*arguments: object, home: Path) -> None:
    """Run a command to its end, which must be a good one."""
    with process(*arguments, home=home) as running:
        out, err = running.communicate(timeout=PATIENCE_S)
        assert running.returncode == 0, (out[-500:], err[-2000:])


def kill_when(running: subprocess.Popen[str], moment: Callable[[], bool], delay_s: float) -> None:
    """Wait until ``moment``, and ``delay_s`` more, and kill; a process that ended before is left in peace."""
    until = time.monotonic() + PATIENCE_S
    while running.poll() is None and not moment():
        assert time.monotonic() < until, "the moment never came"
        time.sleep(0.002)
    time.sleep(delay_s)
    running.kill()
    running.wait()


def sent_bytes(entries: list[dict[str, object]]) -> dict[str, int]:
    """Return how many bytes of each blob left an upstream."""
    sent: dict[str, int] = {}
    for entry in entries:
        if entry["endpoint"] == "cdn" and entry["method"] == "GET":
            digest = f"sha256:{str(entry['path']).partition('?')[0].rpartition('/')[2]}"
            sent[digest] = sent.get(digest, 0) + int(str(entry["sent_bytes"]))
    return sent
