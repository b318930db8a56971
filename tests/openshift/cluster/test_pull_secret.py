"""Pull secrets: merged, shown without their secrets, checked."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import MalformedError
from airferry.openshift.cluster.pull_secret import (
    CredentialKind,
    check_pull_secret,
    merge_pull_secret,
    show_pull_secret,
)


def auth(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


RED_HAT = {
    "auths": {
        "cloud.openshift.com": {"auth": auth("openshift+abc", "T0PSECRET"), "email": "me@example.com"},
        "quay.io": {"auth": auth("openshift+abc", "T0PSECRET"), "email": "me@example.com"},
        "registry.redhat.io": {"auth": auth("123|uhc", "T0PSECRET"), "email": "me@example.com", "odd": [1]},
    },
    "credsStore": "keep me",
}
TEXT = json.dumps(RED_HAT)


def test_a_registry_is_added_and_everything_else_stays_in_order():
    merged = json.loads(merge_pull_secret(TEXT, "mirror.lan:8443", "admin", "p:w/ö"))
    assert list(merged) == ["auths", "credsStore"]
    assert list(merged["auths"]) == [*RED_HAT["auths"], "mirror.lan:8443"]
    assert merged["auths"].pop("mirror.lan:8443") == {"auth": auth("admin", "p:w/ö")}
    assert merged == RED_HAT


def test_an_entry_that_exists_keeps_its_place_and_email_and_loses_tokens():
    old = {"auths": {"a.b": {"identitytoken": "T", "email": "e", "username": "u", "password": "p"}, "c.d": {}}}
    merged = json.loads(merge_pull_secret(json.dumps(old), "a.b", "new", "pw"))
    assert merged == {"auths": {"a.b": {"email": "e", "auth": auth("new", "pw")}, "c.d": {}}}
    assert list(merged["auths"]) == ["a.b", "c.d"]


def test_merging_twice_is_merging_once():
    once = merge_pull_secret(TEXT, "mirror.lan/path", "admin", "pw")
    assert merge_pull_secret(once, "mirror.lan/path", "admin", "pw") == once
    assert once.count("\n") == 1


@pytest.mark.parametrize("text", ["", " \n", "{}", '{"auths": {}}'])
def test_an_empty_file_becomes_a_pull_secret(text):
    assert json.loads(merge_pull_secret(text, "m.lan", "u", "p"))["auths"] == {"m.lan": {"auth": auth("u", "p")}}


def test_showing_tells_user_and_kind_and_never_the_secret():
    document = {
        "auths": {
            "a.b:5000/x": {"auth": auth("user", "T0PSECRET")},
            "token.io": {"auth": auth("<token>", "x"), "identitytoken": "T0PSECRET"},
            "reg.io": {"registrytoken": "T0PSECRET"},
            "plain.io": {"username": "u", "password": "T0PSECRET"},
            "bad host": {"auth": auth("u", "T0PSECRET")},
            "empty.io": {},
            "text.io": "T0PSECRET",
            "nocolon.io": {"auth": base64.b64encode(b"T0PSECRET").decode()},
            "nob64.io": {"auth": "T0PSECRET:%"},
            "nopw.io": {"auth": auth("u", "")},
            "nouser.io": {"auth": auth("", "T0PSECRET")},
            "newline.io": {"auth": auth("u", "T0PSECRET\n")},
        }
    }
    shown = show_pull_secret(json.dumps(document))
    table = {item.registry: (item.user, item.kind, item.problem) for item in shown}
    assert table == {
        "a.b:5000/x": ("user", CredentialKind.PASSWORD, None),
        "token.io": ("<token>", CredentialKind.IDENTITY_TOKEN, None),
        "reg.io": (None, CredentialKind.REGISTRY_TOKEN, None),
        "plain.io": ("u", CredentialKind.PASSWORD, None),
        "bad host": ("u", CredentialKind.PASSWORD, "the name is not host[:port][/path]"),
        "empty.io": (None, CredentialKind.NONE, "it has no auth"),
        "text.io": (None, CredentialKind.NONE, "the entry is not a map"),
        "nocolon.io": (None, CredentialKind.NONE, "its auth is not base64 of user:password"),
        "nob64.io": (None, CredentialKind.NONE, "its auth is not base64 of user:password"),
        "nopw.io": ("u", CredentialKind.NONE, "its auth has no password"),
        "nouser.io": (None, CredentialKind.NONE, "its auth has no user"),
        "newline.io": ("u", CredentialKind.PASSWORD, "its password ends in a line break"),
    }
    assert "T0PSECRET" not in repr(shown)
    assert "T0PSECRET" not in repr(check_pull_secret(json.dumps(document)))
    assert len(check_pull_secret(json.dumps(document))) == 8


def test_a_sound_pull_secret_has_no_problems():
    assert check_pull_secret(TEXT) == ()
    assert check_pull_secret('{"auths": {}}') == ("the pull secret has no entries",)


@pytest.mark.parametrize(
    "text",
    ['{"auths": {"a.b": {"auth": "T0PSECRET"', "T0PSECRET", '["T0PSECRET"]', '{"auths": "T0PSECRET"}', "[" * 9999],
)
def test_what_is_no_pull_secret_is_refused_without_repeating_it(text):
    for attempt in (show_pull_secret, lambda text: merge_pull_secret(text, "a.b", "u", "p")):
        with pytest.raises(MalformedError) as caught:
            attempt(text)
        assert "T0PSECRET" not in caught.value.message
        assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert len(check_pull_secret(text)) == 1


@pytest.mark.parametrize(
    ("registry", "user", "password"),
    [
        ("https://a.b", "u", "T0PSECRET"),
        ("a b", "u", "T0PSECRET"),
        ("", "u", "T0PSECRET"),
        ("a.b/UP", "u", "T0PSECRET"),
        ("a.b", "", "T0PSECRET"),
        ("a.b", "T0PSECRET:x", "T0PSECRET"),
        ("a.b", "u", ""),
    ],
)
def test_what_cannot_be_merged_is_refused_without_repeating_secrets(registry, user, password):
    with pytest.raises(MalformedError) as caught:
        merge_pull_secret(TEXT, registry, user, password)
    assert "T0PSECRET" not in caught.value.message


@given(st.text(min_size=1).filter(lambda user: ":" not in user), st.text(min_size=1))
def test_what_was_merged_is_shown_with_its_user(user, password):
    try:
        merged = merge_pull_secret(TEXT, "m.lan:8443", user, password)
    except UnicodeEncodeError:
        return
    assert show_pull_secret(merged)[-1].user == user
