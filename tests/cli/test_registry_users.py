"""``registry user``, ``robot``, ``token`` and ``keys``: the files they change, what they say, what they never say."""

import base64
import io
import json
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from failures.stage import Run, airferry

from .test_registry_and_media import serving
from .world import as_json


@pytest.fixture
def root(out: Path) -> Path:
    airferry("registry", "init", "--root", out, "--host", "127.0.0.1").done()
    return out


def registry(root: Path, *arguments: object) -> Run:
    return airferry("registry", *arguments, "--root", root)


@contextmanager
def stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdin", io.StringIO(text))
        yield


def users(root: Path) -> dict[str, Any]:
    document = as_json(registry(root, "user", "list", "-o", "json"))
    return {entry["name"]: entry["grants"] for entry in document["users"]}


def audited(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "audit.log").read_text().splitlines()]


def test_users_are_added_listed_changed_and_removed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stdin(monkeypatch, "ann's secret\n"):
        said = registry(root, "user", "add", "ann", "--grant", "team=pull,push", "--password-stdin").done()
    assert said.out == "Added user ann; it may: team=pull,push\n"
    assert users(root) == {"admin": {"*": ["admin"]}, "ann": {"team": ["pull", "push"]}}
    assert registry(root, "user", "list").done().out == "admin\t*=admin\nann\tteam=pull,push\n"
    said = registry(root, "user", "grant", "ann", "other/x", "delete").done()
    assert said.out == "ann may now: other/x=delete team=pull,push\n"
    assert registry(root, "user", "grant", "ann", "team", "none").done().out == "ann may now: other/x=delete\n"
    before = (root / "accounts.json").read_text()
    with stdin(monkeypatch, "another secret\n"):
        registry(root, "user", "passwd", "ann", "--password-stdin").done()
    assert (root / "accounts.json").read_text() != before
    assert registry(root, "user", "remove", "ann").done().out == "Removed ann\n"
    assert users(root) == {"admin": {"*": ["admin"]}}
    assert [(line["event"], line["account"]) for line in audited(root)] == [
        ("account-added", "ann"),
        ("permissions-changed", "ann"),
        ("permissions-changed", "ann"),
        ("password-changed", "ann"),
        ("account-removed", "ann"),
    ]
    assert all("at the command line" in line["actor"] for line in audited(root))
    everything = said.out + "".join(file.read_text() for file in root.iterdir())
    assert "ann's secret" not in everything and "another secret" not in everything


def test_answers_as_data(root: Path) -> None:
    made = as_json(registry(root, "user", "add", "ann", "--generate-password", "-o", "json"))
    assert len(made.pop("password")) >= 32
    assert made.pop("created").endswith("Z")
    assert made == {"name": "ann", "kind": "user", "grants": {}, "tokens": []}
    assert as_json(registry(root, "user", "grant", "ann", "*", "pull", "-o", "json")) == {
        "name": "ann",
        "grants": {"*": ["pull"]},
    }
    assert "password" not in as_json(registry(root, "user", "list", "-o", "json"))["users"][0]
    changed = as_json(registry(root, "user", "passwd", "ann", "--generate-password", "-o", "json"))
    assert len(changed["password"]) >= 32
    assert as_json(registry(root, "user", "remove", "ann", "-o", "json")) == {"name": "ann"}


def test_everybody_may_pull_where_that_is_said_and_no_more(root: Path) -> None:
    assert as_json(registry(root, "user", "list", "-o", "json"))["anonymous"] == {}
    assert registry(root, "user", "grant", "anonymous", "lib", "pull").done().out == "anonymous may now: lib=pull\n"
    assert as_json(registry(root, "user", "list", "-o", "json"))["anonymous"] == {"lib": ["pull"]}
    assert "anonymous\tlib=pull\n" in registry(root, "user", "list").done().out
    for more in ("push", "admin", "pull,delete"):
        registry(root, "user", "grant", "anonymous", "lib", more).refused("usage", "at most pull")
    assert registry(root, "user", "grant", "anonymous", "lib", "none").done().out == "anonymous may now: -\n"


def test_robots_have_a_token_that_is_shown_once(root: Path) -> None:
    made = as_json(registry(root, "robot", "add", "openshift+ci", "-o", "json"))
    secret = made["token"]
    assert made["grants"] == {"openshift": ["pull"]} and made["expires"] is None
    said = registry(root, "robot", "add", "team/app+x", "--grant", "*=pull", "--expires-in", "12h").done().out
    assert "Added robot team/app+x; it may: *=pull\n" in said and "to be used as password: afr_" in said
    listed = as_json(registry(root, "robot", "list", "-o", "json"))["robots"]
    assert [entry["name"] for entry in listed] == ["openshift+ci", "team/app+x"]
    assert listed[1]["tokens"][0]["expires"] is not None
    assert secret not in json.dumps(listed) and secret not in "".join(file.read_text() for file in root.iterdir())
    assert users(root) == {"admin": {"*": ["admin"]}}, "robots are no users"
    registry(root, "user", "remove", "openshift+ci").refused("usage", "openshift+ci is a robot")
    registry(root, "user", "passwd", "openshift+ci", "--generate-password").refused("usage", "is a robot")
    registry(root, "robot", "remove", "admin").refused("usage", "admin is a user")
    registry(root, "robot", "remove", "openshift+ci").done()
    assert len(as_json(registry(root, "robot", "list", "-o", "json"))["robots"]) == 1


def test_tokens_are_added_listed_and_removed(root: Path) -> None:
    made = as_json(registry(root, "token", "add", "admin", "--permissions", "pull", "-o", "json"))
    registry(root, "token", "add", "admin", "--expires-in", "never").done()
    listed = as_json(registry(root, "token", "list", "-o", "json"))["tokens"]
    assert [(entry["name"], entry["permissions"], entry["expired"]) for entry in listed] == [
        ("admin", ["pull"], False),
        ("admin", None, False),
    ]
    assert listed[0]["id"] == made["tokenId"] and listed[0]["expires"] == made["expires"] is not None
    text = registry(root, "token", "list").done().out
    assert f"{made['tokenId']}  admin  expires {made['expires']}  only pull\n" in text and "expires never\n" in text
    assert made["token"] not in text + json.dumps(listed)
    registry(root, "token", "remove", made["tokenId"]).done()
    assert len(as_json(registry(root, "token", "list", "-o", "json"))["tokens"]) == 1
    registry(root, "token", "remove", made["tokenId"]).refused("not-found", made["tokenId"])
    assert [line["event"] for line in audited(root)] == ["token-added", "token-added", "token-removed"]


def test_keys_are_shown_and_rotated_and_never_given_away(root: Path) -> None:
    first = as_json(registry(root, "keys", "-o", "json"))
    assert [(key["signs"], key["until"]) for key in first["keys"]] == [(True, None)]
    assert as_json(registry(root, "keys", "-o", "json")) == first
    rotated = as_json(registry(root, "keys", "--rotate", "-o", "json"))
    assert [key["signs"] for key in rotated["keys"]] == [True, False]
    assert rotated["keys"][1]["kid"] == first["keys"][0]["kid"] and rotated["service"] == first["service"]
    said = registry(root, "keys").done().out
    assert "signs\n" in said and "verifies until 2" in said and "BEGIN" not in said + json.dumps(rotated)
    assert audited(root)[-1]["event"] == "keys-rotated" and audited(root)[-1]["key"] == rotated["keys"][0]["kid"]


@pytest.mark.outsider
def test_an_htpasswd_file_is_imported_whole_or_not_at_all(root: Path, tmp_path: Path) -> None:
    assert shutil.which("htpasswd") is not None
    file = tmp_path / "htpasswd"
    for name in ("ann", "bob"):
        flags = ["-bB"] if file.exists() else ["-cbB"]
        subprocess.run(["htpasswd", *flags, file, name, f"{name}'s"], check=True, capture_output=True)
    said = registry(root, "user", "import", file, "--grant", "team=pull").done()
    assert said.out == "Added 2 users: ann, bob\n"
    assert users(root)["bob"] == {"team": ["pull"]}
    before = (root / "accounts.json").read_bytes()
    subprocess.run(["htpasswd", "-bB", file, "carol", "x"], check=True, capture_output=True)
    registry(root, "user", "import", file).refused("in-use", "ann")
    file.write_text("dave:$apr1$nope\n")
    registry(root, "user", "import", file).refused("malformed", "line 1", hint="htpasswd -B")
    file.write_bytes(b"\xff")
    registry(root, "user", "import", file).refused("malformed", "not text")
    registry(root, "user", "import", tmp_path / "none").refused("not-found", "none")
    assert (root / "accounts.json").read_bytes() == before


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "a name that is taken": (("user", "add", "admin", "--generate-password"), "in-use"),
    "a robot's name for a user": (("user", "add", "a+b", "--generate-password"), "usage"),
    "nobody's name": (("user", "add", "anonymous", "--generate-password"), "usage"),
    "a user's name for a robot": (("robot", "add", "ci"), "usage"),
    "no password": (("user", "add", "ann"), "usage"),
    "two passwords": (("user", "add", "ann", "--generate-password", "--password-stdin"), "usage"),
    "a grant that is none": (("user", "add", "ann", "--generate-password", "--grant", "team"), "usage"),
    "a permission that is none": (("user", "grant", "admin", "team", "write"), "usage"),
    "a namespace that is none": (("user", "grant", "admin", "Team/", "pull"), "usage"),
    "somebody who is not there": (("user", "grant", "who", "team", "pull"), "not-found"),
    "a password for somebody who is not there": (("user", "passwd", "who", "--generate-password"), "not-found"),
    "removing somebody who is not there": (("user", "remove", "who"), "not-found"),
    "a token for somebody who is not there": (("token", "add", "who"), "not-found"),
    "a life that is none": (("token", "add", "admin", "--expires-in", "soon"), "usage"),
    "a life of no time": (("robot", "add", "a+b", "--expires-in", "0d"), "usage"),
    "a token for nothing that is a permission": (("token", "add", "admin", "--permissions", "x"), "usage"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_and_changes_nothing(root: Path, case: str) -> None:
    arguments, code = REFUSED[case]
    before = (root / "accounts.json").read_bytes()
    registry(root, *arguments).refused(code)
    assert (root / "accounts.json").read_bytes() == before
    assert not (root / "audit.log").exists()


@pytest.mark.parametrize("command", ["user list", "robot list", "token list", "keys", "keys --rotate"])
def test_where_there_is_no_registry_nothing_is_made(out: Path, command: str) -> None:
    registry(out, *command.split()).refused("not-found", str(out), hint="registry init")
    assert not out.exists()


def test_a_server_that_runs_sees_every_change_at_once(root: Path) -> None:
    def status(url: str, name: str, password: str, path: str = "/v2/") -> int:
        header = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
        request = urllib.request.Request(url + path, headers={"Authorization": header})
        try:
            with urllib.request.urlopen(
                request, context=ssl.create_default_context(cafile=str(root / "ca.crt"))
            ) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    with serving("registry", "serve", "--root", root, "--listen", "127.0.0.1:0") as (url, process):
        assert status(url, "ann", "x") == 401
        password = as_json(registry(root, "user", "add", "ann", "--generate-password", "-o", "json"))["password"]
        assert status(url, "ann", password) == 200
        assert status(url, "ann", password, "/v2/team/x/tags/list") == 403
        registry(root, "user", "grant", "ann", "team", "pull").done()
        assert status(url, "ann", password, "/v2/team/x/tags/list") == 404
        registry(root, "keys", "--rotate").done()
        assert status(url, "ann", password, "/v2/auth?scope=repository:team/x:pull") == 200
        registry(root, "user", "remove", "ann").done()
        assert status(url, "ann", password) == 401
        process.terminate()
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0 and err == ""


def test_a_registry_of_an_older_version_goes_on_with_its_users(root: Path) -> None:
    password = (root / "admin-password").read_text().strip()
    accounts = json.loads((root / "accounts.json").read_text())["accounts"]
    (root / "users.htpasswd").write_text(f"admin:{accounts['admin']['password']['bcrypt']}\n")
    config = root / "registry.toml"
    config.write_text(config.read_text().replace("accounts.json", "users.htpasswd"))
    for name in ("accounts.json", "token-keys.json"):
        (root / name).unlink()
    with serving("registry", "serve", "--root", root, "--listen", "127.0.0.1:0") as (url, _):
        host = url.removeprefix("https://")
        auth = root / "auth.json"
        encoded = base64.b64encode(f"admin:{password}".encode()).decode()
        auth.write_text(json.dumps({"auths": {host: {"auth": encoded}}}))
        airferry("secret", "check", auth, "--certificate-authority", root / "ca.crt").done()
    assert users(root) == {"admin": {"*": ["admin"]}}
    assert (root / "users.htpasswd.moved").exists() and (root / "token-keys.json").exists()
