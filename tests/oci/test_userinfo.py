"""Whatever an error repeats of what somebody wrote, it leaves out the user and password before a host."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import AirferryError, MalformedError, UsageError, without_userinfo
from airferry.oci import Reference
from airferry.plan.mapping import parse_arguments, parse_file

SHA = "sha256:" + "1" * 64

SHOWN = {
    "a web address": ("unknown scheme in 'https://ann:geheim@h.lan/x:1'", "unknown scheme in 'https://***@h.lan/x:1'"),
    "a token alone": ("GET https://geheim@h.lan/x failed", "GET https://***@h.lan/x failed"),
    "without a scheme": ("no image at ann:geheim@h.lan:5000/x", "no image at ***@h.lan:5000/x"),
    "a slash in the password": ("'docker://ann:ge/heim@h.lan/x'", "'docker://***@h.lan/x'"),
    "an @ in the password": ("'docker://ann:ge@heim@h.lan/x'", "'docker://***@h.lan/x'"),
    "both of a pair": ("http://a:geheim@h/x=http://b:geheim@i/y", "http://***@h/x=http://***@i/y"),
    "in brackets": ("(ann:geheim@h.lan)", "(***@h.lan)"),
    "a long token": (f"https://ann:{'x' * 3000}@h.lan/x", "https://***@h.lan/x"),
    "with a digest behind": (f"docker://ann:geheim@h.lan/x@{SHA}", f"docker://***@h.lan/x@{SHA}"),
}

KEPT = [
    f"quay.io/ocp/rel:4.12.0@{SHA}",
    f"docker://localhost:5000/rel@{SHA}",
    f"file://openshift/release:4.12.0@{SHA}",
    f"localhost:5000@{SHA}",
    "sha512 too: h.lan/a:b@sha512:" + "2" * 128,
    "https://h.lan:8443/a/b@c?sig=x@y",
    "https://[2001:db8::1]:5000/a@b",
    "ask ann@example.com: she knows",
    "the layout /srv/a@b/layout",
]


@pytest.mark.parametrize("case", SHOWN)
def test_an_error_shows_the_host_and_neither_user_nor_password(case: str) -> None:
    text, shown = SHOWN[case]
    error = UsageError(text, hint=text)
    assert (error.message, error.hint, str(error)) == (shown, shown, shown)


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_userinfo_is_shown_as_it_is(text: str) -> None:
    assert without_userinfo(text) == text


REFERENCES = [
    "https://ann:geheim@h.lan/x:1",
    "docker://ann:geheim@h.lan/x",
    "docker://ann:geheim@h.lan",
    "ann:geheim@h.lan/x:1",
    "ann:ge/heim@h.lan/x:1",
    "docker://ann:1/geheim@h.lan/x:1",
    "docker://ann:ge/heim@h.lan/x:1",
    "docker://ann:ge heim@h.lan/x",
    "docker://ann:ge'heim@h.lan/x",
    "https://ann:ge heim@h.lan/x",
    "s3://ann:geheim@bucket/x",
    f"docker://ann:geheim@h.lan/X@{SHA}",
]


@pytest.mark.parametrize("text", REFERENCES)
def test_a_reference_with_a_password_is_refused_without_it(text: str) -> None:
    with pytest.raises(AirferryError) as refusal:
        Reference.parse(text)
    assert "geheim" not in f"{refusal.value!r}{refusal.value.hint}" and "heim" not in refusal.value.message


@pytest.mark.parametrize("text", REFERENCES)
@pytest.mark.parametrize("line", ["{}=m.lan/a", "m.lan/a={}", "m.lan/a {}", "{} m.lan/a", "{}", "m.lan/a=m.lan/b {}"])
def test_a_mapping_with_a_password_is_refused_without_it(text: str, line: str) -> None:
    with pytest.raises(AirferryError) as refusal:
        parse_file("map.txt", line.format(text))
    assert "heim" not in f"{refusal.value!r}{refusal.value.hint}"


@pytest.mark.parametrize("pair", ["https://ann:ge=heim@h.lan/x=m.lan/a", "m.lan/a=docker://ann:ge=heim@h.lan/x"])
def test_an_equals_sign_in_the_password_does_not_let_it_out(pair: str) -> None:
    with pytest.raises(MalformedError, match="credentials") as refusal:
        parse_arguments([pair])
    assert "ge" not in refusal.value.message.split() and "heim" not in refusal.value.message


@pytest.mark.parametrize(
    "pair",
    ["m.lan/a=oci:///home/a@b/x", "oci:///home/a@b/x=m.lan/a", "oci://a:b@c/x=file://a", f"m.lan/a@{SHA}=m.lan/b"],
)
def test_folders_with_an_at_and_digests_are_no_passwords(pair: str) -> None:
    (mapping,) = parse_arguments([pair])
    assert f"{mapping.source}={mapping.destination}" == pair


@pytest.mark.parametrize(
    "text", ["a" * 100_000 + "@", "a:" * 50_000 + "/@", "=a:" * 30_000 + "/@", "://a:" * 20_000 + " @"]
)
def test_a_text_made_to_keep_us_busy_does_not(text: str) -> None:
    began = time.process_time()
    without_userinfo(text)
    assert time.process_time() - began < 5


words = st.text(st.characters(exclude_categories=("Z", "C"), exclude_characters="'\"@/"), min_size=1, max_size=12)


@given(words, words, st.sampled_from(["https", "docker", "http"]), st.sampled_from(["{}", "'{}' is none", "a={} b"]))
def test_no_password_passes(user: str, password: str, scheme: str, sentence: str) -> None:
    secret = f"<{password}>"
    shown = MalformedError(sentence.format(f"{scheme}://{user}:{secret}@mirror.lan/x")).message
    assert secret not in shown and shown.endswith(sentence.format("@mirror.lan/x").partition("@")[2])
