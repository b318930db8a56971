"""A release with samples on the connected side, and a registry on the other."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from airferry.lab import LabStore, PublishedRelease, publish_release_with_samples
from cli.world import OurRegistry
from failures.stage import QUICK, Quay, Run, airferry

DATA = Path(__file__).parents[1] / "data" / "imagestreams"
HOSTS = ("quay.io", "registry.redhat.io", "registry.access.redhat.com")


def real_streams() -> dict[str, bytes]:
    """The real files as the operator's image has them: by path below its folder."""
    root = DATA / "ocp-x86_64"
    files = sorted(file for file in root.rglob("*.json"))
    found = {f"x86_64/{file.relative_to(root).as_posix()}": file.read_bytes() for file in files}
    aarch64 = DATA / "library/redis/imagestreams/redis-rhel-aarch64.json"
    return {**found, "aarch64/redis/imagestreams/redis-rhel-aarch64.json": aarch64.read_bytes()}


@dataclass(frozen=True)
class SamplesWorld:
    """``rules`` find every host of the samples at the upstream, as the connected side finds them in the internet."""

    release: PublishedRelease
    quay: Quay
    rules: Path
    mirror: OurRegistry

    @property
    def reach(self) -> tuple[object, ...]:
        """What commands of the connected side need."""
        return ("--registries-conf", self.rules, "--arch", "amd64", *QUICK)

    @property
    def store(self) -> LabStore:
        return self.quay.store

    def to_disk(self, disk: Path, *more: object, source: object | None = None) -> Run:
        source = self.release.version if source is None else source
        return airferry("samples", "mirror", source, "file://", "--dir", disk, *self.reach, *more)

    def load(self, disk: Path, *more: object, to: str | None = None) -> Run:
        files = ("--to-manifests", disk.parent / "manifests")
        flags = (*self.mirror.flags, *files, "--arch", "amd64")
        return airferry("samples", "mirror", "--from-dir", disk, "file://", to or self.mirror.host, *flags, *more)

    def config(self, *more: object, to: str | None = None) -> Run:
        return airferry("samples", "config", *more, to or self.mirror.host, *self.mirror.flags, "--arch", "amd64")


@contextmanager
def build_samples_world(folder: Path) -> Iterator[SamplesWorld]:
    release = publish_release_with_samples(folder / "store", _only_streams(real_streams()))
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name in ("HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(folder))
        quay = stack.enter_context(Quay(folder, release))
        mirror = stack.enter_context(OurRegistry(folder / "registry"))
        rules = folder / "samples.conf"
        rules.write_text(
            "".join(f'[[registry]]\nprefix = "{host}"\nlocation = "{quay.host}"\ninsecure = true\n' for host in HOSTS)
        )
        assert mirror.auth_file
        patch.undo()
        yield SamplesWorld(release, quay, rules, mirror)


def _only_streams(files: dict[str, bytes]) -> dict[str, bytes]:
    return {path: content for path, content in files.items() if "/imagestreams/" in path}
