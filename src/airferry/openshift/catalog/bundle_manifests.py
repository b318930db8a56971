"""Bundles as operators ship them: manifests and annotations, made into what a catalog says of a bundle.

Source of the rules: operator-registry's parser of bundles and ``opm render``. The manifests are the files right
below ``manifests/``; the first ClusterServiceVersion counts. A catalog's related images are those of the CSV's
``spec.relatedImages``, the bundle's own image, and the images of containers and init containers of the CSV's
deployments. Environment variables ``RELATED_IMAGE_*`` and the annotation ``containerImage`` add nothing, in opm as
in oc: operators that follow the convention list those images in ``relatedImages``.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from airferry.errors import MalformedError
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.model import RelatedImage
from airferry.openshift.catalog.reading import read_related_image
from airferry.openshift.catalog.yaml_documents import read_yaml

PACKAGE_ANNOTATION: Final = "operators.operatorframework.io.bundle.package.v1"
CHANNELS_ANNOTATION: Final = "operators.operatorframework.io.bundle.channels.v1"
DEFAULT_CHANNEL_ANNOTATION: Final = "operators.operatorframework.io.bundle.channel.default.v1"
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


@dataclass(frozen=True, slots=True)
class BundleManifests:
    """A bundle that was read. ``objects`` are its manifests, the CSV among them; ``where`` names it in errors.

    ``channels`` and ``default_channel`` are the author's wish; a catalog may put the bundle elsewhere.
    """

    csv: Mapping[str, Any]
    objects: tuple[Mapping[str, Any], ...]
    where: str
    package: str = ""
    channels: tuple[str, ...] = ()
    default_channel: str = ""
    dependencies: tuple[Mapping[str, Any], ...] = ()
    properties: tuple[Mapping[str, Any], ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """The CSV's name, which is the bundle's in a catalog."""
        return _text(_object(self.csv, "metadata"), "name")

    @property
    def version(self) -> str:
        """The operator's version, "" where the CSV has none."""
        return _text(self._spec, "version")

    @property
    def replaces(self) -> str:
        """The bundle that this one updates, "" for none."""
        return _text(self._spec, "replaces")

    @property
    def skips(self) -> tuple[str, ...]:
        """Bundles that are passed over on the way to this one."""
        return tuple(skip for skip in _list(self._spec, "skips") if isinstance(skip, str))

    @property
    def skip_range(self) -> str:
        """The range of versions that this one updates, "" for none."""
        return _text(self.annotations, "olm.skipRange")

    @property
    def annotations(self) -> Mapping[str, Any]:
        """The CSV's annotations."""
        return _object(_object(self.csv, "metadata"), "annotations")

    @property
    def _spec(self) -> Mapping[str, Any]:
        return _object(self.csv, "spec")

    @property
    def display_name(self) -> str:
        """What the console calls the operator."""
        return _text(self._spec, "displayName")

    def related_entries(self, image: str) -> list[Any]:
        """Return the CSV's entries of ``relatedImages`` as written, then what else is needed: ``image``, its own, …"""
        entries = _list(self._spec, "relatedImages")
        said = {item.get("image") for item in entries if isinstance(item, dict)}
        more = dict.fromkeys(extra for extra in (image, *self._operator_images()) if extra and extra not in said)
        return [*entries, *({"name": "", "image": extra} for extra in more)]

    def related(self, image: str) -> tuple[tuple[RelatedImage, ...], tuple[Finding, ...]]:
        """Return every image the bundle needs when its own is ``image``, and what was wrong with the entries."""
        found: dict[str, RelatedImage] = {}
        findings = []
        for number, item in enumerate(self.related_entries(image)):
            entry, finding = read_related_image(item, f"{self.where}, relatedImages[{number}]")
            if entry is not None:
                found.setdefault(entry.image, entry)
            if finding is not None:
                findings.append(replace(finding, package=self.package, bundle=self.name))
        return tuple(found.values()), tuple(findings)

    def _operator_images(self) -> Iterator[str]:
        install = _object(_object(self._spec, "install"), "spec")
        for deployment in _objects(install, "deployments"):
            pod = _object(_object(_object(deployment, "spec"), "template"), "spec")
            for container in (*_objects(pod, "containers"), *_objects(pod, "initContainers")):
                yield _text(container, "image").strip()

    def provides(self) -> tuple[tuple[str, str, str], ...]:
        """Return group, version and kind of what the bundle brings: its CRDs and the CSV's own API services."""
        found: dict[tuple[str, str, str], None] = {}
        for item in self.objects:
            if item.get("kind") == "CustomResourceDefinition":
                spec = _object(item, "spec")
                versions = [_text(version, "name") for version in _objects(spec, "versions")]
                for version in (*versions, _text(spec, "version")):
                    if version:
                        found[_text(spec, "group"), version, _text(_object(spec, "names"), "kind")] = None
        for item in _objects(_object(self._spec, "apiservicedefinitions"), "owned"):
            found[_kind(item)] = None
        return tuple(found)

    def requires(self) -> tuple[tuple[str, str, str], ...]:
        """Return group, version and kind of what the CSV says must be there."""
        found: dict[tuple[str, str, str], None] = {}
        for item in _objects(_object(self._spec, "customresourcedefinitions"), "required"):
            group = _text(item, "name").partition(".")[2]
            found[group, _text(item, "version"), _text(item, "kind")] = None
        for item in _objects(_object(self._spec, "apiservicedefinitions"), "required"):
            found[_kind(item)] = None
        return tuple(found)

    def missing_crds(self) -> tuple[str, ...]:
        """Return the CRDs that the CSV calls its own and no manifest brings; opm refuses such a bundle."""
        provided = set(self.provides())
        missing = []
        for item in _objects(_object(self._spec, "customresourcedefinitions"), "owned"):
            name = _text(item, "name")
            if (name.partition(".")[2], _text(item, "version"), _text(item, "kind")) not in provided:
                missing.append(f"{name}/{_text(item, 'version')}")
        return tuple(missing)


def read_bundle(files: Mapping[str, bytes], where: str) -> BundleManifests:
    """Return the bundle whose files, by their path in it, are ``files``: ``manifests/…`` and ``metadata/…``.

    Manifests that are no YAML are left out, and told as findings, as opm leaves them out. Raises MalformedError for
    a bundle without a CSV or without a package in its annotations, with ``where`` in it.
    """
    objects, findings = _manifests(files, where)
    metadata = [
        document
        for path, content in sorted(files.items())
        if path.startswith("metadata/") and path.count("/") == 1
        for document in _read_or_none(content, path)
        if isinstance(document, dict)
    ]
    annotations: Mapping[str, Any] = next(filter(None, (_object(item, "annotations") for item in metadata)), {})
    bundle = bundle_of(objects, where, package=_text(annotations, PACKAGE_ANNOTATION).strip())
    if not bundle.package:
        raise MalformedError(
            f"{where} does not say its package",
            hint=f"metadata/annotations.yaml must have {PACKAGE_ANNOTATION}",
        )
    channels = (channel.strip() for channel in _text(annotations, CHANNELS_ANNOTATION).split(","))
    return replace(
        bundle,
        channels=tuple(channel for channel in channels if channel),
        default_channel=_text(annotations, DEFAULT_CHANNEL_ANNOTATION).strip(),
        dependencies=tuple(next(filter(None, (_objects(item, "dependencies") for item in metadata)), ())),
        properties=tuple(next(filter(None, (_objects(item, "properties") for item in metadata)), ())),
        findings=findings,
    )


def bundle_of(objects: Iterable[Mapping[str, Any]], where: str, *, package: str = "") -> BundleManifests:
    """Return the bundle that consists of these manifests. Raises MalformedError when there is no CSV with a name."""
    kept: list[Mapping[str, Any]] = []
    csv: Mapping[str, Any] | None = None
    for item in objects:
        if item.get("kind") == "ClusterServiceVersion":
            if csv is not None:
                continue
            csv = item
        kept.append(item)
    if csv is None:
        raise MalformedError(f"{where} is no bundle: it has no ClusterServiceVersion")
    bundle = BundleManifests(csv, tuple(kept), where, package)
    if not bundle.name:
        raise MalformedError(f"{where}: its ClusterServiceVersion has no name")
    return bundle


def bundle_document(files: Mapping[str, bytes], image: str, *, as_objects: bool = True) -> dict[str, Any]:
    """Return the ``olm.bundle`` document of a bundle, as ``opm render`` writes it. ``files`` are as in read_bundle.

    With ``as_objects`` the manifests are in it, base64 of JSON, as catalogs up to OpenShift 4.16 have them; without,
    what the console shows of the CSV (``olm.csv.metadata``), which is much smaller. A bundle without an image of its
    own (``image`` is "") needs the former. Raises MalformedError.
    """
    return rendered(read_bundle(files, image or "the bundle"), image, as_objects=as_objects)


def rendered(bundle: BundleManifests, image: str, *, as_objects: bool = True) -> dict[str, Any]:
    """Return the ``olm.bundle`` document of a bundle that was read."""
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
    kind, value = _text(item, "type"), item.get("value")
    if kind == "olm.package" and isinstance(value, dict):
        value = {"packageName": value.get("packageName", ""), "versionRange": value.get("version", "")}
    return {"type": _REQUIRED.get(kind, kind), "value": value}


def _annotated(bundle: BundleManifests) -> list[Mapping[str, Any]]:
    """Return the properties in the CSV's annotation ``olm.properties``; one that is no JSON adds none, as in opm."""
    try:
        found = json.loads(_text(bundle.annotations, "olm.properties") or "[]")
    except (ValueError, RecursionError):
        return []
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _objects_of(bundle: BundleManifests) -> list[dict[str, Any]]:
    written = (json.dumps(item, separators=(",", ":"), sort_keys=True).encode() for item in bundle.objects)
    return [{"type": "olm.bundle.object", "value": {"data": base64.b64encode(item).decode()}} for item in written]


def _metadata_of(bundle: BundleManifests) -> dict[str, Any]:
    spec = _object(bundle.csv, "spec")
    value: dict[str, Any] = {"annotations": dict(bundle.annotations)} if bundle.annotations else {}
    value |= {said: spec[field] for field, said in _METADATA_FIELDS.items() if spec.get(field)}
    return {"type": "olm.csv.metadata", "value": value}


def _manifests(files: Mapping[str, bytes], where: str) -> tuple[list[Mapping[str, Any]], tuple[Finding, ...]]:
    objects: list[Mapping[str, Any]] = []
    findings = []
    for path, content in sorted(files.items()):
        folder, _, name = path.rpartition("/")
        if folder != "manifests" or name.startswith("."):
            continue
        try:
            # As opm does: one object a file, what follows it is not looked at.
            document = next(read_yaml([content], path), None)
        except MalformedError as error:
            findings.append(Finding(FindingCode.MALFORMED_ENTRY, where, error.message))
            continue
        if isinstance(document, dict):
            objects.append(document)
    return objects, tuple(findings)


def _read_or_none(content: bytes, path: str) -> list[Any]:
    try:
        return list(read_yaml([content], path))[:1]
    except MalformedError:
        return []


def _kind(item: Mapping[str, Any]) -> tuple[str, str, str]:
    return _text(item, "group"), _text(item, "version"), _text(item, "kind")


def _named(kind: tuple[str, str, str]) -> dict[str, str]:
    return {"group": kind[0], "kind": kind[2], "version": kind[1]}


def _text(value: Mapping[str, Any], key: str) -> str:
    """Return a text; what is none counts as not said: manifests hold much that we do not need."""
    text = value.get(key)
    return text if isinstance(text, str) else ""


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _list(value: Mapping[str, Any], key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []


def _objects(value: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [item for item in _list(value, key) if isinstance(item, dict)]
