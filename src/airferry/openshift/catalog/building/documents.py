"""The documents of a catalog that holds less than another one, or the same in one order.

Bundles stay as they were written; what changes is told. Sources: operator-framework file-based catalogs, "Schema";
operator-registry's model, which refuses a whole catalog for one related image without a reference.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from airferry.errors import MalformedError
from airferry.openshift.catalog.findings import Finding
from airferry.openshift.catalog.model import Catalog, ChannelEntry, Package
from airferry.openshift.catalog.reading.catalog_reader import read_related_image
from airferry.openshift.catalog.reading.metas import Meta

_ORDER: Final = ("olm.package", "olm.channel", "olm.bundle", "olm.deprecations")
_FOLDER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}\Z")
_Key = tuple[int, str, str, int]


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The documents of a catalog, by package: the text of one file each, packages sorted.

    ``repairs`` are the entries of ``relatedImages`` that are written otherwise than they were, or, without
    ``repaired``, not at all. ``left_out`` names documents that belong to no package, which nothing serves.
    """

    packages: Mapping[str, bytes]
    repairs: tuple[Finding, ...] = ()
    left_out: tuple[str, ...] = ()


def rewritten(metas: Iterable[Meta], kept: Catalog) -> Rewritten:
    """Return the documents of ``metas`` that ``kept``, a part of their catalog, is made of.

    Channels have the entries that are kept, packages the default channel; all else in a document stays. Of
    documents that say the same thing twice the first one counts, as in reading. Order and bytes depend on the
    documents alone. Raises MalformedError for what JSON cannot say and for names that are no name of a folder.
    """
    work = _Work(kept)
    for number, meta in enumerate(metas):
        work.add(meta, number)
    return work.finish()


@dataclass(slots=True)
class _Work:
    kept: Catalog
    texts: dict[str, dict[_Key, str]] = field(default_factory=dict)
    repairs: dict[tuple[str, str], tuple[Finding, ...]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def add(self, meta: Meta, number: int) -> None:
        package = self.kept.packages.get(meta.package)
        if package is None:
            if not meta.package:
                what = f"{meta.schema} {meta.name}".rstrip()
                self.left_out.append(f"{meta.where}: left out: {what} belongs to no package")
            return
        written, key = self.texts.setdefault(package.name, {}), _key(meta, number)
        if key in written:
            return
        changed = self._changed(meta, package)
        if changed is None:
            return
        value = changed or meta.value
        text = meta.text if meta.text and changed == meta.value else _print(value, meta.where)
        written[key] = text

    def finish(self) -> Rewritten:
        packages = {}
        for name, documents in sorted(self.texts.items()):
            if not documents:
                continue
            if not _FOLDER_NAME.match(name):
                raise MalformedError(f"the package name {name!r} is not fit to be the name of a folder")
            packages[name] = "".join(f"{documents[key]}\n" for key in sorted(documents)).encode()
        repairs = tuple(finding for _, found in sorted(self.repairs.items()) for finding in found)
        return Rewritten(packages, repairs, tuple(self.left_out))

    def _changed(self, meta: Meta, package: Package) -> dict[str, Any] | None:
        """Return the document as it is to be, None when it is not kept."""
        match meta.schema:
            case "olm.package":
                return {**meta.value, "defaultChannel": package.default_channel}
            case "olm.channel":
                channel = package.channels.get(meta.name)
                return None if channel is None else {**meta.value, "entries": _entries(meta, channel.entries)}
            case "olm.bundle":
                return self._bundle(meta) if meta.name in package.bundles else None
            case "olm.deprecations":
                entries = [item for item in meta.value.get("entries") or () if _still_means_something(item, package)]
                return {**meta.value, "entries": entries} if entries else None
        return meta.value

    def _bundle(self, meta: Meta) -> dict[str, Any]:
        items, repairs = [], []
        for number, item in enumerate(meta.value.get("relatedImages") or ()):
            image, finding = read_related_image(item, f"{meta.where}, relatedImages[{number}]")
            if finding is None:
                items.append(item)
                continue
            repairs.append(replace(finding, package=meta.package, bundle=meta.name))
            if image is not None:
                others = {key: value for key, value in item.items() if key not in ("image", "value")}
                items.append({**others, "image": image.image})
        self.repairs[meta.package, meta.name] = tuple(repairs)
        return {**meta.value, "relatedImages": items} if repairs else meta.value


def _key(meta: Meta, number: int) -> _Key:
    if meta.schema in _ORDER:
        # A package has one document of deprecations, whatever name it says.
        return _ORDER.index(meta.schema), meta.name if meta.schema != "olm.deprecations" else "", "", 0
    return len(_ORDER), meta.schema, meta.name, number


def _entries(meta: Meta, kept: tuple[ChannelEntry, ...]) -> list[Any]:
    written = {item.get("name"): item for item in meta.value.get("entries") or ()}
    return [_entry(written.get(entry.name, {}), entry) for entry in kept]


def _entry(written: Mapping[str, Any], kept: ChannelEntry) -> dict[str, Any]:
    """Return the entry as it was written, but for the updates where those that are kept are others."""
    entry = {"name": kept.name, **written}
    for key, value in (("replaces", kept.replaces), ("skips", list(kept.skips)), ("skipRange", kept.skip_range)):
        if value != (written.get(key) or type(value)()):
            entry[key] = value
            if not value:
                del entry[key]
    return entry


def _still_means_something(item: Any, package: Package) -> bool:
    reference = item.get("reference") if isinstance(item, dict) else None
    if not isinstance(reference, dict):
        return False
    schema, name = reference.get("schema"), reference.get("name") or ""
    if not any((notice.schema, notice.name) == (schema, name) for notice in package.deprecations):
        return False
    return schema == "olm.package" or name in {"olm.channel": package.channels, "olm.bundle": package.bundles}.get(
        str(schema), (name,)
    )


def _print(value: Any, where: str) -> str:
    try:
        return json.dumps(value, indent=4, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise MalformedError(f"{where} holds a value that JSON does not know: {error}") from error
