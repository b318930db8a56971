"""The whole crossing on one machine: an upstream like quay.io, a disk, a mirror registry, and the proof.

Every step goes through the same functions as the commands that an operator types; only the upstream and the
release it publishes are made up.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from airferry.app.copying import CopyOptions
from airferry.app.extract_release import ExtractRequest, extract_release
from airferry.app.mirror_registry import serve_registry
from airferry.app.mirror_release import MirroredRelease, MirrorRelease, mirror_release
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.pull_images import PullReport, pull_images
from airferry.app.pull_secrets import login
from airferry.app.settings import Settings, Side
from airferry.errors import AirferryError
from airferry.lab.certificates import make_certificates
from airferry.lab.release import PublishedRelease, publish_release
from airferry.lab.shape import DEMO, Shape
from airferry.lab.store import LabStore
from airferry.lab.upstream import Upstream
from airferry.oci import Reference
from airferry.quantities import print_binary_size, print_duration

_ARCHITECTURE = "amd64"


class DemoError(AirferryError):
    """The demo saw something that it promises cannot happen."""

    code = "internal"


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table at the end."""

    title: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demo did; ``line`` is the last line of stdout."""

    steps: tuple[Step, ...]
    images: int
    pulled: int
    seconds: float
    installer_says: str
    mirror: str

    @property
    def line(self) -> str:
        """The one line that says it all."""
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
    clock = _Clock()
    async with AsyncExitStack() as far_side:
        async with AsyncExitStack() as near_side:
            narrator.phase("publishing a release upstream")
            release = await asyncio.to_thread(publish_release, folder / "upstream", shape)
            certificates = await asyncio.to_thread(make_certificates, folder / "upstream-tls")
            upstream = await near_side.enter_async_context(
                Upstream(LabStore(folder / "upstream"), certificates=certificates)
            )
            size = print_binary_size(_folder_bytes(folder / "upstream" / "blobs"))
            clock.done("publish", f"{release.version}, {release.image_count} images, {size}, at {upstream.url}")
            near = _near_settings(folder, upstream, certificates.authority_file)
            mirrored = await _to_disk(folder, release, upstream, near, narrator)
            clock.done("registry to disk", _copied(mirrored))
        running, made = await far_side.enter_async_context(
            serve_registry(folder / "registry", listen="127.0.0.1:0", hosts=("localhost", "127.0.0.1"))
        )
        host = f"localhost:{running.port}"
        far = _far_settings(folder)
        password = (folder / "registry" / "admin-password").read_text().strip()
        assert made is not None, "the folder is new, so the registry was made"
        await login(host, made.user, password, Side(None, made.ca_certificate), far.destination.auth_file)
        clock.done("start the mirror", f"https://{host}, TLS, user {made.user}")
        loaded = await _to_mirror(folder, release, host, far, narrator)
        clock.done("disk to mirror", _copied(loaded))
        says = await _install(folder, release, host, far, narrator)
        clock.done("extract and run", says.replace("\n", "; "))
        report = await _pull(folder, release, loaded, far, narrator)
        clock.done(
            "pull, upstream stopped", f"{len(report.pulled)} images, {print_binary_size(report.size_bytes)} hashed"
        )
    if report.failures:
        image, reason = report.failures[0]
        raise DemoError(f"{len(report.failures)} images could not be pulled, the first is {image}: {reason}")
    return DemoReport(
        tuple(clock.steps),
        images=_images(loaded),
        pulled=len(report.pulled),
        seconds=time.monotonic() - clock.began,
        installer_says=says,
        mirror=host,
    )


def _near_settings(folder: Path, upstream: Upstream, authority: Path) -> Settings:
    """Reach quay.io's names at the lab upstream, as registries.conf can say it."""
    rules = folder / "upstream.conf"
    rules.write_text(f'[[registry]]\nprefix = "quay.io"\nlocation = "{upstream.host}"\n')
    return Settings(
        source=Side(_no_credentials(folder), authority), registries_conf=rules, state_folder=folder / "state"
    )


def _far_settings(folder: Path) -> Settings:
    side = Side(folder / "auth.json", folder / "registry" / "ca.crt")
    return Settings(side, side, state_folder=folder / "state")


def _no_credentials(folder: Path) -> Path:
    """Return an auth file that is empty, so that the user's own credentials stay out of the demo."""
    file = folder / "no-auth.json"
    file.write_text('{"auths":{}}\n')
    return file


async def _to_disk(
    folder: Path, release: PublishedRelease, upstream: Upstream, settings: Settings, narrator: Narrator
) -> MirroredRelease:
    assert release.verification_key is not None, "the demo's release is signed"
    asked = MirrorRelease(
        release=release.pullspec,
        architecture=_ARCHITECTURE,
        to_dir=folder / "disk",
        verification_keys=(release.verification_key,),
        signature_stores=(upstream.signature_store_url,),
    )
    return await _mirror(asked, settings, narrator)


async def _to_mirror(
    folder: Path, release: PublishedRelease, host: str, settings: Settings, narrator: Narrator
) -> MirroredRelease:
    assert release.verification_key is not None, "the demo's release is signed"
    asked = MirrorRelease(
        release=release.version,
        architecture=_ARCHITECTURE,
        from_dir=folder / "disk",
        to=f"{host}/ocp4/openshift4",
        manifests_dir=folder / "manifests",
        verification_keys=(release.verification_key,),
        options=CopyOptions(),
    )
    return await _mirror(asked, settings, narrator)


async def _mirror(asked: MirrorRelease, settings: Settings, narrator: Narrator) -> MirroredRelease:
    async with Places(settings) as places:
        mirrored = await mirror_release(asked, places, narrator)
    if mirrored.copy.gaps:
        raise DemoError(f"{len(mirrored.copy.gaps)} images did not arrive: {mirrored.copy.gap_lines[0]}")
    return mirrored


async def _install(folder: Path, release: PublishedRelease, host: str, settings: Settings, narrator: Narrator) -> str:
    """Extract openshift-install from the mirror and return what it says of itself."""
    asked = ExtractRequest(
        release=f"{host}/ocp4/openshift4:{release.tag}",
        architecture=_ARCHITECTURE,
        to=folder / "tools",
        command="openshift-install",
    )
    async with Places(settings) as places:
        extracted = await extract_release(asked, places, narrator)
    process = await asyncio.create_subprocess_exec(
        extracted.files[0], "version", stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    says = output.decode(errors="replace").strip()
    if release.digest not in says or process.returncode != 0:
        raise DemoError(f"the installer is not bound to {release.digest}; it says: {says}")
    return says


async def _pull(
    folder: Path, release: PublishedRelease, loaded: MirroredRelease, settings: Settings, narrator: Narrator
) -> PullReport:
    """Pull every image by its quay.io name and digest through the registries.conf that was generated."""
    rules = Settings(
        settings.source, registries_conf=folder / "manifests" / "registries.conf", state_folder=folder / "state"
    )
    images = [Reference.parse(release.pullspec_by_digest)]
    images += [component.image for component in loaded.release.payload.components]
    async with Places(rules) as places:
        return await pull_images(images, places, narrator)


def _images(mirrored: MirroredRelease) -> int:
    return sum(not request.optional for request, _ in mirrored.copy.arrived)


def _copied(mirrored: MirroredRelease) -> str:
    copy = mirrored.copy
    rate = copy.outcome.moved_bytes / max(copy.seconds, 1e-6)
    moved = print_binary_size(copy.outcome.moved_bytes)
    return f"{_images(mirrored)} images, {copy.outcome.copied_blobs} blobs, {moved} at {print_binary_size(rate)}/s"


def _folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def look_around(folder: Path, report: DemoReport) -> str:
    """Return how to look at what ``--keep`` left in place."""
    registry, auth = folder / "registry", folder / "auth.json"
    port = report.mirror.rpartition(":")[2]
    return (
        f"\nEverything is in {folder}. To look at it:\n\n"
        f"    airferry media info {folder / 'disk'}\n"
        f"    airferry registry serve --root {registry} --listen 127.0.0.1:{port}\n"
        f"    airferry release info {report.mirror}/ocp4/openshift4:4.12.0-x86_64 -a {auth} "
        f"--certificate-authority {registry / 'ca.crt'}\n"
        f"    ls {folder / 'manifests'}; cat {folder / 'disk' / 'RUNBOOK.md'}\n\n"
    )
