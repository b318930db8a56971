"""--log-level and --log-format are the same for every command that takes them."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from failures.stage import airferry

from .world import World

COMMANDS: dict[str, Callable[[World, Path], tuple[object, ...]]] = {
    "media info": lambda world, out: ("media", "info", world.disk),
    "media verify": lambda world, out: ("media", "verify", world.disk),
    "secret merge": lambda world, out: ("secret", "merge", "m.lan", "-u", "ann", "--password-stdin", "--to", out),
    "secret show": lambda world, out: ("secret", "show", world.mirror.auth_file),
    "secret check": lambda world, out: (
        *("secret", "check", world.mirror.auth_file, "--certificate-authority", world.mirror.authority),
    ),
    "login": lambda world, out: (
        *("login", world.mirror.host, "-u", "admin", "--password-stdin", "--to", out),
        *("--certificate-authority", world.mirror.authority),
    ),
    "registry init": lambda world, out: ("registry", "init", "--root", out),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_logged_is_said_at_its_level_and_in_its_form(
    world: World, out: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{world.mirror.password}\n"))
    flags = ("--log-level", "info", "--log-format", "json", "--progress", "none")
    run = airferry(*COMMANDS[name](world, out), *flags).done()
    lines = [json.loads(line) for line in run.err.splitlines()]
    assert lines and all({"event", "level", "timestamp", "logger"} <= set(line) for line in lines)
    assert {line["level"] for line in lines} == {"info"}
    assert world.mirror.password not in run.err


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_logged_that_was_not_asked_for(
    world: World, out: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{world.mirror.password}\n"))
    assert airferry(*COMMANDS[name](world, out), "--progress", "none").done().err == ""


def test_a_bug_in_any_command_is_traced_where_debug_was_asked_for(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)  # a process without one: nobody thought of that
    command = ("secret", "merge", "m.lan", "-u", "ann", "--password-stdin", "--to", out)
    assert "Traceback" not in airferry(*command).err
    run = airferry(*command, "--log-level", "debug")
    assert run.code == 2 and "Traceback" in run.err and "AttributeError" in run.err
