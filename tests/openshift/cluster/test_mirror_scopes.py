"""Entries for what was mirrored: as narrow as asked, and never leading a pull astray."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airferry.oci import Reference
from airferry.oci.pull_sources import pull_sources
from airferry.openshift.cluster.mirror_scopes import MirroredRepository, ScopeWidth, scoped_entries
from airferry.openshift.cluster.mirror_sets import MirrorKind, MirrorSet, SourcePolicy
from airferry.openshift.cluster.registries_conf import pull_rules

DIGEST = "sha256:" + "a" * 64
NAMESPACE, REGISTRY = ScopeWidth.NAMESPACE, ScopeWidth.REGISTRY


def digests(pairs: list[tuple[str, str]], width: ScopeWidth) -> dict[str, tuple[str, ...]]:
    entries = scoped_entries([MirroredRepository(*pair) for pair in pairs], width).by_digest
    return {entry.source: entry.mirrors for entry in entries}


CASES: dict[str, tuple[list[tuple[str, str]], ScopeWidth, dict[str, tuple[str, ...]]]] = {
    "a repository has its own entry by default": (
        [("q.io/a/x", "m.lan/p/a/x"), ("q.io/a/y", "m.lan/p/a/y")],
        ScopeWidth.REPOSITORY,
        {"q.io/a/x": ("m.lan/p/a/x",), "q.io/a/y": ("m.lan/p/a/y",)},
    ),
    "a namespace is one entry": (
        [("q.io/a/x", "m.lan/p/a/x"), ("q.io/a/y", "m.lan/p/a/y")],
        NAMESPACE,
        {"q.io/a": ("m.lan/p/a",)},
    ),
    "a registry is one entry": (
        [("q.io/a/x", "m.lan:5000/p/a/x"), ("q.io/b/y", "m.lan:5000/p/b/y")],
        REGISTRY,
        {"q.io": ("m.lan:5000/p",)},
    ),
    "a registry that goes to several places falls back to its namespaces": (
        [("q.io/a/x", "m.lan/p/a/x"), ("q.io/b/y", "m.lan/other/b/y"), ("q.io/b/z", "m.lan/other/b/z")],
        REGISTRY,
        {"q.io/a": ("m.lan/p/a",), "q.io/b": ("m.lan/other/b",)},
    ),
    "a destination that does not end with the source's path stays narrow": (
        [("q.io/ocp/release", "m.lan/ocp4/openshift4"), ("q.io/ocp/art", "m.lan/ocp4/openshift4")],
        NAMESPACE,
        {"q.io/ocp/release": ("m.lan/ocp4/openshift4",), "q.io/ocp/art": ("m.lan/ocp4/openshift4",)},
    ),
    "half of a name is not its end": (
        [("q.io/a/x", "m.lan/pa/x")],
        NAMESPACE,
        {"q.io/a/x": ("m.lan/pa/x",)},
    ),
    "a mirror whose own path holds the namespace stays narrow (OCPBUGS-47688)": (
        [("q.io/a/x", "m.lan/a/mirror/a/x"), ("q.io/a/y", "m.lan/a/mirror/a/y")],
        NAMESPACE,
        {"q.io/a/x": ("m.lan/a/mirror/a/x",), "q.io/a/y": ("m.lan/a/mirror/a/y",)},
    ),
    "a namespace spread over two mirrors stays narrow": (
        [("q.io/a/x", "m.lan/p/a/x"), ("q.io/a/y", "m.lan/r/a/y")],
        NAMESPACE,
        {"q.io/a/x": ("m.lan/p/a/x",), "q.io/a/y": ("m.lan/r/a/y",)},
    ),
    "a namespace that is also a repository elsewhere stays narrow": (
        [("q.io/a/x", "m.lan/p/a/x"), ("q.io/a/x/y", "m.lan/r/a/x/y")],
        NAMESPACE,
        {"q.io/a": ("m.lan/p/a",), "q.io/a/x/y": ("m.lan/r/a/x/y",)},
    ),
    "what is mirrored to itself has no entry": ([("m.lan/a/x", "m.lan/a/x")], NAMESPACE, {}),
    "two mirrors of one repository": (
        [("q.io/a/x", "n.lan/a/x"), ("q.io/a/x", "m.lan/a/x")],
        NAMESPACE,
        {"q.io/a": ("m.lan/a", "n.lan/a")},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_scopes(case: str) -> None:
    pairs, width, expected = CASES[case]
    assert digests(pairs, width) == expected
    assert digests(pairs[::-1], width) == expected


def test_pulls_by_tag_have_entries_of_the_same_width() -> None:
    """Else a narrow digest entry would hide a wide tag entry: one table alone counts."""
    mirrored = [MirroredRepository("q.io/a/x", "m.lan/a/x", by_tag=True), MirroredRepository("q.io/a/y", "m.lan/b")]
    entries = scoped_entries(mirrored, NAMESPACE, SourcePolicy.NEVER)
    assert [(entry.source, entry.mirrors) for entry in entries.by_tag] == [("q.io/a/x", ("m.lan/a/x",))]
    assert {entry.policy for entry in (*entries.by_digest, *entries.by_tag)} == {SourcePolicy.NEVER}


def test_a_scope_for_digests_alone_does_not_hide_a_wider_one_for_tags() -> None:
    mirrored = [
        MirroredRepository("q.io/a/x", "m.lan/a/x", by_tag=True),
        MirroredRepository("q.io/a/x/y", "m.lan/a/x/y"),
    ]
    entries = scoped_entries(mirrored, NAMESPACE)
    assert [entry.source for entry in entries.by_digest] == ["q.io/a", "q.io/a/x/y"]
    assert [entry.source for entry in entries.by_tag] == ["q.io/a"]


PARTS = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=3).map("/".join)
HOSTS = st.sampled_from(["q.io", "q.io:5000", "r.io"])
SOURCES = st.builds(lambda host, path: f"{host}/{path}", HOSTS, PARTS)


@st.composite
def mirrored_repositories(draw: st.DrawFn) -> MirroredRepository:
    source = draw(SOURCES)
    before = draw(st.sampled_from(["", "/p", "/a", "/p/a"]))
    path = draw(st.one_of(st.just(source.partition("/")[2]), PARTS))
    return MirroredRepository(
        source, f"{draw(st.sampled_from(['m.lan', 'n.lan:1']))}{before}/{path}", draw(st.booleans())
    )


@settings(max_examples=300)
@given(st.lists(mirrored_repositories(), max_size=8), st.sampled_from(ScopeWidth), st.randoms())
def test_every_repository_is_pulled_from_exactly_its_mirrors(mirrored, width, random) -> None:
    entries = scoped_entries(mirrored, width)
    shuffled = list(mirrored)
    random.shuffle(shuffled)
    assert scoped_entries(shuffled, width) == entries
    rules = pull_rules(
        [MirrorSet(MirrorKind.IDMS, entries.by_digest, "d"), MirrorSet(MirrorKind.ITMS, entries.by_tag, "t")]
    )
    for item in mirrored:
        by_digest = pull_sources(Reference.parse(f"{item.source}@{DIGEST}"), rules)
        found = {str(place.reference.repository) for place in by_digest if place.is_mirror}
        assert found == {other.mirror for other in mirrored if other.source == item.source}
        if item.by_tag:
            by_tag = pull_sources(Reference.parse(f"{item.source}:t"), rules)
            assert item.mirror in {str(place.reference.repository) for place in by_tag if place.is_mirror}
