"""Programs under measurement: started, timed, and stopped again."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

GIB = 1024**3


@dataclass(frozen=True)
class Cost:
    """What a command cost: wall and CPU seconds, and its peak resident memory in MiB."""

    wall_s: float
    cpu_s: float
    rss_mib: float

    def cpu_per_gib(self, size_bytes: int) -> float:
        return self.cpu_s / (size_bytes / GIB)


def run(command: Sequence[str | Path], *, cwd: Path, env: dict[str, str] | None = None) -> Cost:
    """Run a command to its end; it must end well."""
    log = cwd / "last-command.log"
    # As installed programs have it: compiled modules are kept.
    env = {key: value for key, value in (env or os.environ).items() if key != "PYTHONDONTWRITEBYTECODE"}
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if process.returncode:
        tail = log.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{tail}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def middle(costs: Sequence[Cost]) -> Cost:
    """Return the run whose CPU time is in the middle: memory that is touched first, or a neighbour, costs extra."""
    return sorted(costs, key=lambda cost: cost.cpu_s)[len(costs) // 2]


def run_side_by_side(commands: Sequence[Sequence[str | Path]], *, at_once: int, cwd: Path) -> Cost:
    """Run many commands, ``at_once`` at a time; wall time of all, CPU of all, the largest peak."""
    began = time.monotonic()

    def one(numbered: tuple[int, Sequence[str | Path]]) -> Cost:
        number, command = numbered
        folder = cwd / f"log-{number}"
        folder.mkdir(exist_ok=True)
        return run(command, cwd=folder)

    with ThreadPoolExecutor(at_once) as pool:
        costs = list(pool.map(one, enumerate(commands)))
    return Cost(time.monotonic() - began, sum(cost.cpu_s for cost in costs), max(cost.rss_mib for cost in costs))


def airferry(*arguments: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "airferry", *arguments]


def have(program: str) -> bool:
    return shutil.which(program) is not None


@contextmanager
def background(
    command: Sequence[str | Path], *, cwd: Path, ready: str | None, port: int | None = None
) -> Iterator[list[str]]:
    """Run a server until the block ends; yields what it said up to ``ready``, or waits for ``port``."""
    errors = (cwd / "server.log").open("ab")
    process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while ready is not None and not (lines and ready in lines[-1]):
            lines.append(process.stdout.readline().decode())
            if not lines[-1]:
                raise SystemExit(f"{command[0]} ended before it was ready; see {cwd / 'server.log'}")
        if port is not None:
            _wait_for(port)
        yield lines
    finally:
        process.terminate()
        process.wait()
        for stream in (process.stdin, process.stdout, errors):
            if stream is not None:
                stream.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing listens on port {port}")


@contextmanager
def docker_registry(folder: Path, *, tls: Path | None = None) -> Iterator[str]:
    """Serve an empty docker-registry, with ``server.pem`` and ``server.key`` from ``tls``; yields host:port."""
    port = free_port()
    config = folder / "docker-registry.yml"
    pair = f", tls: {{certificate: {tls / 'server.pem'}, key: {tls / 'server.key'}}}" if tls is not None else ""
    config.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'docker-registry'}}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'{pair}}}\n"
    )
    with background(["docker-registry", "serve", config], cwd=folder, ready=None, port=port):
        yield f"127.0.0.1:{port}"


@contextmanager
def our_registry(
    folder: Path, *, name: str = "registry", tls: bool = False, log: bool = False, more: Sequence[str] = ()
) -> Iterator[str]:
    """Serve a registry of ours without users, as docker-registry is served here; ``log`` writes each request down."""
    command = airferry("registry", "serve", "--root", folder / name, "--listen", "127.0.0.1:0", "--no-auth")
    command += ["--host", "127.0.0.1"] if tls else ["--no-tls"]
    command += ["--log-level", "info"] if log else []
    command += more
    with background(command, cwd=folder, ready="listening on") as lines:
        yield lines[-1].split("//")[1].strip()
