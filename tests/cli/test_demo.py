"""``airferry demo``: the whole crossing, small through the same function, and once as it is."""

import asyncio
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from airferry.app.narration import Mute
from airferry.cli.demo import program
from airferry.lab import SMALL
from airferry.lab.demo import look_around, run_demo
from failures.stage import airferry
from machine import lacks

LINE = re.compile(r"demo: ok: (\d+) images crossed, (\d+)/(\d+) pulled with the upstream stopped, \d+\.\d s")


def test_a_small_release_crosses_and_is_pulled_with_the_upstream_stopped(tmp_path: Path) -> None:
    report = asyncio.run(run_demo(tmp_path, Mute(), shape=SMALL))
    found = LINE.fullmatch(report.line)
    assert found is not None and set(found.groups()) == {str(SMALL.components + 1)}
    assert "release image localhost:" in report.installer_says
    titles = [step.title for step in report.steps]
    assert titles[0] == "publish" and titles[-3:] == ["pull, upstream stopped", "verify", "podman"]


def test_what_it_says_about_looking_around_works_when_it_is_pasted(tmp_path: Path) -> None:
    """In one shell, and in a folder of its own: paths are whole, and the program is the one that runs here."""
    folder = tmp_path / "with a blank"
    folder.mkdir()
    shape = replace(SMALL, version="4.13.7")
    report = asyncio.run(run_demo(folder, Mute(), shape=shape))
    program = f"{sys.executable} -m airferry"
    ways = re.findall(r"^    (.*)$", look_around(folder, report, program), re.MULTILINE)
    serve = next(way for way in ways if "registry serve" in way)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with subprocess.Popen(f"exec {serve}", shell=True, cwd=elsewhere, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None and server.stdout.readline().startswith("listening on ")
        runs = {
            way: subprocess.run(way, shell=True, cwd=elsewhere, capture_output=True, text=True, timeout=60)
            for way in ways
            if way != serve
        }
        server.terminate()
    assert {way: run.stderr for way, run in runs.items() if run.returncode} == {}
    said = {way: run.stdout for way, run in runs.items()}
    assert len(said) == 4 and "4.13.7" in said[ways[-1]] and "release mirror" in said[ways[1]]


def test_the_program_that_is_named_is_the_one_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "airferry" / "__main__.py"
    script = tmp_path / "bin dir" / "airferry"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(module), "demo"])
    assert program() == f"{sys.executable} -m airferry"
    monkeypatch.setattr(sys, "argv", [str(script), "demo"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert program() == f"'{script}'"
    monkeypatch.setenv("PATH", str(script.parent))
    assert program() == "airferry"
    monkeypatch.chdir(script.parent)
    monkeypatch.setattr(sys, "argv", ["./airferry", "demo"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert program() == f"'{script}'"
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setenv("STATICX_PROG_PATH", "/opt/airferry-linux-x86_64")
    assert program() == "/opt/airferry-linux-x86_64"


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
    run = airferry("demo", "--dir", tmp_path).refused("usage", "is not empty", hint="a new folder")
    assert run.out == f"demo: failed: {tmp_path} is not empty\n"
    assert (tmp_path / "mine").read_text() == "kept"


def test_a_folder_that_cannot_be_made_is_a_failure_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        run = airferry("demo", "--dir", folder).refused("usage", str(folder))
        assert run.out.splitlines()[-1].startswith("demo: failed: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize(("phase", "keep"), [(1, True), (1, False), (3, False)])
def test_a_demo_that_is_stopped_says_so_and_clears_up(
    tmp_path: Path, number: signal.Signals, phase: int, keep: bool
) -> None:
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "airferry", "demo", "--dir", folder, "--progress", "json"]
    with subprocess.Popen(
        [*command, *(["--keep"] if keep else [])], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            phase -= '"type": "phase"' in line
            if not phase:
                break
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert out.splitlines()[-1] == "demo: failed: stopped"
    assert "Traceback" not in err and "error[interrupted]: stopped" in err
    assert folder.exists() is keep
    assert (f"What there is so far is kept in {folder}\n" in out) is keep


def test_without_podman_the_table_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "head", "tr", "dd"):  # what the lab's installer is made of
        (programs / name).symlink_to(shutil.which(name) or lacks(f"the program {name}"))
    monkeypatch.setenv("PATH", str(programs))
    report = asyncio.run(run_demo(tmp_path / "demo", Mute(), shape=SMALL))
    assert report.steps[-1].outcome == "not installed here, so nobody else was asked"
    assert report.steps[-2].outcome.startswith(f"yes for {SMALL.components + 3} images")
