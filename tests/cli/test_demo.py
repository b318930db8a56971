"""``airferry demo``: the whole crossing, small through the same function, and once as it is."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

from airferry.app.narration import Mute
from airferry.lab import SMALL
from airferry.lab.demo import look_around, run_demo
from failures.stage import airferry

LINE = re.compile(r"demo: ok: (\d+) images crossed, (\d+)/(\d+) pulled with the upstream stopped, \d+\.\d s")


def test_a_small_release_crosses_and_is_pulled_with_the_upstream_stopped(tmp_path: Path) -> None:
    report = asyncio.run(run_demo(tmp_path, Mute(), shape=SMALL))
    found = LINE.fullmatch(report.line)
    assert found is not None and set(found.groups()) == {str(SMALL.components + 1)}
    assert "release image localhost:" in report.installer_says
    titles = [step.title for step in report.steps]
    assert titles[0] == "publish" and titles[-1] == "pull, upstream stopped"
    ways = re.findall(r"^    (airferry .*)$", look_around(tmp_path, report), re.MULTILINE)
    assert [way.split()[1:3] for way in ways] == [["media", "info"], ["registry", "serve"], ["release", "info"]]
    airferry(*ways[0].split()[1:]).done()


def test_the_demo_itself_ends_with_its_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "airferry", "demo", "--dir", tmp_path / "demo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    found = LINE.fullmatch(last)
    assert found is not None and found.groups() == ("184", "184", "184")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "demo").exists(), "nothing is left without --keep"


def test_a_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    airferry("demo", "--dir", tmp_path).refused("usage", "is not empty")
    assert (tmp_path / "mine").read_text() == "kept"
