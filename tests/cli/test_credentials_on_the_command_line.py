"""A password that somebody wrote into a reference, a URL or a mapping file never comes back in what we print."""

import io
from pathlib import Path

import pytest

from failures.stage import airferry

BAD = "https://ann:hunter2@h.example/x:1"
DOCKER = "docker://ann:hunter2@h.example/x:1"

COMMANDS = {
    "release info": ["release", "info", BAD],
    "release info, docker": ["release", "info", DOCKER],
    "release mirror": ["release", "mirror", BAD, "--to-dir", "d"],
    "release mirror --to": ["release", "mirror", "127.0.0.1:1/a/b:1", "--to", DOCKER],
    "release extract": ["release", "extract", DOCKER, "--command", "oc"],
    "image info": ["image", "info", BAD],
    "image copy": ["image", "copy", "127.0.0.1:1/a:1", BAD],
    "image mirror, a pair": ["image", "mirror", f"127.0.0.1:1/a:1={BAD}"],
    "image mirror, half a pair": ["image", "mirror", "127.0.0.1:1/a:1=127.0.0.1:1/b:1", BAD],
    "image mirror, a pattern": ["image", "mirror", f"{DOCKER}*", "127.0.0.1:1/a"],
    "image mirror, a file": ["image", "mirror", "-f", "map.txt"],
    "image extract": ["image", "extract", DOCKER],
    "a file that is a URL": ["secret", "show", BAD],
    "a pull secret of a URL": ["secret", "merge", BAD, "-u", "ann", "--to", "s.json", "--password-stdin"],
    "login": ["login", BAD, "-u", "ann", "--password-stdin", "--to", "s.json"],
    "login, without a scheme": ["login", "ann:hunter2@h.example", "-u", "ann", "--password-stdin", "--to", "s.json"],
    "registry init --host": ["registry", "init", "--root", "r", "--host", BAD],
    "registry serve --listen": ["registry", "serve", "--root", "r", "--listen", BAD],
    "a choice": ["image", "info", "127.0.0.1:1/a:1", "--progress", BAD],
    "one argument too many": ["release", "info", "a", "b", BAD],
    "a disk": ["media", "info", BAD],
}


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("case", COMMANDS)
def test_a_password_is_never_shown(case: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("pw\n"))
    Path("map.txt").write_text(f"{BAD} 127.0.0.1:1/a:1\n")
    run = airferry(*COMMANDS[case], "-o", form)
    assert run.code == 1, run.end
    assert "hunter2" not in run.out + run.err
    assert not Path("s.json").exists() and not Path("r").exists()
