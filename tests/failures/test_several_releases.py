"""Two releases on one disk: each keeps its own files, and neither stands in the other's way."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from airferry.lab import SMALL, PublishedRelease, publish_release

from .stage import Entry, Mirror, Quay, airferry, look_at


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> PublishedRelease:
    """A later release that nobody signed."""
    return publish_release(tmp_path_factory.mktemp("newer"), replace(SMALL, version="4.12.1", signed=False))


@pytest.fixture
def two(tmp_path: Path, loaded_disk: Path, newer: PublishedRelease) -> Iterator[tuple[Quay, Path]]:
    """A disk with a verified release, and one that was let on it unverified."""
    folder = tmp_path / "newer"
    folder.mkdir()
    with Quay(folder, newer) as quay:
        flags = (*quay.flags(trusted=False), "--signature-store", quay.server.signature_store_url, "--allow-unverified")
        airferry("release", "mirror", newer.version, "--to-dir", loaded_disk, *flags).done()
        yield quay, loaded_disk


def test_the_second_leaves_the_files_of_the_first_alone(two: tuple[Quay, Path], undisturbed: dict[str, Entry]) -> None:
    _, disk = two
    generated = {path for path in undisturbed if path.startswith(("manifests/", "config/", "RUNBOOK"))}
    now = look_at(disk)
    assert {path: now[path] for path in generated} == {path: undisturbed[path] for path in generated}
    assert {"manifests/4.12.1-x86_64/imageDigestMirrorSet.yaml", "RUNBOOK-4.12.1-x86_64.md"} <= now.keys()
    assert "4.12.1" in (disk / "RUNBOOK-4.12.1-x86_64.md").read_text()


def test_an_unverified_one_does_not_hold_up_the_other(
    two: tuple[Quay, Path], quay: Quay, mirror: Mirror, tmp_path: Path
) -> None:
    _, disk = two
    mirror.load_release(disk, quay.release, tmp_path / "files").done()
    load = ("image", "mirror", "--from-dir", disk, "--dest-insecure")
    airferry(*load, "file://openshift/release:4.12.0*", mirror.repository).done()
    airferry(*load, "file://openshift/release:4.12.1*", mirror.repository).refused("untrusted-release", "4.12.1")
    extract = ("release", "extract", "--from-dir", disk, "--command", "oc", "--to", tmp_path / "tools")
    airferry(*extract, "4.12.0").done()
    airferry(*extract, "4.12.1").refused("untrusted-release", "4.12.1")
