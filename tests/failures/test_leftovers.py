"""What a killed run left under temporary names is gone after the next one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .stage import Entry, Quay, airferry, look_at


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    return ended.pid


def leave(folder: Path, process: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f".{process}-0123456789abcdef"
    file.write_bytes(b"half of it")
    return file


def test_on_a_disk(quay: Quay, disk: Path, undisturbed: dict[str, Entry], dead: int) -> None:
    for folder in (
        ".",
        "config",
        "manifests/4.12.0-x86_64",
        "airferry/releases",
        "airferry/repositories/openshift/release",
    ):
        leave(disk / folder, dead)
    quay.mirror(disk).done()
    assert look_at(disk) == undisturbed


def test_on_a_disk_where_nothing_else_is_left_to_do(
    quay: Quay, loaded_disk: Path, undisturbed: dict[str, Entry], dead: int
) -> None:
    """The last thing that a run writes is its index of tags."""
    leave(loaded_disk / "airferry" / "repositories" / "openshift" / "release", dead)
    quay.mirror(loaded_disk).done()
    assert look_at(loaded_disk) == undisturbed


def test_of_a_run_that_died_while_it_tried_the_file_system(
    quay: Quay, disk: Path, undisturbed: dict[str, Entry]
) -> None:
    """The first hard link is made to see whether there can be one; this run dies at that moment."""
    program = "import os, sys; os.link = lambda *names: os._exit(9); "
    program += "from airferry.cli.main import main; main(sys.argv[1:])"
    command = ("release", "mirror", "4.12.0", "--to-dir", disk, *quay.flags())
    died = subprocess.run([sys.executable, "-c", program, *map(str, command)], capture_output=True)
    assert died.returncode == 9
    assert look_at(disk)
    quay.mirror(disk).done()
    assert look_at(disk) == undisturbed


def test_where_tools_are_extracted(quay: Quay, tmp_path: Path, dead: int) -> None:
    to = tmp_path / "tools"
    leave(to, dead)
    workshop = to / f".{dead}-fedcba9876543210"
    workshop.mkdir()
    (workshop / "oc").write_bytes(b"half of it")
    read = (quay.release.pullspec, "--to", to, *quay.flags(trusted=False))
    airferry("release", "extract", "--command", "oc", *read).done()
    assert list(look_at(to)) == ["oc"]
    leave(to, dead)
    airferry("release", "extract", "--tools", *read).done()
    assert not [name for name in look_at(to) if name.startswith(".")]


def test_where_images_are_extracted(quay: Quay, tmp_path: Path, dead: int) -> None:
    to = tmp_path / "files"
    staging = to / f".airferry-{dead}-0123456789abcdef"
    staging.mkdir(parents=True)
    (staging / "half").write_bytes(b"half of it")
    name = f"quay.io/openshift-release-dev/ocp-v4.0-art-dev@{quay.release.components['cli']}"
    airferry("image", "extract", name, "--path", f"/usr/bin/oc:{to}", "--confirm", *quay.flags(trusted=False)).done()
    assert list(look_at(to)) == ["oc"]


def test_what_a_living_run_is_about_to_name_is_left_alone(quay: Quay, disk: Path, tmp_path: Path) -> None:
    other = leave(disk / "manifests" / "4.12.0-x86_64", os.getppid())
    tool = leave(tmp_path / "tools", os.getppid())
    quay.mirror(disk).done()
    command = ("release", "extract", "--command", "oc", quay.release.pullspec, "--to", tool.parent)
    airferry(*command, *quay.flags(trusted=False)).done()
    assert other.exists()
    assert tool.exists()
