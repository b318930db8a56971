"""Helper programs that keep credentials."""

import asyncio
import json
from pathlib import Path

import pytest
import uvloop

from airferry.content.http import StoredCredentials
from airferry.content.http.auth_files import parse_auth_file
from airferry.content.http.credentials import run_helper
from airferry.errors import MalformedError

AUTH = {"auth": "ZmlsZTpi"}


def stored(content: object, answers: dict[tuple[str, str], bytes | None]) -> tuple[StoredCredentials, list[str]]:
    asked: list[str] = []

    async def ask(name: str, server: str) -> bytes | None:
        asked.append(f"{name} {server}")
        return answers.get((name, server))

    file = parse_auth_file(json.dumps(content).encode(), Path("auth.json"))
    return StoredCredentials((file,), ask_helper=ask), asked


def answer(user: str, secret: str = "s") -> bytes:
    return json.dumps({"ServerURL": "x", "Username": user, "Secret": secret}).encode()


async def test_the_helper_of_a_host_comes_before_its_entry_and_is_asked_once() -> None:
    content = {"auths": {"q.io": AUTH}, "credHelpers": {"q.io": "vault"}}
    credentials, asked = stored(content, {("vault", "q.io"): answer("helped")})
    for path in ("a", "b"):
        found = await credentials.find("q.io", path)
        assert found is not None and found.username == "helped"
        assert found.origin == "q.io from docker-credential-vault, named in auth.json"
    assert asked == ["vault q.io"]


async def test_the_entry_counts_when_the_helper_knows_nothing() -> None:
    credentials, _ = stored({"auths": {"q.io": AUTH}, "credHelpers": {"q.io": "vault"}}, {})
    found = await credentials.find("q.io", "a")
    assert found is not None and found.username == "file"


async def test_the_store_is_asked_for_what_has_no_entry() -> None:
    content = {"auths": {"q.io": AUTH, "z.io": {}}, "credsStore": "keys"}
    answers = {("keys", "z.io"): answer("<token>", "refresh"), ("keys", "https://index.docker.io/v1/"): answer("hub")}
    credentials, asked = stored(content, dict(answers))
    found = await credentials.find("z.io", "a")
    assert found is not None and found.identity_token == "refresh"
    hub = await credentials.find("docker.io", "library/x")
    assert hub is not None and hub.username == "hub"
    await credentials.find("q.io", "a")
    assert asked == ["keys z.io", "keys https://index.docker.io/v1/"]


async def test_a_helpers_junk_is_refused_without_showing_it() -> None:
    credentials, _ = stored({"credHelpers": {"q.io": "vault"}}, {("vault", "q.io"): b"topsecret"})
    with pytest.raises(MalformedError, match="docker-credential-vault") as caught:
        await credentials.find("q.io", "a")
    assert "topsecret" not in str(caught.value)


async def test_a_helper_name_is_never_a_path() -> None:
    credentials, asked = stored({"credHelpers": {"q.io": "../../bin/sh"}}, {})
    with pytest.raises(MalformedError, match="not the name of a credential helper"):
        await credentials.find("q.io", "a")
    assert asked == []


PROGRAM = """#!/bin/sh
read server
case "$1 $server" in
  "get q.io") echo '{"ServerURL":"q.io","Username":"u","Secret":"p"}';;
  "get slow.io") exec sleep 60;;
  "get broken.io") exit 3;;
  *) echo "credentials not found in native keychain"; exit 1;;
esac
"""


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "docker-credential-test"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


@pytest.mark.usefixtures("helper")
async def test_a_real_helper_is_run() -> None:
    assert json.loads(await run_helper("test", "q.io") or b"")["Username"] == "u"
    assert await run_helper("test", "unknown.io") is None


def test_a_helper_may_answer_without_listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked many times at once, in the event loop that commands run in: some end before the question is written."""
    program = tmp_path / "docker-credential-deaf"
    program.write_text("#!/bin/sh\nexec 0<&-\necho '{}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    async def ask_often() -> list[bytes | None]:
        return await asyncio.gather(*(run_helper("deaf", "q.io") for _ in range(20)))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert set(runner.run(ask_often())) == {b"{}\n"}


@pytest.mark.usefixtures("helper")
async def test_a_helper_that_fails_is_named() -> None:
    with pytest.raises(MalformedError, match=r"docker-credential-test failed for broken\.io with exit code 3"):
        await run_helper("test", "broken.io")
    with pytest.raises(MalformedError, match="docker-credential-absent cannot be run"):
        await run_helper("absent", "q.io")


@pytest.mark.usefixtures("helper")
async def test_a_helper_that_is_silent_is_given_up() -> None:
    with pytest.raises(MalformedError, match="gave no answer"):
        await run_helper("test", "slow.io", timeout_s=0.2)
