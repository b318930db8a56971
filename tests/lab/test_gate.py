import base64
import json

import pytest

from airferry.lab.gate import Gate
from airferry.lab.policy import Authentication, Policy

ROOT = "https://127.0.0.1:5000"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def bearer(gate: Gate, *scopes: str, authorization: str | None = None) -> str:
    return "Bearer " + json.loads(gate.issue(authorization, scopes).body)["token"]


def test_a_token_opens_the_repositories_it_was_asked_for():
    gate = Gate(Policy(), Clock())
    token = bearer(gate, "repository:a/b:pull", "repository:c/d:pull,push repository:e:pull")
    assert all(gate.refuse(token, name, ROOT) is None for name in ("a/b", "c/d", "e", ""))
    refused = gate.refuse(token, "x/y", ROOT)
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"].endswith('scope="repository:x/y:pull",error="invalid_token"')


def test_a_token_ends_with_its_lifetime():
    clock = Clock()
    gate = Gate(Policy(token_lifetime_s=60), clock)
    token = bearer(gate, "repository:a:pull")
    clock.now = 59.9
    assert gate.refuse(token, "a", ROOT) is None
    clock.now = 60
    assert gate.refuse(token, "a", ROOT).status == 401


def test_the_lifetime_is_told_only_when_asked_for():
    assert set(json.loads(Gate(Policy(), Clock()).issue(None, ()).body)) == {"token"}
    told = json.loads(Gate(Policy(token_lifetime_s=60, says_lifetime=True), Clock()).issue(None, ()).body)
    assert told["expires_in"] == 60


def test_all_tokens_can_be_ended_at_once():
    gate = Gate(Policy(), Clock())
    token = bearer(gate, "repository:a:pull")
    gate.expire_tokens()
    assert gate.refuse(token, "a", ROOT).status == 401


def test_without_anonymous_pull_only_users_get_in():
    gate = Gate(Policy(anonymous_pull=False, users={"ann": "secret"}), Clock())
    assert gate.refuse(bearer(gate, "repository:a:pull"), "a", ROOT).status == 401, "a token that opens nothing"
    assert gate.refuse(bearer(gate, "repository:a:pull", authorization=basic("ann", "secret")), "a", ROOT) is None
    assert gate.issue(basic("ann", "wrong"), ()).status == 401
    assert gate.issue(basic("bob", "secret"), ()).status == 401
    assert gate.issue("Basic %%%", ()).status == 401


def test_a_scope_that_cannot_be_read_is_refused_as_quay_does():
    assert Gate(Policy(), Clock()).issue(None, ("registry:catalog:*",)).status == 400


def test_a_denied_repository_is_403_for_everybody():
    gate = Gate(Policy(denied=("a",)), Clock())
    assert gate.refuse(bearer(gate, "repository:a:pull"), "a", ROOT).status == 403


@pytest.mark.parametrize(
    ("authorization", "status"), [(None, 401), (basic("ann", "secret"), None), (basic("ann", "x"), 401)]
)
def test_basic_authentication(authorization, status):
    gate = Gate(Policy(Authentication.BASIC, anonymous_pull=False, users={"ann": "secret"}), Clock())
    refused = gate.refuse(authorization, "a", ROOT)
    assert (refused.status if refused else None) == status
    if refused:
        assert refused.headers["WWW-Authenticate"] == 'Basic realm="airferry lab"'


def test_no_authentication_lets_everybody_in():
    assert Gate(Policy(Authentication.NONE), Clock()).refuse(None, "a", ROOT) is None


def test_passwords_are_not_shown():
    assert "secret" not in repr(Policy(users={"ann": "secret"}))
