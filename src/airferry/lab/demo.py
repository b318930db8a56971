"""The whole crossing on one machine: an upstream like quay.io, a disk, a mirror registry, and the proof.

Every step goes through the same functions as the commands that an operator types; only the upstream and the
release it publishes are made up.
"""

import asyncio
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from airferry.app.narration import Narrator
from airferry.app.registry.mirror_registry import HowToServe, prepare_registry, serve_registry
from airferry.app.releases.mirror_release import MirroredRelease
from airferry.lab.certificates import make_certificates
from airferry.lab.crossing import Crossing, mirrored_name
from airferry.lab.release import PublishedRelease, publish_release
from airferry.lab.shape import DEMO, Shape
from airferry.lab.store import LabStore
from airferry.lab.upstream import Upstream
from airferry.openshift.cluster.verdict import Verdict
from airferry.quantities import print_binary_size, print_duration


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table at the end."""

    title: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demo did.

    ``mirror`` is the registry it loaded, as HOST:PORT, ``mirrored`` the release in it, and ``run_book`` the page on
    the disk that says what to do with it.
    """

    steps: tuple[Step, ...]
    images: int
    pulled: int
    seconds: float
    installer_says: str
    mirror: str
    mirrored: str
    run_book: Path

    @property
    def line(self) -> str:
        """The one line that says it all: the last of stdout."""
        return (
            f"demo: ok: {self.images} images crossed, {self.pulled}/{self.images} pulled with the upstream stopped, "
            f"{self.seconds:.1f} s"
        )

    def table(self) -> str:
        """Return the steps as a table."""
        width = max(len(step.title) for step in self.steps)
        rows = [f"  {step.title:<{width}}  {print_duration(step.seconds):>7}  {step.outcome}" for step in self.steps]
        return "\n".join([*rows, ""])


class _Clock:
    """Collects the rows of the table."""

    def __init__(self) -> None:
        self.began = self._last = time.monotonic()
        self.steps: list[Step] = []

    def done(self, title: str, outcome: str) -> None:
        now = time.monotonic()
        self.steps.append(Step(title, outcome, now - self._last))
        self._last = now


async def run_demo(folder: Path, narrator: Narrator, *, shape: Shape = DEMO) -> DemoReport:
    """Carry a made-up release across the gap inside ``folder``. Raises what went wrong."""
    clock, crossing = _Clock(), Crossing(folder, narrator)
    release, carried = await _near_side(crossing, shape, clock)
    how = HowToServe(folder / "registry", listen="127.0.0.1:0")
    made = (await prepare_registry(how.root, listen=how.listen, hosts=("localhost", "127.0.0.1"))).made
    assert made is not None, "the folder is new, so the registry was made"
    async with serve_registry(how) as running:
        host = f"localhost:{running.port}"
        await crossing.log_in(host, made)
        clock.done("start the mirror", f"https://{host}, TLS, user {made.user}")
        loaded = await crossing.to_mirror(release, host)
        clock.done("disk to mirror", _copied(loaded))
        says = await crossing.install(release, host)
        clock.done("extract and run", says.replace("\n", "; "))
        pulled = await crossing.pull(release, loaded)
        size = print_binary_size(pulled.size_bytes)
        clock.done("pull, upstream stopped", f"{len(pulled.pulled)} images, {size} hashed")
        report = await crossing.verify(release)
        clock.done("verify", f"yes for {report.count(Verdict.YES)} images, with the files that nodes would have")
        clock.done("podman", await crossing.compare_with_podman(report))
    return DemoReport(
        tuple(clock.steps),
        images=_images(loaded),
        pulled=len(pulled.pulled),
        seconds=time.monotonic() - clock.began,
        installer_says=says,
        mirror=host,
        mirrored=mirrored_name(host, release),
        run_book=next(file for file in carried.files if file.name.startswith("RUNBOOK")),
    )


async def _near_side(crossing: Crossing, shape: Shape, clock: _Clock) -> tuple[PublishedRelease, MirroredRelease]:
    """Publish a release upstream and mirror it to the disk; the upstream is stopped then."""
    folder = crossing.folder
    crossing.narrator.phase("publishing a release upstream")
    release = await asyncio.to_thread(publish_release, folder / "upstream", shape)
    certificates = await asyncio.to_thread(make_certificates, folder / "upstream-tls")
    async with Upstream(LabStore(folder / "upstream"), certificates=certificates) as upstream:
        size = print_binary_size(sum(file.stat().st_size for file in (folder / "upstream" / "blobs").iterdir()))
        clock.done("publish", f"{release.version}, {release.image_count} images, {size}, at {upstream.url}")
        carried = await crossing.to_disk(release, upstream, certificates)
        clock.done("registry to disk", _copied(carried))
    return release, carried


def _images(mirrored: MirroredRelease) -> int:
    return sum(not request.optional for request, _ in mirrored.copy.arrived)


def _copied(mirrored: MirroredRelease) -> str:
    copy = mirrored.copy
    rate = copy.outcome.moved_bytes / max(copy.seconds, 1e-6)
    moved = print_binary_size(copy.outcome.moved_bytes)
    return f"{_images(mirrored)} images, {copy.outcome.copied_blobs} blobs, {moved} at {print_binary_size(rate)}/s"


def look_around(folder: Path, report: DemoReport, program: str) -> str:
    """Return how to look at what ``--keep`` left in place: lines for a shell, which start ``program``."""
    registry, disk = folder / "registry", folder / "disk"
    trust = f"-a {quote(folder / 'auth.json')} --certificate-authority {quote(registry / 'ca.crt')}"
    port = report.mirror.rpartition(":")[2]
    return (
        f"\nEverything is in {folder}. What came over, and what to do with it there:\n\n"
        f"    {program} media info {quote(disk)}\n"
        f"    cat {quote(report.run_book)}\n"
        f"    ls {quote(folder / 'manifests')}\n\n"
        "The mirror registry, until Ctrl-C, and in another terminal a look into it:\n\n"
        f"    {program} registry serve --root {quote(registry)} --listen 127.0.0.1:{port}\n"
        f"    {program} release info {report.mirrored} {trust}\n\n"
    )


def quote(path: Path) -> str:
    """Return ``path`` as one types it into a shell, whatever folder that is in."""
    return shlex.quote(str(path.absolute()))
