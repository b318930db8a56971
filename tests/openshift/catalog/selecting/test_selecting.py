"""What a wish means in a catalog, what comes along and why, and what is refused."""

from dataclasses import replace

import pytest

from airferry.errors import AirferryError, UsageError
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.model import Deprecation, Gvk
from airferry.openshift.catalog.selecting.select import Because, select_catalog
from airferry.openshift.catalog.selecting.wanted import Depth, parse_wanted

from ..catalogs import catalog, kept, needs, package

ELASTIC = package(
    "elastic",
    {"stable": "5.1.0 > 5.0.1, 5.0.1 > 5.0.0, 5.0.0", "preview": "6.0.0 > 5.1.0, 5.1.0 > 5.0.1, 5.0.1", "old": "4.6.0"},
    needs={
        "5.1.0": {"provides": (Gvk("logging", "v1", "Elastic"),)},
        "6.0.0": {"provides": (Gvk("logging", "v2", "X"),)},
    },
    deprecations=(
        Deprecation("olm.package", "", "use loki"),
        Deprecation("olm.channel", "old", "gone soon"),
        Deprecation("olm.bundle", "elastic.v5.0.0", "has a hole"),
    ),
)
LOGGING = package(
    "logging", {"stable": "5.8.0 > 5.7.0, 5.7.0", "legacy": "5.7.0"}, needs={"5.8.0": needs("elastic >=5.0.0 <6.0.0")}
)
ETCD = package("etcd", {"alpha": "0.9.2 > 0.9.0 - 0.9.1, 0.9.1 > 0.9.0, 0.9.0 > 0.6.1"}, default="alpha")
CATALOG = catalog(ELASTIC, LOGGING, ETCD)

WISHES = {
    "a package is the head of each of its channels": (
        ["elastic"],
        [],
        {"elastic": {"stable": ["5.1.0"], "preview": ["6.0.0"], "old": ["4.6.0"]}},
    ),
    "a range is every version in it, in every channel that has one": (
        ["elastic@>=5.0.1 <6.0.0"],
        [],
        {"elastic": {"stable": ["5.0.1", "5.1.0"], "preview": ["5.0.1", "5.1.0"]}},
    ),
    "a channel is its head": ([], ["elastic:stable"], {"elastic": {"stable": ["5.1.0"]}}),
    "a channel may have a range of its own": (
        [],
        ["elastic:stable@5.0.x", "elastic:preview"],
        {"elastic": {"stable": ["5.0.0", "5.0.1"], "preview": ["6.0.0"]}},
    ),
    "a channel without package is for each package named": (
        ["elastic", "logging"],
        ["stable"],
        {"elastic": {"stable": ["5.1.0"]}, "logging": {"stable": ["5.8.0"]}},
    ),
    "what lies between two versions stays": (
        ["elastic@5.0.0 || 5.1.0"],
        ["elastic:stable"],
        {"elastic": {"stable": ["5.0.0", "5.0.1", "5.1.0"]}},
    ),
    "a version that another skips may be wanted alone": (["etcd@0.9.1"], [], {"etcd": {"alpha": ["0.9.1"]}}),
    "what a bundle needs comes along": (
        ["logging"],
        [],
        {"elastic": {"stable": ["5.1.0"]}, "logging": {"stable": ["5.8.0"], "legacy": ["5.7.0"]}},
    ),
    "unless what is kept meets it": (
        ["logging", "elastic@5.0.0"],
        [],
        {"elastic": {"stable": ["5.0.0"]}, "logging": {"stable": ["5.8.0"], "legacy": ["5.7.0"]}},
    ),
}


@pytest.mark.parametrize(("packages", "channels", "expected"), WISHES.values(), ids=WISHES)
def test_a_wish_is_read_as_people_mean_it(
    packages: list[str], channels: list[str], expected: dict[str, dict[str, list[str]]]
) -> None:
    selected = select_catalog(CATALOG, parse_wanted(tuple(packages), tuple(channels)))
    assert kept(selected.catalog) == expected
    assert not selected.whole
    for name, found in selected.catalog.packages.items():
        entries = {entry.name for channel in found.channels.values() for entry in channel.entries}
        assert set(found.bundles) == entries, name


def test_without_a_wish_the_catalog_is_wanted_as_it_is() -> None:
    selected = select_catalog(CATALOG, parse_wanted(()))
    assert selected.catalog is CATALOG
    assert selected.whole


def test_depth_decides_for_all() -> None:
    heads = select_catalog(CATALOG, parse_wanted((), depth=Depth.HEADS, dependencies=False))
    assert kept(heads.catalog)["etcd"] == {"alpha": ["0.9.2"]}
    newest_below_6 = select_catalog(CATALOG, parse_wanted(("elastic@>=5.0.0 <6.0.0",), depth=Depth.HEADS))
    assert kept(newest_below_6.catalog) == {"elastic": {"stable": ["5.1.0"], "preview": ["5.1.0"]}}
    every = select_catalog(CATALOG, parse_wanted(("etcd",), depth=Depth.ALL))
    assert every.catalog.packages["etcd"] == ETCD


def test_each_addition_has_its_reason() -> None:
    selected = select_catalog(CATALOG, parse_wanted(("logging", "etcd@0.9.0 || 0.9.2")))
    assert [(reason.bundle, reason.because, str(reason)) for reason in selected.reasons] == [
        (
            "elastic.v5.1.0",
            Because.NEEDED,
            "logging.v5.8.0 needs elastic >=5.0.0 <6.0.0: added elastic.v5.1.0 from its default channel stable, "
            "its head",
        )
    ]
    between = select_catalog(CATALOG, parse_wanted(("elastic@5.0.0 || 5.1.0",), ("stable",))).reasons
    assert [(reason.bundle, reason.because) for reason in between] == [("elastic.v5.0.1", Because.BETWEEN)]


def test_entries_are_kept_as_they_are_written_so_that_older_versions_can_still_update() -> None:
    picked = select_catalog(CATALOG, parse_wanted(("etcd",))).catalog.packages["etcd"].channels["alpha"]
    assert picked.entries == (ETCD.channels["alpha"].entries[0],)
    assert picked.entries[0].replaces == "etcd.v0.9.0"
    assert picked.entries[0].skips == ("etcd.v0.9.1",)


def test_notices_follow_what_they_are_about() -> None:
    picked = select_catalog(CATALOG, parse_wanted((), ("elastic:stable",))).catalog.packages["elastic"]
    assert [notice.message for notice in picked.deprecations] == ["use loki"]
    picked = select_catalog(CATALOG, parse_wanted(("elastic",), depth=Depth.ALL)).catalog.packages["elastic"]
    assert picked.deprecations == ELASTIC.deprecations


def test_findings_follow_too() -> None:
    findings = tuple(
        Finding(FindingCode.EMPTY_IMAGE, "", "", package="elastic", bundle=f"elastic.v{version}")
        for version in ("5.1.0", "5.0.0")
    )
    picked = select_catalog(replace(CATALOG, findings=findings), parse_wanted((), ("elastic:stable",)))
    assert picked.catalog.findings == findings[:1]


REFUSED = {
    "a package with a typo": (["elastik"], [], "the catalog has no package elastik", "did you mean elastic?"),
    "a package of another catalog": (["quay"], [], "no package quay", "it has the packages elastic, etcd, logging"),
    "a channel with a typo": ([], ["elastic:stabel"], "elastic has no channel stabel", "did you mean stable?"),
    "a version that is not there": (
        ["elastic@7.x"],
        [],
        "no version of elastic is in the range 7.x",
        "it has: 4.6.0, 5.0.0, 5.0.1, 5.1.0, 6.0.0",
    ),
    "a version that is in another channel": (
        [],
        ["elastic:stable@6.x"],
        "no version of the channel stable of elastic is in the range 6.x",
        "it has: 5.0.0, 5.0.1, 5.1.0",
    ),
    "the default channel filtered away": (
        [],
        ["elastic:preview", "elastic:old"],
        "elastic would be left without its default channel stable",
        "keep it with --channel elastic:stable, or choose another: "
        "--default-channel elastic:old or --default-channel elastic:preview",
    ),
    "a channel without a package": ([], ["stable"], "--channel stable does not say of which package", "PACKAGE:stable"),
    "a package named twice": (["etcd", "etcd@1.x"], [], "names etcd twice", "||"),
    "a channel named twice": ([], ["etcd:alpha", "etcd:alpha"], "etcd:alpha twice", "||"),
    "a package without a name": (["@1.x"], [], "names nothing", "--package NAME"),
    "a range that is none": (["etcd@1"], [], "'1' in the range '1' is no version", ">=1.2.0"),
}


@pytest.mark.parametrize(("packages", "channels", "message", "hint"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_and_says_what_can(
    packages: list[str], channels: list[str], message: str, hint: str
) -> None:
    with pytest.raises(AirferryError) as caught:
        select_catalog(CATALOG, parse_wanted(tuple(packages), tuple(channels)))
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_another_default_channel_is_taken_when_it_is_kept() -> None:
    wanted = parse_wanted((), ("elastic:preview",), ("elastic:preview",))
    assert select_catalog(CATALOG, wanted).catalog.packages["elastic"].default_channel == "preview"
    with pytest.raises(UsageError) as caught:
        select_catalog(CATALOG, parse_wanted((), ("elastic:stable",), ("elastic:preview",)))
    assert "preview cannot be the default channel of elastic" in caught.value.message
    assert "--channel elastic:preview" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="is of a package that is not wanted"):
        parse_wanted((), (), ("elastic:preview",))


def test_a_channel_that_cannot_be_whole_is_refused_with_the_entry_that_breaks_it() -> None:
    broken = catalog(package("etcd", {"stable": "3.0.0 > 2.0.0, 2.0.0, 1.0.0"}), package("quay", {"stable": "1.0.0"}))
    with pytest.raises(AirferryError) as caught:
        select_catalog(broken, parse_wanted(("etcd",), depth=Depth.ALL))
    assert "etcd:stable, as it would be kept, has broken updates: etcd.v3.0.0 is one of 2 heads" in caught.value.message
    assert "leave that version out" in (caught.value.hint or "")
    assert kept(select_catalog(broken, parse_wanted(("etcd@>=2.0.0",))).catalog) == {
        "etcd": {"stable": ["2.0.0", "3.0.0"]}
    }


def test_an_entry_without_bundle_is_refused_where_it_is_named_and_left_out_where_it_is_not() -> None:
    whole = package("etcd", {"stable": "2.0.0 > 1.0.0, 1.0.0"})
    holey = replace(whole, bundles={name: item for name, item in whole.bundles.items() if name != "etcd.v2.0.0"})
    broken = catalog(holey, package("quay", {"stable": "1.0.0"}))
    with pytest.raises(AirferryError) as caught:
        select_catalog(broken, parse_wanted(("etcd",)))
    assert "has the entry etcd.v2.0.0 without a bundle" in caught.value.message
    selected = select_catalog(broken, parse_wanted((), depth=Depth.HEADS))
    assert kept(selected.catalog) == {"quay": {"stable": ["1.0.0"]}}
    assert [(finding.code, finding.package) for finding in selected.warnings] == [(FindingCode.LEFT_OUT, "etcd")]
