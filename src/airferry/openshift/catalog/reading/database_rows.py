"""Rows of an index in SQLite, made into the documents that a file-based catalog would hold.

Sources: operator-registry's migrations of ``bundles.db``, generation by generation, and its conversion to the model:
which bundle another replaces and skips is told by ``operatorbundle`` in later generations, by the bundle's CSV in
earlier ones, and where an index was stripped of its CSVs by the edges of ``channel_entry``. Entries of a channel
without a row in ``operatorbundle`` stand for what is skipped; they are no bundles.
"""

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.reading.bundle_manifests import BundleManifests
from airferry.openshift.catalog.reading.metas import Meta

Row = Mapping[str, str]
"""One row: a column's text by its name, "" for NULL. A column that this generation lacks is not there."""

REQUIRED_TABLES: Final = ("package", "channel", "channel_entry", "operatorbundle")
"""Tables that every generation has."""
OTHER_TABLES: Final = ("related_image", "api_provider", "api_requirer", "dependencies", "properties", "deprecated")
_REQUIRED: Final = {"olm.gvk": "olm.gvk.required", "olm.package": "olm.package.required"}


@dataclass(frozen=True, slots=True)
class DatabaseTables:
    """The tables of an index but ``operatorbundle``, which is large and comes row by row; ``file`` is for errors."""

    file: str
    rows: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)

    def of(self, table: str) -> tuple[Row, ...]:
        """Return the rows of a table, none when this generation has no such table."""
        return self.rows.get(table, ())


def database_metas(
    tables: DatabaseTables, bundles: Iterable[Row], findings: list[Finding], *, with_manifests: bool = False
) -> Iterator[Meta]:
    """Yield packages, bundles, channels and deprecations; what is dropped is added to ``findings``.

    ``with_manifests`` puts the manifests that the index holds into the bundles, as ``olm.bundle.object``.
    """
    index = _Index(tables)
    for row in tables.of("package"):
        yield _meta("olm.package", row["name"], row["name"], tables, {"defaultChannel": row.get("default_channel", "")})
    updates: dict[str, dict[str, Any]] = {}
    for row in bundles:
        package = index.packages.get(row["name"], "")
        if not package:
            findings.append(
                Finding(FindingCode.LEFT_OUT, tables.file, "left out: it is in no channel", bundle=row["name"])
            )
            continue
        csv = _csv(row, tables, package)
        updates[row["name"]] = _updates(row, csv)
        document = {
            "image": row.get("bundlepath", ""),
            "properties": [*index.properties(row, package, csv), *(_objects(row) if with_manifests else ())],
            "relatedImages": index.related(row, csv),
        }
        yield _meta("olm.bundle", row["name"], package, tables, document)
    for channel in tables.of("channel"):
        entries = index.entries(channel, updates)
        yield _meta("olm.channel", channel["name"], channel["package_name"], tables, {"entries": entries})
    yield from _deprecations(tables, index.packages)


class _Index:
    """The small tables by bundle."""

    def __init__(self, tables: DatabaseTables) -> None:
        self._bundle_of = {row["entry_id"]: row["operatorbundle_name"] for row in tables.of("channel_entry")}
        self.packages = {row["operatorbundle_name"]: row["package_name"] for row in tables.of("channel_entry")}
        self._entries: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in tables.of("channel_entry"):
            self._entries[row["package_name"], row["channel_name"]].append(row)
        self._images: dict[str, dict[str, None]] = defaultdict(dict)
        for row in tables.of("related_image"):
            self._images[row["operatorbundle_name"]][row["image"].strip()] = None
        self._properties: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        for table, kind in (("api_provider", "olm.gvk"), ("api_requirer", "olm.gvk.required")):
            for row in tables.of(table):
                value = {"group": row["group_name"], "kind": row["kind"], "version": row["version"]}
                self._add(self._of_api(row), kind, value)
        for row in tables.of("dependencies"):
            self._add(row["operatorbundle_name"], _REQUIRED.get(row["type"], row["type"]), _needed(row))
        for row in tables.of("properties"):
            self._add(row["operatorbundle_name"], row["type"], _value(row["value"]))

    def properties(self, row: Row, package: str, csv: BundleManifests | None) -> list[dict[str, Any]]:
        found = list(self._properties.get(row["name"], {}).values())
        if not any(item["type"] == "olm.package" for item in found):
            version = row.get("version") or (csv.version if csv is not None else "")
            found.append({"type": "olm.package", "value": {"packageName": package, "version": version}})
        name = csv.display_name if csv is not None else ""
        return [*found, *([{"type": "olm.csv.metadata", "value": {"displayName": name}}] if name else [])]

    def related(self, row: Row, csv: BundleManifests | None) -> list[Any]:
        """Return the entries of the CSV as written, then what the table has besides."""
        entries = csv.related_entries("") if csv is not None else []
        said = {text for entry in entries if isinstance(entry, dict) for text in entry.values()}
        # The index keeps an empty image for each entry without one: where the CSV has the entry, it tells more.
        more = [image for image in self._images.get(row["name"], {}) if image not in said and (image or not entries)]
        return [*entries, *({"name": "", "image": image} for image in more)]

    def entries(self, channel: Row, updates: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        rows = self._entries.get((channel["package_name"], channel["name"]), [])
        edges: dict[str, list[str]] = {}
        for row in sorted(rows, key=lambda row: (_number(row.get("depth", "")), _number(row["entry_id"]))):
            if row["operatorbundle_name"] in updates:
                below = self._bundle_of.get(row.get("replaces", ""), "")
                edges.setdefault(row["operatorbundle_name"], []).extend([below] if below else [])
        return [{"name": name, **(updates[name] or _by_edges(below, updates))} for name, below in edges.items()]

    def _of_api(self, row: Row) -> str:
        """Return the bundle of an API: later generations name it, earlier ones name an entry of a channel."""
        return row.get("operatorbundle_name") or self._bundle_of.get(row.get("channel_entry_id", ""), "")

    def _add(self, bundle: str, kind: str, value: Any) -> None:
        item = {"type": kind, "value": value}
        self._properties[bundle].setdefault(json.dumps(item, sort_keys=True), item)


def _updates(row: Row, csv: BundleManifests | None) -> dict[str, Any]:
    """Return what the bundle updates; nothing at all when neither its row nor its CSV can tell."""
    if "replaces" in row:
        replaces, skips = row["replaces"], [skip for skip in row.get("skips", "").split(",") if skip]
    elif csv is not None:
        replaces, skips = csv.replaces, list(csv.skips)
    else:
        return {}
    skip_range = row.get("skiprange") or (csv.skip_range if csv is not None else "")
    return {"replaces": replaces, "skips": skips, "skipRange": skip_range}


def _by_edges(below: list[str], bundles: Mapping[str, Any]) -> dict[str, Any]:
    replaces = next((name for name in below if name in bundles), below[0] if below else "")
    return {"replaces": replaces, "skips": [name for name in dict.fromkeys(below) if name != replaces]}


def _csv(row: Row, tables: DatabaseTables, package: str) -> BundleManifests | None:
    found = _value(row.get("csv", ""))
    if not isinstance(found, dict):
        return None
    return BundleManifests(found, (found,), f"{tables.file}, bundle {row['name']}", package)


def _objects(row: Row) -> Iterator[dict[str, Any]]:
    """Yield the manifests of the column ``bundle``: JSON objects one behind the other."""
    text, decode, start = row.get("bundle", "").strip(), json.JSONDecoder().raw_decode, 0
    while start < len(text):
        try:
            _, end = decode(text, start)
        except (ValueError, RecursionError):
            return
        data = base64.b64encode(text[start:end].encode()).decode()
        yield {"type": "olm.bundle.object", "value": {"data": data}}
        start = end + (len(text) - end - len(text[end:].lstrip()))


def _needed(row: Row) -> Any:
    value = _value(row["value"])
    if row["type"] == "olm.package" and isinstance(value, dict):
        return {"packageName": value.get("packageName", ""), "versionRange": value.get("version", "")}
    return value


def _value(text: str) -> Any:
    """Return what a column with JSON says; None for one that is none: nothing of it is needed to mirror."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _deprecations(tables: DatabaseTables, packages: Mapping[str, str]) -> Iterator[Meta]:
    notices: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in tables.of("deprecated"):
        bundle = row["operatorbundle_name"]
        if bundle in packages:
            reference = {"schema": "olm.bundle", "name": bundle}
            notices[packages[bundle]].append({"reference": reference, "message": "deprecated in the index"})
    for package, entries in notices.items():
        yield _meta("olm.deprecations", "", package, tables, {"entries": entries})


def _meta(schema: str, name: str, package: str, tables: DatabaseTables, fields: dict[str, Any]) -> Meta:
    value = {"schema": schema, "name": name, "package": package} | fields
    if schema == "olm.package":
        del value["package"]
    what = schema.removeprefix("olm.")
    return Meta(schema, package, name, value, f"{tables.file}, {what} {name or package!r}")
