"""Rules as containerd and K3s take them, and what they cannot say is said to the operator."""

import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from airferry.oci.pull_rules import Mirror, PullFrom, PullRule, PullRules
from airferry.openshift.cluster.plain_kubernetes import CERTS_DIR, K3S_CA_FILE, K3S_FILE, containerd_form, k3s_form

DIGEST, TAG = PullFrom.DIGEST_ONLY, PullFrom.TAG_ONLY


def rule(prefix: str, *mirrors: Mirror | str, **more: object) -> PullRule:
    made = tuple(Mirror(mirror) if isinstance(mirror, str) else mirror for mirror in mirrors)
    location = str(more.pop("location", "" if prefix.startswith("*.") else prefix))
    return PullRule(prefix, location, made, **more)  # type: ignore[arg-type]


PULL, BOTH = {"capabilities": ["pull"]}, {"capabilities": ["pull", "resolve"]}
DEEPER = {"override_path": True}

HOSTS = {
    "a whole registry": ([rule("q.io", "m:5000")], {"server": "https://q.io", "host": {"https://m:5000": BOTH}}, []),
    "below a path": (
        [rule("q.io", "m:5000/q")],
        {"server": "https://q.io", "host": {"https://m:5000/v2/q": {**BOTH, **DEEPER}}},
        [],
    ),
    "for digests only": (
        [rule("q.io", Mirror("m:5000", pull_from=DIGEST))],
        {"server": "https://q.io", "host": {"https://m:5000": PULL}},
        [],
    ),
    "the older flag": (
        [rule("q.io", "m:5000", mirror_by_digest_only=True)],
        {"server": "https://q.io", "host": {"https://m:5000": PULL}},
        [],
    ),
    "one place for both kinds": (
        [rule("q.io", Mirror("m:5000", pull_from=DIGEST), Mirror("m:5000", pull_from=TAG))],
        {"server": "https://q.io", "host": {"https://m:5000": BOTH}},
        ["tag-only cannot be said"],
    ),
    "a source that is never asked": (
        [rule("q.io", "m:5000/q", "n:5000/q", blocked=True)],
        {
            "server": "https://n:5000/v2/q",
            **BOTH,
            **DEEPER,
            "host": {"https://m:5000/v2/q": {**BOTH, **DEEPER}},
        },
        [],
    ),
    "a blocked registry": ([rule("q.io", blocked=True)], {"server": "https://q.io"}, ["q.io: blocked cannot be said"]),
    "an insecure mirror": (
        [rule("q.io", Mirror("m:5000", insecure=True))],
        {"server": "https://q.io", "host": {"https://m:5000": {**BOTH, "skip_verify": True}}},
        ["plain HTTP needs http://"],
    ),
    "an insecure registry": (
        [rule("q.io", insecure=True)],
        {"server": "https://q.io", "skip_verify": True},
        ["plain HTTP needs http://"],
    ),
    "another place for the source": (
        [rule("q.io", location="r.io/x")],
        {"server": "https://r.io/v2/x", **DEEPER},
        [],
    ),
    "a part of a registry, under its own path": (
        [rule("q.io/a", "m:5000/x/a")],
        {"server": "https://q.io", "host": {"https://m:5000/v2/x": {**BOTH, **DEEPER}}},
        ["containerd asks its mirrors for all of q.io"],
    ),
    "a part of a registry, under the same path": (
        [rule("q.io/a", "m:5000/a")],
        {"server": "https://q.io", "host": {"https://m:5000": BOTH}},
        ["containerd asks its mirrors for all of q.io"],
    ),
    "a part of a registry, under another path": (
        [rule("q.io/a", "m:5000/other")],
        {"server": "https://q.io"},
        ["the mirror m:5000/other cannot be said", "containerd asks"],
    ),
    "nested": (
        [rule("q.io", "m:5000"), rule("q.io/a", "n:5000/a")],
        {"server": "https://q.io", "host": {"https://m:5000": BOTH, "https://n:5000": BOTH}},
        ["containerd asks", "the mirrors of both are asked"],
    ),
    "a blocked part": (
        [rule("q.io/a", blocked=True)],
        {"server": "https://q.io"},
        ["q.io/a: blocked cannot be said for a part"],
    ),
    "an insecure part": (
        [rule("q.io/a", insecure=True)],
        {"server": "https://q.io"},
        ["q.io/a: insecure cannot be said for a part", "plain HTTP"],
    ),
}


@pytest.mark.parametrize("case", HOSTS)
def test_hosts_toml(case: str) -> None:
    rules, wanted, unsaid = HOSTS[case]
    form = containerd_form(PullRules(tuple(rules)))
    assert {name: tomllib.loads(text) for name, text in form.files.items()} == {f"{CERTS_DIR}/q.io/hosts.toml": wanted}
    assert len(form.unsaid) == len(unsaid), form.unsaid
    for said, part in zip(form.unsaid, unsaid, strict=True):
        assert part in said


def test_docker_hub_has_another_server_than_its_name() -> None:
    form = containerd_form(PullRules((rule("docker.io", "m:5000/hub"),)))
    assert tomllib.loads(form.files[f"{CERTS_DIR}/docker.io/hosts.toml"])["server"] == "https://registry-1.docker.io"


def test_a_port_is_written_so_that_every_file_system_holds_it() -> None:
    assert list(containerd_form(PullRules((rule("q.io:5000", "m:5000"),))).files) == [
        f"{CERTS_DIR}/q.io_5000_/hosts.toml"
    ]


def test_wildcards_are_named_and_not_dropped_in_silence() -> None:
    for form in (containerd_form, k3s_form):
        assert "*.ex.com: a wildcard cannot be said" in form(PullRules((rule("*.ex.com", "m.io"),))).unsaid[0]


def test_the_ca_lies_beside_each_file_and_is_trusted_for_mirrors() -> None:
    form = containerd_form(PullRules((rule("q.io", "m:5000", Mirror("n:5000", insecure=True)),)), ca="PEM\n")
    assert form.files[f"{CERTS_DIR}/q.io/ca.crt"] == "PEM\n"
    hosts = tomllib.loads(form.files[f"{CERTS_DIR}/q.io/hosts.toml"])
    assert hosts["host"]["https://m:5000"]["ca"] == "ca.crt"
    assert "ca" not in hosts["host"]["https://n:5000"] and "ca" not in hosts


def k3s(*rules: PullRule, **more: object) -> tuple[dict[str, object], tuple[str, ...]]:
    form = k3s_form(PullRules(rules), **more)  # type: ignore[arg-type]
    return YAML(typ="safe", pure=True).load(form.files[K3S_FILE]), form.unsaid


K3S = {
    "a whole registry": ([rule("q.io", "m:5000")], {"q.io": {"endpoint": ["https://m:5000"]}}, []),
    "below a path": (
        [rule("q.io", "m:5000/q")],
        {"q.io": {"endpoint": ["https://m:5000"], "rewrite": {"^(.*)$": "q/$1"}}},
        [],
    ),
    "a part under another path": (
        [rule("q.io/a.b", "m:5000/other")],
        {"q.io": {"endpoint": ["https://m:5000"], "rewrite": {"^a\\.b(/.*)?$": "other$1"}}},
        ["K3s asks its mirrors for all of q.io"],
    ),
    "mirrors alike": (
        [rule("q.io", "m:5000/q", "n:5000/q")],
        {"q.io": {"endpoint": ["https://m:5000", "https://n:5000"], "rewrite": {"^(.*)$": "q/$1"}}},
        [],
    ),
    "mirrors that differ": (
        [rule("q.io", "m:5000/q", "n:5000/p")],
        {"q.io": {"endpoint": ["https://m:5000"], "rewrite": {"^(.*)$": "q/$1"}}},
        ["n:5000/p is left out"],
    ),
    "for digests only": (
        [rule("q.io", Mirror("m:5000", pull_from=DIGEST))],
        {"q.io": {"endpoint": ["https://m:5000"]}},
        ["digest-only cannot be said"],
    ),
    "a source that is never asked": (
        [rule("q.io", "m:5000", blocked=True)],
        {"q.io": {"endpoint": ["https://m:5000"]}},
        ["--disable-default-registry-endpoint"],
    ),
    "nested": (
        [rule("q.io", "m:5000/q"), rule("q.io/a", "n:5000/a")],
        {"q.io": {"endpoint": ["https://m:5000"], "rewrite": {"^(.*)$": "q/$1"}}},
        ["q.io/a: lies in a wider rule"],
    ),
    "a blocked part inside": (
        [rule("q.io", "m:5000"), rule("q.io/a", blocked=True)],
        {"q.io": {"endpoint": ["https://m:5000"]}},
        ["q.io/a: blocked cannot be said"],
    ),
    "the source elsewhere": ([rule("q.io", location="r.io")], {}, ["its own location r.io cannot be said"]),
}


@pytest.mark.parametrize("case", K3S)
def test_registries_yaml(case: str) -> None:
    rules, wanted, unsaid = K3S[case]
    found, said = k3s(*rules)
    assert found["mirrors"] == wanted
    assert len(said) == len(unsaid), said
    for line, part in zip(said, unsaid, strict=True):
        assert part in line


def test_configs_hold_the_ca_and_the_login_of_each_mirror() -> None:
    logins = {"m:5000": ("ann", 'se"cret')}
    found, said = k3s(
        rule("q.io", "m:5000/q", Mirror("n:5000/q", insecure=True)),
        ca="PEM",
        find_login=lambda host, _: logins.get(host),
    )
    assert found["configs"] == {
        "m:5000": {"auth": {"username": "ann", "password": 'se"cret'}, "tls": {"ca_file": f"/{K3S_CA_FILE}"}},
        "n:5000": {"tls": {"insecure_skip_verify": True}},
    }
    assert any("n:5000: the auth file has no user and password" in line for line in said)


PATHS = st.sampled_from(["", "/a", "/a/b", "/x.y", "/a/x.y"])
PLACES = st.builds(lambda host, path: host + path, st.sampled_from(["q.io", "m:5000", "n.io"]), PATHS)
MIRRORS = st.builds(Mirror, PLACES, st.booleans(), st.sampled_from(PullFrom))
RULES = st.lists(
    st.builds(
        lambda prefix, mirrors, blocked, insecure: PullRule(prefix, prefix, tuple(mirrors), blocked, insecure),
        PLACES,
        st.lists(MIRRORS, max_size=3),
        st.booleans(),
        st.booleans(),
    ),
    max_size=4,
    unique_by=lambda item: item.prefix,
).map(lambda rules: PullRules(tuple(rules)))


@given(RULES)
def test_each_mirror_is_written_or_named(rules: PullRules) -> None:
    """What we drop in silence would be asked for in vain."""
    for form in (containerd_form(rules), k3s_form(rules)):
        text, said = "\n".join(form.files.values()), "\n".join(form.unsaid)
        for item in rules.rules:
            for mirror in item.mirrors:
                host = mirror.location.partition("/")[0]
                assert f"https://{host}" in text or mirror.location in said or f"{item.prefix}: lies in" in said
            if item.blocked and (not item.mirrors or "/" in item.prefix):
                assert re.search(rf"{re.escape(item.prefix)}: (blocked|lies)", said)


@given(RULES)
def test_what_is_written_can_be_read(rules: PullRules) -> None:
    for name, text in containerd_form(rules, ca="PEM").files.items():
        if name.endswith(".toml"):
            tomllib.loads(text)
    YAML(typ="safe", pure=True).load(k3s_form(rules, find_login=lambda *_: ("a", "b")).files[K3S_FILE])
