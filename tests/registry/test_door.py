"""Users, passwords, and what is said to whom."""

import asyncio
import base64
import logging

import bcrypt
import pytest

from airferry.errors import MalformedError, UsageError
from airferry.oci import Digest
from airferry.registry import BasicAccess, Passwords, Policy, RegistryStore, Verb
from airferry.registry.access import Credentials, decide, parse_basic
from airferry.registry.errors import DeniedError, ThrottledError, UnauthorizedError
from airferry.registry.passwords import hash_password, parse_htpasswd

from .conftest import Client, raw_connection

HASH = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4))


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


GOOD = basic("admin", "correct horse")


@pytest.fixture
def passwords():
    book = Passwords({"admin": HASH})
    yield book
    book.close()


@pytest.fixture
async def guarded(start, passwords) -> Client:
    return await start(RegistryStore.in_memory(), BasicAccess(passwords))


DIGEST = Digest.of(b"x")
EVERYTHING = [
    ("GET", "/v2/"),
    ("GET", "/v2/_catalog"),
    ("GET", "/v2/a/tags/list"),
    ("GET", "/v2/a/manifests/t"),
    ("HEAD", "/v2/a/manifests/t"),
    ("PUT", "/v2/a/manifests/t"),
    ("DELETE", "/v2/a/manifests/t"),
    ("GET", f"/v2/a/blobs/{DIGEST}"),
    ("DELETE", f"/v2/a/blobs/{DIGEST}"),
    ("POST", "/v2/a/blobs/uploads/"),
    ("PATCH", "/v2/a/blobs/uploads/x"),
    ("PUT", "/v2/a/blobs/uploads/x"),
    ("GET", "/v2/a/blobs/uploads/x"),
    ("DELETE", "/v2/a/blobs/uploads/x"),
    ("GET", f"/v2/a/referrers/{DIGEST}"),
    ("GET", "/v2/NOT VALID/tags/list".replace(" ", "%20")),
    ("GET", "/somewhere/else"),
]


@pytest.mark.parametrize("method, path", EVERYTHING)
async def test_nothing_is_said_to_strangers(guarded: Client, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": basic("admin", "wrong")}, {"Authorization": basic("nobody", "x")}):
        answer = await guarded(method, path, **headers)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith('Basic realm="')
        assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
        assert method == "HEAD" or answer.code == "UNAUTHORIZED"


async def test_a_user_gets_in(guarded: Client) -> None:
    assert (await guarded("GET", "/v2/", Authorization=GOOD)).status == 200


BAD_HEADERS = ["", "Basic", "Basic !!!", "Basic " + base64.b64encode(b"no colon").decode(), "Bearer abc", "Basic /w=="]


@pytest.mark.parametrize("header", BAD_HEADERS)
async def test_credentials_that_are_none_are_refused(guarded: Client, header: str) -> None:
    assert (await guarded("GET", "/v2/", Authorization=header)).status == 401


@pytest.mark.parametrize("verb", list(Verb))
def test_the_anonymous_may_at_most_pull(verb: Verb) -> None:
    with pytest.raises(UnauthorizedError):
        decide(None, Policy(), verb, "a")
    if verb in (Verb.PING, Verb.PULL):
        assert decide(None, Policy(anonymous_pull=True), verb, "a").name is None
    else:
        with pytest.raises(UnauthorizedError):
            decide(None, Policy(anonymous_pull=True), verb, "a")
    assert decide("admin", Policy(), verb, "a").name == "admin"


async def test_a_blob_that_a_visitor_may_not_read_is_not_mounted(start) -> None:
    class Half:
        name = "half"

        def may(self, verb: Verb, path: str | None) -> bool:
            return path != "secret"

    class Door:
        challenge = "Basic"

        async def admit(self, authorization: str | None, verb: Verb, path: str | None) -> Half:
            if authorization is None and not Half().may(verb, path):
                raise DeniedError("no")
            return Half()

    registry = await start(RegistryStore.in_memory(), Door())
    content = b"hidden"
    digest = Digest.of(content)
    pushed = await registry("POST", f"/v2/secret/blobs/uploads/?digest={digest}", content, Authorization="anything")
    assert pushed.status == 201
    for source in ("&from=secret", ""):
        answer = await registry("POST", f"/v2/mine/blobs/uploads/?mount={digest}{source}")
        assert answer.status == 202
    refused = await registry("GET", f"/v2/secret/blobs/{digest}")
    assert (refused.status, refused.code) == (403, "DENIED")


async def test_bcrypt_runs_once_for_many_requests_and_never_again(passwords, monkeypatch) -> None:
    from airferry.registry import passwords as module

    runs = []
    real = module.bcrypt.checkpw
    monkeypatch.setattr(module.bcrypt, "checkpw", lambda *given: runs.append(1) or real(*given))
    credentials = Credentials("admin", "correct horse")
    assert all(await asyncio.gather(*(passwords.are_right(credentials) for _ in range(50))))
    assert await passwords.are_right(credentials)
    assert len(runs) == 1
    assert not await passwords.are_right(Credentials("admin", "wrong"))
    assert not await passwords.are_right(Credentials("admin", "wrong"))
    assert len(runs) == 3


async def test_a_flood_of_wrong_passwords_is_throttled_and_users_still_get_in(passwords) -> None:
    assert await passwords.are_right(Credentials("admin", "correct horse"))
    flood = [asyncio.create_task(passwords.are_right(Credentials("admin", str(n)))) for n in range(70)]
    await asyncio.sleep(0)
    assert await passwords.are_right(Credentials("admin", "correct horse"))
    passwords.close()
    answers = await asyncio.gather(*flood, return_exceptions=True)
    assert sum(isinstance(answer, ThrottledError) for answer in answers) == 6
    assert True not in answers


@pytest.mark.parametrize("password", ["x" * 73, "nul\0", ""])
async def test_impossible_passwords_are_wrong_and_cannot_be_set(passwords, password: str) -> None:
    assert not await passwords.are_right(Credentials("admin", password))
    with pytest.raises(UsageError):
        hash_password(password)


def test_users_are_read_from_a_file_as_apache_writes_it() -> None:
    apache = "$2y$05$" + "a" * 53
    assert parse_htpasswd(f"# users\n\nadmin:{HASH.decode()}\nbob:{apache}\n", "f")["bob"] == apache.encode()
    for bad in ("admin", "admin:$apr1$x", ":x", "admin:plain"):
        with pytest.raises(MalformedError, match="line 1 of users"):
            parse_htpasswd(bad, "users")


async def test_an_early_refusal_reaches_a_client_that_is_still_sending(guarded: Client) -> None:
    reader, writer = await raw_connection(guarded.running)
    size = 3 * 1024 * 1024
    writer.write(f"PUT /v2/a/blobs/uploads/x HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
    for _ in range(size // 65536):
        writer.write(bytes(65536))
        await writer.drain()
    assert b" 401 " in await reader.readline()
    # The rest was taken and thrown away, so that the connection still serves.
    writer.write(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"HTTP/1.1 401 " in await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_secrets_are_in_no_log_and_no_repr(guarded: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for header in (GOOD, basic("admin", "guess-again")):
        await guarded("GET", "/v2/a/manifests/t", Authorization=header)
    records = [record for record in caplog.records if record.name == "airferry.registry"]
    assert [(record.method, record.path, record.status) for record in records] == [
        ("GET", "/v2/a/manifests/t", 404),
        ("GET", "/v2/a/manifests/t", 401),
    ]
    assert all(record.duration_s >= 0 and record.size_bytes > 0 for record in records)
    said = "".join(f"{record.getMessage()}{record.__dict__}" for record in caplog.records)
    for secret in ("correct horse", "guess-again", GOOD.split()[1]):
        assert secret not in said
    credentials = parse_basic(GOOD)
    assert "correct" not in repr(credentials)
