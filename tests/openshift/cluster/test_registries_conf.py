"""Mirror sets become registries.conf as a cluster's nodes get it."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import MalformedError, UnsupportedError
from airferry.oci.pull_rules import Mirror, PullFrom, PullRule, PullRules
from airferry.openshift.cluster.merging import merge_entries
from airferry.openshift.cluster.mirror_sets import MirrorEntry, MirrorKind, MirrorSet, SourcePolicy
from airferry.openshift.cluster.registries_conf import SEARCH_REGISTRIES, print_registries_conf, pull_rules
from airferry.openshift.cluster.scopes import is_location, is_nested, is_scope, is_source

GOLDEN = Path(__file__).parents[2] / "data" / "mirrors"
NEVER = SourcePolicy.NEVER


def golden(name: str):
    return json.loads((GOLDEN / f"{name}.json").read_text())


def idms(*entries: tuple, policy: SourcePolicy | None = None) -> MirrorSet:
    return MirrorSet(MirrorKind.IDMS, tuple(MirrorEntry(source, tuple(mirrors), policy) for source, mirrors in entries))


def itms(*entries: tuple, policy: SourcePolicy | None = None) -> MirrorSet:
    return MirrorSet(MirrorKind.ITMS, tuple(MirrorEntry(source, tuple(mirrors), policy) for source, mirrors in entries))


def icsp(*entries: tuple) -> MirrorSet:
    return MirrorSet(MirrorKind.ICSP, tuple(MirrorEntry(source, tuple(mirrors)) for source, mirrors in entries))


def shape(rules: PullRules) -> dict[str, list[str]]:
    """Each prefix with its mirrors, ``#t`` for those by tag, and ``!`` for blocked or ``~`` for insecure."""
    marks = lambda item: "~" * item.insecure  # noqa: E731
    shown = {}
    for rule in rules.rules:
        name = rule.prefix + "!" * rule.blocked + marks(rule)
        tag = {PullFrom.DIGEST_ONLY: "", PullFrom.TAG_ONLY: "#t", PullFrom.ALL: "#all"}
        shown[name] = [mirror.location + tag[mirror.pull_from] + marks(mirror) for mirror in rule.mirrors]
    return shown


@pytest.mark.parametrize(("inner", "outer", "nested"), golden("scope_is_nested"))
def test_scopes_nest_as_on_nodes(inner, outer, nested):
    assert is_nested(inner, outer) is nested


@pytest.mark.parametrize("case", golden("merged_mirror_sets"), ids=lambda case: case["name"])
def test_lists_merge_as_on_nodes(case):
    entries = [
        MirrorEntry(item["source"], tuple(item["mirrors"] or ()), policy(item))
        for group in case["input"]
        for item in group
    ]
    expected = [
        (item["source"], tuple(item["mirrors"]), NEVER if policy(item) is NEVER else None) for item in case["result"]
    ]
    assert [(item.source, item.mirrors, item.policy) for item in merge_entries(entries)] == expected


def policy(item) -> SourcePolicy | None:
    name = item.get("mirrorSourcePolicy")
    return None if name is None else SourcePolicy(name.removeprefix("$apicfgv1."))


@pytest.mark.parametrize("case", golden("edit_registries_config"), ids=lambda case: case["name"])
def test_tables_are_rendered_as_on_nodes(case):
    kinds = {
        "idmsRules": (MirrorKind.IDMS, "ImageDigestMirrors"),
        "itmsRules": (MirrorKind.ITMS, "ImageTagMirrors"),
        "icspRules": (MirrorKind.ICSP, "RepositoryDigestMirrors"),
    }
    sets = [
        MirrorSet(kind, tuple(MirrorEntry(item["Source"], tuple(item["Mirrors"])) for item in rule["Spec"][field]))
        for key, (kind, field) in kinds.items()
        for rule in case.get(key, [])
    ]
    rules = pull_rules(sets, insecure=case.get("insecure", ()), blocked=case.get("blocked", ()))
    wanted = [] if isinstance(case["want"], str) else case["want"]["Registries"]
    by_name = lambda rule: rule.prefix  # noqa: E731
    assert sorted(rules.rules, key=by_name) == sorted((rule_of(item) for item in wanted), key=by_name)


def rule_of(item) -> PullRule:
    endpoint = item.get("Endpoint", {})
    location = endpoint.get("Location", "")
    kinds = {
        "$sysregistriesv2.MirrorByDigestOnly": PullFrom.DIGEST_ONLY,
        "$sysregistriesv2.MirrorByTagOnly": PullFrom.TAG_ONLY,
    }
    mirrors = tuple(
        Mirror(mirror["Location"], mirror.get("Insecure", False), kinds[mirror["PullFromMirror"]])
        for mirror in item.get("Mirrors", [])
    )
    prefix = item.get("Prefix", location)
    return PullRule(prefix, location, mirrors, item.get("Blocked", False), endpoint.get("Insecure", False))


@pytest.mark.parametrize(
    ("sets", "scopes", "expected"),
    [
        pytest.param(
            [idms(("q.io/r/ocp-release", ["m:8443/ocp/release"]), ("q.io/r/ocp-v4.0-art-dev", ["m:8443/ocp/release"]))],
            {},
            {"q.io/r/ocp-release": ["m:8443/ocp/release"], "q.io/r/ocp-v4.0-art-dev": ["m:8443/ocp/release"]},
            id="A a mirrored release has two tables",
        ),
        pytest.param(
            [
                idms(("q.io/a", ["m/c", "m/b"]), policy=NEVER),
                idms(("q.io/a", ["m/a", "m/c"]), policy=NEVER),
                itms(("q.io/a", ["m/t"]), policy=NEVER),
            ],
            {},
            {"q.io/a!": ["m/a", "m/c", "m/b", "m/t#t"]},
            id="B lists of one source merge, and never contacting it blocks it",
        ),
        pytest.param(
            [idms(("q.io", ["m:5000/q"]), ("q.io/a", ["m:5000/special"]))],
            {"insecure": ["m:5000", "*.in.io"], "blocked": ["q.io/a/b/c", "bad.io"]},
            {
                "q.io": ["m:5000/q~"],
                "q.io/a": ["m:5000/special~"],
                "q.io/a/b/c!": ["m:5000/q/a/b/c~"],
                "bad.io!": [],
                "m:5000~": [],
                "*.in.io~": [],
            },
            id="C a blocked scope gets the mirrors of the least specific source",
        ),
        pytest.param(
            [idms(("q.io/a/b", ["m/dig"])), itms(("q.io/a", ["m/tag"]))],
            {},
            {"q.io/a/b": ["m/dig"], "q.io/a": ["m/tag#t"]},
            id="D a digest mirror hides the tag mirror above it",
        ),
        pytest.param(
            [icsp(("q.io/a", ["q.io/a", "m/a"]), ("q.io/b", ["q.io/b"]))],
            {},
            {"q.io/a": ["q.io/a", "m/a"]},
            id="E a source that is its own mirror stays first, or counts for nothing alone",
        ),
        pytest.param(
            [idms(("q.io/a", ["x.io", "y.io"])), idms(("q.io/a", ["y.io", "x.io"]))],
            {},
            {"q.io/a": ["q.io/a", "x.io", "y.io"]},
            id="F contradicting orders put the source first",
        ),
        pytest.param(
            [idms(("*.ex.com", ["m.io/ex"]))], {}, {"*.ex.com": ["m.io/ex"]}, id="G a wildcard has a prefix alone"
        ),
        pytest.param(
            [idms(("q.io", ["q.io/cache"]))], {"blocked": ["q.io"]}, {"q.io!": ["q.io/cache"]}, id="H blocked source"
        ),
        pytest.param(
            [idms(("q.io/a", ["m.io/a"])), itms(("q.io/a", ["m.io/t"]))],
            {},
            {"q.io/a": ["m.io/a", "m.io/t#t"]},
            id="I digest mirrors stand before tag mirrors",
        ),
        pytest.param(
            [idms(("docker.io/library", ["m.io/lib"]))],
            {},
            {"docker.io/library": ["m.io/lib"]},
            id="J Docker Hub goes by its full name",
        ),
        pytest.param(
            [icsp(("q.io/a", ["m/old"])), idms(("q.io/a", ["m/new"]))],
            {},
            {"q.io/a": ["m/new", "m/old"]},
            id="ties between lists are alphabetical",
        ),
        pytest.param(
            [idms(*(("q.io/a", ["m/a", f"m/{name}"]) for name in "zmbkcxd"))],
            {},
            {"q.io/a": [f"m/{name}" for name in "abcdkmxz"]},
            id="what one mirror frees at once is alphabetical",
        ),
    ],
)
def test_the_cases_that_surprise_people(sets, scopes, expected):
    assert shape(pull_rules(sets, **scopes)) == expected


def test_sections_of_install_config_count_as_the_objects_they_become():
    entries = (MirrorEntry("q.io/a", ("m/a",)),)
    for kind in (MirrorKind.DIGEST_SOURCES, MirrorKind.CONTENT_SOURCES):
        assert shape(pull_rules([MirrorSet(kind, entries)])) == {"q.io/a": ["m/a"]}


@pytest.mark.parametrize(
    ("sets", "scopes", "says"),
    [
        ([idms(("q.io/a", ["m/a"]), policy=NEVER), itms(("q.io/a", ["m/t"]))], {}, "q.io/a has both"),
        ([icsp(("q.io/a", ["m/a"])), idms(("q.io/a", ["m/a"]), policy=NEVER)], {}, "q.io/a has both"),
        ([idms(("q.io/a", ["q.io/a", "m/a"]), policy=NEVER)], {}, "its own mirror"),
        ([idms(("q.io/A", ["m/a"]))], {}, "source 'q.io/A'"),
        ([idms(("q.io/a:1", ["m/a"]))], {}, "source 'q.io/a:1'"),
        ([idms(("*.q.io/a", ["m/a"]))], {}, "source"),
        ([idms(("q.io/a", ["m/a", "*.m"]))], {}, "mirror 2"),
        ([idms(("q.io/a", ["https://m/a"]))], {}, "mirror 1"),
        ([], {"insecure": ["a.*.io"]}, "is not a scope"),
        ([], {"blocked": ["*.a/b"]}, "is not a scope"),
        ([], {"blocked": [""]}, "is not a scope"),
    ],
)
def test_what_a_cluster_refuses_is_refused(sets, scopes, says):
    with pytest.raises(MalformedError) as caught:
        pull_rules(sets, **scopes)
    assert says in caught.value.message


def test_a_scope_inside_a_mirrored_wildcard_is_refused_by_name():
    with pytest.raises(UnsupportedError, match=r"foo.ex.com lies in the mirrored \*.ex.com"):
        pull_rules([idms(("*.ex.com", ["m.io/ex"]))], blocked=["foo.ex.com"])


def test_the_same_policy_said_and_left_out_is_no_contradiction():
    rules = pull_rules([idms(("q.io/a", ["m/a"]), policy=SourcePolicy.ALLOW), icsp(("q.io/a", ["m/a"]))])
    assert shape(rules) == {"q.io/a": ["m/a"]}


def test_the_file_is_toml_that_containers_read():
    rules = pull_rules(
        [idms(("q.io/a", ["m:5000/a"]), policy=NEVER), itms(("*.ex.com", ["m:5000/ex"]))], insecure=["m:5000"]
    )
    text = print_registries_conf(rules)
    assert tomllib.loads(text) == {
        "unqualified-search-registries": list(SEARCH_REGISTRIES),
        "short-name-mode": "",
        "registry": [
            {
                "prefix": "",
                "location": "q.io/a",
                "blocked": True,
                "mirror": [{"location": "m:5000/a", "insecure": True, "pull-from-mirror": "digest-only"}],
            },
            {
                "prefix": "*.ex.com",
                "location": "",
                "mirror": [{"location": "m:5000/ex", "insecure": True, "pull-from-mirror": "tag-only"}],
            },
            {"prefix": "", "location": "m:5000", "insecure": True},
        ],
    }
    assert print_registries_conf(rules) == text
    assert "registry" not in tomllib.loads(print_registries_conf(PullRules()))


NAMES = st.sampled_from(["q.io", "q.io/a", "q.io/a/b", "m.io", "m.io/x", "n.io:5000/y", "*.w.io"])
LOCATIONS = NAMES.filter(lambda name: not name.startswith("*"))
ENTRIES = st.builds(MirrorEntry, NAMES, st.lists(LOCATIONS, max_size=4, unique=True).map(tuple), st.none())
SETS = st.lists(st.builds(MirrorSet, st.sampled_from(MirrorKind), st.lists(ENTRIES, max_size=3).map(tuple)), max_size=4)


@given(SETS, st.lists(NAMES, max_size=2), st.lists(NAMES, max_size=2))
def test_each_prefix_has_one_table_and_no_mirror_twice(sets, insecure, blocked):
    try:
        rules = pull_rules(sets, insecure=insecure, blocked=blocked).rules
    except UnsupportedError:
        return
    prefixes = [rule.prefix for rule in rules]
    assert len(prefixes) == len(set(prefixes))
    for rule in rules:
        kinds = [(mirror.location, mirror.pull_from) for mirror in rule.mirrors]
        assert len(kinds) == len(set(kinds))
    assert set(blocked) | set(insecure) <= set(prefixes)


@given(SETS, st.data())
def test_the_order_of_objects_of_one_kind_does_not_matter(sets, data):
    shuffled = data.draw(st.permutations(sets))
    assert pull_rules(sets) == pull_rules(shuffled)


@given(st.lists(st.lists(st.sampled_from("abcdefg"), min_size=1, unique=True), max_size=4))
def test_a_merged_list_keeps_the_order_of_each_list_unless_they_contradict(lists):
    entries = [MirrorEntry("q.io/s", tuple(f"{letter}.io" for letter in mirrors)) for mirrors in lists]
    merged = merge_entries(entries)
    order = merged[0].mirrors if merged else ()
    assert set(order) - {"q.io/s"} == {mirror for entry in entries for mirror in entry.mirrors}
    if "q.io/s" not in order:
        for entry in entries:
            positions = [order.index(mirror) for mirror in entry.mirrors]
            assert len(lists) > 1 or positions == sorted(positions)


@pytest.mark.parametrize(
    ("text", "location", "source", "scope"),
    [
        ("quay.io", True, True, True),
        ("mirror", True, True, True),
        ("m.lan:5000/a/b-c.d_e", True, True, True),
        ("[::1]:5000/a", True, True, True),
        ("*.ex.com", False, True, True),
        ("*.ex.com:5000", False, True, False),
        ("*", False, False, False),
        ("q.io/A", False, False, True),
        ("q.io/", False, False, True),
        ("q.io/a@sha256:1", False, False, True),
    ],
)
def test_what_names_may_be(text, location, source, scope):
    assert (is_location(text), is_source(text), is_scope(text)) == (location, source, scope)
