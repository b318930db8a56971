"""P7–P9: our registry under a few clients, beside docker-registry in the same run, plain and over TLS."""

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.crossing import Row
from bench.programs import docker_registry, our_registry
from bench.serving_client import Done, Work, push_image

MB = 1000 * 1000
COUNTS = {1: 100, 10: 16, 100: 3}
"""How many blobs of so many MB each client moves in one round."""
CLIENTS = 4
HEAD_CLIENTS = 16
HEADS = 400
ROUNDS = 3
"""Rounds of ours and theirs in turn, of which the middle one counts."""
PUSH_RATIO = 1.5


@dataclass(frozen=True)
class Side:
    """A registry that is served: where, and the certificate that it is trusted by."""

    name: str
    address: str
    ca: str | None

    def rate(self, kind: str, targets: Sequence[str], size_mb: int) -> float:
        """Return blobs a second, over all clients."""
        count = COUNTS[size_mb]
        done = _at_once([Work(kind, self.address, self.ca, target, size_mb * MB, count) for target in targets])
        return count * len(done) / max(one.wall_s for one in done)

    def heads_s(self, target: str) -> list[float]:
        """Return how long each HEAD took, in seconds, sorted."""
        work = Work("head", self.address, self.ca, target, 0, HEADS)
        return sorted(taken for one in _at_once([work] * HEAD_CLIENTS) for taken in one.each_s)


def serving(folder: Path, *, more: Sequence[str] = (), only: str = "") -> list[Row]:
    """Measure P7, P8 and P9, plain and over TLS; ``more`` are options of our ``registry serve``."""
    rows: list[Row] = []
    for is_tls in (False, True):
        for name, measure in (("push", _pushes), ("pull", _pulls), ("head", _heads)):
            if only in ("", name, f"{name}-{'tls' if is_tls else 'plain'}"):
                rows += measure(folder, is_tls, more)
    return rows


def _pushes(folder: Path, is_tls: bool, more: Sequence[str]) -> list[Row]:
    rows = []
    for size_mb in COUNTS:
        rates: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(ROUNDS):
            with _both(folder, is_tls, more) as sides:  # new and empty each time, so that memory does not run out
                for side in sides:
                    targets = [f"bench/push{number}" for number in range(CLIENTS)]
                    rates[side.name].append(side.rate("push", targets, size_mb))
        rows.append(_row("P7", f"push {size_mb} MB blobs", is_tls, rates, PUSH_RATIO))
    return rows


def _pulls(folder: Path, is_tls: bool, more: Sequence[str]) -> list[Row]:
    rows = []
    with _both(folder, is_tls, more) as sides:
        for size_mb in COUNTS:
            rates: dict[str, list[float]] = {"ours": [], "theirs": []}
            targets = {side.name: _blobs(side, size_mb) for side in sides}
            for _ in range(ROUNDS):
                for side in sides:
                    rates[side.name].append(side.rate("pull", targets[side.name], size_mb))
            wanted = PUSH_RATIO if size_mb == 1 else 1.0
            rows.append(_row("P8", f"pull {size_mb} MB blobs", is_tls, rates, wanted))
    return rows


def _heads(folder: Path, is_tls: bool, more: Sequence[str]) -> list[Row]:
    taken_s: dict[str, list[list[float]]] = {"ours": [], "theirs": []}
    with _both(folder, is_tls, more) as sides:
        for side in sides:
            push_image(side.address, side.ca, "bench/head", 1000)
        for _ in range(ROUNDS):
            for side in sides:
                taken_s[side.name].append(side.heads_s("/v2/bench/head/manifests/t"))
    ours, theirs = ({at: _percentile(taken_s[name], at) for at in (50, 99)} for name in ("ours", "theirs"))
    work = f"HEAD manifest, {HEAD_CLIENTS} clients{', TLS' if is_tls else ''}"
    return [
        Row(
            "P9",
            work,
            f"p50 {ours[50]:.2f} ms, p99 {ours[99]:.2f} ms",
            f"docker-registry: p50 {theirs[50]:.2f} ms, p99 {theirs[99]:.2f} ms",
            "p50 under 1.5 ms, p99 under 10 ms",
            ours[50] < 1.5 and ours[99] < 10,
        )
    ]


def _percentile(rounds: Sequence[Sequence[float]], at: int) -> float:
    """Return a percentile in milliseconds: the middle one of the rounds."""
    return statistics.median(taken[len(taken) * at // 100] for taken in rounds) * 1000


def _row(name: str, what: str, is_tls: bool, rates: dict[str, list[float]], wanted: float) -> Row:
    ours, theirs = (statistics.median(rates[side]) for side in ("ours", "theirs"))
    return Row(
        name,
        f"{what}, {CLIENTS} clients{', TLS' if is_tls else ''}",
        f"{ours:.1f}/s ({ours / theirs:.2f} ×)",
        f"docker-registry {theirs:.1f}/s",
        f"at least {wanted:g} ×",
        ours >= wanted * theirs,
    )


def _blobs(side: Side, size_mb: int) -> list[str]:
    """Push a blob for each client and return the paths to pull them from."""
    repositories = [f"bench/pull{size_mb}-{number}" for number in range(CLIENTS)]
    return [
        f"/v2/{repository}/blobs/{push_image(side.address, side.ca, repository, size_mb * MB)}"
        for repository in repositories
    ]


@contextmanager
def _both(folder: Path, is_tls: bool, more: Sequence[str]) -> Iterator[list[Side]]:
    """Serve both, empty; theirs with our certificate."""
    place = folder / "serving"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    root = place / "registry"
    with ExitStack() as stack:
        ours = stack.enter_context(our_registry(place, tls=is_tls, more=more))
        ca = str(root / "ca.crt") if is_tls else None
        pair = place / "pair" if is_tls else None
        if pair is not None:
            pair.mkdir()
            for source, target in (("server.crt", "server.pem"), ("server.key", "server.key")):
                shutil.copy(root / source, pair / target)
        theirs = stack.enter_context(docker_registry(place, tls=pair))
        yield [Side("ours", ours, ca), Side("theirs", theirs, ca)]
    shutil.rmtree(place)


def _at_once(works: Sequence[Work]) -> list[Done]:
    """Run a client for each of ``works``, all from the same moment on."""
    command = [sys.executable, "-S", "-m", "bench.serving_client"]
    clients = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent)
        for _ in works
    ]
    try:
        for client, work in zip(clients, works, strict=True):
            _say(client, json.dumps(asdict(work)))
        for client in clients:
            _hear(client)
        for client in clients:
            _say(client, "go")
        return [Done(**json.loads(_hear(client))) for client in clients]
    finally:
        for client in clients:
            client.kill()
            client.communicate()


def _say(client: "subprocess.Popen[bytes]", line: str) -> None:
    assert client.stdin is not None
    client.stdin.write(line.encode() + b"\n")
    client.stdin.flush()


def _hear(client: "subprocess.Popen[bytes]") -> str:
    assert client.stdout is not None
    line = client.stdout.readline()
    if not line:
        raise SystemExit("a client of the bench ended early")
    return line.decode()
