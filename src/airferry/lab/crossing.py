"""The steps of the demo's crossing, each through the functions behind the commands that an operator types."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from airferry.app.cluster.node_access import NodeFiles
from airferry.app.images.pull_images import PullReport, pull_images
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.pull_secrets import login
from airferry.app.releases.extract_release import ExtractRequest, extract_release
from airferry.app.releases.mirror_release import MirroredRelease, mirror_release
from airferry.app.releases.release_request import MirrorRelease
from airferry.app.settings import Settings, Side
from airferry.app.verifying.verify import VerifyReport, VerifyRequest, verify
from airferry.app.verifying.verify_text import print_report
from airferry.errors import AirferryError, ExitCode
from airferry.lab.certificates import Certificates
from airferry.lab.podman import Podman
from airferry.lab.release import PublishedRelease
from airferry.lab.upstream import Upstream
from airferry.oci import Digest, Reference
from airferry.openshift.cluster.wanted import WantedKind
from airferry.registry import Provisioned

_ARCHITECTURE: Final = "amd64"
_REPOSITORY: Final = "ocp4/openshift4"
_PULLED_BY_PODMAN: Final = ("etcd", "must-gather", "pod", "machine-config-operator")


class DemoError(AirferryError):
    """The demo saw something that it promises cannot happen."""

    code = "internal"


def mirrored_name(host: str, release: PublishedRelease) -> str:
    """Return the release in the mirror registry at ``host``, by tag."""
    return f"{host}/{_REPOSITORY}:{release.tag}"


@dataclass(frozen=True, slots=True)
class Crossing:
    """A gap inside ``folder``: what is done on either side of it, each step once. Steps raise what went wrong."""

    folder: Path
    narrator: Narrator

    async def to_disk(
        self, release: PublishedRelease, upstream: Upstream, certificates: Certificates
    ) -> MirroredRelease:
        """Mirror the release by its quay.io name to the disk; registries.conf says that quay.io is ``upstream``."""
        rules = self.folder / "upstream.conf"
        rules.write_text(f'[[registry]]\nprefix = "quay.io"\nlocation = "{upstream.host}"\n')
        nobody = self.folder / "no-auth.json"  # the user's own credentials stay out of the demo
        nobody.write_text('{"auths":{}}\n')
        asked = MirrorRelease(
            release=release.pullspec,
            to_dir=self.folder / "disk",
            signature_stores=(upstream.signature_store_url,),
            architecture=_ARCHITECTURE,
            verification_keys=_keys(release),
        )
        source = Side(nobody, certificates.authority_file)
        return await self._mirror(
            asked, Settings(source=source, registries_conf=rules, state_folder=self._state_folder)
        )

    async def log_in(self, host: str, registry: Provisioned) -> None:
        """Prove the registry's user and store it for the steps that follow."""
        assert registry.password_file is not None, "nobody chose a password"
        password = registry.password_file.read_text().strip()
        await login(host, registry.user, password, Side(None, registry.ca_certificate), self._far_side.auth_file)

    async def to_mirror(self, release: PublishedRelease, host: str) -> MirroredRelease:
        """Load the mirror registry at ``host`` from the disk, and write the configuration files."""
        asked = MirrorRelease(
            release=release.version,
            from_dir=self.folder / "disk",
            to=f"{host}/{_REPOSITORY}",
            manifests_dir=self.folder / "manifests",
            architecture=_ARCHITECTURE,
            verification_keys=_keys(release),
        )
        return await self._mirror(asked, self._far_settings())

    async def install(self, release: PublishedRelease, host: str) -> str:
        """Extract openshift-install from the mirror and return what it says of itself."""
        asked = ExtractRequest(
            release=mirrored_name(host, release),
            architecture=_ARCHITECTURE,
            to=self.folder / "tools",
            command="openshift-install",
        )
        async with Places(self._far_settings()) as places:
            extracted = await extract_release(asked, places, self.narrator)
        process = await asyncio.create_subprocess_exec(
            extracted.files[0], "version", stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
        )
        output, _ = await process.communicate()
        says = output.decode(errors="replace").strip()
        if release.digest not in says or process.returncode != 0:
            raise DemoError(f"the installer is not bound to {release.digest}; it says: {says}")
        return says

    async def pull(self, release: PublishedRelease, loaded: MirroredRelease) -> PullReport:
        """Pull every image by its quay.io name and digest through the registries.conf that was generated."""
        images = [Reference.parse(release.pullspec_by_digest)]
        images += [component.image for component in loaded.release.payload.components]
        async with Places(self._far_settings(self.registries_conf)) as places:
            report = await pull_images(images, places, self.narrator)
        if report.failures:
            image, reason = report.failures[0]
            raise DemoError(f"{len(report.failures)} images could not be pulled, the first is {image}: {reason}")
        return report

    async def verify(self, release: PublishedRelease) -> VerifyReport:
        """Ask whether a cluster could pull everything, with the files that its nodes would have."""
        nodes = NodeFiles(
            registries_conf=self.registries_conf, pull_secret=self._far_side.auth_file, ca=self._far_side.ca_file
        )
        installer = self.folder / "tools" / "openshift-install"
        asked = VerifyRequest(nodes=nodes, release=release.version, architecture=_ARCHITECTURE, installer=installer)
        report = await verify(asked, self.narrator)
        if report.exit_code is not ExitCode.DONE:
            raise DemoError(f"verify does not say yes to what was just pulled: {print_report(report)}")
        return report

    async def compare_with_podman(self, report: VerifyReport) -> str:
        """Let podman pull some images with the nodes' files, and one that was not mirrored; say how it went.

        Raises DemoError when podman and ``verify`` do not agree. A machine without a podman that works is none.
        """
        far = self._far_side
        assert far.auth_file is not None and far.ca_file is not None, "the far side has both"
        podman = await Podman.find(self.folder, self.registries_conf, far.auth_file, far.ca_file)
        if isinstance(podman, str):
            return podman
        with podman:
            listed = [item.wanted for item in report.judgements]
            chosen = [item.reference for item in listed if item.kind is WantedKind.RELEASE]
            chosen += [item.reference for item in listed if item.name in _PULLED_BY_PODMAN]
            missing = chosen[0].by_digest(Digest.of(b"nobody mirrored this"))
            for image in chosen:
                said = await podman.pull(image)
                if said is not None:
                    raise DemoError(f"verify says yes to {image}, and podman cannot pull it: {said}")
            if await self._says_yes(missing) or await podman.pull(missing) is None:
                raise DemoError(f"verify or podman finds {missing}, which nobody mirrored")
        return f"{len(chosen)} images pulled, 1 that was not mirrored refused: as verify says"

    async def _says_yes(self, image: Reference) -> bool:
        listed = self.folder / "not-mirrored.txt"
        listed.write_text(f"{image}\n")
        nodes = NodeFiles(
            registries_conf=self.registries_conf, pull_secret=self._far_side.auth_file, ca=self._far_side.ca_file
        )
        return (await verify(VerifyRequest(nodes=nodes, images=listed), self.narrator)).exit_code is ExitCode.DONE

    @property
    def registries_conf(self) -> Path:
        """What the nodes would have, as it was generated."""
        return self.folder / "manifests" / "registries.conf"

    @property
    def _state_folder(self) -> Path:
        return self.folder / "state"

    @property
    def _far_side(self) -> Side:
        return Side(self.folder / "auth.json", self.folder / "registry" / "ca.crt")

    def _far_settings(self, rules: Path | None = None) -> Settings:
        return Settings(self._far_side, self._far_side, registries_conf=rules, state_folder=self._state_folder)

    async def _mirror(self, asked: MirrorRelease, settings: Settings) -> MirroredRelease:
        async with Places(settings) as places:
            mirrored = await mirror_release(asked, places, self.narrator)
        if mirrored.copy.gaps:
            raise DemoError(f"{len(mirrored.copy.gaps)} images did not arrive: {mirrored.copy.gap_lines[0]}")
        return mirrored


def _keys(release: PublishedRelease) -> tuple[Path, ...]:
    assert release.verification_key is not None, "the demo's release is signed"
    return (release.verification_key,)
