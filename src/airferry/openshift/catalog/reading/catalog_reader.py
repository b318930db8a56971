"""Documents of a file-based catalog, made into what the catalog holds.

Tolerant where people were hurt: an entry of ``relatedImages`` that says ``value`` where ``image`` belongs is read as
what was meant, and each slip is told with its package, bundle and entry; ``oc`` drops such entries in silence.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from airferry.errors import MalformedError
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.model import (
    Bundle,
    Catalog,
    Channel,
    ChannelEntry,
    Deprecation,
    Gvk,
    Package,
    PackageNeed,
    RelatedImage,
)
from airferry.openshift.catalog.reading.metas import Meta

_CSV_BEGINS: Final = base64.b64encode(b'{"apiVersion":"operators.coreos.com/')[:-4].decode()
"""How opm's base64 of a ClusterServiceVersion begins; its keys are sorted."""


def read_catalog(metas: Iterable[Meta]) -> Catalog:
    """Return what the documents hold; those of unknown schemas are passed over, as opm does.

    Raises MalformedError when a document of a known schema lacks what makes it one.
    """
    reader = CatalogReader()
    for meta in metas:
        reader.add(meta)
    return reader.catalog()


class CatalogReader:
    """Takes documents one by one, in any order; keeps what :class:`Catalog` keeps of each, and no more."""

    def __init__(self) -> None:
        self._packages: dict[str, _Growing] = {}
        self._findings: list[Finding] = []
        self._places: dict[tuple[str, str, str], str] = {}
        self._named: set[str] = set()

    def add(self, meta: Meta) -> None:
        """Take one document. Of several for the same thing the first counts. Raises MalformedError."""
        if self._is_there(meta):
            return
        match meta.schema:
            case "olm.package":
                package = self._package(_required(meta, "name"))
                package.default_channel = _text(meta.value, "defaultChannel", meta.where)
            case "olm.channel":
                channel = Channel(_required(meta, "name"), _required(meta, "package"), _entries(meta))
                self._package(channel.package).channels[channel.name] = channel
            case "olm.bundle":
                bundle = self._bundle(meta)
                self._package(bundle.package).bundles[bundle.name] = bundle
            case "olm.deprecations":
                self._package(_required(meta, "package")).deprecations += _deprecations(meta)

    def catalog(self) -> Catalog:
        """Return what was taken so far, packages sorted by name."""
        packages = {name: growing.grown() for name, growing in sorted(self._packages.items())}
        return Catalog(packages, tuple(self._findings))

    def _package(self, name: str) -> "_Growing":
        return self._packages.setdefault(name, _Growing(name))

    def _is_there(self, meta: Meta) -> bool:
        """Whether there was such a document before; opm refuses a catalog that says a thing twice."""
        if meta.schema not in ("olm.package", "olm.channel", "olm.bundle", "olm.deprecations"):
            return False
        kind = meta.schema.removeprefix("olm.")
        name = meta.name if kind != "deprecations" else ""
        first = self._places.setdefault((meta.schema, meta.package, name), meta.where)
        if first is meta.where:
            return False
        told = f"the {kind} {name!r} is" if name else f"the document of {kind} is"
        what = f"{told} there twice, and the first counts: {first}"
        bundle = meta.name if kind == "bundle" else ""
        self._findings.append(Finding(FindingCode.DUPLICATE_NAME, meta.where, what, meta.package, bundle))
        return True

    def _bundle(self, meta: Meta) -> Bundle:
        name, package = _required(meta, "name"), _required(meta, "package")
        properties = [
            (_text(item, "type", meta.where), item.get("value")) for item in _objects(meta.value, "properties", meta)
        ]
        values = _Properties(properties)
        return Bundle(
            name=name,
            package=package,
            image=_text(meta.value, "image", meta.where),
            version=values.version(),
            related=self._related(meta, package, name),
            provides=values.kinds("olm.gvk"),
            needs_packages=values.needed_packages(),
            needs_kinds=values.kinds("olm.gvk.required"),
            constraints=tuple(value for value in values.of("olm.constraint") if isinstance(value, dict)),
            display_name=self._display_name(package, values),
        )

    def _display_name(self, package: str, values: "_Properties") -> str:
        """Return what the console calls the operator; of bundles with whole manifests the package's first only."""
        name = values.display_name()
        if not name and package not in self._named:
            name = values.display_name_in_manifest()
        if name:
            self._named.add(package)
        return name

    def _related(self, meta: Meta, package: str, bundle: str) -> tuple[RelatedImage, ...]:
        related: list[RelatedImage] = []
        for number, item in enumerate(_list(meta.value, "relatedImages", meta.where)):
            image, finding = read_related_image(item, f"{meta.where}, relatedImages[{number}]")
            if image is not None:
                related.append(image)
            if finding is not None:
                self._findings.append(replace(finding, package=package, bundle=bundle))
        return tuple(related)


def read_related_image(item: Any, where: str) -> tuple[RelatedImage | None, Finding | None]:
    """Return the image that one entry of ``relatedImages`` means, and what was wrong with the entry."""
    if not isinstance(item, Mapping):
        what = f"an entry of relatedImages is not an object but {type(item).__name__}"
        return None, Finding(FindingCode.MALFORMED_ENTRY, where, what)
    name = item.get("name")
    role = name if isinstance(name, str) else ""
    image, slip = item.get("image"), item.get("value")
    if isinstance(image, str) and image.strip():
        return RelatedImage(role, image.strip()), None
    if isinstance(slip, str) and slip.strip():
        what = f"the entry {role!r} says value where image belongs"
        return RelatedImage(role, slip.strip()), Finding(
            FindingCode.VALUE_FOR_IMAGE, where, what, repaired=slip.strip()
        )
    return None, Finding(FindingCode.EMPTY_IMAGE, where, f"the entry {role!r} names no image")


@dataclass(slots=True)
class _Growing:
    """A package whose documents are still coming."""

    name: str
    default_channel: str = ""
    channels: dict[str, Channel] = field(default_factory=dict)
    bundles: dict[str, Bundle] = field(default_factory=dict)
    deprecations: tuple[Deprecation, ...] = ()

    def grown(self) -> Package:
        return Package(self.name, self.default_channel, dict(self.channels), dict(self.bundles), self.deprecations)


class _Properties:
    """A bundle's properties by type. Malformed ones are passed over: what they would add is not needed to mirror."""

    def __init__(self, items: Iterable[tuple[str, Any]]) -> None:
        self._items = tuple(items)

    def of(self, kind: str) -> list[Any]:
        return [value for type_, value in self._items if type_ == kind]

    def _objects(self, kind: str) -> list[dict[str, Any]]:
        return [value for value in self.of(kind) if isinstance(value, dict)]

    def version(self) -> str:
        return next((str(value["version"]) for value in self._objects("olm.package") if "version" in value), "")

    def display_name(self) -> str:
        return next((str(value.get("displayName") or "") for value in self._objects("olm.csv.metadata")), "")

    def display_name_in_manifest(self) -> str:
        """Return the display name in the ClusterServiceVersion among the manifests, "" when there is none."""
        for value in self._objects("olm.bundle.object"):
            data = value.get("data")
            if isinstance(data, str) and data.startswith(_CSV_BEGINS):
                try:
                    spec = json.loads(base64.b64decode(data)).get("spec")
                except (ValueError, RecursionError):
                    return ""
                name = spec.get("displayName") if isinstance(spec, dict) else None
                return name if isinstance(name, str) else ""
        return ""

    def kinds(self, kind: str) -> tuple[Gvk, ...]:
        return tuple(
            Gvk(str(value.get("group", "")), str(value.get("version", "")), str(value.get("kind", "")))
            for value in self._objects(kind)
        )

    def needed_packages(self) -> tuple[PackageNeed, ...]:
        return tuple(
            PackageNeed(str(value.get("packageName", "")), str(value.get("versionRange", "")))
            for value in self._objects("olm.package.required")
        )


def _entries(meta: Meta) -> tuple[ChannelEntry, ...]:
    entries = []
    for item in _objects(meta.value, "entries", meta):
        name = _text(item, "name", meta.where)
        if not name:
            raise MalformedError(f"{meta.where}: an entry of the channel {meta.name!r} has no name")
        skips = tuple(str(skip) for skip in _list(item, "skips", meta.where))
        replaces = _text(item, "replaces", meta.where)
        entries.append(ChannelEntry(name, replaces, skips, _text(item, "skipRange", meta.where)))
    return tuple(entries)


def _deprecations(meta: Meta) -> tuple[Deprecation, ...]:
    notices = []
    for item in _objects(meta.value, "entries", meta):
        reference = item.get("reference")
        reference = reference if isinstance(reference, dict) else {}
        name = _text(reference, "name", meta.where)
        notices.append(
            Deprecation(_text(reference, "schema", meta.where), name, _text(item, "message", meta.where).strip())
        )
    return tuple(notices)


def _required(meta: Meta, key: str) -> str:
    value = meta.name if key == "name" else meta.package
    if not value:
        raise MalformedError(f"{meta.where}: this {meta.schema} has no {key}")
    return value


def _text(value: Mapping[str, Any], key: str, where: str) -> str:
    text = value.get(key)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise MalformedError(f"{where}: {key} is not text but {text!r}", hint="put it in quotes")
    return text


def _list(value: Mapping[str, Any], key: str, where: str) -> list[Any]:
    items = value.get(key)
    if items is None:
        return []
    if not isinstance(items, list):
        raise MalformedError(f"{where}: {key} is not a list but {type(items).__name__}")
    return items


def _objects(value: Mapping[str, Any], key: str, meta: Meta) -> list[dict[str, Any]]:
    items = _list(value, key, meta.where)
    for item in items:
        if not isinstance(item, dict):
            raise MalformedError(f"{meta.where}: an item of {key} is not an object but {type(item).__name__}")
    return items
