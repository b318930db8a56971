"""Errors: a code, what happened to what, a hint; the exit code; the same as JSON; and never a colour off a terminal."""

import json
from pathlib import Path

import pytest

from failures.stage import airferry

from .world import ANSI, World, error_of, nothing_listens

USAGE = {
    "a command that does not exist": (["release", "frobnicate"], "No such command 'frobnicate'"),
    "a group that does not exist": (["frob"], "No such command 'frob'"),
    "an option that does not exist": (["release", "info", "--frob", "4.12.0"], "--frob"),
    "an option without its value": (["release", "info", "4.12.0", "-a"], "requires an argument"),
    "a missing argument": (["release", "info"], "Missing argument"),
    "two tables at once": (["release", "info", "--pullspecs", "--size", "4.12.0"], "only one of --commits"),
    "a table and one image": (["release", "info", "--size", "--image-for", "cli", "4.12.0"], "only one of"),
    "two ways to compare": (["release", "info", "4.12.0", "4.13.0", "--changes-from", "4.11.0"], "not both"),
    "an output that does not exist": (["release", "info", "4.12.0", "-o", "toml"], "'toml' is not one of"),
    "a release twice": (["release", "mirror", "4.12.0", "--from", "4.12.0", "--to-dir", "d"], "an argument and --from"),
    "no release": (["release", "mirror", "--to-dir", "d"], "must specify a release image with --from"),
    "no release to extract": (["release", "extract"], "must specify a release image with --from"),
    "no destination": (["release", "mirror", "4.12.0"], "must specify an image repository"),
    "a disk and a registry": (["release", "mirror", "4.12.0", "--to-dir", "d", "--to", "h.example/r"], "--to-dir"),
    "a tag on the destination": (["release", "mirror", "4.12.0", "--to", "h.example/r:tag"], "tag"),
    "unknown instructions": (
        ["release", "mirror", "4.12.0", "--to", "h.example/r", "--print-mirror-instructions", "itms"],
        "must be one of icsp, idms, none",
    ),
    "a tool and all tools": (["release", "extract", "4.12.0", "--tools", "--command", "oc"], "only one of --tools"),
    "nothing to mirror": (["image", "mirror"], "you must specify at least one source image"),
    "one argument to mirror": (["image", "mirror", "h.example/r:1"], "all arguments must be valid SRC=DST mappings"),
    "pairs and arguments": (["image", "mirror", "h.example/a=h.example/b", "h.example/c"], "SRC=DST"),
    "half a pair": (["image", "mirror", "=h.example/b"], "SRC=DST"),
    "source and destination the same": (["image", "mirror", "h.example/a:1=h.example/a:1"], "may not be the same"),
    "a destination twice": (
        ["image", "mirror", "h.example/a:1=h.example/c:1", "h.example/b:1=h.example/c:1"],
        "each destination tag may only be specified once",
    ),
    "a digest as a destination": (
        ["image", "mirror", "h.example/a:1", f"h.example/b@sha256:{64 * '0'}"],
        "you must specify a tag for DST",
    ),
    "a pattern to a tag": (["image", "mirror", "h.example/a:1*", "h.example/b:2"], "must be a repository"),
    "a mapping file that is not there": (["image", "mirror", "-f", "missing.txt"], "missing.txt"),
    "a filter that is no expression": (
        ["image", "mirror", "h.example/a:1", "h.example/b:1", "--filter-by-os", "("],
        "--filter-by-os is not a regular expression",
    ),
    "a pattern for a copy": (["image", "copy", "h.example/a:*", "h.example/b"], "one source and one destination"),
    "a repository where an image is wanted": (["image", "info", "h.example/a"], "names a repository"),
    "a password nobody gave": (["login", "h.example", "-u", "ann"], "no password was given"),
    "a password on the command line": (["login", "h.example", "--auth-basic=ann:pw"], "--auth-basic would show"),
    "a secret with nowhere to go": (["secret", "merge", "h.example", "-u", "ann"], "no file to write"),
    "a secret that is not there": (["secret", "show", "missing.json"], "missing.json"),
    "an address that is none": (["registry", "serve", "--root", "r", "--listen", "nowhere"], "nowhere"),
}


@pytest.mark.parametrize("case", USAGE)
def test_a_mistake_on_the_command_line_is_a_usage_error(case: str) -> None:
    arguments, words = USAGE[case]
    airferry(*arguments).refused("usage", words)
    assert not list(Path.cwd().glob("d*")), "nothing is made for a command that cannot be"


@pytest.mark.parametrize("case", [name for name, (words, _) in USAGE.items() if not {"-o", "-a"} & set(words)])
def test_the_same_error_is_json_for_programs(case: str) -> None:
    arguments, words = USAGE[case]
    run = airferry(*arguments, "-o", "json")
    error = error_of(run)
    assert run.code == error["exit"] == 1 and run.out == ""
    assert error["code"] == "usage" and words in error["message"]


@pytest.mark.parametrize("spelling", [("-o", "json"), ("-ojson",), ("--output", "json"), ("--output=json",)])
def test_errors_are_json_however_it_was_asked_for(spelling: tuple[str, ...]) -> None:
    run = airferry("release", "info", "ubi9", *spelling)
    error = error_of(run)
    assert set(error) == {"code", "message", "hint", "exit"}
    assert error["code"] == "malformed" and "ubi9" in error["message"] and "quay.io/ubi9" in error["hint"]


@pytest.mark.parametrize("spelling", [("-o", "yaml"), ("--output=text",), ()])
def test_errors_are_text_otherwise(spelling: tuple[str, ...]) -> None:
    run = airferry("release", "info", "ubi9", *spelling)
    assert run.err.startswith("error[malformed]: ") and "\n\nhint: " in run.err


REFUSED = {
    "a bare name": (["image", "info", "ubi9"], "malformed", "ubi9"),
    "an upper-case repository": (["image", "info", "h.example/Ubi9:1"], "malformed", "Ubi9"),
    "object storage": (["image", "info", "s3://bucket/x"], "unsupported", "s3://"),
    "a disk that is none": (["media", "info", "missing"], "not-found", "missing"),
    "a disk to verify that is none": (["media", "verify", "missing"], "not-found", "missing"),
    "a disk to serve that is none": (["media", "serve", "missing"], "not-found", "missing"),
    "a layout that is none": (["image", "info", "oci://missing:1"], "not-found", "missing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_answer_that_is_no_says_what_and_exits_with_1(case: str) -> None:
    arguments, code, words = REFUSED[case]
    airferry(*arguments).refused(code, words)


def test_a_registry_that_nobody_runs_is_unreachable() -> None:
    with nothing_listens() as host:
        run = airferry("image", "info", f"{host}/a/b:1", "--retry-times", "0")
        run.refused("unreachable", host)


CLUSTER_ONLY = [
    ["--apply-release-image-signature"],
    ["--apply-release-image-signature=true"],
    ["--overwrite"],
    ["--to-image-stream", "release"],
]


@pytest.mark.parametrize("flags", CLUSTER_ONLY, ids=lambda flags: flags[0])
def test_what_needs_a_cluster_is_refused_with_what_to_use_instead(flags: list[str]) -> None:
    run = airferry("release", "mirror", "4.12.0", "--to-dir", "d", *flags)
    run.refused("usage", "needs a cluster", hint="oc apply -f DIR")


def test_a_bug_is_reported_as_one_and_exits_with_2(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import airferry.cli.main as module

    class Broken:
        def main(self, *_: object, **__: object) -> None:
            raise ZeroDivisionError("by the test")

    monkeypatch.setattr(module, "root", Broken())  # the root is data here: a command that breaks
    run = airferry("release", "info", "x", "-o", "json")
    error = error_of(run)
    assert run.code == error["exit"] == 2
    assert error["code"] == "internal" and "ZeroDivisionError: by the test" in error["message"]
    assert "Traceback" not in airferry("anything").err


def test_off_a_terminal_nothing_is_coloured(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("", "FORCE_COLOR", "CLICOLOR_FORCE", "NO_COLOR"):
        if variable:
            monkeypatch.setenv(variable, "1")
        again = tmp_path / f"disk-{variable}"
        for run in (
            world.quay.mirror(again),
            airferry("media", "verify", world.disk),
            airferry("release", "info", "--from-dir", world.disk, world.version, "--log-level", "debug"),
            airferry("release", "info", "ubi9"),
            airferry("release", "--help"),
        ):
            assert not ANSI.search(run.out + run.err)
            assert "\r" not in run.out + run.err


def test_a_log_line_as_json_is_json(world: World) -> None:
    flags = ("--log-level", "debug", "--log-format", "json", "--progress", "none", *world.quay.flags(trusted=False))
    run = airferry("image", "info", world.release.pullspec, *flags).done()
    lines = [json.loads(line) for line in run.err.splitlines()]
    assert lines, "asking a registry is logged at debug level"
    assert all({"event", "level", "timestamp"} <= set(line) for line in lines)


def test_progress_as_json_is_json(world: World, tmp_path: Path) -> None:
    run = world.quay.mirror(tmp_path / "disk", "--progress", "json").done()
    assert all(isinstance(json.loads(line), dict) for line in run.err.splitlines())
