"""What holds of every selection, for catalogs and wishes of any kind."""

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from airferry.errors import AirferryError
from airferry.openshift.catalog.checking import check_catalog
from airferry.openshift.catalog.findings import FindingCode
from airferry.openshift.catalog.model import Catalog, Channel, ChannelEntry, Package, PackageNeed
from airferry.openshift.catalog.selecting.dependencies import unsatisfied_needs
from airferry.openshift.catalog.selecting.kept_entries import keep_whole
from airferry.openshift.catalog.selecting.select import select_catalog
from airferry.openshift.catalog.selecting.wanted import Depth, Wanted, WantedChannel, WantedPackage
from airferry.openshift.catalog.upgrade_graph import violations
from airferry.openshift.version_range import VersionRange

from ..catalogs import bundle

NAMES = ("alpha", "bravo", "charlie")


@st.composite
def sound_channels(draw: st.DrawFn, name: str, package: str) -> Channel:
    """Channels as they grow in the field: each new version replaces one of the last, and skips some before it."""
    entries: list[ChannelEntry] = []
    for number in range(draw(st.integers(1, 8))):
        older = [entry.name for entry in entries]
        replaces = draw(st.sampled_from(older[-3:])) if older else draw(st.sampled_from(["", f"{package}.v0.0.1"]))
        behind = older[older.index(replaces) + 1 :] if replaces in older else []
        # What lies between must be skipped; more may be, also what is not there.
        more = draw(st.lists(st.sampled_from([*older, f"{package}.v0.0.2"]), unique=True, max_size=2))
        skips = tuple(dict.fromkeys([*behind, *more]))
        entries.append(ChannelEntry(f"{package}.v1.{number}.0", replaces, skips))
    channel = Channel(name, package, tuple(entries))
    assume(not violations(channel))
    return channel


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    packages = {}
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)):
        channels = {
            channel: draw(sound_channels(channel, name))
            for channel in draw(st.lists(st.sampled_from(["fast", "stable"]), min_size=1, max_size=2, unique=True))
        }
        entries = sorted({entry.name for channel in channels.values() for entry in channel.entries})
        bundles = {entry: bundle(entry, name, entry.rpartition(".v")[2]) for entry in entries}
        for entry in draw(st.lists(st.sampled_from(entries), max_size=2, unique=True)):
            need = PackageNeed(draw(st.sampled_from(NAMES)), draw(RANGES))
            bundles[entry] = replace(bundles[entry], needs_packages=(need,))
        packages[name] = Package(name, draw(st.sampled_from(sorted(channels))), channels, bundles)
    return Catalog(dict(sorted(packages.items())))


RANGES = st.builds(lambda low, width: f">=1.{low}.0 <=1.{low + width}.0", st.integers(0, 7), st.integers(0, 5))


@st.composite
def wishes(draw: st.DrawFn, catalog: Catalog) -> Wanted:
    named = []
    for name in draw(st.lists(st.sampled_from(sorted(catalog.packages)), max_size=2, unique=True)):
        package = catalog.packages[name]
        versions = draw(st.none() | RANGES.map(VersionRange.parse))
        channels = draw(st.lists(st.sampled_from(sorted(package.channels)), max_size=2, unique=True))
        default = draw(st.sampled_from(["", *sorted(package.channels)]))
        named.append(WantedPackage(name, tuple(map(WantedChannel, channels)), versions, default))
    return Wanted(tuple(named), draw(st.none() | st.sampled_from(Depth)), draw(st.booleans()))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Catalog, Wanted]:
    catalog = draw(catalogs())
    return catalog, draw(wishes(catalog))


def by_name(catalog: Catalog) -> Mapping[str, object]:
    """Return the catalog as something that compares without regard to order."""
    return {
        name: (package.default_channel, {channel.name: set(channel.entries) for channel in package.channels.values()})
        for name, package in catalog.packages.items()
    }


@given(cases())
def test_what_is_selected_can_be_served_and_selecting_again_changes_nothing(case: tuple[Catalog, Wanted]) -> None:
    catalog, wanted = case
    try:
        selected = select_catalog(catalog, wanted)
    except AirferryError:
        return
    allowed = {FindingCode.UNSATISFIED_NEED}
    assert {finding.code for finding in check_catalog(selected.catalog)} <= allowed
    again = select_catalog(selected.catalog, wanted)
    assert again.catalog == selected.catalog
    for package in selected.catalog.packages.values():
        for channel in package.channels.values():
            assert set(channel.entries) <= set(catalog.packages[package.name].channels[channel.name].entries)


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(case: tuple[Catalog, Wanted], chance: object) -> None:
    catalog, wanted = case

    def shuffled(items: Mapping[str, object]) -> dict[str, object]:
        names = list(items)
        chance.shuffle(names)  # type: ignore[attr-defined]  # hypothesis does not type its random
        return {name: items[name] for name in names}

    other = Catalog(
        {
            name: replace(
                package,
                channels={
                    channel: replace(one, entries=tuple(shuffled({e.name: e for e in one.entries}).values()))
                    for channel, one in shuffled(package.channels).items()
                },
                bundles=shuffled(package.bundles),
            )
            for name, package in shuffled(catalog.packages).items()
        }
    )
    outcomes = []
    for one in (catalog, other):
        try:
            selected = select_catalog(one, wanted)
        except AirferryError as error:
            outcomes.append((str(error), error.hint))
        else:
            outcomes.append((by_name(selected.catalog), selected.reasons, selected.warnings))
    assert outcomes[0] == outcomes[1]


@given(cases())
def test_what_the_catalog_has_for_a_need_comes_along(case: tuple[Catalog, Wanted]) -> None:
    catalog, wanted = case
    try:
        selected = select_catalog(catalog, replace(wanted, dependencies=True))
    except AirferryError:
        return
    lacking = {(finding.bundle, finding.what) for finding in unsatisfied_needs(selected.catalog)}
    assert lacking <= {(finding.bundle, finding.what) for finding in unsatisfied_needs(catalog)}


@given(st.data())
def test_asking_for_more_keeps_what_was_asked_for(data: st.DataObject) -> None:
    catalog = data.draw(catalogs())
    name = data.draw(st.sampled_from(sorted(catalog.packages)))
    low, high = sorted(data.draw(st.tuples(st.integers(0, 7), st.integers(0, 7))))
    less = data.draw(st.integers(low, high)), data.draw(st.integers(low, high))

    def select(first: int, last: int) -> set[tuple[str, str]]:
        versions = VersionRange.parse(f">=1.{first}.0 <=1.{last}.0")
        try:
            picked = select_catalog(catalog, Wanted((WantedPackage(name, (), versions),), dependencies=False)).catalog
        except AirferryError:
            return set()
        channels = picked.packages[name].channels.values()
        return {(channel.name, entry.name) for channel in channels for entry in channel.entries}

    wide = select(low, high)
    narrow = {
        (channel, entry)
        for channel, entry in select(*less)
        if VersionRange.parse(f">=1.{less[0]}.0 <=1.{less[1]}.0").allows(entry.rpartition(".v")[2])
    }
    assume(wide)
    assert narrow <= wide


@given(sound_channels("stable", "alpha"), st.data())
def test_a_sound_channel_stays_sound_whatever_is_kept_of_it(channel: Channel, data: st.DataObject) -> None:
    names = [entry.name for entry in channel.entries]
    wanted = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    kept = keep_whole(channel, wanted)
    assert violations(kept) == ()
    assert set(wanted) <= {entry.name for entry in kept.entries}
    assert keep_whole(kept, wanted) == kept
