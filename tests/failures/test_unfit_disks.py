"""Disks that are full, become full, cannot be written to, or cannot hold the tree at all."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airferry.lab import Endpoint, PublishedRelease, Rule
from airferry.lab.faults import Stall

from .stage import Entry, Mirror, Quay, airferry, is_sound, look_at, own_layer

MIB = 1024 * 1024
Mount = Callable[[str], Path]


def mounting(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


@pytest.fixture
def mounted(disk: Path) -> Iterator[Mount]:
    """Mounts a file system in memory at the disk's folder, with the options that are given."""
    if os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("CI runs as root, so that file systems can be mounted")
        pytest.skip("only root can mount file systems")
    disk.mkdir()

    def mount(options: str) -> Path:
        mounting("-t", "tmpfs", "-o", options, "airferry-test", disk)
        return disk

    yield mount
    while disk.is_mount():
        # Lazily: what a killed run left behind may still be closing its files.
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture
def mounted_elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on a read-only file system."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount file systems")
    folder = tmp_path / "read-only"
    folder.mkdir()
    mounting("-t", "tmpfs", "-o", "ro,size=64k", "airferry-test", folder)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_too_small_is_known_before_the_first_byte(
    quay: Quay, mounted: Mount, undisturbed: dict[str, Entry]
) -> None:
    disk = mounted("size=4m")
    run = quay.mirror(disk).refused("no-space", f"{disk} has", "free", "are needed", hint="nothing was written")
    assert "make room or use a larger disk" in run.err
    assert look_at(disk) == {}
    assert not any(entry.endpoint == "blob" for entry in quay.server.requests if "art-dev" in entry.path)
    mounting("-o", "remount,size=64m", disk)
    quay.mirror(disk).done()
    assert look_at(disk) == undisturbed


def test_a_dry_run_needs_no_room(quay: Quay, mounted: Mount) -> None:
    disk = mounted("size=64k")
    quay.mirror(disk, "--dry-run").done()
    assert look_at(disk) == {}


def test_what_the_first_part_took_is_not_asked_for_twice(
    tmp_path: Path, medium: PublishedRelease, mounted: Mount, undisturbed_medium: dict[str, Entry]
) -> None:
    """The disk fills up in the middle of a large layer, because somebody else writes to it."""
    disk = mounted("size=40m")
    with Quay(tmp_path, medium) as quay, ThreadPoolExecutor() as beside:
        large = own_layer(quay.store, medium.components["machine-os-content"])
        quay.fails(Rule(Endpoint.CDN, Stall(2 * MIB), containing=large))
        running = beside.submit(quay.mirror, disk)
        quay.wait(quay.server.faults.wait_until_stalled)
        fill_up(disk / "filler")
        quay.call(quay.server.faults.release)
        running.result().refused("no-space", "no room left while writing", hint="the same command again goes on")
        assert is_sound(disk)
        (disk / "filler").unlink()
        quay.heals()
        quay.mirror(disk).done()
        ranges = [entry.range for entry in quay.server.requests if large[7:] in entry.path and entry.endpoint == "cdn"]
        (start,) = (int(asked.removeprefix("bytes=").removesuffix("-")) for asked in ranges if asked)
        assert MIB <= start <= 2 * MIB
    assert look_at(disk) == undisturbed_medium


def fill_up(file: Path) -> None:
    with file.open("wb", buffering=0) as filler:
        for size in (MIB, 4096):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError:
                continue


@pytest.mark.parametrize("share", [0.02, 0.1, 0.4, 0.7, 0.95, 0.99])
def test_a_disk_that_fills_up_at_any_moment_loses_nothing(
    quay: Quay, mounted: Mount, undisturbed: dict[str, Entry], share: float
) -> None:
    disk = mounted(f"size=64m,nr_inodes={3 + int(share * inodes(undisturbed))}")
    quay.mirror(disk).refused("no-space", "no room left while writing", str(disk), hint="larger disk")
    assert is_sound(disk)
    mounting("-o", "remount,nr_inodes=10000", disk)
    quay.mirror(disk).done()
    assert look_at(disk) == undisturbed


def inodes(entries: dict[str, Entry]) -> int:
    """Return how many files, folders and links there are, hard links counted once."""
    return sum(not entry.links or entry.links[0] == path for path, entry in entries.items())


def test_a_disk_that_is_read_only_is_left_alone(quay: Quay, mounted: Mount, undisturbed: dict[str, Entry]) -> None:
    disk = mounted("size=64m,ro")
    quay.mirror(disk).refused("read-only", f"cannot write {disk}", "Read-only file system", hint="check the mount")
    mounting("-o", "remount,rw", disk)
    quay.mirror(disk).done()
    assert look_at(disk) == undisturbed


def test_a_read_only_disk_is_all_that_the_far_side_needs(
    quay: Quay, mounted: Mount, mirror: Mirror, tmp_path: Path, small: PublishedRelease
) -> None:
    disk = mounted("size=64m")
    quay.mirror(disk).done()
    mounting("-o", "remount,ro", disk)
    airferry("media", "info", disk).done()
    airferry("media", "verify", disk).done()
    mirror.load_release(disk, small, tmp_path / "files").done()
    mirror.load(disk).done()
    tool = ("--command", "openshift-install", "--to", tmp_path / "tools")
    airferry("release", "extract", "4.12.0", "--from-dir", disk, *tool).done()
    assert (tmp_path / "tools" / "openshift-install").stat().st_size > 0


def test_extracting_to_a_full_or_read_only_folder_leaves_no_half_tool(quay: Quay, mounted: Mount) -> None:
    folder = mounted("size=8k")
    extract = ("release", "extract", "4.12.0", "--command", "openshift-install", "--to", folder)
    airferry(*extract, *quay.flags(trusted=False)).refused("no-space", "no room left", hint="make room")
    assert look_at(folder) == {}
    mounting("-o", "remount,size=1m,ro", folder)
    airferry(*extract, *quay.flags(trusted=False)).refused("read-only", hint="check the mount")
    mounting("-o", "remount,rw", folder)
    airferry(*extract, *quay.flags(trusted=False)).done()
    assert list(look_at(folder)) == ["openshift-install"]


def test_fat_is_recognised_at_once(quay: Quay, disk: Path) -> None:
    program = (sys.executable, Path(__file__).with_name("as_on_fat.py"), disk)
    command = ("release", "mirror", "4.12.0", "--to-dir", disk, *quay.flags())
    run = subprocess.run([*map(str, program), *map(str, command)], capture_output=True, text=True)
    assert run.returncode == 1, run.stderr
    assert f"error[unfit-filesystem]: the file system of {disk}" in run.stderr
    assert "has no colons in names, which an image tree needs" in run.stderr
    assert "hint: FAT and exFAT have no links and refuse colons in names; use a disk with ext4 or xfs" in run.stderr
    assert look_at(disk) == {}
    assert not any("art-dev" in entry.path for entry in quay.server.requests), "no component was asked for"


def test_generated_files_that_cannot_be_written_are_known_before_anything_is_copied(
    quay: Quay, loaded_disk: Path, tmp_path: Path, mirror: Mirror, mounted_elsewhere: Path
) -> None:
    """The far side's current folder is often the disk itself, and that is read-only."""
    run = mirror.load_release(loaded_disk, quay.release, mounted_elsewhere / "files")
    run.refused("read-only", str(mounted_elsewhere), hint="--manifests-dir")
    assert mirror.blobs() == {}
