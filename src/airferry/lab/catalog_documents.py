"""The documents of a made-up catalog, in the shape that opm renders: a stream of JSON objects for each package."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from airferry.lab.catalog_shape import CatalogShape, Operator

_GROUP = "airlab.example.com"


def catalog_files(shape: CatalogShape, references: Mapping[str, str]) -> dict[str, bytes]:
    """Return the files by path below the folder of documents.

    ``references`` gives the reference of each image by the name that the shape gives it.
    """
    return {
        f"{operator.name}/catalog.json": b"".join(
            json.dumps(item, indent=4).encode() + b"\n" for item in _documents(operator, shape, references)
        )
        for operator in shape.operators
    }


def _documents(operator: Operator, shape: CatalogShape, references: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    yield {
        "schema": "olm.package",
        "name": operator.name,
        "defaultChannel": operator.default_channel,
        "description": f"Made up by the airferry lab: {operator.name}",
        "icon": {"base64data": "PHN2Zy8+", "mediatype": "image/svg+xml"},
    }
    for name, versions in operator.channels:
        yield {"schema": "olm.channel", "package": operator.name, "name": name, "entries": _entries(operator, versions)}
    for version in operator.versions:
        yield {
            "schema": "olm.bundle",
            "name": operator.bundle(version),
            "package": operator.name,
            "image": references[f"{operator.name}-bundle:{version}"],
            "properties": _properties(operator, version),
            "relatedImages": _related(operator, version, shape, references),
        }


def _entries(operator: Operator, versions: tuple[str, ...]) -> list[dict[str, str]]:
    entries = [{"name": operator.bundle(version)} for version in versions]
    for entry, before in zip(entries[1:], entries, strict=False):
        entry["replaces"] = before["name"]
    return entries


def _properties(operator: Operator, version: str) -> list[dict[str, Any]]:
    properties: list[tuple[str, dict[str, Any]]] = [
        ("olm.package", {"packageName": operator.name, "version": version}),
        ("olm.gvk", _kind(operator.name)),
        ("olm.csv.metadata", {"displayName": f"{operator.name.title()} Operator"}),
    ]
    if operator.needs is not None:
        package, version_range = operator.needs
        properties.append(("olm.package.required", {"packageName": package, "versionRange": version_range}))
    if operator.needs_kind is not None:
        properties.append(("olm.gvk.required", _kind(operator.needs_kind)))
    return [{"type": kind, "value": value} for kind, value in properties]


def _kind(operator: str) -> dict[str, str]:
    return {"group": _GROUP, "kind": operator.title(), "version": "v1"}


def _related(
    operator: Operator, version: str, shape: CatalogShape, references: Mapping[str, str]
) -> list[dict[str, str]]:
    names = [f"{operator.name}-operator:{version}", *(f"{name}:1" for name in operator.shares)]
    entries = [
        {"name": name.partition(":")[0], "value" if name in shape.slips else "image": references[name]}
        for name in names
    ]
    bundle = operator.bundle(version)
    entries.append({"name": "", "image": references[f"{operator.name}-bundle:{version}"]})
    if bundle in shape.empty:
        entries.append({"name": "nothing", "image": ""})
    if bundle in shape.malformed:
        entries.append({"name": "nonsense", "image": "Not A Ref"})
    return entries
