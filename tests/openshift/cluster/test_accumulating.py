"""Mirror sets of several runs: nothing is lost, the order of runs does not matter, contradictions are named."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airferry.errors import MalformedError
from airferry.openshift.cluster.accumulating import MOST_BYTES, accumulate, split_objects
from airferry.openshift.cluster.mirror_files import parse_mirror_sets
from airferry.openshift.cluster.mirror_sets import (
    MirrorEntry,
    MirrorKind,
    MirrorSet,
    SourcePolicy,
    print_documents,
    print_object,
)

NEVER, ALLOW = SourcePolicy.NEVER, SourcePolicy.ALLOW
A, B = MirrorEntry("q.io/a", ("m.lan/one",)), MirrorEntry("q.io/b", ("m.lan/two",))


def idms(*entries: MirrorEntry, origin: str = "file") -> MirrorSet:
    return MirrorSet(MirrorKind.IDMS, entries, "x", origin)


def order(*lists: tuple[str, ...]) -> tuple[str, ...]:
    sets = [idms(MirrorEntry("q.io/a", mirrors)) for mirrors in lists]
    (entry,) = accumulate(sets, ()).by_digest
    return entry.mirrors


def test_two_releases_in_different_repositories_are_one_set() -> None:
    """Each run alone makes an object of the same name, and the second would take the first's mirrors away."""
    one, two = MirrorEntry("q.io/ocp", ("m.lan/r418",)), MirrorEntry("q.io/ocp", ("m.lan/r419",))
    together = accumulate([idms(one)], [idms(two)])
    assert together.by_digest == (MirrorEntry("q.io/ocp", ("m.lan/r418", "m.lan/r419")),)
    assert accumulate([idms(*together.by_digest)], [idms(one)]) == together


def test_all_kinds_for_digests_flow_together_and_tags_stay_apart() -> None:
    earlier = [
        MirrorSet(MirrorKind.ICSP, (A,), "i", "icsp.yaml"),
        MirrorSet(MirrorKind.CONTENT_SOURCES, (B,), "", "install-config.yaml"),
        MirrorSet(MirrorKind.ITMS, (A,), "t", "itms.yaml"),
    ]
    together = accumulate(earlier, ())
    assert together.by_digest == (A, B) and together.by_tag == (A,)
    assert together.entries(MirrorKind.ICSP) == (A, B) and together.entries(MirrorKind.ITMS) == (A,)


ORDERS = {
    "what no list says is alphabetical": ([("c",), ("a",), ("b",)], ("a", "b", "c")),
    "a list's own order is kept": ([("z", "a")], ("z", "a")),
    "what comes between": ([("z", "a"), ("m",)], ("m", "z", "a")),
    "a contradiction ends alphabetically, never with the source first": ([("x", "y"), ("y", "x")], ("x", "y")),
    "the same mirror twice": ([("x", "y", "x")], ("x", "y")),
}


@pytest.mark.parametrize("case", ORDERS)
def test_the_order_of_mirrors(case: str) -> None:
    lists, expected = ORDERS[case]
    assert order(*lists) == order(*lists[::-1]) == expected


def test_two_policies_are_refused_with_both_places() -> None:
    never = MirrorEntry("q.io/a", ("m.lan/a",), NEVER)
    with pytest.raises(MalformedError) as refused:
        accumulate([idms(never, origin="one.yaml, document 1"), idms(A, origin="two.yaml, document 3")], ())
    assert "one.yaml, document 1" in refused.value.message and "two.yaml, document 3" in refused.value.message
    with pytest.raises(MalformedError, match="this run"):
        accumulate([idms(never)], [idms(MirrorEntry("q.io/a", ("m.lan/a",), ALLOW), origin="this run")])
    # Clusters compare the policies of sets for digests and of sets for tags as well.
    with pytest.raises(MalformedError):
        accumulate([idms(never), MirrorSet(MirrorKind.ITMS, (A,), "t")], ())


def test_a_run_that_says_nothing_keeps_the_policy_that_is_there() -> None:
    never = MirrorEntry("q.io/a", ("m.lan/one",), NEVER)
    assert accumulate([idms(never)], [idms(A)]).by_digest == (never,)


def test_an_entry_that_only_names_itself_counts_for_nothing() -> None:
    assert accumulate([idms(MirrorEntry("q.io/a", ("q.io/a",)), MirrorEntry("q.io/b", ()))], ()).by_digest == ()


HOSTS = st.sampled_from(["m.lan/a", "m.lan/b", "n.lan/c", "o.lan/d", "p.lan/e"])
ENTRIES = st.builds(
    lambda source, mirrors: MirrorEntry(source, tuple(sorted(mirrors))),
    st.sampled_from(["q.io/a", "q.io/b", "r.io/c"]),
    st.sets(HOSTS, min_size=1, max_size=3),
)
SETS = st.builds(
    lambda kind, entries: MirrorSet(kind, tuple(entries), "x"),
    st.sampled_from([MirrorKind.IDMS, MirrorKind.ITMS, MirrorKind.ICSP, MirrorKind.DIGEST_SOURCES]),
    st.lists(ENTRIES, max_size=4),
)


@settings(max_examples=200)
@given(st.lists(SETS, max_size=6), st.randoms())
def test_the_order_of_runs_does_not_matter_and_a_second_run_changes_nothing(runs, random) -> None:
    at_once = accumulate(runs, ())
    shuffled = list(runs)
    random.shuffle(shuffled)
    assert accumulate(shuffled, ()) == at_once
    kept: list[MirrorSet] = []
    for run in [*shuffled, *runs]:
        together = accumulate(kept, [run])
        kept = [MirrorSet(kind, together.entries(kind), "x") for kind in (MirrorKind.IDMS, MirrorKind.ITMS)]
    assert accumulate(kept, ()) == at_once


@given(st.lists(ENTRIES, max_size=6))
def test_what_is_printed_is_what_is_read(entries) -> None:
    together = accumulate([idms(*entries)], ())
    parts = split_objects(MirrorKind.IDMS, together.by_digest, "name")
    if parts:
        again = parse_mirror_sets(print_documents(parts), "file")
        assert accumulate(again, ()) == together


def test_an_object_is_split_before_it_gets_too_large() -> None:
    entries = [
        MirrorEntry(f"q.io/{number:05}", (f"m.lan:8443/mirror/of/everything/{number:05}",)) for number in range(6000)
    ]
    parts = split_objects(MirrorKind.ITMS, entries[::-1], "all")
    sizes = [len(print_object(part.kind, part.entries, name=part.name).encode()) for part in parts]
    assert len(parts) > 1 and max(sizes) <= MOST_BYTES and min(sizes[:-1]) > MOST_BYTES - 200
    assert [part.name for part in parts] == ["all", *(f"all-{number}" for number in range(2, len(parts) + 1))]
    assert [entry for part in parts for entry in part.entries] == entries
    assert split_objects(MirrorKind.ITMS, (), "all") == ()
