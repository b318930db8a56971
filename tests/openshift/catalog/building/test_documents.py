"""The documents of a smaller catalog: what is kept stays as it was written, what changes is told."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import MalformedError
from airferry.openshift.catalog.building.documents import rewritten
from airferry.openshift.catalog.model import Catalog, ChannelEntry, Package
from airferry.openshift.catalog.reading.catalog_reader import read_catalog
from airferry.openshift.catalog.reading.metas import Meta, read_metas

_NAMES = st.sampled_from(("etcd", "jaeger", "3scale", "a.b-c"))


def metas_of(documents: Iterable[dict[str, Any]], indent: int | None = None) -> list[Meta]:
    text = "\n".join(json.dumps(item, indent=indent) for item in documents)
    return list(read_metas([text.encode()], "c.json"))


def package(name: str, versions: Sequence[int], **more: Any) -> list[dict[str, Any]]:
    """The documents of a package with two channels; ``more`` goes into the bundles."""
    entries = [
        {"name": f"{name}.v{number}", **({"replaces": f"{name}.v{number - 1}"} if number else {}), "x": number}
        for number in versions
    ]
    names = [entry["name"] for entry in entries]
    notices = [{"reference": {"schema": "olm.bundle", "name": name}, "message": "old"} for name in names]
    return [
        {"schema": "olm.package", "name": name, "defaultChannel": "stable", "icon": {"mediatype": "x"}},
        {"schema": "olm.channel", "package": name, "name": "stable", "entries": entries, "note": "kept"},
        {"schema": "olm.channel", "package": name, "name": "beta", "entries": entries[:1]},
        *({"schema": "olm.bundle", "package": name, "name": bundle, "image": "a/b:1", **more} for bundle in names),
        {"schema": "olm.deprecations", "package": name, "entries": notices},
        {"schema": "our.extension", "package": name, "value": 1},
    ]


def smaller(catalog: Catalog, names: Iterable[str], last: int, channels: Iterable[str]) -> Catalog:
    """Keep these packages, their channels ``channels``, and of each bundle the ones up to number ``last``."""
    found = {}
    for name in names:
        whole = catalog.packages[name]
        bundles = {key: bundle for key, bundle in whole.bundles.items() if int(key.rpartition("v")[2]) <= last}
        found[name] = Package(
            name,
            next(iter(channels), ""),
            {
                key: replace(channel, entries=tuple(entry for entry in channel.entries if entry.name in bundles))
                for key, channel in whole.channels.items()
                if key in channels
            },
            bundles,
            tuple(notice for notice in whole.deprecations if notice.name in bundles),
        )
    return Catalog(found)


def read_back(packages: Iterable[bytes]) -> Catalog:
    return read_catalog(meta for content in packages for meta in read_metas([content], "catalog.json"))


@given(
    names=st.lists(_NAMES, unique=True, min_size=1),
    versions=st.integers(1, 5),
    last=st.integers(0, 4),
    channels=st.lists(st.sampled_from(("stable", "beta")), unique=True, min_size=1),
    data=st.data(),
)
def test_reading_what_was_written_gives_exactly_what_was_kept(
    names: list[str], versions: int, last: int, channels: list[str], data: st.DataObject
) -> None:
    documents = [item for name in names for item in package(name, range(versions))]
    kept_names = data.draw(st.lists(st.sampled_from(names), unique=True))
    metas = metas_of(documents)
    kept = smaller(read_catalog(metas), sorted(kept_names), last, channels)
    written = rewritten(metas, kept)
    assert read_back(written.packages.values()).packages == kept.packages
    shuffled = data.draw(st.permutations(documents))
    same = rewritten(metas_of(shuffled), kept)
    for name in kept.packages:
        assert same.packages[name] == written.packages[name]
    again = [meta for content in written.packages.values() for meta in read_metas([content], "again.json")]
    assert rewritten(again, kept).packages == written.packages


def test_other_fields_and_unknown_documents_stay_and_bundles_are_not_touched() -> None:
    documents = package("etcd", range(3))
    metas = metas_of(documents, indent=3)
    kept = smaller(read_catalog(metas), ["etcd"], 1, ["stable"])
    content = rewritten(metas, kept).packages["etcd"].decode()
    written = [meta.value for meta in read_metas([content.encode()], "c")]
    assert written[0]["icon"] == {"mediatype": "x"}
    assert written[1]["note"] == "kept"
    assert written[1]["entries"] == documents[1]["entries"][:2]
    assert written[-1] == {"schema": "our.extension", "package": "etcd", "value": 1}
    assert json.dumps(documents[3], indent=3) in content


def test_updates_that_were_changed_are_written_as_they_are_kept() -> None:
    metas = metas_of(package("etcd", range(3)))
    catalog = read_catalog(metas)
    etcd = catalog.packages["etcd"]
    entries = (ChannelEntry("etcd.v2", skips=("etcd.v1",), skip_range="<2.0.0"),)
    channels = {"stable": replace(etcd.channels["stable"], entries=entries)}
    kept = Catalog({"etcd": replace(etcd, channels=channels, bundles={"etcd.v2": etcd.bundles["etcd.v2"]})})
    written = [meta.value for meta in read_metas([rewritten(metas, kept).packages["etcd"]], "c")]
    assert written[1]["entries"] == [{"name": "etcd.v2", "x": 2, "skips": ["etcd.v1"], "skipRange": "<2.0.0"}]


def test_slips_are_repaired_what_names_no_image_is_left_out_and_both_are_told() -> None:
    slips = [{"name": "a", "value": "quay.io/a/a:1"}, {"name": "b", "image": ""}, {"name": "c", "image": "quay.io/c:1"}]
    metas = metas_of(package("etcd", range(1), relatedImages=slips))
    catalog = read_catalog(metas)
    written = rewritten(metas, catalog)
    bundle = next(meta.value for meta in read_metas([written.packages["etcd"]], "c") if meta.schema == "olm.bundle")
    assert bundle["relatedImages"] == [{"name": "a", "image": "quay.io/a/a:1"}, {"name": "c", "image": "quay.io/c:1"}]
    assert [(item.bundle, item.repaired) for item in written.repairs] == [("etcd.v0", "quay.io/a/a:1"), ("etcd.v0", "")]
    assert read_back(written.packages.values()).findings == ()


def test_what_belongs_to_no_package_is_named() -> None:
    metas = metas_of([*package("etcd", range(1)), {"schema": "olm.template", "name": "t"}])
    assert rewritten(metas, read_catalog(metas)).left_out == (
        "c.json, document 7: left out: olm.template t belongs to no package",
    )


@pytest.mark.parametrize("name", ["../etcd", "a/b", ".wh.bin", "", "a\0b", "x" * 254])
def test_a_package_cannot_leave_its_folder(name: str) -> None:
    metas = [Meta("olm.package", name, name, {"schema": "olm.package", "name": name}, "c")]
    with pytest.raises(MalformedError, match="folder"):
        rewritten(metas, Catalog({name: Package(name)})) if name else _refuse_the_empty_name(metas)


def _refuse_the_empty_name(metas: list[Meta]) -> None:
    assert rewritten(metas, Catalog({"": Package("")})).packages == {}
    raise MalformedError("an empty name names no folder and no package")


def test_values_that_json_does_not_know_are_refused() -> None:
    def write(value: Any) -> None:
        metas = [Meta("olm.bundle", "etcd", "etcd.v0", {"schema": "olm.bundle", "at": value}, "c")]
        kept = read_catalog(metas_of(package("etcd", range(1))))
        rewritten(metas, kept)

    for value in (float("nan"), {1, 2}, b"x"):
        with pytest.raises(MalformedError, match="JSON does not know"):
            write(value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_ODD_ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(("a.v1", "a.v2")) | _JSON,
        "replaces": _JSON,
        "skips": st.lists(_JSON, max_size=2) | _JSON,
        "image": _JSON,
        "value": _JSON,
        "reference": st.fixed_dictionaries({}, optional={"schema": _JSON, "name": _JSON}) | _JSON,
        "type": st.just("olm.package") | _JSON,
    },
)
_ODD_DOCUMENT = st.fixed_dictionaries(
    {"schema": st.sampled_from(("olm.package", "olm.channel", "olm.bundle", "olm.deprecations", "x"))},
    optional={
        "name": st.sampled_from(("a", "a.v1", "stable")),
        "package": st.just("a"),
        "defaultChannel": _JSON,
        **dict.fromkeys(("entries", "relatedImages", "properties"), st.lists(_ODD_ENTRY | _JSON, max_size=2) | _JSON),
    },
)


@given(st.lists(_ODD_DOCUMENT, max_size=5))
def test_whatever_documents_say_it_is_written_or_refused_in_our_words(documents: list[dict[str, Any]]) -> None:
    metas = [
        Meta(
            item["schema"],
            item.get("name" if item["schema"] == "olm.package" else "package", ""),
            item.get("name", ""),
            item,
            "c",
        )
        for item in documents
    ]
    try:
        kept = read_catalog(metas)
        written = rewritten(metas, kept)
    except MalformedError:
        return
    for content in written.packages.values():
        assert list(read_metas([content], "catalog.json"))
