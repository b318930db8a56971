"""Whatever fails, and however much is logged: no password, token or Authorization header is ever shown or kept."""

import base64
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airferry.lab import Authentication, Endpoint, Flaw, Policy, PublishedRelease, Rule, make_certificates
from airferry.lab.faults import Answer, BreakOff, ExpireTokens, FlipByte, Reset, TooMany

from .stage import Quay, Run, airferry

USER, PASSWORD = "carrier", "hunter2-correct-horse"
WRONG = "hunter3-battery-staple"
LOUD = ("--log-level", "debug")

FAULTS = {
    "nothing": (),
    "401 at the token service": (Rule(Endpoint.TOKEN, Answer(401), times=None),),
    "403 at the token service": (Rule(Endpoint.TOKEN, Answer(403), times=None),),
    "500 at the token service": (Rule(Endpoint.TOKEN, Answer(500), times=None),),
    "a token service that talks nonsense": (Rule(Endpoint.TOKEN, FlipByte(3), times=None),),
    "a token service that is too generous": (Rule(Endpoint.TOKEN, TooMany(2_000_000), times=None),),
    "a token service that hangs up": (Rule(Endpoint.TOKEN, Reset(), times=None),),
    "401": (Rule(Endpoint.MANIFEST, Answer(401), times=None),),
    "403": (Rule(Endpoint.MANIFEST, Answer(403), times=None),),
    "404": (Rule(Endpoint.MANIFEST, Answer(404), times=None),),
    "429": (Rule(Endpoint.BLOB, Answer(429), times=None),),
    "503": (Rule(Endpoint.BLOB, Answer(503), times=None),),
    "a redirect to nowhere": (Rule(Endpoint.BLOB, Answer(302, {"Location": "http://127.0.0.1:1/x"}), times=None),),
    "a redirect to nonsense": (Rule(Endpoint.BLOB, Answer(302, {"Location": "nonsense://x"}), times=None),),
    "blobs that break off": (Rule(Endpoint.CDN, BreakOff(0), skip=5, times=None),),
    "wrong bytes": (Rule(Endpoint.CDN, FlipByte(9), skip=5, times=None),),
    "dying tokens": (Rule(Endpoint.BLOB, ExpireTokens(), skip=9),),
}


@pytest.fixture(params=[Authentication.BEARER, Authentication.BASIC])
def guarded(request: pytest.FixtureRequest, tmp_path: Path, small: PublishedRelease) -> Iterator[Quay]:
    """An upstream that lets in nobody but one user."""
    policy = Policy(request.param, anonymous_pull=False, users={USER: PASSWORD})
    with Quay(tmp_path, small, policy) as quay:
        yield quay


@pytest.fixture
def handed_out(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collects every token that the lab gives to anybody."""
    tokens: list[str] = []
    import airferry.lab.gate as gate

    real = gate.secrets.token_urlsafe

    def token_urlsafe(size: int) -> str:
        tokens.append(real(size))
        return tokens[-1]

    monkeypatch.setattr(gate.secrets, "token_urlsafe", token_urlsafe)
    return tokens


def auth_file(folder: Path, host: str, password: str = PASSWORD) -> Path:
    file = folder / "auth.json"
    file.write_text(json.dumps({"auths": {host: {"auth": encoded(password)}}}))
    return file


def encoded(password: str) -> str:
    return base64.b64encode(f"{USER}:{password}".encode()).decode()


def betrayed(run: Run, folder: Path, tokens: list[str]) -> list[str]:
    """Return which secrets were shown, or lie in files below ``folder`` other than the auth file."""
    secrets = [PASSWORD, WRONG, encoded(PASSWORD), encoded(WRONG), "Bearer ", "Basic ", *tokens]
    found = [secret for secret in secrets if secret in run.out + run.err]
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink() and file.name != "auth.json":
            content = file.read_bytes()
            found += [f"{secret} in {file}" for secret in secrets if secret.encode() in content]
    return found


@pytest.mark.parametrize("case", FAULTS)
def test_mirroring(guarded: Quay, handed_out: list[str], disk: Path, tmp_path: Path, case: str) -> None:
    guarded.fails(*FAULTS[case])
    form = "json" if list(FAULTS).index(case) % 2 else "text"
    auth = auth_file(tmp_path, guarded.host)
    run = guarded.mirror(disk, "-a", auth, *LOUD, "--log-format", form, "-o", form)
    assert run.code in (0, 1, 3), run.end
    assert "airferry" in run.err, "the log is there"
    assert betrayed(run, tmp_path, handed_out) == []


def test_wrong_passwords(guarded: Quay, handed_out: list[str], disk: Path, tmp_path: Path) -> None:
    auth = auth_file(tmp_path, guarded.host, WRONG)
    run = guarded.mirror(disk, "-a", auth, *LOUD).refused("unauthorized", guarded.host, str(auth))
    assert betrayed(run, tmp_path, handed_out) == []


def test_secrets_and_logins(
    guarded: Quay, handed_out: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = auth_file(tmp_path, guarded.host, WRONG)
    runs = [airferry("secret", "check", auth, "--insecure", *LOUD), airferry("secret", "show", auth, *LOUD)]
    for password, code in ((WRONG, 1), (PASSWORD, 0)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
        login = ("login", guarded.host, "-u", USER, "--password-stdin", "--insecure", "-a", auth, *LOUD)
        runs.append(airferry(*login))
        assert runs[-1].code == code, runs[-1].end
    for run in runs:
        assert betrayed(run, tmp_path, handed_out) == []


def test_a_certificate_that_is_refused_gets_no_credentials(
    tmp_path: Path, small: PublishedRelease, handed_out: list[str], disk: Path
) -> None:
    policy = Policy(Authentication.BASIC, anonymous_pull=False, users={USER: PASSWORD})
    certificates = make_certificates(tmp_path / "tls", Flaw.EXPIRED)
    with Quay(tmp_path, small, policy, certificates) as quay:
        run = quay.mirror(disk, "-a", auth_file(tmp_path, quay.host), *LOUD).refused("certificate", quay.host)
        assert not any(entry.had_authorization for entry in quay.server.requests)
    assert betrayed(run, tmp_path, handed_out) == []


def test_a_proxy_with_a_password(tmp_path: Path, disk: Path, unused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://{USER}:{PASSWORD}@127.0.0.1:{unused_port}")
    command = ("release", "mirror", "registry.invalid/a/b:1", "--to-dir", disk, "--retry-delay", "0.01", *LOUD)
    run = airferry(*command).refused("unreachable", f"127.0.0.1:{unused_port}")
    assert betrayed(run, tmp_path, []) == []


def test_a_bug_shows_no_secret(guarded: Quay, handed_out: list[str], disk: Path, tmp_path: Path) -> None:
    """The traceback goes to the log, without the values that functions worked with."""
    auth = auth_file(tmp_path, guarded.host)
    disk.mkdir()
    guarded.mirror(disk, "-a", auth).done()
    index = next((disk / "airferry" / "repositories").rglob("_tags.json"))
    index.unlink()
    index.mkdir()  # nobody expects a folder there
    run = guarded.mirror(disk, "-a", auth, "--refresh", *LOUD)
    assert betrayed(run, tmp_path, handed_out) == []
