"""A bundle as a document of a catalog. Source of the rules: ``opm render``."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from airferry.openshift.catalog.reading.bundle_manifests import BundleManifests
from airferry.openshift.catalog.reading.manifest_fields import object_of, text_of

_REQUIRED: Final = {"olm.gvk": "olm.gvk.required", "olm.package": "olm.package.required"}
_METADATA_FIELDS: Final = {
    "apiservicedefinitions": "apiServiceDefinitions",
    "customresourcedefinitions": "crdDescriptions",
    "description": "description",
    "displayName": "displayName",
    "installModes": "installModes",
    "keywords": "keywords",
    "labels": "labels",
    "links": "links",
    "maintainers": "maintainers",
    "maturity": "maturity",
    "minKubeVersion": "minKubeVersion",
    "nativeAPIs": "nativeAPIs",
    "provider": "provider",
}


def rendered(bundle: BundleManifests, image: str, *, as_objects: bool = True) -> dict[str, Any]:
    """Return the ``olm.bundle`` document of a bundle, as ``opm render`` writes it.

    With ``as_objects`` the manifests are in it, base64 of JSON, as catalogs up to OpenShift 4.16 have them; without,
    what the console shows of the CSV (``olm.csv.metadata``), which is much smaller. A bundle without an image of its
    own (``image`` is "") needs the former.
    """
    related, _ = bundle.related(image)
    return {
        "schema": "olm.bundle",
        "name": bundle.name,
        "package": bundle.package,
        "image": image,
        "properties": [*bundle_properties(bundle), *(_objects_of(bundle) if as_objects else [_metadata_of(bundle)])],
        "relatedImages": [
            {"name": item.name, "image": item.image} for item in sorted(related, key=lambda item: item.image)
        ],
    }


def bundle_properties(bundle: BundleManifests) -> list[dict[str, Any]]:
    """Return what the bundle provides and needs as properties, in opm's order: by type, then by value."""
    own = [*bundle.properties, *_annotated(bundle)]
    package = {"packageName": bundle.package, "version": bundle.version}
    package_property = next((item for item in own if item.get("type") == "olm.package"), None)
    found = [
        package_property or {"type": "olm.package", "value": package},
        *({"type": "olm.gvk", "value": _named(kind)} for kind in bundle.provides()),
        *({"type": "olm.gvk.required", "value": _named(kind)} for kind in bundle.requires()),
        *(_needed(item) for item in bundle.dependencies),
        *(item for item in own if item.get("type") != "olm.package"),
    ]
    unique = {(str(item.get("type")), json.dumps(item.get("value"), sort_keys=True)): item for item in found}
    return [{"type": kind, "value": unique[kind, value].get("value")} for kind, value in sorted(unique)]


def _needed(item: Mapping[str, Any]) -> dict[str, Any]:
    kind, value = text_of(item, "type"), item.get("value")
    if kind == "olm.package" and isinstance(value, dict):
        value = {"packageName": value.get("packageName", ""), "versionRange": value.get("version", "")}
    return {"type": _REQUIRED.get(kind, kind), "value": value}


def _annotated(bundle: BundleManifests) -> list[Mapping[str, Any]]:
    """Return the properties in the CSV's annotation ``olm.properties``; one that is no JSON adds none, as in opm."""
    try:
        found = json.loads(text_of(bundle.annotations, "olm.properties") or "[]")
    except (ValueError, RecursionError):
        return []
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _objects_of(bundle: BundleManifests) -> list[dict[str, Any]]:
    written = (json.dumps(item, separators=(",", ":"), sort_keys=True).encode() for item in bundle.objects)
    return [{"type": "olm.bundle.object", "value": {"data": base64.b64encode(item).decode()}} for item in written]


def _metadata_of(bundle: BundleManifests) -> dict[str, Any]:
    spec = object_of(bundle.csv, "spec")
    value: dict[str, Any] = {"annotations": dict(bundle.annotations)} if bundle.annotations else {}
    value |= {said: spec[field] for field, said in _METADATA_FIELDS.items() if spec.get(field)}
    return {"type": "olm.csv.metadata", "value": value}


def _named(kind: tuple[str, str, str]) -> dict[str, str]:
    return {"group": kind[0], "kind": kind[2], "version": kind[1]}
