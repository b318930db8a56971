"""Which credential a repository gets, from which file."""

import base64
import json
from pathlib import Path

import pytest

from airferry.content.errors import NotFoundError
from airferry.content.http import (
    Credential,
    StoredCredentials,
    default_auth_files,
    load_auth_files,
    parse_auth_file,
    read_auth_file,
)
from airferry.content.http.auth_files import AuthFile
from airferry.errors import MalformedError

PATH = Path("auth.json")


def entry(user: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:secret-{user}".encode()).decode()}


def auth_file(*keys: str, path: Path = PATH, **more: object) -> AuthFile:
    """Each entry's user is named like its key."""
    return parse_auth_file(json.dumps({"auths": {key: entry(key) for key in keys}, **more}).encode(), path)


MATCHES: dict[str, tuple[tuple[str, ...], str, str, str | None]] = {
    "the host": (("q.io",), "q.io", "a/b", "q.io"),
    "the longest path wins": (("q.io", "q.io/a", "q.io/a/b"), "q.io", "a/b", "q.io/a/b"),
    "a path serves what is below": (("q.io/a",), "q.io", "a/b/c", "q.io/a"),
    "a path does not serve its siblings": (("q.io/a",), "q.io", "ab", None),
    "a path does not serve the host": (("q.io/a",), "q.io", "", None),
    "ports must match": (("q.io:5000",), "q.io:5001", "a", None),
    "a port is not left out": (("q.io",), "q.io:5000", "a", None),
    "a port that matches": (("q.io", "q.io:5000"), "q.io:5000", "a", "q.io:5000"),
    "an old key with a scheme": (("https://q.io/v1/",), "q.io", "a", "https://q.io/v1/"),
    "the Hub by its old name": (
        ("https://index.docker.io/v1/",),
        "docker.io",
        "library/x",
        "https://index.docker.io/v1/",
    ),
    "the Hub by its API's name": (("registry-1.docker.io",), "docker.io", "library/x", "registry-1.docker.io"),
    "another host": (("q.io",), "z.io", "a", None),
}


@pytest.mark.parametrize(("keys", "host", "path", "expected"), MATCHES.values(), ids=MATCHES)
def test_the_entry_for_a_repository(keys: tuple[str, ...], host: str, path: str, expected: str | None) -> None:
    found = auth_file(*keys).find(host, path)
    assert (found.origin if found else None) == (f"{expected} in auth.json" if expected else None)


FORMATS: dict[str, tuple[object, Credential | None]] = {
    "auth": ({"auths": {"q.io": {"auth": "YTpi"}}}, Credential("a", "b")),
    "a password with colons": (
        {"auths": {"q.io": {"auth": base64.b64encode(b"a:b:c").decode()}}},
        Credential("a", "b:c"),
    ),
    "user and password apart": ({"auths": {"q.io": {"username": "a", "password": "b"}}}, Credential("a", "b")),
    "an identity token": (
        {"auths": {"q.io": {"auth": "YTo=", "identitytoken": "t"}}},
        Credential("a", "", identity_token="t"),
    ),
    "a registry token": ({"auths": {"q.io": {"registrytoken": "t"}}}, Credential("", "", registry_token="t")),
    "a NUL at the end": ({"auths": {"q.io": {"auth": base64.b64encode(b"a:b\0").decode()}}}, Credential("a", "b")),
    "dockercfg, without auths": ({"q.io": {"auth": "YTpi", "email": "x"}}, Credential("a", "b")),
    "an entry for a helper to fill": ({"auths": {"q.io": {}}}, None),
    "an empty object": ({}, None),
    "null": ({"auths": None}, None),
}


@pytest.mark.parametrize(("content", "expected"), FORMATS.values(), ids=FORMATS)
def test_formats_are_read(content: object, expected: Credential | None) -> None:
    found = parse_auth_file(json.dumps(content).encode(), PATH).find("q.io", "a")
    if expected is None:
        assert found is None
    else:
        assert found is not None
        shown = (found.username, found.password, found.identity_token, found.registry_token)
        assert shown == (expected.username, expected.password, expected.identity_token, expected.registry_token)


JUNK: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"x: topsecret", "is not JSON"),
    "a list": (b"[]", "does not hold a JSON object"),
    "auths is a list": (b'{"auths": []}', "auths is not an object"),
    "an entry is text": (b'{"auths": {"q.io": "topsecret"}}', "entry for 'q.io'"),
    "auth is a number": (b'{"auths": {"q.io": {"auth": 5}}}', "entry for 'q.io'"),
    "auth is not base64": (b'{"auths": {"q.io": {"auth": "topsecret!"}}}', "not base64 of user:password"),
    "auth has no colon": (b'{"auths": {"q.io": {"auth": "dG9wc2VjcmV0"}}}', "not base64 of user:password"),
    "helpers are a list": (b'{"credHelpers": []}', "credHelpers"),
    "helper names are numbers": (b'{"credHelpers": {"q.io": 1}}', "credHelpers"),
    "the store is a number": (b'{"credsStore": 1}', "credsStore"),
    "nested beyond reason": (b'{"auths":' + b"[" * 100_000, "is not JSON"),
}


@pytest.mark.parametrize(("content", "message"), JUNK.values(), ids=JUNK)
def test_junk_is_refused_by_name_and_shows_no_secret(content: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=r"auth\.json") as caught:
        parse_auth_file(content, PATH)
    assert message in caught.value.message
    assert "topsecret" not in f"{caught.value!r} {caught.value.hint} {caught.value.__cause__}"


def test_a_credential_never_shows_itself() -> None:
    credential = Credential("u", "topsecret", "topsecret", "topsecret")
    assert f"{credential} {credential!r} {[credential]}" == "*** *** [***]"
    assert "topsecret" not in repr(AuthFile(PATH, {"q.io": credential}))


def test_a_missing_file_that_was_named_is_an_error(tmp_path: Path) -> None:
    missing = tmp_path / "no.json"
    with pytest.raises(NotFoundError, match=r"no\.json does not exist"):
        load_auth_files(missing, {}, tmp_path)
    with pytest.raises(NotFoundError, match=r"no\.json does not exist, named by \$REGISTRY_AUTH_FILE"):
        load_auth_files(None, {"REGISTRY_AUTH_FILE": str(missing)}, tmp_path)
    assert load_auth_files(None, {}, tmp_path)[0] == ()


def write(path: Path, *keys: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": {key: entry(f"{path.parent.name}/{path.name}") for key in keys}}))
    return path


async def test_the_order_of_files(tmp_path: Path) -> None:
    home, runtime = tmp_path / "home", tmp_path / "run"
    environ = {"XDG_RUNTIME_DIR": str(runtime)}
    order = [
        runtime / "containers/auth.json",
        home / ".config/containers/auth.json",
        home / ".docker/config.json",
        home / ".dockercfg",
    ]
    assert default_auth_files(environ, home, 1000) == tuple(order)
    for path in reversed(order):
        write(path, "q.io")
        files, searched = load_auth_files(None, environ, home)
        found = await StoredCredentials(files, searched).find("q.io", "a")
        assert found is not None
        assert found.origin == f"q.io in {path}"
    named = write(tmp_path / "named.json", "q.io")
    given = write(tmp_path / "given.json", "z.io")
    environ["REGISTRY_AUTH_FILE"] = str(named)
    assert load_auth_files(None, environ, home)[1] == (named,)
    assert load_auth_files(given, environ, home)[1] == (given,)


async def test_a_later_file_serves_what_the_first_does_not_know(tmp_path: Path) -> None:
    home = tmp_path
    write(home / ".config/containers/auth.json", "q.io")
    write(home / ".docker/config.json", "q.io", "z.io")
    files, searched = load_auth_files(None, {"XDG_RUNTIME_DIR": str(tmp_path / "none")}, home)
    credentials = StoredCredentials(files, searched)
    found = await credentials.find("z.io", "a")
    assert found is not None and found.origin.endswith(".docker/config.json")
    assert await credentials.find("other.io", "a") is None
    assert "config.json" in credentials.searched and ".dockercfg" in credentials.searched


def test_places_that_the_environment_moves() -> None:
    home = Path("/home/u")
    environ = {"XDG_CONFIG_HOME": "/c", "DOCKER_CONFIG": "/d"}
    paths = ["/run/containers/7/auth.json", "/c/containers/auth.json", "/d/config.json", "/home/u/.dockercfg"]
    assert [str(path) for path in default_auth_files(environ, home, 7)] == paths
    docker_first = default_auth_files({**environ, "REGISTRY_AUTH_PREFERENCE": "docker"}, home, 7)
    assert [str(path) for path in docker_first] == paths[2:] + paths[:2]


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match="cannot be read"):
        read_auth_file(tmp_path)
