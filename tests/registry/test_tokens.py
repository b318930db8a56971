"""Bearer tokens: how they are got, what they are good for, and every way in which they are not."""

import asyncio
import base64
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airferry.oci import Digest
from airferry.registry import Limits, RegistryStore
from airferry.registry.access import AccountsFile, TokenKeysFile, Tokens
from airferry.registry.access.scopes import parse_scopes
from airferry.registry.access.token_keys import TOKEN_LIFE_S
from airferry.registry.access.tokens import TokenInvalidError

from .conftest import Answer, Client, Start, raw_connection
from .guarded import NOW, Clock, Guarded, basic, bound_token, claims_of, grants, robot, user

PULL = "repository:team/app:pull"
PUSH = "repository:team/app:pull,push"


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    made = await Guarded.make(
        tmp_path / "root",
        user("owner", everywhere="admin"),
        user("reader", team="pull"),
        user("writer", team="push"),
    )
    yield made
    made.close()


@pytest.fixture
async def registry(start: Start, guarded: Guarded) -> Client:
    return await start(RegistryStore.in_memory(), guarded.door)


async def ask(registry: Client, who: str | None, *scopes: str, **more: str) -> Answer:
    query = urlencode([("scope", scope) for scope in scopes] + list(more.items()))
    headers = {"Authorization": basic(who)} if who else {}
    return await registry("GET", f"/v2/auth?{query}", **headers)


async def bearer(registry: Client, who: str | None, *scopes: str) -> str:
    answer = await ask(registry, who, *scopes)
    assert answer.status == 200, answer.body
    return f"Bearer {answer.json['token']}"


# Getting one.


async def test_a_token_says_what_it_is_for_and_lives_for_minutes(registry: Client, guarded: Guarded) -> None:
    service = await guarded.tokens.service()
    answer = await ask(registry, "writer", PUSH, service=service, account="writer", client_id="x", offline_token="true")
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
    assert answer.json["token"] == answer.json["access_token"]
    assert answer.json["expires_in"] == TOKEN_LIFE_S == 300
    assert abs(datetime.fromisoformat(answer.json["issued_at"]).timestamp() - time.time()) < 5
    claims = claims_of(answer.json["token"])
    assert claims["aud"] == claims["iss"] == service
    assert claims["sub"] == "writer" and claims["exp"] - claims["iat"] == TOKEN_LIFE_S
    assert claims["access"] == [{"type": "repository", "name": "team/app", "actions": ["pull", "push"]}]
    header = jwt.get_unverified_header(answer.json["token"])
    assert header == {"alg": "ES256", "typ": "JWT", "kid": (await guarded.keys.current()).ring.keys[0].kid}


SCOPED = {
    "less than is asked, in silence": ("reader", [PUSH], ["repository:team/app:pull"]),
    "nothing of another's": ("reader", ["repository:secret/x:pull,push,delete"], []),
    "what of several is granted": ("writer", [PULL, "repository:x:pull"], ["repository:team/app:pull"]),
    "the catalog, for every account": ("reader", ["registry:catalog:*"], ["registry:catalog:*"]),
    "no scope at all proves the login": ("reader", [], []),
    "everything in a repository": ("owner", ["repository:x:*"], ["repository:x:pull,push,delete"]),
    "what cannot be read gives nothing": ("owner", ["repository:a", "x", "", "repository:A:pull"], []),
}


@pytest.mark.parametrize("case", SCOPED)
async def test_what_a_token_gets_of_what_is_asked(registry: Client, case: str) -> None:
    who, asked, got = SCOPED[case]
    answer = await ask(registry, who, *asked)
    assert answer.status == 200 and answer.json["scope"].split() == got


async def test_the_endpoint_tells_nobody_what_is_there(registry: Client) -> None:
    answers = [await ask(registry, "reader", f"repository:{path}:pull") for path in ("secret/app", "no/such")]
    assert {answer.status for answer in answers} == {200} and {answer.json["scope"] for answer in answers} == {""}


async def test_wrong_credentials_get_no_token_not_even_an_anonymous_one(registry: Client, guarded: Guarded) -> None:
    await guarded.allow_everybody("lib")
    for header in (basic("owner", "wrong"), basic("who"), "Bearer x.y.z", "Basic !", "Digest x"):
        answer = await registry("GET", "/v2/auth?scope=repository:lib/x:pull", Authorization=header)
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


async def test_the_anonymous_get_a_token_for_what_everybody_may_pull_and_no_other(
    registry: Client, guarded: Guarded
) -> None:
    assert (await ask(registry, None, "repository:lib/x:pull")).status == 401
    await guarded.allow_everybody("lib")
    who = await bearer(registry, None, "repository:lib/x:pull,push", "registry:catalog:*")
    assert (await registry("GET", "/v2/lib/x/tags/list", Authorization=who)).status == 404
    for method, path in (("GET", "/v2/lib/y/tags/list"), ("POST", "/v2/lib/x/blobs/uploads/"), ("GET", "/v2/_catalog")):
        assert (await registry(method, path, Authorization=who)).status == 401
    assert (await registry("GET", "/v2/", Authorization=who)).status == 401, "nobody's token proves no login"
    for scopes in ((), ("repository:team/x:pull",), ("repository:lib/x:push",), ("registry:catalog:*",)):
        assert (await ask(registry, None, *scopes)).status == 401
    await guarded.accounts.change_anonymous(lambda before: grants())
    assert (await registry("GET", "/v2/lib/x/tags/list", Authorization=who)).status == 401, "taken away at once"


async def test_another_service_is_refused(registry: Client) -> None:
    assert (await ask(registry, "owner", PULL, service="quay.io")).status == 400


async def test_a_form_gets_one_too_as_containerd_asks(registry: Client) -> None:
    async def post(body: bytes) -> Answer:
        return await registry("POST", "/v2/auth", body, Content_Type="application/x-www-form-urlencoded")

    fields = {"grant_type": "password", "username": "writer", "password": "writer's password", "scope": f"{PUSH} x"}
    answer = await post(urlencode(fields).encode())
    assert answer.status == 200 and answer.json["scope"] == PUSH
    assert (await post(urlencode(fields | {"password": "wrong"}).encode())).status == 401
    for bad in (
        urlencode(fields | {"grant_type": "refresh_token"}).encode(),
        b"",
        b"\xff\xfe",
        b"username=a&grant_type=password",
        b"a=b&" * 100_000,
        b"&".join(b"a%d=1" % n for n in range(1000)),
    ):
        assert (await post(bad)).status == 400
    assert (await registry("DELETE", "/v2/auth")).status == 405


FORM_HEAD = b"POST /v2/auth HTTP/1.1\r\nHost: r\r\nContent-Type: application/x-www-form-urlencoded\r\n"
HALF_FORMS = {
    "silent": FORM_HEAD + b"Content-Length: 100\r\n\r\nusername=",
    "asking first": FORM_HEAD + b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n",
    "not in chunks": FORM_HEAD + b"Transfer-Encoding: chunked\r\n\r\nthese are no chunks\r\n",
}


@pytest.mark.parametrize("case", HALF_FORMS)
async def test_a_form_that_never_ends_holds_nobody_up(start: Start, guarded: Guarded, case: str) -> None:
    registry = await start(RegistryStore.in_memory(), guarded.door, Limits(silence_s=0.05))
    reader, writer = await raw_connection(registry.running)
    writer.write(HALF_FORMS[case])
    async with asyncio.timeout(20):
        first = await reader.readline()
        if case == "asking first":
            assert first == b"HTTP/1.1 100 Continue\r\n" and await reader.readline() == b"\r\n"
            first = await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert first.split()[1] in (b"400", b"408"), first


# Using one.


async def test_a_token_opens_what_it_is_for(registry: Client) -> None:
    who = await bearer(registry, "writer", PUSH)
    assert (await registry("POST", "/v2/team/app/blobs/uploads/", Authorization=who)).status == 202
    assert (await registry("GET", "/v2/team/app/tags/list", Authorization=who)).status == 404
    assert (await registry("GET", "/v2/", Authorization=who)).status == 200
    plain = await bearer(registry, "reader")
    assert (await registry("GET", "/v2/", Authorization=plain)).status == 200


async def test_the_catalog_is_for_tokens_made_for_it_and_holds_what_the_account_may_pull(registry: Client) -> None:
    who = await bearer(registry, "owner", "repository:team/app:push", "repository:secret/x:push")
    for path in ("team/app", "secret/x"):
        digest = Digest.of(b"x")
        await registry("POST", f"/v2/{path}/blobs/uploads/?digest={digest}", b"x", Authorization=who)
    assert (await registry("GET", "/v2/_catalog", Authorization=who)).status == 401
    listing = await bearer(registry, "reader", "registry:catalog:*")
    assert (await registry("GET", "/v2/_catalog", Authorization=listing)).json == {"repositories": ["team/app"]}


ABUSED = {
    "a pull token used to push": ("writer", [PULL], "POST", "/v2/team/app/blobs/uploads/", 401),
    "a push token used to delete": ("owner", [PUSH], "DELETE", "/v2/team/app/manifests/t", 401),
    "a push token used to delete, by who may not delete": ("writer", [PUSH], "DELETE", "/v2/team/app/manifests/t", 403),
    "a pull token used to push, by who may not push": ("reader", [PULL], "POST", "/v2/team/app/blobs/uploads/", 403),
    "a token of A on B": ("writer", [PUSH], "GET", "/v2/team/web/tags/list", 401),
    "a token of A on what is below A": ("writer", [PUSH], "GET", "/v2/team/app/x/tags/list", 401),
    "a token of A on another's": ("writer", [PUSH], "GET", "/v2/secret/x/tags/list", 403),
    "a catalog token used to pull": ("owner", ["registry:catalog:*"], "GET", "/v2/a/tags/list", 401),
    "moving a tag with a pull token": ("writer", [PULL], "PUT", "/v2/team/app/manifests/latest", 401),
}


@pytest.mark.parametrize("case", ABUSED)
async def test_a_token_is_for_nothing_else(registry: Client, case: str) -> None:
    """Hostile case 28: 403 where no token could help, 401 with the scope that would."""
    who, scopes, method, path, status = ABUSED[case]
    answer = await registry(method, path, b"{}", Authorization=await bearer(registry, who, *scopes))
    assert answer.status == status
    if status == 401:
        challenge = answer.headers.getall("WWW-Authenticate")[0]
        assert 'error="insufficient_scope"' in challenge and f'scope="repository:{path.split("/")[2]}' in challenge
    else:
        assert answer.code == "DENIED" and "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("source", ["&from=team/web", ""])
async def test_a_mount_asks_for_a_token_for_both_repositories(registry: Client, source: str) -> None:
    """As distribution does; the conformance suite's client follows the challenge, and counts 202 as no mount."""
    digest = Digest.of(b"x")
    both = await bearer(registry, "writer", PUSH, "repository:team/web:pull,push")
    await registry("POST", f"/v2/team/web/blobs/uploads/?digest={digest}", b"x", Authorization=both)
    path = f"/v2/team/app/blobs/uploads/?mount={digest}{source}"
    refused = await registry("POST", path, Authorization=await bearer(registry, "writer", PUSH))
    assert refused.status == 401
    challenge = refused.headers.getall("WWW-Authenticate")[0]
    assert 'error="insufficient_scope"' in challenge
    (scope,) = re.findall(r'scope="([^"]+)"', challenge)
    assert scope == f"{PUSH} repository:team/web:pull"
    assert (await registry("POST", path, Authorization=await bearer(registry, "writer", scope))).status == 201


async def test_a_mount_does_not_ask_for_what_the_account_may_not_read(registry: Client) -> None:
    digest = Digest.of(b"hidden")
    await registry("POST", f"/v2/secret/app/blobs/uploads/?digest={digest}", b"hidden", Authorization=basic("owner"))
    only = await bearer(registry, "writer", PUSH)
    for source in ("&from=secret/app", "&from=secret/gone", ""):
        answer = await registry("POST", f"/v2/team/app/blobs/uploads/?mount={digest}{source}", Authorization=only)
        assert answer.status == 202


async def test_a_token_ends_with_the_grant_the_account_and_the_login_that_it_came_from(
    registry: Client, guarded: Guarded
) -> None:
    async def status(who: str) -> int:
        return (await registry("GET", "/v2/team/app/tags/list", Authorization=who)).status

    who = await bearer(registry, "reader", PULL)
    assert await status(who) == 404
    await guarded.accounts.change("reader", lambda before: replace(before, grants=grants()))
    assert await status(who) == 403
    await guarded.accounts.change("reader", lambda before: replace(before, grants=grants(team="pull")))
    assert await status(who) == 404
    same = user("reader", team="pull")
    await guarded.accounts.change("reader", lambda before: replace(before, password=same.password))
    assert await status(who) == 401, "the password was set anew"
    again = await bearer(registry, "reader", PULL)
    await guarded.accounts.remove("reader")
    assert await status(again) == 401
    await guarded.accounts.add([user("reader", team="pull")])
    assert await status(again) == 401, "another account of that name"


async def test_a_bearer_token_got_with_an_access_token_is_bound_and_ends_like_it(
    registry: Client, guarded: Guarded
) -> None:
    token, secret = bound_token("pull", NOW + timedelta(hours=1))
    await guarded.accounts.change("owner", lambda before: replace(before, tokens=(token,)))
    answer = await registry("GET", f"/v2/auth?scope={PUSH}", Authorization=basic("owner", secret))
    assert answer.json["scope"] == PULL
    who = f"Bearer {answer.json['token']}"
    assert (await registry("GET", "/v2/team/app/tags/list", Authorization=who)).status == 404
    assert (await registry("POST", "/v2/team/app/blobs/uploads/", Authorization=who)).status == 403
    over = replace(token, expires=NOW - timedelta(hours=1))
    await guarded.accounts.change("owner", lambda before: replace(before, tokens=(over,)))
    assert (await registry("GET", "/v2/team/app/tags/list", Authorization=who)).status == 401
    ci, robots = robot("team+ci", team="pull")
    await guarded.accounts.add([ci])
    answer = await registry("GET", f"/v2/auth?scope={PULL}", Authorization=basic("team+ci", robots))
    who = f"Bearer {answer.json['token']}"
    assert (await registry("GET", "/v2/team/app/tags/list", Authorization=who)).status == 404
    await guarded.accounts.change("team+ci", lambda before: replace(before, tokens=()))
    assert (await registry("GET", "/v2/team/app/tags/list", Authorization=who)).status == 401


# Forging one: hostile case 27.


def part(fields: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()


def forged(claims: dict[str, Any], header: dict[str, Any], key: Any = None, algorithm: str = "ES256") -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers=header)


STRANGER = ec.generate_private_key(ec.SECP256R1())
STRANGERS_JWK = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(STRANGER.public_key()))
Forgery = Callable[[dict[str, Any], str, Any, bytes], str]


def changed(**changes: Any) -> Forgery:
    """A token of the right key with other claims; None takes one away."""

    def forge(claims: dict[str, Any], kid: str, key: Any, public: bytes) -> str:
        mixed = {name: value for name, value in (claims | changes).items() if value is not None}
        return forged(mixed, {"kid": kid}, key)

    return forge


LONG_AGO = int(time.time()) - 100_000
FORGERIES: dict[str, Forgery] = {
    "alg none": lambda claims, kid, key, public: f"{part({'alg': 'none', 'typ': 'JWT', 'kid': kid})}.{part(claims)}.",
    "alg None, written otherwise": lambda claims, kid, key, public: (
        f"{part({'alg': 'nOnE', 'typ': 'JWT', 'kid': kid})}.{part(claims)}."
    ),
    "no signature": lambda claims, kid, key, public: forged(claims, {"kid": kid}, key).rpartition(".")[0] + ".",
    "an embedded jwk": lambda claims, kid, key, public: forged(claims, {"kid": kid, "jwk": STRANGERS_JWK}, STRANGER),
    "an embedded jwk beside a good signature": lambda claims, kid, key, public: forged(
        claims, {"kid": kid, "jwk": STRANGERS_JWK}, key
    ),
    "keys at an address": lambda claims, kid, key, public: forged(
        claims, {"kid": kid, "jku": "http://127.0.0.1/"}, STRANGER
    ),
    "our kid, a foreign key": lambda claims, kid, key, public: forged(claims, {"kid": kid}, STRANGER),
    "a foreign kid and key": lambda claims, kid, key, public: forged(claims, {"kid": "0" * 16}, STRANGER),
    "no kid": lambda claims, kid, key, public: forged(claims, {}, key),
    "a kid that is a path": lambda claims, kid, key, public: forged(claims, {"kid": "../../ca.key"}, STRANGER),
    "our public key as HMAC secret": lambda claims, kid, key, public: _hmac(claims, kid, public),
    "expired": changed(iat=LONG_AGO, nbf=LONG_AGO, exp=LONG_AGO + 300),
    "not yet valid": changed(nbf=int(time.time()) + 1000),
    "another audience": changed(aud="airferry-registry-000000000000"),
    "no audience": changed(aud=None),
    "another issuer": changed(iss="https://auth.docker.io"),
    "no expiry": changed(exp=None),
    "an expiry that is no number": changed(exp="tomorrow"),
    "no id": changed(jti=None),
    "no subject": changed(sub=None),
    "no access": changed(access=None),
    "no login that it came from": changed(cred=""),
    "the login of another": changed(cred="0" * 16),
    "an account that is not": changed(sub="who"),
    "a subject that is no text": changed(sub=["owner"]),
}


def _hmac(claims: dict[str, Any], kid: str, public: bytes) -> str:
    import hashlib
    import hmac

    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{part(claims)}"
    signature = hmac.digest(public, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize("case", FORGERIES)
async def test_a_token_that_is_not_ours_opens_nothing(registry: Client, guarded: Guarded, case: str) -> None:
    good = (await ask(registry, "owner", PUSH)).json["token"]
    loaded = await guarded.keys.current()
    kid = loaded.ring.keys[0].kid
    public = loaded.verifying[kid].public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    token = FORGERIES[case](dict(claims_of(good)), kid, loaded.signing, public)
    for path in ("/v2/", "/v2/team/app/tags/list"):
        answer = await registry("GET", path, Authorization=f"Bearer {token}")
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
    assert (await registry("GET", "/v2/", Authorization=f"Bearer {good}")).status == 200, "while the good one is good"


async def test_a_token_of_another_registry_opens_nothing(registry: Client, start: Start, tmp_path: Path) -> None:
    other = await Guarded.make(tmp_path / "other", user("owner", everywhere="admin"))
    second = await start(RegistryStore.in_memory(), other.door)
    who = await bearer(second, "owner", PUSH)
    assert (await second("GET", "/v2/", Authorization=who)).status == 200
    assert (await registry("GET", "/v2/", Authorization=who)).status == 401
    other.close()


TOKEN_TEXTS = st.text(max_size=300) | st.builds(
    lambda header, payload, signature: ".".join(
        base64.urlsafe_b64encode(piece).rstrip(b"=").decode() for piece in (header, payload, signature)
    ),
    st.binary(max_size=60)
    | st.sampled_from([b"[" * 140, b'{"alg":"ES256","typ":"JWT","kid":[]}', b'{"alg":"ES256","typ":"JWT","kid":null}']),
    st.binary(max_size=60),
    st.binary(max_size=80),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=TOKEN_TEXTS)
async def test_any_text_is_no_token(text: str, guarded: Guarded) -> None:
    with pytest.raises(TokenInvalidError):
        await guarded.tokens.check(text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(position=st.integers(0, 10_000), letter=st.sampled_from("AZaz09-_.=+/ \n\u00e4"))
async def test_a_token_with_one_letter_changed_is_none(position: int, letter: str, guarded: Guarded) -> None:
    good = (await guarded.tokens.issue("owner", "x", parse_scopes([PUSH]))).secret
    at = position % len(good)
    spoilt = good[:at] + letter + good[at + 1 :]
    # The last letter of each part holds bits that mean nothing: another text may be the same token.
    if _decoded(spoilt) == _decoded(good):
        return
    with pytest.raises(TokenInvalidError):
        await guarded.tokens.check(spoilt)


def _decoded(token: str) -> list[bytes]:
    try:
        return [base64.urlsafe_b64decode(piece.encode() + b"===") for piece in token.split(".")]
    except ValueError:
        return []


# Time and keys.


async def test_a_token_that_was_good_is_not_when_its_time_is_over(guarded: Guarded) -> None:
    clock = Clock(time.time())
    tokens = Tokens(guarded.keys, clock)
    issued = await tokens.issue("owner", "x", parse_scopes([PULL]))
    assert (await tokens.check(issued.secret)).account == "owner"
    clock.now += TOKEN_LIFE_S - 2
    assert (await tokens.check(issued.secret)).account == "owner"
    clock.now += 3
    with pytest.raises(TokenInvalidError):
        await tokens.check(issued.secret)


async def test_keys_are_made_once_and_are_kept_from_others(tmp_path: Path) -> None:
    first = await TokenKeysFile.open(tmp_path)
    second = await TokenKeysFile.open(tmp_path)
    loaded = await first.current()
    assert loaded.ring == (await second.current()).ring
    assert (tmp_path / "token-keys.json").stat().st_mode & 0o777 == 0o600
    private = loaded.ring.keys[0].private_pem
    assert private is not None and private not in repr(loaded) and "PRIVATE" not in repr(loaded.ring)
    for one in (first, second):
        one.close()


async def test_a_rotated_key_verifies_until_its_last_token_has_expired_and_then_goes(tmp_path: Path) -> None:
    keys, others = await TokenKeysFile.open(tmp_path), await TokenKeysFile.open(tmp_path)
    clock = Clock(time.time())
    tokens = Tokens(others, clock)
    unseen = await tokens.issue("owner", "x", parse_scopes([PULL]))
    before = await tokens.issue("owner", "x", parse_scopes([PULL]))
    await tokens.check(before.secret)
    ring = await keys.rotate()
    old, new = ring.keys[1], ring.keys[0]
    assert old.kid == (await tokens.check(before.secret)).kid == (await tokens.check(unseen.secret)).kid
    after = await tokens.issue("owner", "x", parse_scopes([PULL]))
    assert (await tokens.check(after.secret)).kid == new.kid, "another process signs with the new one at once"
    assert old.private_pem is None and old.until is not None
    assert timedelta(seconds=TOKEN_LIFE_S) < old.until - datetime.now(UTC) < timedelta(seconds=2 * TOKEN_LIFE_S)
    assert (
        "PRIVATE" not in json.dumps([old.public_pem])
        and (tmp_path / "token-keys.json").read_text().count("BEGIN PRIVATE") == 1
    )
    assert ring.key(old.kid, old.until - timedelta(seconds=1)) == old
    assert ring.key(old.kid, old.until) is None
    later = ring.rotated(old.until)
    assert [key.kid for key in later.keys[1:]] == [new.kid]
    for one in (keys, others):
        one.close()


async def test_keys_that_are_taken_away_end_their_tokens_at_once(guarded: Guarded, tmp_path: Path) -> None:
    issued = await guarded.tokens.issue("owner", "x", parse_scopes([PULL]))
    await guarded.tokens.check(issued.secret)
    (guarded.root / "token-keys.json").unlink()
    fresh = await TokenKeysFile.open(guarded.root)
    with pytest.raises(TokenInvalidError):
        await guarded.tokens.check(issued.secret)
    fresh.close()


async def test_many_repositories_still_fit_into_a_header(registry: Client) -> None:
    scopes = [f"repository:team/{'x' * 40}{number}:pull,push" for number in range(100)]
    who = await bearer(registry, "writer", *scopes)
    assert (await registry("GET", "/v2/", Authorization=who)).status == 200


async def test_servers_of_one_folder_take_each_others_tokens_and_see_each_others_changes(
    registry: Client, guarded: Guarded, start: Start
) -> None:
    second = Guarded(guarded.root, await AccountsFile.open(guarded.root), await TokenKeysFile.open(guarded.root))
    neighbour = await start(RegistryStore.in_memory(), second.door)
    who = await bearer(registry, "reader", PULL)
    assert (await neighbour("GET", "/v2/team/app/tags/list", Authorization=who)).status == 404
    await guarded.keys.rotate()
    fresh = await bearer(neighbour, "reader", PULL)
    for served in (registry, neighbour):
        for token in (who, fresh):
            assert (await served("GET", "/v2/team/app/tags/list", Authorization=token)).status == 404
    await second.accounts.remove("reader")
    for served in (registry, neighbour):
        for token in (who, fresh, basic("reader")):
            assert (await served("GET", "/v2/team/app/tags/list", Authorization=token)).status == 401
    second.close()
