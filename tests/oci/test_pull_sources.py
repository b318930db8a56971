"""Where a pull is tried. Cases A to J are the golden ones, taken from runs of the real library."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import MalformedError
from airferry.oci import Reference
from airferry.oci.pull_rules import Mirror, PullFrom, PullRule, PullRules
from airferry.oci.pull_sources import PullSource, find_rule, match_length, pull_sources

D = "@sha256:" + "1" * 64
DIGEST, TAG, ALL = PullFrom.DIGEST_ONLY, PullFrom.TAG_ONLY, PullFrom.ALL


def rule(prefix: str, *mirrors: Mirror | str, location: str | None = None, **flags: bool) -> PullRule:
    made = tuple(Mirror(mirror) if isinstance(mirror, str) else mirror for mirror in mirrors)
    own = ("" if prefix.startswith("*.") else prefix) if location is None else location
    return PullRule(prefix, own, made, **flags)


def by_digest(location: str) -> Mirror:
    return Mirror(location, pull_from=DIGEST)


def by_tag(location: str) -> Mirror:
    return Mirror(location, pull_from=TAG)


def places(reference: str, rules: list[PullRule]) -> list[str]:
    """What is tried, as text; ``!`` marks what is barred."""
    found = pull_sources(Reference.parse(reference), PullRules(tuple(rules)))
    return [f"{'!' if source.barred else ''}{shown(source)}" for source in found]


def shown(source: PullSource) -> str:
    reference = source.reference
    tag = f":{reference.tag}" if reference.tag else ""
    return f"{reference.repository}{tag}{'@D' if reference.digest else ''}"


DEV, ART = "quay.io/openshift-release-dev/ocp-release", "quay.io/openshift-release-dev/ocp-v4.0-art-dev"
RELEASE = [rule(DEV, by_digest("m:8443/ocp/release")), rule(ART, by_digest("m:8443/ocp/release"))]
LAYERED = [
    rule("q.io", by_digest("m:5000/q")),
    rule("q.io/a", by_digest("m:5000/special")),
    rule("q.io/a/b/c", by_digest("m:5000/q/a/b/c"), blocked=True),
    rule("bad.io", blocked=True),
    rule("m:5000", insecure=True),
    rule("*.in.io", insecure=True),
]
HIDDEN = [rule("q.io/a/b", by_digest("m.io/dig")), rule("q.io/a", by_tag("m.io/tag"))]
BOTH = [rule("q.io/a", by_digest("m.io/a"), by_tag("m.io/t"))]
WILD = [rule("*.ex.com", by_digest("m.io/ex"))]

CASES: dict[str, tuple[list[PullRule], str, list[str]]] = {
    "A: a release by digest comes from the mirror first": (
        RELEASE,
        f"{DEV}{D}",
        ["m:8443/ocp/release@D", f"{DEV}@D"],
    ),
    "A: a release by tag never asks a digest mirror": (
        RELEASE,
        f"{DEV}:4.18.1-x86_64",
        [f"{DEV}:4.18.1-x86_64"],
    ),
    "A: a name that only begins alike has no rule": (RELEASE, f"{DEV}-nightly{D}", [f"{DEV}-nightly@D"]),
    "B: a source that must never be contacted is barred, its mirrors are not": (
        [rule("q.io/a", by_digest("a.io/a"), by_digest("c.io/a"), by_tag("t.io/a"), blocked=True)],
        f"q.io/a{D}",
        ["a.io/a@D", "c.io/a@D", "!q.io/a@D"],
    ),
    "B: the same by tag": (
        [rule("q.io/a", by_digest("a.io/a"), by_digest("c.io/a"), by_tag("t.io/a"), blocked=True)],
        "q.io/a:1",
        ["t.io/a:1", "!q.io/a:1"],
    ),
    "C: the longest prefix wins alone": (LAYERED, f"q.io/a/x{D}", ["m:5000/special/x@D", "q.io/a/x@D"]),
    "C: a blocked child keeps the mirrors it was given": (
        LAYERED,
        f"q.io/a/b/c{D}",
        ["m:5000/q/a/b/c@D", "!q.io/a/b/c@D"],
    ),
    "C: a blocked registry": (LAYERED, "bad.io/x:1", ["!bad.io/x:1"]),
    "D: a narrow digest rule hides a wider tag rule": (HIDDEN, "q.io/a/b:1", ["q.io/a/b:1"]),
    "D: the wider rule serves its other children": (HIDDEN, "q.io/a/c:1", ["m.io/tag/c:1", "q.io/a/c:1"]),
    "E: the source as its own first mirror": (
        [rule("q.io/a", by_digest("q.io/a"), by_digest("m.io/a"))],
        f"q.io/a{D}",
        ["q.io/a@D", "m.io/a@D", "q.io/a@D"],
    ),
    "F: a loop that put the source first": (
        [rule("q.io/a", by_digest("q.io/a"), by_digest("x.io/a"), by_digest("y.io/a"))],
        f"q.io/a{D}",
        ["q.io/a@D", "x.io/a@D", "y.io/a@D", "q.io/a@D"],
    ),
    "G: a wildcard replaces the whole host for its mirror": (
        WILD,
        f"foo.ex.com/a{D}",
        ["m.io/ex/a@D", "foo.ex.com/a@D"],
    ),
    "G: a wildcard does not cover its own domain": (WILD, f"ex.com/a{D}", ["ex.com/a@D"]),
    "H: a mirror inside a blocked registry is barred too": (
        [rule("q.io", by_digest("q.io/cache"), blocked=True)],
        f"q.io/a{D}",
        ["!q.io/cache/a@D", "!q.io/a@D"],
    ),
    "I: tag and digest together count as digest": (BOTH, f"q.io/a:1{D}", ["m.io/a:1@D", "q.io/a:1@D"]),
    "I: a tag goes to the tag mirror": (BOTH, "q.io/a:1", ["m.io/t:1", "q.io/a:1"]),
    "I: what is below is moved along": (BOTH, "q.io/a/b:1", ["m.io/t/b:1", "q.io/a/b:1"]),
    "I: what only begins alike is not": (BOTH, "q.io/ab:1", ["q.io/ab:1"]),
    "J: Docker Hub's short names live under library": (
        [rule("docker.io/library", by_digest("m.io/lib"))],
        f"docker.io/busybox{D}",
        ["m.io/lib/busybox@D", "docker.io/library/busybox@D"],
    ),
    "neither tag nor digest counts as a tag": (BOTH, "q.io/a", ["m.io/t", "q.io/a"]),
    "mirror-by-digest-only overrides all mirrors: by tag": (
        [rule("q.io", "m.io", mirror_by_digest_only=True)],
        "q.io/a:1",
        ["q.io/a:1"],
    ),
    "mirror-by-digest-only overrides all mirrors: by digest": (
        [rule("q.io", "m.io", mirror_by_digest_only=True)],
        f"q.io/a{D}",
        ["m.io/a@D", "q.io/a@D"],
    ),
    "a location moves the source itself": ([rule("q.io/a", location="in.io/b")], "q.io/a/c:1", ["in.io/b/c:1"]),
    "a blocked rule is about the physical place": (
        [rule("q.io", location="in.io"), rule("in.io", blocked=True)],
        "q.io/a:1",
        ["!in.io/a:1"],
    ),
    "a blocked name that lives elsewhere is not barred": (
        [rule("q.io", location="in.io", blocked=True)],
        "q.io/a:1",
        ["in.io/a:1"],
    ),
    "their quirk: m.lan covers m.lan:5000": (
        [rule("m.lan", blocked=True)],
        "m.lan:5000/a:1",
        ["!m.lan:5000/a:1"],
    ),
    "a port is not covered by another port": ([rule("m.lan:5000", blocked=True)], "m.lan:5001/a:1", ["m.lan:5001/a:1"]),
    "a blocked mirror does not bar the others": (
        [rule("q.io", "bad.io", "ok.io"), rule("bad.io", blocked=True)],
        "q.io/a:1",
        ["!bad.io/a:1", "ok.io/a:1", "q.io/a:1"],
    ),
    "no rules": ([], "q.io/a:1", ["q.io/a:1"]),
}


@pytest.mark.parametrize(("rules", "reference", "expected"), CASES.values(), ids=CASES)
def test_a_pull_tries_these_places(rules: list[PullRule], reference: str, expected: list[str]) -> None:
    assert places(reference, rules) == expected


def test_each_place_keeps_its_own_insecure_flag_and_the_rule_that_led_there() -> None:
    rules = PullRules((rule("q.io", Mirror("m.io", insecure=True), "n.io"),))
    mirror, other, source = pull_sources(Reference.parse("q.io/a:1"), rules)
    assert [mirror.insecure, other.insecure, source.insecure] == [True, False, False]
    assert [item.is_mirror for item in (mirror, other, source)] == [True, True, False]
    assert {item.rule_prefix for item in (mirror, other, source)} == {"q.io"}
    (plain,) = pull_sources(Reference.parse("z.io/a:1"), rules)
    assert plain.rule_prefix is None and not plain.is_mirror


def test_what_bars_a_place_is_named() -> None:
    (source,) = pull_sources(Reference.parse("q.io/a/b:1"), PullRules((rule("q.io/a", blocked=True),)))
    assert source.barred == "q.io/a/b is blocked by the registries.conf rule for 'q.io/a'"


@pytest.mark.parametrize("location", ["mirror/team", "m.io/Team", "m.io/a//b"])
def test_a_location_that_makes_no_reference_fails_the_pull_as_on_a_node(location: str) -> None:
    with pytest.raises(MalformedError, match=r"rule for 'q\.io'"):
        pull_sources(Reference.parse("q.io/a:1"), PullRules((rule("q.io", location, "ok.io"),)))


def test_places_on_disk_know_no_rules() -> None:
    reference = Reference.parse("file://q.io/a:1")
    assert pull_sources(reference, PullRules((rule("q.io", blocked=True),))) == (PullSource(reference),)


MATCHES: dict[str, tuple[str, str, int | None]] = {
    "itself": ("q.io/a", "q.io/a", 6),
    "below": ("q.io/a/b", "q.io/a", 6),
    "beside": ("q.io/ab", "q.io/a", None),
    "subdomain": ("x.q.io/a", "*.q.io", 6),
    "deeper subdomain": ("x.y.q.io/a", "*.q.io", 8),
    "with a port": ("x.q.io:5000/a", "*.q.io", 6),
    "a domain in the path": ("z.io/x.q.io/a", "*.q.io", None),
    "their quirk: the first occurrence decides": ("a.q.io.q.io/a", "*.q.io", None),
}


@pytest.mark.parametrize(("name", "prefix", "expected"), MATCHES.values(), ids=MATCHES)
def test_a_prefix_covers(name: str, prefix: str, expected: int | None) -> None:
    assert match_length(name, prefix) == expected


prefixes = st.sampled_from(["q.io", "q.io/a", "q.io/a/b", "*.io", "m.lan:5000", "z.io/a"])
rule_lists = st.lists(
    st.builds(
        lambda prefix, mirrors, blocked: rule(prefix, *mirrors, blocked=blocked),
        prefixes,
        st.lists(st.builds(Mirror, st.sampled_from(["m1.io/z", "m2.io/x"]), st.booleans(), st.sampled_from(PullFrom))),
        st.booleans(),
    ),
    unique_by=lambda made: made.prefix,
)


@given(rule_lists, st.sampled_from(["q.io/a/b:1", f"q.io/a{D}", "m.lan:5000/x:2", "z.io/a"]), st.randoms())
def test_the_order_of_tables_does_not_matter_and_the_source_is_last(rules, text, random) -> None:  # type: ignore[no-untyped-def]
    reference = Reference.parse(text)
    found = pull_sources(reference, PullRules(tuple(rules)))
    shuffled = list(rules)
    random.shuffle(shuffled)
    assert pull_sources(reference, PullRules(tuple(shuffled))) == found
    assert found[-1].reference == reference
    assert not found[-1].is_mirror


def test_no_rule_is_found_among_none() -> None:
    assert find_rule("q.io/a", PullRules()) is None
