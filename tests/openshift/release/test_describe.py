"""What we print about a release is what oc prints, byte for byte."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airferry.oci import Digest
from airferry.openshift.release.columns import align
from airferry.openshift.release.comparison import ChangeKind, compare, describe_comparison
from airferry.openshift.release.describe import (
    ImageTable,
    describe_contents,
    describe_images,
    describe_release,
    print_age,
    print_decimal_size,
    print_time,
)
from airferry.openshift.release.documents import comparison_document, print_json, release_document

from .samples import NOW, oc_release, real_4_12, transcript


@pytest.mark.parametrize(
    ("table", "name"),
    [
        (ImageTable.DIGESTS, "info-plain"),
        (ImageTable.PULLSPECS, "info-pullspecs"),
        (ImageTable.COMMITS, "info-commits"),
        (ImageTable.COMMIT_URLS, "info-commit-urls"),
        (ImageTable.SIZES, "info-size"),
    ],
)
def test_each_table_is_as_oc_prints_it(table, name):
    release = oc_release("4.99.1", with_images=True)
    assert describe_release(release, table, now=NOW) == transcript(name)


def test_a_release_on_a_disk_is_as_oc_prints_it():
    release = oc_release("4.99.1", asked="file://openshift/release:4.99.1-x86_64")
    assert describe_release(release, now=NOW) == transcript("info-from-dir")


def test_a_list_is_named_by_its_own_digest_and_called_multi():
    outer = Digest.parse("sha256:32ecf4341c0c1d98c767bea5bf25b898f2bf4098c9bdde346efce3ff94f50d82")
    release = oc_release("4.99.1")
    payload = replace(
        release.payload,
        version="4.99.3",
        document={**release.payload.document, "version": "4.99.3"},
        metadata={**release.payload.metadata, "release.openshift.io/architecture": "multi"},
    )
    text = describe_release(replace(release, payload=payload, list_digest=outer), now=NOW)
    assert text == transcript("info-multi")


def test_contents_are_as_oc_prints_them():
    assert describe_contents(oc_release("4.99.1")) == transcript("info-contents")


def test_verify_prints_one_line_as_oc_does():
    assert describe_images(oc_release("4.99.1")) == transcript("info-verify")


@pytest.mark.parametrize(("with_images", "name"), [(True, "info-json-size"), (False, "info-json-pullspecs")])
def test_json_is_as_oc_prints_it(with_images, name):
    document = release_document(oc_release("4.99.1", with_images=with_images))
    assert print_json(document) == transcript(name)


def test_two_releases_compared_are_as_oc_prints_them():
    comparison = compare(oc_release("4.99.1"), oc_release("4.99.2"))
    assert describe_comparison(comparison, now=NOW) == transcript("info-diff")


def test_two_releases_compared_as_json_are_as_oc_prints_them():
    comparison = compare(oc_release("4.99.1"), oc_release("4.99.2"))
    assert json.loads(print_json(comparison_document(comparison))) == json.loads(transcript("info-json-diff"))
    assert print_json(comparison_document(comparison)) == transcript("info-json-diff")


def test_the_same_release_twice_is_identical():
    assert describe_comparison(compare(oc_release("4.99.1"), oc_release("4.99.1")), now=NOW) == (
        "Releases are identical\n"
    )


def test_images_that_differ_stand_in_sections():
    origin = oc_release("4.99.1")
    first, second, third, *rest = origin.payload.components
    other = Digest.of(b"other")
    changed = replace(
        first,
        image=first.image.by_digest(other),
        annotations={**first.annotations, "io.openshift.build.commit.id": "abc"},
    )
    rebuilt = replace(second, image=second.image.by_digest(other))
    added = replace(third, name="brand-new")
    payload = replace(origin.payload, version="4.99.9", previous=("4.99.1",))
    goal = replace(
        origin, payload=replace(payload, components=(changed, rebuilt, added, *rest)), digest=other, list_digest=None
    )
    comparison = compare(origin, goal)
    assert {(item.name, item.kind) for item in comparison.images} == {
        (first.name, ChangeKind.CHANGED),
        (second.name, ChangeKind.REBUILT),
        ("brand-new", ChangeKind.ADDED),
        (third.name, ChangeKind.REMOVED),
    }
    assert comparison.can_upgrade
    text = describe_comparison(comparison, now=NOW)
    for kind in ChangeKind:
        assert f"\n\nImages {kind.value}:\n" in text
    assert f"{first.name}  {first.image.digest}  {other}  https://github.com/" in text
    assert "Upgrade From:          Yes\n" in text


def test_json_of_a_comparison_holds_null_where_an_image_is_absent():
    origin = oc_release("4.99.1")
    goal = replace(origin, payload=replace(origin.payload, components=origin.payload.components[1:]))
    name = origin.payload.components[0].name
    change = comparison_document(compare(origin, goal))["changedImages"][name]
    assert change["from"]["name"] == name


def test_a_real_release_is_described_in_the_order_of_its_file():
    release = replace(oc_release("4.99.1"), payload=real_4_12())
    text = describe_release(release, now=NOW)
    assert "  Upgrades: 4.11.11, 4.11.12, " in text
    assert ", 4.11.23, 4.12.0-rc.0, " in text
    assert "  kubernetes 1.25.4" + " " * 16 + "\n" in text
    lines = text.split("Images:\n")[1].splitlines()[1:-1]
    assert [line.split()[0] for line in lines] == [item.name for item in real_4_12().components]


def test_a_release_without_upgrades_says_none():
    release = oc_release("4.99.1")
    release = replace(release, payload=replace(release.payload, previous=(), metadata={}))
    assert "  Version:  4.99.1\n  Upgrades: <none>\n\n" in describe_release(release, now=NOW)


def test_conflicting_versions_are_warned_of_in_text_and_json():
    release = oc_release("4.99.1")
    odd = [
        replace(item, annotations={**item.annotations, "io.openshift.build.versions": "kubectl=1.2.3"})
        if item.name == "cli"
        else item
        for item in release.payload.components
    ]
    release = replace(release, payload=replace(release.payload, components=tuple(odd)))
    sentence = "multiple versions reported for the following component(s): kubectl (1.2.3, 1.35.1)"
    assert f"\n\nWarnings:\n* {sentence}\n\n" in describe_release(release, now=NOW)
    assert release_document(release)["warnings"] == [sentence]


def test_angle_brackets_are_escaped_as_go_does():
    assert print_json({"a": "<&>"}) == '{\n  "a": "\\u003c\\u0026\\u003e"\n}\n'


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (timedelta(seconds=5), "5s"),
        (timedelta(minutes=5, seconds=59), "5m"),
        (timedelta(hours=23, minutes=59), "23h"),
        (timedelta(days=364), "364d"),
        (timedelta(days=365), "1y"),
        (timedelta(days=1200), "3y"),
        (timedelta(seconds=-1), "0s"),
        (timedelta(seconds=-60), "<invalid>"),
    ],
)
def test_ages_are_short(age, shown):
    assert print_age(NOW - age, NOW) == shown


def test_times_are_whole_seconds_in_utc():
    assert print_time(datetime(2026, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)) == "2026-01-01T00:00:00Z"
    assert print_time(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0B"), (999, "999B"), (1000, "1kB"), (1056123, "1.056MB"), (11_730_000_000, "11.73GB"), (2e12, "2TB")],
)
def test_sizes_have_four_digits(size, shown):
    assert print_decimal_size(size) == shown


def test_a_line_without_a_cell_ends_the_column():
    assert align(["aaa\tb", "c\td", "heading", "e\tf", ""]) == "aaa b\nc   d\nheading\ne f\n\n"


def test_an_empty_cell_at_the_end_keeps_its_column_padded():
    assert align(["a\t1\t", "b\t22\tx"]) == "a 1  \nb 22 x\n"
