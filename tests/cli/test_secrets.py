"""``secret`` and ``login``: files that only their owner reads, and passwords that nobody sees."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest

from failures.stage import Run, airferry

from .world import OurRegistry, World, as_json, error_of, nothing_listens

PASSWORD = "pass:word with spaces"


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


def entry(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command with a password on stdin."""

    def run(password: str, *arguments: object) -> Run:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        made = airferry(*arguments, "--password-stdin")
        assert password not in made.out + made.err
        assert entry("admin", password) not in made.out + made.err
        return made

    return run


@pytest.fixture
def pull_secret(tmp_path: Path) -> Path:
    """What Red Hat hands out, in shape."""
    auths = {
        host: {"auth": entry("openshift-release-dev+ocm", f"secret-of-{host}"), "email": "ann@example.com"}
        for host in ("cloud.openshift.com", "quay.io", "registry.redhat.io")
    }
    file = tmp_path / "pull-secret.json"
    file.write_text(json.dumps({"auths": auths, "credHelpers": {"gcr.io": "gcr"}}))
    return file


class TestMerge:
    def test_a_user_is_added_and_all_else_is_kept(self, typed, pull_secret: Path, out: Path) -> None:
        flags = ("mirror.lan:8443", "-a", pull_secret, "-u", "admin", "--to", out)
        before = json.loads(pull_secret.read_text())
        run = typed(PASSWORD, "secret", "merge", *flags).done()
        assert run.out == f"Merged admin for mirror.lan:8443 into {out}\n"
        after = json.loads(out.read_text())
        assert after["auths"].pop("mirror.lan:8443")["auth"] == entry("admin", PASSWORD)
        assert after == before == json.loads(pull_secret.read_text())
        assert mode(out) == 0o600
        assert len(out.read_text().splitlines()) == 1, "install-config.yaml takes one line"

    def test_without_a_target_the_file_itself_changes(self, typed, pull_secret: Path) -> None:
        pull_secret.chmod(0o644)
        typed("pw", "secret", "merge", "quay.io", "--authfile", pull_secret, "-u", "admin").done()
        auths = json.loads(pull_secret.read_text())["auths"]
        assert list(auths) == ["cloud.openshift.com", "quay.io", "registry.redhat.io"]
        assert auths["quay.io"] == {"auth": entry("admin", "pw"), "email": "ann@example.com"}
        assert mode(pull_secret) == 0o600

    def test_a_new_file_is_made_where_there_is_none(self, typed, out: Path) -> None:
        document = as_json(typed("pw", "secret", "merge", "m.lan/team", "-u", "admin", "--to", out, "-o", "json"))
        assert document == {"registry": "m.lan/team", "file": str(out)}
        assert json.loads(out.read_text()) == {"auths": {"m.lan/team": {"auth": entry("admin", "pw")}}}

    @pytest.mark.parametrize("text", ["", "[]", '{"auths": []}', "not json", '{"auths": {"a": {"auth": "sec"'])
    def test_a_file_that_is_none_is_refused_and_left_alone(self, typed, tmp_path: Path, text: str, out: Path) -> None:
        file = tmp_path / "broken.json"
        file.write_text(text)
        run = typed("pw", "secret", "merge", "m.lan", "-a", file, "-u", "admin", "--to", out)
        if text:
            run.refused("malformed")
            assert not out.exists() and file.read_text() == text

    def test_an_empty_password_is_refused(self, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
        airferry("secret", "merge", "m.lan", "-u", "a", "--to", out, "--password-stdin").refused("usage", "empty")
        assert not out.exists()

    @pytest.mark.parametrize("registry", ["https://m.lan", "m.lan:port", "M LAN", ""])
    def test_a_registry_that_is_none_is_refused(self, typed, registry: str, out: Path) -> None:
        typed("pw", "secret", "merge", registry, "-u", "admin", "--to", out).refused("malformed")
        assert not out.exists()


class TestShow:
    def test_users_are_shown_and_secrets_never(self, pull_secret: Path) -> None:
        for form in ("text", "json", "yaml"):
            text = airferry("secret", "show", pull_secret, "-o", form).done().out
            assert "quay.io" in text and "openshift-release-dev+ocm" in text
            assert "secret-of" not in text and entry("openshift-release-dev+ocm", "secret-of-quay.io") not in text

    def test_an_entry_that_is_of_no_use_is_named(self, pull_secret: Path) -> None:
        document = json.loads(pull_secret.read_text())
        document["auths"]["broken.lan"] = {"auth": "%%% my secret"}
        pull_secret.write_text(json.dumps(document))
        run = airferry("secret", "show", pull_secret)
        assert run.code == 1
        (line,) = [line for line in run.out.splitlines() if line.startswith("broken.lan")]
        assert "my secret" not in run.out + run.err and len(line.split("\t")) == 4


class TestCheck:
    def test_each_registry_is_asked(self, world: World, typed, tmp_path: Path) -> None:
        flags = ("--certificate-authority", world.mirror.authority)
        run = airferry("secret", "check", world.mirror.auth_file, *flags).done()
        assert run.out.startswith(f"{world.mirror.host}\tadmin\tyes\t")
        wrong = tmp_path / "wrong.json"
        with nothing_listens() as nobody:
            wrong.write_text(
                json.dumps(
                    {
                        "auths": {
                            world.mirror.host: {"auth": entry("admin", "wrong")},
                            nobody: {"auth": entry("ann", "pw")},
                        }
                    }
                )
            )
            run = airferry("secret", "check", wrong, *flags, "-o", "json")
        answers = {item["registry"]: item for item in json.loads(run.out)}
        assert run.code == 1
        assert answers[world.mirror.host]["code"] == "unauthorized" and not answers[world.mirror.host]["accepted"]
        assert answers[nobody]["code"] == "unreachable"

    def test_only_some_can_be_asked(self, world: World, pull_secret: Path) -> None:
        airferry("secret", "check", pull_secret, "nowhere.lan").refused("usage", "has no entry for nowhere.lan")


class TestLogin:
    def test_a_credential_that_is_accepted_is_stored(self, world: World, typed, out: Path) -> None:
        flags = ("-u", "admin", "--certificate-authority", world.mirror.authority, "--to", out)
        run = typed(world.mirror.password, "login", world.mirror.host, *flags).done()
        assert run.out.startswith(f"Saved credentials for {world.mirror.host} into {out}: ")
        assert json.loads(out.read_text())["auths"][world.mirror.host]["auth"] == entry("admin", world.mirror.password)
        assert mode(out) == 0o600
        ca = ("--certificate-authority", world.mirror.authority)
        airferry("release", "info", world.mirrored, "-a", out, *ca).done()

    def test_by_default_it_goes_where_it_is_found_again(self, world: World, typed, home: Path) -> None:
        ca = ("--certificate-authority", world.mirror.authority)
        document = as_json(typed(world.mirror.password, "login", world.mirror.host, "-u", "admin", *ca, "-o", "json"))
        assert document["outcome"] == "accepted" and Path(document["file"]).is_relative_to(home)
        assert mode(Path(document["file"])) == 0o600
        airferry("release", "info", world.mirrored, *ca).done()

    def test_the_environment_can_name_the_file(self, world: World, typed, out: Path, monkeypatch) -> None:
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(out))
        ca = ("--certificate-authority", world.mirror.authority)
        typed(world.mirror.password, "login", world.mirror.host, "-u", "admin", *ca).done()
        assert out.exists()
        airferry("release", "info", world.mirrored, *ca).done()

    def test_a_wrong_password_stores_nothing(self, world: World, typed, out: Path) -> None:
        """oc says that it saved the credentials."""
        out.write_text('{"auths":{"other.lan":{"auth":"YTpi"}}}')
        before = out.read_text()
        flags = ("-u", "admin", "--certificate-authority", world.mirror.authority, "--to", out)
        typed("wrong", "login", world.mirror.host, *flags).refused("unauthorized", world.mirror.host)
        assert out.read_text() == before

    def test_what_cannot_be_asked_stores_nothing(self, world: World, typed, out: Path) -> None:
        run = typed(world.mirror.password, "login", world.mirror.host, "-u", "admin", "--to", out)
        run.refused("certificate", world.mirror.host, hint="--certificate-authority")
        with nothing_listens() as nobody:
            typed("pw", "login", nobody, "-u", "admin", "--to", out).refused("unreachable", nobody)
        assert not out.exists()

    def test_a_registry_that_asks_nobody_can_prove_nothing_so_nothing_is_stored(self, typed, tmp_path: Path) -> None:
        """podman and oc store whatever they were given."""
        file = tmp_path / "auth.json"
        with OurRegistry(tmp_path / "open", use_tls=False, use_auth=False) as everybodys:
            run = typed("pw", "login", everybodys.host, "-u", "ann", "--insecure", "--to", file)
            run.refused("usage", everybodys.host, "asks nobody for credentials", hint="airferry secret merge")
            assert not file.exists()
            typed("pw", "secret", "merge", everybodys.host, "-u", "ann", "--to", file).done()

    def test_a_registry_that_is_none_is_refused_before_a_password_is_asked_for(self, out: Path, monkeypatch) -> None:
        monkeypatch.setattr("sys.stdin", None)  # asking would fail
        for name in ("https://m.lan", "m.lan/A", "", "ann:geheim@m.lan"):
            for command in (("login", name), ("secret", "merge", name)):
                run = airferry(*command, "-u", "ann", "--password-stdin", "--to", out)
                run.refused("malformed", "host[:port][/path]")

    def test_errors_are_json_too(self, world: World, typed, out: Path) -> None:
        flags = ("-u", "admin", "--certificate-authority", world.mirror.authority, "--to", out, "-o", "json")
        assert error_of(typed("wrong", "login", world.mirror.host, *flags))["code"] == "unauthorized"
