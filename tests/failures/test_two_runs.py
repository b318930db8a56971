"""Two runs into the same folder at once: the second one says who is there, the first one is not disturbed."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airferry.lab import Endpoint, Rule
from airferry.lab.faults import Stall

from .stage import Entry, Quay, Run, airferry, look_at

SECOND: dict[str, Callable[[Quay, Path], Run]] = {
    "the same release": lambda quay, disk: quay.mirror(disk),
    "the same folder by another name": lambda quay, disk: quay.mirror(disk.parent / "by-another-name"),
    "an image of it": lambda quay, disk: airferry(
        *("image", "mirror", quay.release.pullspec, "file://openshift/release:other"),
        *("--dir", disk, *quay.flags(trusted=False)),
    ),
}


@pytest.mark.parametrize("second", SECOND)
def test_the_second_run_is_told_that_the_folder_is_in_use(
    quay: Quay, disk: Path, undisturbed: dict[str, Entry], second: str
) -> None:
    (disk.parent / "by-another-name").symlink_to(disk)
    quay.fails(Rule(Endpoint.CDN, Stall(10), skip=25))
    with ThreadPoolExecutor() as beside:
        first = beside.submit(quay.mirror, disk)
        quay.wait(quay.server.faults.wait_until_stalled)
        before = look_at(disk / "v2")
        process = f"another airferry (process {os.getpid()}) is writing to {disk.parent}"
        SECOND[second](quay, disk).refused("in-use", process, hint="wait for it to end")
        assert look_at(disk / "v2").items() >= before.items()
        quay.call(quay.server.faults.release)
        first.result().done()
    assert look_at(disk) == undisturbed
    quay.heals()
    quay.mirror(disk).done()
    assert look_at(disk) == undisturbed


def test_reading_a_disk_that_is_being_written_is_no_offence(quay: Quay, disk: Path) -> None:
    quay.fails(Rule(Endpoint.CDN, Stall(10), skip=25))
    with ThreadPoolExecutor() as beside:
        first = beside.submit(quay.mirror, disk)
        quay.wait(quay.server.faults.wait_until_stalled)
        assert "blobs that no image needs" in airferry("media", "info", disk).done().out
        quay.call(quay.server.faults.release)
        first.result().done()
