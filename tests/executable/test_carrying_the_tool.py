"""Which file ``--with-tool`` puts on the disk, and how it gets there."""

import hashlib
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from airferry.app.releases.carried_tool import find_executable, place_tool, tool_name
from airferry.content.errors import NotFoundError, ReadOnlyError
from airferry.errors import UsageError
from airferry.media.records import Records


def linux_program(machine: int = 62, *, order: str = "<", segments: tuple[int, ...] = (1, 1)) -> bytes:
    """Return the headers of a 64-bit Linux program with these kinds of segments (elf(5)), and some content."""
    ident = b"\x7fELF\2" + (b"\1" if order == "<" else b"\2") + b"\1" + bytes(9)
    fields = struct.pack(f"{order}HHIQQQIHHHHHH", 2, machine, 1, 0x400000, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    return ident + fields + b"".join(struct.pack(f"{order}I52x", kind) for kind in segments) + bytes(3_000_000)


def program_file(folder: Path, content: bytes, mode: int = 0o755) -> Path:
    file = folder / "program"
    file.write_bytes(content)
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    ("environ", "frozen", "expected"),
    [
        ({"AIRFERRY_EXECUTABLE": "/a/b"}, False, "/a/b"),
        ({"AIRFERRY_EXECUTABLE": "/a/b", "STATICX_PROG_PATH": "/c/d"}, True, "/a/b"),
        ({"STATICX_PROG_PATH": "/c/d"}, True, "/c/d"),
    ],
    ids=["named, under Python", "named, though we could travel", "the one file that runs"],
)
def test_the_named_file_comes_first_then_the_running_one(environ, frozen, expected):
    assert find_executable(environ, frozen=frozen) == Path(expected)


@pytest.mark.parametrize(
    ("environ", "frozen", "words"),
    [
        ({}, False, "runs from a Python installation"),
        ({}, True, "is the one-folder form"),
        ({"STATICX_PROG_PATH": "/usr/bin/some-shell"}, False, "runs from a Python installation"),
        ({"AIRFERRY_EXECUTABLE": ""}, False, "runs from a Python installation"),
    ],
    ids=["Python", "one folder", "Python, started by somebody else's static program", "an empty name"],
)
def test_a_program_that_is_no_single_file_does_not_travel(environ, frozen, words):
    with pytest.raises(UsageError, match=words) as caught:
        find_executable(environ, frozen=frozen)
    assert "make dist" in caught.value.hint


@pytest.mark.parametrize(
    ("machine", "order", "name"),
    [
        (62, "<", "airferry-linux-x86_64"),
        (183, "<", "airferry-linux-aarch64"),
        (22, ">", "airferry-linux-s390x"),
        (243, "<", "airferry-linux-machine-243"),
    ],
)
def test_its_name_says_what_it_runs_on(tmp_path, machine, order, name):
    assert tool_name(program_file(tmp_path, linux_program(machine, order=order))) == name


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (b"#!/usr/bin/python3\nimport airferry\n" + bytes(100), 0o755, "not an executable for 64-bit Linux"),
        (b"", 0o755, "not an executable"),
        (linux_program(), 0o644, "not an executable"),
        (linux_program(segments=(1, 3, 1)), 0o755, "needs libraries of this system"),
    ],
    ids=["a script", "nothing", "not executable", "dynamically linked"],
)
def test_what_would_not_run_on_the_far_side_is_refused(tmp_path, content, mode, words):
    with pytest.raises(UsageError, match=words):
        tool_name(program_file(tmp_path, content, mode))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotFoundError, match="nowhere"):
        tool_name(tmp_path / "nowhere")


async def test_it_is_copied_executable_with_its_checksum_and_beside_our_own_records(tmp_path):
    source = program_file(tmp_path, linux_program())
    disk = tmp_path / "media" / "usb"
    await Records(disk).write("releases/x", {})
    place_tool(source, disk / tool_name(source))
    placed = disk / "airferry-linux-x86_64"
    assert placed.read_bytes() == source.read_bytes()
    assert placed.stat().st_mode & 0o7777 == 0o755
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert (disk / "airferry-linux-x86_64.sha256").read_text() == f"{digest}  airferry-linux-x86_64\n"
    checked = subprocess.run(["sha256sum", "-c", "airferry-linux-x86_64.sha256"], cwd=disk, capture_output=True)
    assert checked.returncode == 0
    assert await Records(disk).names() == ("releases/x",)
    assert sorted(file.name for file in disk.iterdir()) == [
        "airferry",
        "airferry-linux-x86_64",
        "airferry-linux-x86_64.sha256",
    ]


def test_an_older_one_is_replaced_even_while_it_runs(tmp_path):
    target = tmp_path / "airferry-linux-x86_64"
    shutil.copy("/bin/sleep", target)
    running = subprocess.Popen([target, "60"])
    try:
        place_tool(program_file(tmp_path, linux_program()), target)
    finally:
        running.kill()
        running.wait()
    assert target.read_bytes() == linux_program()


def test_a_disk_that_cannot_be_written_keeps_the_old_one_and_nothing_else(tmp_path):
    disk = tmp_path / "disk"
    disk.write_text("a file where the disk should be")
    with pytest.raises(ReadOnlyError, match="disk"):
        place_tool(program_file(tmp_path, linux_program()), disk / "airferry-linux-x86_64")
    assert disk.read_text() == "a file where the disk should be"
