"""Users, robots, grants, and what is said to whom, over HTTP."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from airferry.oci import Digest
from airferry.registry import RegistryStore
from airferry.registry.access import Scheme, Verb
from airferry.registry.access.credentials import BearerToken, Credentials, parse_authorization
from airferry.registry.access.door import Guest
from airferry.registry.errors import UnauthorizedError

from .conftest import Client, Start, image, raw_connection
from .guarded import NOW, Guarded, basic, bound_token, grants, robot, user

DIGEST = Digest.of(b"x")
OWNER = basic("owner")


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    made = await Guarded.make(
        tmp_path / "root",
        user("owner", everywhere="admin"),
        user("reader", team="pull"),
        user("writer", team="pull,push"),
        user("remover", team="delete"),
        user("nobody"),
    )
    yield made
    made.close()


@pytest.fixture
async def registry(start: Start, guarded: Guarded) -> Client:
    return await start(RegistryStore.in_memory(), guarded.door)


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
    ("GET", "/v2/NOT%20VALID/tags/list"),
    ("GET", "/somewhere/else"),
]


@pytest.mark.parametrize("method, path", EVERYTHING)
async def test_nothing_is_said_to_strangers(registry: Client, method: str, path: str) -> None:
    for headers in (
        {},
        {"Authorization": basic("owner", "wrong")},
        {"Authorization": basic("who", "x")},
        {"Authorization": "Bearer x.y.z"},
    ):
        answer = await registry(method, path, **headers)
        assert answer.status == 401
        bearer, offered = answer.headers.getall("WWW-Authenticate")
        assert bearer.startswith(f'Bearer realm="{registry.running.url}/v2/auth",service="airferry-registry-')
        assert offered.startswith('Basic realm="')
        assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
        assert method == "HEAD" or answer.code == "UNAUTHORIZED"


async def test_a_user_gets_in(registry: Client) -> None:
    assert (await registry("GET", "/v2/", Authorization=basic("nobody"))).status == 200


BAD_HEADERS = ["", "Basic", "Bearer", "Basic !!!", "Basic /w==", "Basic Og==", "Negotiate abc", "Basic \u00e4"]


@pytest.mark.parametrize("header", [*BAD_HEADERS, "Basic " + base64.b64encode(b"no colon").decode()])
async def test_credentials_that_are_none_are_refused(registry: Client, header: str) -> None:
    assert (await registry("GET", "/v2/", Authorization=header)).status == 401


MAY = {
    "owner": {"GET": 404, "PUT": 400, "DELETE": 404},
    "writer": {"GET": 404, "PUT": 400, "DELETE": 403},
    "reader": {"GET": 404, "PUT": 403, "DELETE": 403},
    "remover": {"GET": 404, "PUT": 403, "DELETE": 404},
    "nobody": {"GET": 403, "PUT": 403, "DELETE": 403},
}


@pytest.mark.parametrize("name", MAY)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_each_may_do_what_was_granted_and_no_more(registry: Client, name: str, method: str) -> None:
    answer = await registry(method, "/v2/team/app/manifests/t", b"{", Authorization=basic(name))
    assert answer.status == MAY[name][method]
    elsewhere = await registry(method, "/v2/teams/manifests/t", b"{", Authorization=basic(name))
    assert elsewhere.status == (MAY[name][method] if name == "owner" else 403)


async def test_who_may_not_read_cannot_tell_what_is_there(registry: Client) -> None:
    """There and not there look the same, in status and body, for every request that reads."""
    digest = await _push(registry, "secret/app")
    for name, there, not_there in (
        ("manifests", "t", "no-such"),
        ("manifests", str(digest), str(DIGEST)),
        ("blobs", str(Digest.of(b"layer")), str(DIGEST)),
        ("referrers", str(digest), str(DIGEST)),
        ("tags", "list", "list"),
    ):
        for method in ("GET", "HEAD", "DELETE", "PUT"):
            answers = [
                await registry(method, f"/v2/{path}/{name}/{target}", Authorization=basic("reader"))
                for path, target in (("secret/app", there), ("secret/app", not_there), ("secret/gone", not_there))
            ]
            assert {answer.status for answer in answers} == {403}
            assert len({answer.body.replace(b"secret/gone", b"secret/app") for answer in answers}) == 1


async def test_the_catalog_holds_what_may_be_pulled(registry: Client, guarded: Guarded) -> None:
    for path in ("secret/app", "team/one", "team/two", "teams/x"):
        await _push(registry, path)
    seen = {
        "owner": ["secret/app", "team/one", "team/two", "teams/x"],
        "reader": ["team/one", "team/two"],
        "nobody": [],
    }
    for name, paths in seen.items():
        whole = await registry("GET", "/v2/_catalog", Authorization=basic(name))
        assert whole.json == {"repositories": paths}
        first = await registry("GET", "/v2/_catalog?n=1", Authorization=basic(name))
        assert first.json == {"repositories": paths[:1]}
        assert ("Link" in first.headers) is (len(paths) > 1)
        if "Link" in first.headers:
            link = first.headers["Link"].partition(">")[0][1:]
            assert (await registry("GET", link, Authorization=basic(name))).json == {"repositories": paths[1:2]}
    await guarded.allow_everybody("team")
    assert (await registry("GET", "/v2/_catalog")).status == 401, "the anonymous do not list"


async def test_a_blob_that_may_not_be_read_is_not_mounted_and_nothing_is_said_of_it(registry: Client) -> None:
    """Hostile case 12: the same 202 for a source that is hidden and for one that is not there."""
    await _push(registry, "secret/app", b"hidden")
    hidden = Digest.of(b"hidden")
    for source in ("&from=secret/app", "&from=secret/gone", ""):
        answer = await registry(
            "POST", f"/v2/team/mine/blobs/uploads/?mount={hidden}{source}", Authorization=basic("writer")
        )
        assert answer.status == 202 and "Docker-Content-Digest" not in answer.headers
    assert (await registry("GET", f"/v2/team/mine/blobs/{hidden}", Authorization=basic("writer"))).status == 404
    await _push(registry, "team/other", b"shared")
    shared = f"/v2/team/mine/blobs/uploads/?mount={Digest.of(b'shared')}&from=team/other"
    assert (await registry("POST", shared, Authorization=basic("writer"))).status == 201


async def test_changes_hold_from_the_next_request_on(registry: Client, guarded: Guarded) -> None:
    who = basic("reader")
    assert (await registry("GET", "/v2/team/x/tags/list", Authorization=who)).status == 404
    await guarded.accounts.change("reader", lambda before: replace(before, grants=grants(other="pull")))
    assert (await registry("GET", "/v2/team/x/tags/list", Authorization=who)).status == 403
    assert (await registry("GET", "/v2/other/tags/list", Authorization=who)).status == 404
    other = user("reader", "another one", other="pull")
    await guarded.accounts.change("reader", lambda before: other)
    assert (await registry("GET", "/v2/other/tags/list", Authorization=who)).status == 401, "the old password"
    assert (await registry("GET", "/v2/other/tags/list", Authorization=basic("reader", "another one"))).status == 404
    await guarded.accounts.remove("reader")
    assert (await registry("GET", "/v2/", Authorization=basic("reader", "another one"))).status == 401


# Anonymous pull.


async def test_the_anonymous_may_pull_where_that_was_granted_and_ping_still_challenges(
    registry: Client, guarded: Guarded
) -> None:
    await _push(registry, "lib/app")
    await _push(registry, "team/app")
    assert (await registry("GET", "/v2/lib/app/manifests/t")).status == 401, "off by default"
    await guarded.allow_everybody("lib")
    assert (await registry("GET", "/v2/lib/app/manifests/t")).status == 200
    assert (await registry("GET", "/v2/lib/app/tags/list")).status == 200
    for method, path in (
        ("GET", "/v2/"),
        ("GET", "/v2/team/app/manifests/t"),
        ("PUT", "/v2/lib/app/manifests/t"),
        ("DELETE", "/v2/lib/app/manifests/t"),
        ("POST", "/v2/lib/app/blobs/uploads/"),
        ("GET", "/v2/_catalog"),
        ("GET", "/nowhere"),
    ):
        assert (await registry(method, path)).status == 401, path
    wrong = await registry("GET", "/v2/lib/app/manifests/t", Authorization=basic("owner", "wrong"))
    assert wrong.status == 401, "wrong credentials are no anonymity"


async def test_everybody_may_at_most_pull_whatever_the_file_says(registry: Client, guarded: Guarded) -> None:
    await guarded.accounts.change_anonymous(lambda before: grants(lib="admin", team="delete"))
    assert (await registry("GET", "/v2/lib/app/manifests/t")).status == 404
    for method in ("PUT", "DELETE"):
        assert (await registry(method, "/v2/lib/app/manifests/t", b"{}")).status == 401


async def test_basic_is_not_offered_where_docker_would_trip_over_it(registry: Client, guarded: Guarded) -> None:
    await guarded.allow_everybody("lib")
    answer = await registry("GET", "/v2/")
    assert [one.split()[0] for one in answer.headers.getall("WWW-Authenticate")] == ["Bearer"]


@pytest.mark.parametrize("offers", [(Scheme.BASIC,), (Scheme.BEARER,), (Scheme.BASIC, Scheme.BEARER)])
async def test_challenges_come_in_the_order_that_was_wished_for(
    start: Start, tmp_path: Path, offers: tuple[Scheme, ...]
) -> None:
    guarded = await Guarded.make(tmp_path / "root", user("owner", everywhere="admin"), offers=offers)
    registry = await start(RegistryStore.in_memory(), guarded.door)
    challenges = (await registry("GET", "/v2/")).headers.getall("WWW-Authenticate")
    assert [one.split()[0] for one in challenges] == [scheme.value for scheme in offers]
    assert (await registry("GET", "/v2/", Authorization=OWNER)).status == 200, "Basic is always taken"
    guarded.close()


HOSTS = {
    "as the client wrote it": ("mirror.example.com:8443", {}, "http://mirror.example.com:8443/v2/auth"),
    "behind a proxy that ends TLS": ("m.lan", {"X-Forwarded-Proto": "https"}, "https://m.lan/v2/auth"),
    "an address": ("[::1]:5000", {}, "http://[::1]:5000/v2/auth"),
    "what could end the quotes": ('a",realm="http://evil', {}, None),
}


@pytest.mark.parametrize("case", HOSTS)
async def test_the_realm_is_where_the_client_came_to(registry: Client, case: str) -> None:
    host, headers, realm = HOSTS[case]
    answer = await registry("GET", "/v2/", Host=host, **headers)
    challenges = answer.headers.getall("WWW-Authenticate")
    if realm is None:
        assert [one.split()[0] for one in challenges] == ["Basic"]
    else:
        assert challenges[0].startswith(f'Bearer realm="{realm}",')


# Robots and access tokens.


async def test_a_robot_logs_in_by_its_token_and_by_nothing_else(registry: Client, guarded: Guarded) -> None:
    ci, secret = robot("team+ci", team="push")
    await guarded.accounts.add([ci])
    assert (await registry("POST", "/v2/team/app/blobs/uploads/", Authorization=basic("team+ci", secret))).status == 202
    assert (await registry("GET", "/v2/other/tags/list", Authorization=basic("team+ci", secret))).status == 403
    for wrong in (secret[:-1] + ("A" if secret[-1] != "A" else "B"), secret[:-1], "password", secret.upper()):
        assert (await registry("GET", "/v2/", Authorization=basic("team+ci", wrong))).status == 401
    assert (await registry("GET", "/v2/", Authorization=basic("owner", secret))).status == 401, "another's token"


async def test_a_token_expires_says_so_and_can_be_taken_away(registry: Client, guarded: Guarded) -> None:
    over, old = robot("team+old", expires=NOW - timedelta(seconds=1), team="pull")
    fresh, new = robot("team+new", expires=NOW + timedelta(hours=1), team="pull")
    await guarded.accounts.add([over, fresh])
    refused = await registry("GET", "/v2/", Authorization=basic("team+old", old))
    assert refused.status == 401 and "expired" in refused.json["errors"][0]["message"]
    assert (await registry("GET", "/v2/", Authorization=basic("team+new", new))).status == 200
    await guarded.accounts.change("team+new", lambda before: replace(before, tokens=()))
    gone = await registry("GET", "/v2/", Authorization=basic("team+new", new))
    assert gone.status == 401 and "expired" not in gone.json["errors"][0]["message"]


async def test_a_token_can_be_bound_to_less_than_its_account_may(registry: Client, guarded: Guarded) -> None:
    token, secret = bound_token("pull")
    await guarded.accounts.change("owner", lambda before: replace(before, tokens=(token,)))
    who = basic("owner", secret)
    assert (await registry("GET", "/v2/any/tags/list", Authorization=who)).status == 404
    assert (await registry("POST", "/v2/any/blobs/uploads/", Authorization=who)).status == 403
    wide, more = bound_token("admin")
    await guarded.accounts.change("reader", lambda before: replace(before, tokens=(wide,)))
    refused = await registry("POST", "/v2/team/app/blobs/uploads/", Authorization=basic("reader", more))
    assert refused.status == 403, "a token never adds to its account"


# Guessing.


async def test_who_guesses_is_slowed_and_the_owner_is_not(registry: Client) -> None:
    assert (await registry("GET", "/v2/", Authorization=OWNER)).status == 200
    answers = [await registry("GET", "/v2/", Authorization=basic("owner", f"guess {n}")) for n in range(25)]
    assert [answer.status for answer in answers] == [401] * 20 + [429] * 5
    slowed = answers[-1]
    assert slowed.code == "TOOMANYREQUESTS" and int(slowed.headers["Retry-After"]) >= 1
    assert (await registry("GET", "/v2/", Authorization=OWNER)).status == 200, "it was right before"
    again = await registry("GET", "/v2/", Authorization=basic("owner", "guess 0"))
    assert again.status == 401, "the same mistake again is no guess"


async def test_guesses_that_come_all_at_once_are_counted_as_many(registry: Client) -> None:
    guesses = (registry("GET", "/v2/", Authorization=basic("owner", f"guess {n}")) for n in range(40))
    statuses = [answer.status for answer in await asyncio.gather(*guesses)]
    assert statuses.count(401) <= 21 and statuses.count(429) >= 19


async def test_guessed_tokens_are_slowed_too(registry: Client) -> None:
    def guess(number: int) -> str:
        return basic("owner", f"afr_0123456789ab_{number:043d}")

    statuses = [(await registry("GET", "/v2/", Authorization=guess(n))).status for n in range(25)]
    assert 429 in statuses


async def test_an_early_refusal_reaches_a_client_that_is_still_sending(registry: Client) -> None:
    reader, writer = await raw_connection(registry.running)
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


async def test_secrets_are_in_no_log_no_repr_and_no_answer(
    registry: Client, guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    """Hostile case 34."""
    caplog.set_level(logging.DEBUG)
    ci, robots = robot("team+ci", team="push")
    await guarded.accounts.add([ci])
    bodies = b""
    for header in (OWNER, basic("owner", "guess-again"), basic("team+ci", robots), basic("pass-in-name", "x")):
        bodies += (await registry("GET", "/v2/a/manifests/t", Authorization=header)).body
        bodies += (await registry("GET", "/v2/auth", Authorization=header)).body
    bearer = json.loads((await registry("GET", "/v2/auth", Authorization=OWNER)).body)["token"]
    await registry("GET", "/v2/a/manifests/t", Authorization=f"Bearer {bearer}")
    said = "".join(f"{record.getMessage()}{record.__dict__}" for record in caplog.records)
    said += guarded.audit.file.read_text()
    for secret in ("owner's password", "guess-again", robots, OWNER.split()[1], bearer, "pass-in-name"):
        assert secret not in said
    assert b"owner's password" not in bodies and robots.encode() not in bodies
    for kept in (parse_authorization(OWNER), parse_authorization(f"Bearer {bearer}")):
        assert isinstance(kept, Credentials | BearerToken)
        assert "password" not in repr(kept) and bearer not in repr(kept)


@pytest.mark.parametrize("verb", list(Verb))
def test_nobody_without_grants_may_do_nothing(verb: Verb) -> None:
    assert not Guest(None, grants()).may(verb, "a") and not Guest(None, grants(everywhere="pull")).may(verb, None)
    with pytest.raises(UnauthorizedError):
        parse_authorization("Digest x")


async def _push(registry: Client, path: str, content: bytes = b"layer") -> Digest:
    """Push an image with the tag t as the owner."""
    for blob in (b"{}", content):
        digest = Digest.of(blob)
        answer = await registry("POST", f"/v2/{path}/blobs/uploads/?digest={digest}", blob, Authorization=OWNER)
        assert answer.status == 201
    raw = image((content,))
    kind = json.loads(raw)["mediaType"]
    answer = await registry("PUT", f"/v2/{path}/manifests/t", raw, Content_Type=kind, Authorization=OWNER)
    assert answer.status == 201, answer.body
    return Digest.of(raw)
