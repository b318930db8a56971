"""Which changes drain nodes, by the rule of the machine-config operator, and which line is to blame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.oci.pull_rules import Mirror, PullFrom, PullRule, PullRules
from airferry.openshift.cluster.drain import Disruption, forecast_drain, reloaded_files
from airferry.openshift.cluster.node_config import POLICY_JSON, NodeConfig
from airferry.openshift.cluster.registries_conf import SEARCH_REGISTRIES, pull_rules

from .test_registries_conf import idms, itms

DIGEST, TAG, ALL = PullFrom.DIGEST_ONLY, PullFrom.TAG_ONLY, PullFrom.ALL


def rule(name: str, *mirrors: tuple[str, PullFrom], **flags: bool) -> PullRule:
    return PullRule(name, name, tuple(Mirror(place, pull_from=kind) for place, kind in mirrors), **flags)


A = rule("q.io/a", ("m.io/a", DIGEST))
TWICE = (
    "q.io/a: the mirror m.io/a is listed twice, digest-only and tag-only, "
    "and while it is, any change of its table drains"
)

CASES: dict[str, tuple[list[PullRule], list[PullRule], list[str]]] = {
    "nothing changes": ([A], [A], []),
    "a digest mirror more": ([A], [rule("q.io/a", ("m.io/a", DIGEST), ("n.io/a", DIGEST))], []),
    "mirrors in another order": (
        [rule("q.io/a", ("m.io/a", DIGEST), ("n.io/a", DIGEST))],
        [rule("q.io/a", ("n.io/a", DIGEST), ("m.io/a", DIGEST))],
        [],
    ),
    "a mirror becomes digest-only": ([rule("q.io/a", ("m.io/a", ALL))], [A], []),
    "a new table with digest mirrors": ([A], [A, rule("q.io/b", ("m.io/b", DIGEST))], []),
    "a new table that never contacts its source": ([A], [A, rule("q.io/b", ("m.io/b", DIGEST), blocked=True)], []),
    "a table is removed": ([A], [], ["q.io/a: the table is removed"]),
    "a mirror is removed": (
        [rule("q.io/a", ("m.io/a", DIGEST), ("n.io/a", DIGEST))],
        [A],
        ["q.io/a: the mirror n.io/a is removed"],
    ),
    "a tag mirror is added": (
        [A],
        [rule("q.io/a", ("m.io/a", DIGEST), ("m.io/t", TAG))],
        ["q.io/a: the mirror m.io/t is added, tag-only and not digest-only"],
    ),
    "a new table with a tag mirror": (
        [],
        [rule("q.io/a", ("m.io/a", DIGEST), ("m.io/t", TAG))],
        ["q.io/a: a new table whose mirror m.io/t is tag-only, not digest-only"],
    ),
    "a mirror serves tags now": (
        [A],
        [rule("q.io/a", ("m.io/a", ALL))],
        ["q.io/a: the mirror m.io/a was digest-only and becomes for every pull"],
    ),
    "the same place for tags as well is a mirror more, and no change of the one that is there": (
        [A],
        [rule("q.io/a", ("m.io/a", DIGEST), ("m.io/a", TAG))],
        ["q.io/a: the mirror m.io/a is added a second time, tag-only beside digest-only"],
    ),
    "the same place for digests as well": (
        [rule("q.io/a", ("m.io/a", TAG))],
        [rule("q.io/a", ("m.io/a", DIGEST), ("m.io/a", TAG))],
        [],
    ),
    "a place listed twice is left for tags alone": (
        [rule("q.io/a", ("m.io/a", DIGEST), ("m.io/a", TAG))],
        [rule("q.io/a", ("m.io/a", TAG))],
        [TWICE],
    ),
    "a place listed twice is left for digests alone": (
        [rule("q.io/a", ("m.io/a", DIGEST), ("m.io/a", TAG))],
        [A],
        [],
    ),
    "a digest mirror serves tags instead": (
        [A],
        [rule("q.io/a", ("m.io/a", TAG))],
        ["q.io/a: the mirror m.io/a was digest-only and becomes tag-only"],
    ),
    "a place listed twice drains whatever else changes in its table": (
        [rule("q.io/a", ("m.io/a", DIGEST), ("m.io/a", TAG))],
        [rule("q.io/a", ("m.io/a", DIGEST), ("n.io/a", DIGEST), ("m.io/a", TAG))],
        [TWICE],
    ),
    "a place listed twice in a table that stays": (
        [rule("q.io/a", ("m.io/a", DIGEST), ("m.io/a", TAG))],
        [rule("q.io/a", ("m.io/a", DIGEST), ("m.io/a", TAG))],
        [],
    ),
    "a policy on a table that exists": (
        [A],
        [rule("q.io/a", ("m.io/a", DIGEST), blocked=True)],
        ["q.io/a: blocked changes from false to true"],
    ),
    "a table becomes insecure": (
        [A],
        [rule("q.io/a", ("m.io/a", DIGEST), insecure=True)],
        ["q.io/a: insecure changes from false to true"],
    ),
    "a new blocked registry": (
        [A],
        [A, rule("bad.io", blocked=True)],
        ["bad.io: a new table without mirrors (blocked); only one whose mirrors are all digest-only does no harm"],
    ),
    "a new insecure registry": (
        [A],
        [A, rule("m.io", insecure=True)],
        ["m.io: a new table without mirrors (insecure); only one whose mirrors are all digest-only does no harm"],
    ),
    "a mirror of the older flag": (
        [rule("q.io/a", ("m.io/a", ALL), mirror_by_digest_only=True)],
        [rule("q.io/a", ("m.io/a", ALL), ("n.io/a", ALL), mirror_by_digest_only=True)],
        [],
    ),
    "a new table of the older flag": (
        [],
        [rule("q.io/a", ("m.io/a", ALL), mirror_by_digest_only=True)],
        ["q.io/a: a new table whose mirror m.io/a is for every pull, not digest-only"],
    ),
    "two causes are both named": (
        [A, rule("q.io/b", ("m.io/b", DIGEST))],
        [rule("q.io/b", ("m.io/b", DIGEST), insecure=True)],
        ["q.io/a: the table is removed", "q.io/b: insecure changes from false to true"],
    ),
}


def config(rules: list[PullRule]) -> NodeConfig:
    return NodeConfig(PullRules(tuple(rules)))


@pytest.mark.parametrize("case", CASES)
def test_which_line_drains(case: str) -> None:
    before, after, lines = CASES[case]
    forecast = forecast_drain(config(before), config(after))
    said = [f"{cause.where.removeprefix('[[registry]] ')}: {cause.sentence}" for cause in forecast.causes]
    assert said == lines
    assert forecast.drains is bool(lines)
    changed = Disruption.NONE if before == after else Disruption.RELOAD
    assert forecast.disruption is (Disruption.DRAIN if lines else changed)


def test_a_location_that_changes_drains() -> None:
    before, after = PullRule("q.io/a", "n.io", A.mirrors), A
    assert (
        "location changes from 'n.io' to 'q.io/a'"
        in forecast_drain(config([before]), config([after])).causes[0].sentence
    )


@pytest.mark.parametrize(
    ("search", "drains"),
    [
        (SEARCH_REGISTRIES, False),
        ((*SEARCH_REGISTRIES, "q.io"), False),
        (SEARCH_REGISTRIES[:1], True),
        (SEARCH_REGISTRIES[::-1], True),
        (("q.io", *SEARCH_REGISTRIES), True),
    ],
)
def test_the_search_list_may_only_grow_at_its_end(search: tuple[str, ...], drains: bool) -> None:
    forecast = forecast_drain(NodeConfig(PullRules()), NodeConfig(PullRules(), search))
    assert forecast.drains is drains


def test_the_search_list_of_a_drop_in_reboots() -> None:
    forecast = forecast_drain(NodeConfig(PullRules()), NodeConfig(PullRules(), search_drop_in=("q.io",)))
    assert (forecast.disruption, forecast.drains) == (Disruption.REBOOT, True)
    assert "01-image-searchRegistries.conf" in forecast.causes[0].where


def test_another_signature_policy_is_only_read_again() -> None:
    before, after = NodeConfig(PullRules()), NodeConfig(PullRules(), policy={"default": [], "transports": {}})
    assert forecast_drain(before, after).disruption is Disruption.RELOAD
    assert reloaded_files(before, after) == (POLICY_JSON,)


def test_an_applied_tag_mirror_set_drains_and_a_digest_mirror_set_does_not() -> None:
    first = idms(("q.io/a", ["m.io/a"]))
    now = NodeConfig(pull_rules([first]))
    assert not forecast_drain(now, NodeConfig(pull_rules([first, idms(("q.io/b", ["m.io/b"]))]))).drains
    assert forecast_drain(now, NodeConfig(pull_rules([first, itms(("q.io/a", ["m.io/a"]))]))).drains


PLACES = st.sampled_from(["q.io", "q.io/a", "r.io/b", "m.io"])
MIRRORS = st.builds(Mirror, PLACES, st.booleans(), st.sampled_from(PullFrom))
RULES = st.builds(
    lambda name, mirrors, blocked, insecure: PullRule(name, name, tuple(mirrors), blocked, insecure),
    PLACES,
    st.lists(MIRRORS, max_size=3, unique_by=lambda mirror: mirror.location),
    st.booleans(),
    st.booleans(),
)
CONFIGS = st.lists(RULES, max_size=4, unique_by=lambda item: item.prefix).map(config)


@given(CONFIGS)
def test_no_change_never_disturbs(found: NodeConfig) -> None:
    assert forecast_drain(found, found).disruption is Disruption.NONE


@given(CONFIGS, st.data())
def test_more_digest_only_mirrors_never_drain(found: NodeConfig, data: st.DataObject) -> None:
    more = data.draw(st.lists(st.sampled_from(["x.io", "y.io/z"]), unique=True))
    added = tuple(Mirror(place, pull_from=DIGEST) for place in more)
    rules = [
        PullRule(item.prefix, item.location, item.mirrors + added, item.blocked, item.insecure)
        for item in found.rules.rules
    ]
    if added:
        rules.append(PullRule("new.io", "new.io", added))
    assert not forecast_drain(found, config(rules)).drains


@given(CONFIGS, CONFIGS)
def test_whatever_is_removed_drains(before: NodeConfig, after: NodeConfig) -> None:
    gone = {item.prefix for item in before.rules.rules} - {item.prefix for item in after.rules.rules}
    forecast = forecast_drain(before, after)
    assert not gone or forecast.drains
    assert forecast.drains is bool(forecast.causes)


@given(CONFIGS, CONFIGS, CONFIGS)
def test_two_steps_that_do_not_drain_do_not_drain_as_one(a: NodeConfig, b: NodeConfig, c: NodeConfig) -> None:
    if not forecast_drain(a, b).drains and not forecast_drain(b, c).drains:
        assert not forecast_drain(a, c).drains
