"""A release with samples on the connected side, and a registry on the other."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from airferry.lab import LabStore, PublishedRelease, publish_release_with_samples
from cli.world import OurRegistry
from failures.stage import QUICK, Quay, Run, airferry

SAMPLES = ("dotnet", "golang", "java-runtime", "redis")
OUTSIDE = ("jenkins", "jenkins-agent-base")
IMAGES = 13
"""Distinct images that the four samples name; their tags are sixteen."""

REDIS = "x86_64/redis/imagestreams/redis-rhel.json"

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


def a_list(*streams: dict[str, Any]) -> str:
    return json.dumps({"kind": "List", "apiVersion": "v1", "items": list(streams)})


def a_stream(name: str, images: dict[str, str], **labels: str) -> dict[str, Any]:
    tags = [{"name": tag, "from": {"kind": "DockerImage", "name": image}} for tag, image in images.items()]
    metadata = {"name": name, "labels": {f"samples.operator.openshift.io/{key}": word for key, word in labels.items()}}
    return {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": metadata,
        "spec": {"tags": tags},
    }


def documents(run: Run) -> dict[str, Any]:
    """The objects on stdout, by kind and name."""
    found = [document for document in YAML(typ="safe").load_all(run.out) if document]
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in found}


def verify(samples: SamplesWorld, folder: Path, *more: object, source: object = DATA / "ocp-x86_64") -> Run:
    flags = ("--samples-config", folder / "samples-config.yaml", "--ca", samples.mirror.authority)
    return airferry("verify", "--samples", source, *flags, "--pull-secret", samples.mirror.auth_file, *more)


def no_of(run: Run) -> dict[str, dict[str, str]]:
    assert run.code == 1, run.end
    return {image["name"]: image for image in json.loads(run.out)["images"] if image["answer"] == "no"}
