"""Proving who we are: Basic, Bearer with scopes, refresh in the middle of a run, and what never leaves us."""

import asyncio
import base64
import json
import logging
from urllib.parse import parse_qs, urlsplit

import pytest

from airferry.content.errors import DeniedError, RegistryFailedError, UnauthorizedError
from airferry.content.http import Credential, LoginOutcome
from airferry.content.http.transport import FailureKind, Request
from airferry.oci import Digest

from .scripted import ALICE, HOST, FakeTime, Reply, client, on

MANIFEST = json.dumps(
    {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
).encode()
READ = "/v2/team/app/manifests/v1"
TOKEN = "https://auth.example.com/token"
BASIC = base64.b64encode(b"alice:wonderland").decode()
BEARER = {"WWW-Authenticate": f'Bearer realm="{TOKEN}",service="{HOST}"'}
PULL_URL = f"{TOKEN}?service={HOST}&scope=repository:team/app:pull"


def token(secret: str, expires_in: int = 300) -> Reply:
    return Reply(body=json.dumps({"token": secret, "expires_in": expires_in}).encode())


async def test_anonymous_where_nothing_is_asked() -> None:
    content, script = client(on("GET", READ, Reply(body=MANIFEST)), credential=ALICE)
    await content.registry(HOST).read_manifest("team/app", "v1")
    assert all("Authorization" not in sent.headers for sent in script.sent)
    await content.close()


async def test_basic_is_sent_once_it_was_asked_for() -> None:
    content, script = client(
        on("GET", "/v2/", Reply(401, headers={"WWW-Authenticate": 'Basic realm="x"'})),
        on("GET", READ, Reply(body=MANIFEST)),
        credential=ALICE,
    )
    await content.registry(HOST).read_manifest("team/app", "v1")
    assert "Authorization" not in script.sent[0].headers
    assert script.sent[1].headers["Authorization"] == f"Basic {BASIC}"
    await content.close()


async def test_a_token_is_asked_for_one_repository_and_used_for_all_reads_of_it() -> None:
    content, script = client(
        on("GET", "/v2/", Reply(401, headers=BEARER)),
        on("GET", f"{PULL_URL}&account=alice", token("t1")),
        on("GET", READ, Reply(body=MANIFEST)),
        credential=ALICE,
    )
    place = content.registry(HOST)
    await asyncio.gather(*(place.read_manifest("team/app", "v1") for _ in range(8)))
    asked = [sent for sent in script.sent if sent.url.startswith(TOKEN)]
    assert len(asked) == 1
    assert asked[0].headers["Authorization"] == f"Basic {BASIC}"
    reads = [sent for sent in script.sent if sent.path == READ]
    assert {sent.headers["Authorization"] for sent in reads} == {"Bearer t1"}
    await content.close()


async def test_an_anonymous_token_for_public_content() -> None:
    content, script = client(
        on("GET", "/v2/", Reply(401, headers=BEARER)),
        on("GET", PULL_URL, Reply(body=b'{"access_token": "public"}')),
        on("GET", READ, Reply(body=MANIFEST)),
    )
    await content.registry(HOST).read_manifest("team/app", "v1")
    assert "Authorization" not in script.sent[1].headers
    assert script.sent[-1].headers["Authorization"] == "Bearer public"
    await content.close()


async def test_a_token_is_renewed_before_it_expires() -> None:
    time = FakeTime()
    content, script = client(
        on("GET", "/v2/", Reply(401, headers=BEARER)),
        on("GET", PULL_URL, token("t1", 100), token("t2", 100)),
        on("GET", READ, Reply(body=MANIFEST)),
        time=time,
    )
    place = content.registry(HOST)
    used = []
    for moment in (0.0, 80.0, 15.0):
        time.now_s += moment
        await place.read_manifest("team/app", "v1")
        used.append(script.sent[-1].headers["Authorization"])
    assert used == ["Bearer t1", "Bearer t1", "Bearer t2"]
    await content.close()


async def test_a_token_that_is_refused_early_is_renewed_once() -> None:
    content, script = client(
        on("GET", "/v2/", Reply(401, headers=BEARER)),
        on("GET", PULL_URL, token("t1"), token("t2")),
        on("GET", READ, Reply(401, headers=BEARER), Reply(body=MANIFEST)),
    )
    await content.registry(HOST).read_manifest("team/app", "v1")
    reads = [sent.headers["Authorization"] for sent in script.sent if sent.path == READ]
    assert reads == ["Bearer t1", "Bearer t2"]
    await content.close()


async def test_a_registry_that_asks_only_at_the_repository_is_answered() -> None:
    content, script = client(
        on("GET", PULL_URL, token("t1")),
        on("GET", READ, Reply(401, headers=BEARER), Reply(body=MANIFEST)),
    )
    await content.registry(HOST).read_manifest("team/app", "v1")
    assert script.requests() == [f"GET {READ}", f"GET {PULL_URL}", f"GET {READ}"]
    await content.close()


async def test_a_scope_that_the_registry_asks_for_is_asked_for_too() -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="{TOKEN}",service="{HOST}",scope="repository:proxy/team/app:pull"'}
    both = f"{PULL_URL}&scope=repository:proxy/team/app:pull"
    content, _ = client(
        on("GET", "/v2/", Reply(401, headers=BEARER)),
        on("GET", PULL_URL, token("t1")),
        on("GET", both, token("t2")),
        on("GET", READ, Reply(401, headers=challenge), Reply(body=MANIFEST)),
    )
    await content.registry(HOST).read_manifest("team/app", "v1")
    await content.close()


async def test_an_identity_token_is_exchanged_by_post() -> None:
    credential = Credential("", identity_token="refresh", origin="auth.json")
    content, script = client(
        on("GET", "/v2/", Reply(401, headers=BEARER)),
        on("POST", TOKEN, Reply(body=b'{"access_token": "t1"}')),
        on("GET", READ, Reply(body=MANIFEST)),
        credential=credential,
    )
    await content.registry(HOST).read_manifest("team/app", "v1")
    form = parse_qs(script.sent[1].body.decode())
    assert form["grant_type"] == ["refresh_token"]
    assert form["refresh_token"] == ["refresh"]
    assert form["scope"] == ["repository:team/app:pull"]
    assert "Authorization" not in script.sent[1].headers
    await content.close()


async def test_a_registry_token_is_used_as_it_is() -> None:
    content, script = client(
        on("GET", "/v2/", Reply(401, headers=BEARER)),
        on("GET", READ, Reply(body=MANIFEST)),
        credential=Credential("", registry_token="ready", origin="auth.json"),
    )
    await content.registry(HOST).read_manifest("team/app", "v1")
    assert script.sent[-1].headers["Authorization"] == "Bearer ready"
    await content.close()


async def test_credentials_never_go_to_a_token_service_in_plain_http() -> None:
    plain = {"WWW-Authenticate": 'Bearer realm="http://auth.example.com/token"'}
    content, script = client(on("GET", "/v2/", Reply(401, headers=plain)), credential=ALICE)
    with pytest.raises(UnauthorizedError, match="plain HTTP; they were not sent"):
        await content.registry(HOST).read_manifest("team/app", "v1")
    assert script.requests() == []
    await content.close()


async def test_a_realm_that_is_no_url_is_refused() -> None:
    content, script = client(
        on("GET", "/v2/", Reply(401, headers={"WWW-Authenticate": 'Bearer realm="file:///etc/passwd"'}))
    )
    with pytest.raises(RegistryFailedError, match="no URL"):
        await content.registry(HOST).read_manifest("team/app", "v1")
    assert script.requests() == []
    await content.close()


async def test_refused_credentials_are_named_by_file_and_key() -> None:
    content, _ = client(
        on("GET", "/v2/", Reply(401, headers={"WWW-Authenticate": "Basic realm=x"})),
        on("GET", READ, Reply(401, headers={"WWW-Authenticate": "Basic realm=x"})),
        credential=ALICE,
    )
    with pytest.raises(UnauthorizedError) as caught:
        await content.registry(HOST).read_manifest("team/app", "v1")
    message = caught.value.message
    assert "refused the credentials of registry.example.com in auth.json" in message
    assert "read manifest v1 of registry.example.com/team/app" in message
    assert "wonderland" not in message
    await content.close()


async def test_a_token_service_that_refuses_credentials_is_told_the_same_way() -> None:
    content, _ = client(
        on("GET", "/v2/", Reply(401, headers=BEARER)),
        on("GET", f"{PULL_URL}&account=alice", Reply(401)),
        credential=ALICE,
    )
    with pytest.raises(UnauthorizedError, match=r"refused the credentials of registry\.example\.com in auth\.json"):
        await content.registry(HOST).read_manifest("team/app", "v1")
    await content.close()


@pytest.mark.parametrize("challenge", ["Basic realm=x", f'Bearer realm="{TOKEN}"'])
async def test_missing_credentials_say_where_was_looked_and_what_to_do(challenge: str) -> None:
    asks = {"WWW-Authenticate": challenge}
    content, _ = client(
        on("GET", "/v2/", Reply(401, headers=asks)),
        on("GET", f"{TOKEN}?scope=repository:team/app:pull", token("anonymous")),
        on("GET", READ, Reply(401, headers=asks)),
    )
    with pytest.raises(UnauthorizedError) as caught:
        await content.registry(HOST).read_manifest("team/app", "v1")
    assert "none for it in: auth.json" in caught.value.message
    assert f"airferry login {HOST}" in (caught.value.hint or "")
    await content.close()


async def test_good_credentials_without_the_right_are_denied_not_refused() -> None:
    insufficient = {"WWW-Authenticate": f'Bearer realm="{TOKEN}",service="{HOST}",error="insufficient_scope"'}
    content, _ = client(
        on("GET", "/v2/", Reply(401, headers=BEARER)),
        on("GET", f"{PULL_URL}&account=alice", token("t1"), token("t2")),
        on("GET", READ, Reply(401, headers=insufficient)),
        credential=ALICE,
    )
    with pytest.raises(DeniedError, match=r"does not allow the credentials of registry\.example\.com in auth\.json"):
        await content.registry(HOST).read_manifest("team/app", "v1")
    await content.close()


async def test_403_is_denied_with_the_registrys_words() -> None:
    body = b'{"errors":[{"code":"DENIED","message":"quota\\u001b[31m exceeded"}]}'
    content, _ = client(on("GET", READ, Reply(403, body)))
    with pytest.raises(DeniedError, match=r"anonymous users.*DENIED: quota \[31m exceeded"):
        await content.registry(HOST).read_manifest("team/app", "v1")
    await content.close()


async def test_a_token_fetch_that_fails_at_first_is_tried_again() -> None:
    time = FakeTime()
    content, _ = client(
        on("GET", "/v2/", Reply(401, headers=BEARER)),
        on("GET", PULL_URL, Reply(503), Reply(fails=FailureKind.BROKEN), token("t1")),
        on("GET", READ, Reply(body=MANIFEST)),
        time=time,
    )
    await content.registry(HOST).read_manifest("team/app", "v1")
    assert len(time.slept) == 2
    await content.close()


async def test_a_token_answer_without_a_token_is_the_registrys_failure() -> None:
    content, _ = client(on("GET", "/v2/", Reply(401, headers=BEARER)), on("GET", PULL_URL, Reply(body=b"<html>")))
    with pytest.raises(RegistryFailedError, match="without a token"):
        await content.registry(HOST).read_manifest("team/app", "v1")
    await content.close()


async def test_who_gives_up_waiting_for_a_token_does_not_stop_the_others() -> None:
    gate = asyncio.Event()

    async def during(request: Request) -> None:
        if request.url.startswith(TOKEN):
            await gate.wait()

    content, script = client(
        on("GET", "/v2/", Reply(401, headers=BEARER)),
        on("GET", PULL_URL, token("t1")),
        on("GET", READ, Reply(body=MANIFEST)),
    )
    script.during = during
    place = content.registry(HOST)
    leaving, staying = (asyncio.create_task(place.read_manifest("team/app", "v1")) for _ in range(2))
    for _ in range(10):
        await asyncio.sleep(0)
    leaving.cancel()
    gate.set()
    assert (await staying).digest == Digest.of(MANIFEST)
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await content.close()


async def test_no_secret_reaches_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    content, _ = client(
        on("GET", "/v2/", Reply(401, headers=BEARER)),
        on("GET", f"{PULL_URL}&account=alice", Reply(500), token("topsecret")),
        on("GET", READ, Reply(503), Reply(body=MANIFEST)),
        credential=ALICE,
    )
    await content.registry(HOST).read_manifest("team/app", "v1")
    everything = " ".join(str(record.__dict__) for record in caplog.records)
    assert caplog.records
    assert not any(secret in everything for secret in ("topsecret", "wonderland", BASIC))
    await content.close()


async def test_login_is_proven_without_touching_a_repository() -> None:
    login_url = f"{TOKEN}?service={HOST}&account=alice"
    content, script = client(
        on("GET", "/v2/", Reply(401, headers=BEARER), Reply(200)), on("GET", login_url, token("t1")), credential=ALICE
    )
    assert await content.registry(HOST).prove_login() is LoginOutcome.ACCEPTED
    assert urlsplit(script.sent[-1].url).path == "/v2/"
    await content.close()


async def test_login_says_when_a_registry_asks_nobody() -> None:
    content, _ = client(credential=ALICE)
    assert await content.registry(HOST).prove_login() is LoginOutcome.NOT_ASKED
    await content.close()


async def test_a_wrong_password_is_no_login() -> None:
    content, _ = client(on("GET", "/v2/", Reply(401, headers={"WWW-Authenticate": "Basic realm=x"})), credential=ALICE)
    with pytest.raises(UnauthorizedError, match="refused the credentials"):
        await content.registry(HOST).prove_login()
    await content.close()
