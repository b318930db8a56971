"""Indexes in SQLite of every generation are read, and nothing is written beside them."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airferry.errors import AirferryError, MalformedError
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.model import Catalog, ChannelEntry, Gvk, PackageNeed
from airferry.openshift.catalog.reading.catalog_reader import read_catalog
from airferry.survey.catalog_database import database_file_metas

DATA = Path(__file__).parents[1] / "data" / "catalogs" / "sqlite"
OLD, NEW = DATA / "etcd-2020.db", DATA / "foo-index-v0.2.0.db"
DIGEST = "sha256:c0301e4686c3ed4206e370b42de5a3bd2229b9fb4906cf85f3f30650424abec2"


def read(file: Path) -> tuple[Catalog, list[Finding]]:
    findings: list[Finding] = []
    return read_catalog(database_file_metas(file, findings)), findings


def changed(source: Path, folder: Path, *statements: str) -> Path:
    file = folder / "index.db"
    shutil.copyfile(source, file)
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return file


def test_an_index_of_2020_is_read() -> None:
    catalog, findings = read(OLD)
    package = catalog.packages["etcd"]
    assert findings == [] and catalog.findings == ()
    assert (package.default_channel, list(package.channels)) == ("alpha", ["alpha", "beta", "stable"])
    assert package.channels["alpha"].entries == (
        ChannelEntry("etcdoperator.v0.9.2", "etcdoperator.v0.9.0", ("etcdoperator.v0.9.1",), "< 0.6.0"),
        ChannelEntry("etcdoperator.v0.9.0", "etcdoperator.v0.6.1"),
        ChannelEntry("etcdoperator.v0.6.1"),
    )
    bundle = package.bundles["etcdoperator.v0.9.2"]
    assert (bundle.version, bundle.image) == ("0.9.2", "quay.io/olmtest/example-bundle:etcdoperator.v0.9.2")
    assert f"quay.io/coreos/etcd-operator@{DIGEST}" in {item.image for item in bundle.related}
    assert {item.name for item in bundle.related} == {"", "etcd-v3.4.0", "etcd-3.4.1"}
    assert Gvk("etcd.database.coreos.com", "v1beta2", "EtcdBackup") in bundle.provides
    assert [item.kind for item in bundle.needs_kinds] == ["EtcdCluster"]


def test_an_index_with_properties_is_read() -> None:
    package = read(NEW)[0].packages["foo"]
    assert package.channels["beta"].entries == (
        ChannelEntry("foo.v0.2.0", "foo.v0.1.0", ("foo.v0.1.1", "foo.v0.1.2"), "<0.2.0"),
        ChannelEntry("foo.v0.1.0", skip_range="<0.1.0"),
    )
    bundle = package.bundles["foo.v0.2.0"]
    assert bundle.needs_packages == (PackageNeed("bar", "v0.1.0"),)
    assert bundle.needs_kinds == (Gvk("test.bar", "v1alpha1", "Bar"),)
    assert bundle.provides == (Gvk("test.foo", "v1", "Foo"),)


def test_an_index_that_was_stripped_of_its_manifests_is_read_by_its_edges(tmp_path: Path) -> None:
    file = changed(OLD, tmp_path, "UPDATE operatorbundle SET csv = NULL, bundle = NULL")
    entries = read(file)[0].packages["etcd"].channels["alpha"].entries
    assert [(entry.name, entry.replaces, entry.skips) for entry in entries] == [
        ("etcdoperator.v0.9.2", "etcdoperator.v0.9.0", ("etcdoperator.v0.9.1",)),
        ("etcdoperator.v0.9.0", "etcdoperator.v0.6.1", ()),
        ("etcdoperator.v0.6.1", "", ()),
    ]


def test_an_index_of_2019_had_fewer_tables(tmp_path: Path) -> None:
    dropped = ("related_image", "api_provider", "api_requirer", "api")
    package = read(changed(OLD, tmp_path, *(f"DROP TABLE {table}" for table in dropped)))[0].packages["etcd"]
    related = package.bundles["etcdoperator.v0.9.2"].related
    assert f"quay.io/coreos/etcd-operator@{DIGEST}" in {item.image for item in related}


def test_an_empty_image_is_repaired_from_the_manifest_or_told(tmp_path: Path) -> None:
    slip = """UPDATE operatorbundle SET csv = replace(csv, '"relatedImages":[{"image"', '"relatedImages":[{"value"')"""
    empty = "UPDATE related_image SET image = '' WHERE image LIKE 'test.registry%'"
    catalog, _ = read(changed(NEW, tmp_path, slip, empty))
    assert [(item.code, item.bundle, item.repaired) for item in catalog.findings] == [
        (FindingCode.VALUE_FOR_IMAGE, f"foo.{version}", f"test.registry/foo-operator/foo:{version}")
        for version in ("v0.1.0", "v0.2.0")
    ]
    catalog, _ = read(changed(NEW, tmp_path, "UPDATE operatorbundle SET csv = NULL", empty))
    assert [(item.code, item.bundle) for item in catalog.findings] == [
        (FindingCode.EMPTY_IMAGE, "foo.v0.1.0"),
        (FindingCode.EMPTY_IMAGE, "foo.v0.2.0"),
    ]


def test_deprecations_are_read_and_a_bundle_in_no_channel_is_told(tmp_path: Path) -> None:
    more = ("INSERT INTO deprecated VALUES ('foo.v0.1.0')", "INSERT INTO operatorbundle (name) VALUES ('lost')")
    catalog, findings = read(changed(NEW, tmp_path, *more))
    assert [(item.schema, item.name) for item in catalog.packages["foo"].deprecations] == [("olm.bundle", "foo.v0.1.0")]
    assert [(item.code, item.bundle) for item in findings] == [(FindingCode.LEFT_OUT, "lost")]


def test_manifests_are_in_the_documents_when_asked_for() -> None:
    metas = database_file_metas(OLD, [], with_manifests=True)
    objects = [
        item for meta in metas for item in meta.value.get("properties", ()) if item["type"] == "olm.bundle.object"
    ]
    assert len(objects) == 2 + 4 + 4


def test_nothing_is_written_beside_an_index(tmp_path: Path) -> None:
    file = changed(OLD, tmp_path, "PRAGMA journal_mode = WAL")
    file.chmod(0o444)
    before = file.read_bytes()
    for left in tmp_path.glob("index.db-*"):
        left.unlink()
    read(file)
    assert [path.name for path in tmp_path.iterdir()] == ["index.db"] and file.read_bytes() == before


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS {} FROM n"


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (["DROP TABLE channel_entry"], "has no table channel_entry"),
        (["DROP TABLE channel", f"CREATE VIEW channel AS {ENDLESS.format('name')}"], "has no table channel"),
        (["DROP TABLE package", "CREATE TABLE package (other)"], "package has no column name"),
        (
            ["DROP TABLE properties", "CREATE TABLE properties (type)"],
            "properties has no column operatorbundle_name, value",
        ),
        (
            ["DROP TABLE package", "CREATE TABLE package (name, x AS (hex(zeroblob(30000000))), default_channel)"],
            "package has columns that are computed",
        ),
    ],
)
def test_what_is_no_index_is_refused_by_name(tmp_path: Path, statements: list[str], problem: str) -> None:
    with pytest.raises(MalformedError, match=rf"index\.db is not an index of operators: .*{problem}"):
        read(changed(NEW, tmp_path, *statements))


def test_pages_that_lead_to_the_same_page_over_and_over_are_no_hang(tmp_path: Path) -> None:
    file = changed(NEW, tmp_path)
    with closing(sqlite3.connect(file)) as connection:
        ((root,), (size,)) = (
            connection.execute(query).fetchone()
            for query in ("SELECT rootpage FROM sqlite_master WHERE name = 'related_image'", "PRAGMA page_size")
        )
    content = bytearray(file.read_bytes())
    leaf, pages = content[(root - 1) * size : root * size], len(content) // size
    # Four levels of pages, each of which leads hundreds of times to the one below: billions of rows.
    levels = [_page_of(pages + number + 1, size) for number in range(1, 4)]
    content[(root - 1) * size : root * size] = _page_of(pages + 1, size)
    content[28:32] = (pages + 4).to_bytes(4, "big")
    file.write_bytes(content + b"".join(levels) + leaf)
    with pytest.raises(MalformedError, match="more rows than it has room for"):
        read(file)


def _page_of(child: int, size: int) -> bytes:
    """Return an interior page of a table, all of whose cells lead to ``child``."""
    count = (size - 12) // 7
    first = size - 5 * count
    pointers = b"".join((first + 5 * cell).to_bytes(2, "big") for cell in range(count))
    head = b"\x05\0\0" + count.to_bytes(2, "big") + first.to_bytes(2, "big") + b"\0" + child.to_bytes(4, "big")
    cells = (child.to_bytes(4, "big") + b"\x01") * count
    return (head + pointers).ljust(first, b"\0") + cells


@pytest.mark.parametrize("size", [0, 15, 16, 100, 4096, 60_000])
def test_a_database_that_is_cut_short_is_refused_by_name(tmp_path: Path, size: int) -> None:
    file = tmp_path / "cut.db"
    file.write_bytes(NEW.read_bytes()[:size])
    with pytest.raises(MalformedError, match=r"cut\.db is not"):
        read(file)


def test_updates_that_go_in_a_circle_end(tmp_path: Path) -> None:
    circle = (
        "UPDATE operatorbundle SET csv = NULL",
        "UPDATE channel_entry SET replaces = entry_id",
        "UPDATE channel_entry SET operatorbundle_name = 'etcdoperator.v0.9.2' WHERE depth > 1",
    )
    assert read(changed(OLD, tmp_path, *circle))[0].packages["etcd"].channels


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_database_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(NEW.read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(16, len(content) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path / "damaged.db"
    file.write_bytes(content)
    try:
        read(file)
    except AirferryError as error:
        assert "damaged.db" in error.message
