"""P1–P6: a release between registries and disks, side by side with skopeo and docker-registry."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.programs import (
    Cost,
    airferry,
    background,
    docker_registry,
    have,
    middle,
    our_registry,
    run,
    run_side_by_side,
)

OC_S74_S = 42.6
"""What oc took for S74, recorded: it allows itself 5 requests a second for each repository."""


TIMES = 3
"""Runs of which the middle one counts."""


@dataclass(frozen=True)
class Lab:
    """A running upstream: its host, its signature store, its release, and the log of its requests."""

    folder: Path
    host: str
    signatures: str
    tag: str
    release: dict[str, object]
    log: Path
    tls: bool

    @property
    def rules(self) -> Path:
        """A registries.conf by which quay.io is found here."""
        file = self.folder / "upstream.conf"
        insecure = "" if self.tls else "insecure = true\n"
        file.write_text(f'[[registry]]\nprefix = "quay.io"\nlocation = "{self.host}"\n{insecure}')
        return file

    def references(self) -> list[str]:
        components = self.release["components"]
        assert isinstance(components, dict)
        images = [f"{self.host}/openshift-release-dev/ocp-release@{self.release['digest']}"]
        return images + [
            f"{self.host}/openshift-release-dev/ocp-v4.0-art-dev@{digest}" for digest in components.values()
        ]

    def requests(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def mirror(self, *arguments: str | Path) -> list[str | Path]:
        """The command that mirrors this release."""
        key = self.folder / "verification-key.asc"
        trust = ["--verification-key", key] if key.exists() else ["--allow-unverified"]
        trust += ["--signature-store", self.signatures]
        side = (
            ["--certificate-authority", self.folder / "tls" / "ca.pem"]
            if self.tls
            else ["--dest-insecure", "--src-insecure"]
        )
        name = f"quay.io/openshift-release-dev/ocp-release:{self.tag}"
        return airferry("release", "mirror", name, "--registries-conf", self.rules, *trust, *side, *arguments)

    def load(self, disk: Path, target: str, *arguments: str | Path, ca: Path | None = None) -> list[str | Path]:
        """The command that loads a disk with this release into a registry."""
        version, _, _ = self.tag.partition("-")
        return airferry(
            "release",
            "mirror",
            version,
            "--arch",
            "amd64",
            "--from-dir",
            disk,
            "--to",
            target,
            *(("--dest-insecure",) if ca is None else ("--certificate-authority", ca)),
            "--verification-key",
            self.folder / "verification-key.asc",
            *arguments,
        )


@contextmanager
def lab(folder: Path, shape: str, *, tls: bool = False, pace: int | None = None) -> Iterator[Lab]:
    store = folder / f"store-{shape}"
    log = folder / "requests.log"
    log.unlink(missing_ok=True)
    command: list[str | Path] = [sys.executable, "-m", "airferry.lab.serve", store, "--shape", shape, "--log", log]
    if tls:
        command += ["--tls", store / "tls"]
    if pace is not None:
        command += ["--pace", str(pace)]
    with background(command, cwd=folder, ready="signatures at") as lines:
        host = lines[0].split("//")[1].strip()
        release = json.loads(next(store.glob("release-*.json")).read_text())
        yield Lab(store, host, lines[-1].split()[-1], str(release["tag"]), release, log, tls)


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, both sides, what to reach."""

    name: str
    work: str
    ours: str
    theirs: str
    reach: str
    reached: bool | None


def crossing(folder: Path) -> list[Row]:
    """P1 to P6, in an empty folder."""
    rows = [p1(_fresh(folder / "p1"))]
    rows += p2_to_p5(_fresh(folder / "p2"), tls=False)
    rows += p2_to_p5(_fresh(folder / "p2-tls"), tls=True)
    rows.append(p6(_fresh(folder / "p6")))
    return rows


def p1(folder: Path) -> Row:
    with lab(folder, "s74") as upstream, our_registry(folder) as registry:
        ours = run(
            upstream.mirror("--to", f"{registry}/ocp4/openshift4", "--refresh", "--manifests-dir", "m"), cwd=folder
        )
        with docker_registry(folder) as target:
            commands = [
                [
                    "skopeo",
                    "copy",
                    "--all",
                    "--src-tls-verify=false",
                    "--dest-tls-verify=false",
                    "-q",
                    f"docker://{image}",
                    f"docker://{target}/ocp4/openshift4:{number}",
                ]
                for number, image in enumerate(upstream.references())
            ]
            theirs = run_side_by_side(commands, at_once=8, cwd=folder)
    against = f"oc {OC_S74_S} s (recorded); 8 skopeo to docker-registry {theirs.wall_s:.2f} s"
    return Row("P1", "S74 registry to registry", f"{ours.wall_s:.2f} s", against, "under 1.5 s", ours.wall_s < 1.5)


def p2_to_p5(folder: Path, *, tls: bool) -> list[Row]:
    with lab(folder, "r190", tls=tls) as upstream:
        size = sum(file.stat().st_size for file in (upstream.folder / "blobs").iterdir())
        disk = folder / "disk"
        ours = middle([_to_fresh_disk(upstream, disk, folder) for _ in range(TIMES)])
        before = len(upstream.requests())
        again = run(upstream.mirror("--to-dir", disk), cwd=folder)
        asked = len(upstream.requests()) - before
        theirs = middle([_skopeo_to_dirs(upstream, folder) for _ in range(TIMES)])
    rows = [
        _row("P2", "R190 registry to disk", ours, theirs, size, tls=tls, against="8 skopeo to dir"),
        _again("P4", "the same again", again, asked, images=190, tls=tls),
    ]
    rows += _loads(folder, upstream, disk, size, tls=tls)
    rows.append(
        Row(
            "P5",
            f"memory during P2{_suffix(tls)}",
            f"{ours.rss_mib:.0f} MiB",
            f"{theirs.rss_mib:.0f} MiB each",
            "at most 200 MiB",
            ours.rss_mib <= 200,
        )
    )
    return rows


def _to_fresh_disk(upstream: Lab, disk: Path, folder: Path) -> Cost:
    shutil.rmtree(disk, ignore_errors=True)
    return run(upstream.mirror("--to-dir", disk, "--refresh"), cwd=folder)


def _loads(folder: Path, upstream: Lab, disk: Path, size: int, *, tls: bool) -> list[Row]:
    costs = []
    for number in range(TIMES):
        root = folder / f"registry-{number}"
        ca = root / "ca.crt" if tls else None
        with our_registry(folder, name=root.name, tls=tls) as registry:
            target = f"{registry}/ocp4/openshift4"
            costs.append(run(upstream.load(disk, target, "--refresh", "--manifests-dir", "m", ca=ca), cwd=folder))
        if number < TIMES - 1:
            shutil.rmtree(root)
    again, asked = _load_again(folder, upstream, disk, root, ca)
    ours, theirs = middle(costs), _skopeo_from_dirs(upstream, folder)
    against = "8 skopeo to docker-registry"
    return [
        _row("P3", "R190 disk to registry", ours, theirs, size, tls=tls, against=against),
        _again("P4", "P3 again", again, asked, images=190, tls=tls),
        Row(
            "P5",
            f"memory during P3{_suffix(tls)}",
            f"{ours.rss_mib:.0f} MiB",
            f"{theirs.rss_mib:.0f} MiB each",
            "at most 200 MiB",
            ours.rss_mib <= 200,
        ),
    ]


def _load_again(folder: Path, upstream: Lab, disk: Path, root: Path, ca: Path | None) -> tuple[Cost, int]:
    """Load the registry in ``root`` twice more, and return what the second time cost and asked of it."""
    log = folder / "server.log"
    with our_registry(folder, name=root.name, tls=ca is not None, log=True) as registry:
        command = upstream.load(disk, f"{registry}/ocp4/openshift4", "--manifests-dir", "m", ca=ca)
        run(command, cwd=folder)  # it listens at another port now, so that nothing is remembered of it
        before = log.read_text().count(" /v2/")
        again = run(command, cwd=folder)
        return again, log.read_text().count(" /v2/") - before


def _skopeo_from_dirs(upstream: Lab, folder: Path) -> Cost:
    trust, pair = "--dest-tls-verify=false", None
    if upstream.tls:
        trust, pair = f"--dest-cert-dir={upstream.folder / 'skopeo-certs'}", upstream.folder / "tls"
    with docker_registry(folder, tls=pair) as registry:
        commands = [
            [
                "skopeo",
                "copy",
                "--all",
                trust,
                "-q",
                f"dir:{image}",
                f"docker://{registry}/ocp4/openshift4:{image.name}",
            ]
            for image in sorted((folder / "skopeo").iterdir())
        ]
        return run_side_by_side(commands, at_once=8, cwd=folder)


def _skopeo_to_dirs(upstream: Lab, folder: Path) -> Cost:
    target = _fresh(folder / "skopeo")
    trust = f"--src-cert-dir={upstream.folder / 'skopeo-certs'}" if upstream.tls else "--src-tls-verify=false"
    if upstream.tls:
        certs = _fresh(upstream.folder / "skopeo-certs")
        shutil.copy(upstream.folder / "tls" / "ca.pem", certs / "ca.crt")
    commands = [
        ["skopeo", "copy", "--all", trust, "-q", f"docker://{image}", f"dir:{target / str(number)}"]
        for number, image in enumerate(upstream.references())
    ]
    return run_side_by_side(commands, at_once=8, cwd=folder)


def _row(name: str, work: str, ours: Cost, theirs: Cost, size: int, *, tls: bool, against: str) -> Row:
    limit = 3.0 if tls else 2.5
    cpu = ours.cpu_per_gib(size)
    shown = f"{against}: {theirs.wall_s:.2f} s, {theirs.cpu_per_gib(size):.2f} CPU s/GiB"
    reach = f"half the wall time, at most {limit} CPU s/GiB"
    reached = ours.wall_s <= theirs.wall_s / 2 and cpu <= limit
    return Row(name, work + _suffix(tls), f"{ours.wall_s:.2f} s, {cpu:.2f} CPU s/GiB", shown, reach, reached)


def _again(name: str, work: str, cost: Cost, asked: int, *, images: int, tls: bool) -> Row:
    return Row(
        name,
        work + _suffix(tls),
        f"{cost.wall_s:.2f} s, {asked} requests",
        "oc asks for every blob again",
        "under 3 s, at most 2 requests an image",
        cost.wall_s < 3 and asked <= 2 * images,
    )


def _suffix(tls: bool) -> str:
    return ", TLS" if tls else ""


def p6(folder: Path) -> Row:
    """Kill a run with SIGKILL in the middle, run it again, and count what was fetched twice."""
    chance = random.Random(6)
    with lab(folder, "demo", pace=8 * 1024 * 1024) as upstream:
        process = subprocess.Popen(
            upstream.mirror("--to-dir", folder / "disk"),
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(2 + chance.random() * 2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        run(upstream.mirror("--to-dir", folder / "disk"), cwd=folder)
        moved: dict[str, int] = {}
        for entry in upstream.requests():
            found = re.search(r"[0-9a-f]{64}", str(entry["path"]))
            if entry["endpoint"] == "cdn" and found:
                moved[found[0]] = moved.get(found[0], 0) + int(str(entry["sent_bytes"]))
        sizes = {
            file.name.removeprefix("sha256:"): file.stat().st_size for file in (upstream.folder / "blobs").iterdir()
        }
    twice = sorted((moved[name] - sizes[name] for name in moved if moved[name] > sizes[name]), reverse=True)
    most = twice[0] / 1024**2 if twice else 0.0
    shown = f"{len(twice)} blobs fetched in part again, at most {most:.1f} MiB"
    return Row(
        "P6",
        "kill -9 in the middle, then again",
        shown,
        "no peer resumes a blob in a later run",
        "at most 8 MiB for each blob in flight",
        most <= 8,
    )


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def can_run() -> list[str]:
    """Return the programs that are missing."""
    return [program for program in ("skopeo", "docker-registry") if not have(program)]
