"""``catalog list``: what catalogs hold, as values that are printed as text or JSON."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airferry.app.catalogs.catalog_findings import finding_to_json
from airferry.app.catalogs.catalog_forms import CatalogForm
from airferry.app.catalogs.catalog_sizes import CatalogSizes, catalog_sizes
from airferry.app.catalogs.open_catalog import open_catalog
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.content.errors import NotFoundError
from airferry.openshift.catalog.model import Catalog, Channel, Package
from airferry.openshift.catalog.upgrade_graph import heads


@dataclass(frozen=True, slots=True)
class ListRequest:
    """Which catalogs to show, and what of them; no packages means all, an empty ``channel`` all channels."""

    catalogs: tuple[str, ...]
    packages: tuple[str, ...] = ()
    channel: str = ""
    sizes: bool = False
    tree: Path | None = None


@dataclass(frozen=True, slots=True)
class ListedCatalog:
    """One catalog: only the packages and findings that were asked for. ``digest`` is "" where it is no image."""

    asked: str
    digest: str
    form: CatalogForm
    catalog: Catalog
    sizes: CatalogSizes | None = None

    @property
    def has_gaps(self) -> bool:
        """Whether a size lacks an image that could not be read."""
        return self.sizes is not None and bool(self.sizes.unread)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        document: dict[str, Any] = {
            "catalog": self.asked,
            "digest": self.digest,
            "form": self.form.value,
            "packages": [self._package_to_json(package) for package in self.catalog.packages.values()],
            "findings": [finding_to_json(finding) for finding in self.catalog.findings],
        }
        if self.sizes is not None:
            document["headsBytes"] = self.sizes.together.heads_bytes
            document["allBytes"] = self.sizes.together.all_bytes
            document["unreadImages"] = [
                {
                    "image": item.image,
                    "packages": list(item.packages),
                    "code": item.error.code,
                    "message": item.error.message,
                }
                for item in self.sizes.unread
            ]
        return document

    def _package_to_json(self, package: Package) -> dict[str, Any]:
        document: dict[str, Any] = {
            "name": package.name,
            "displayName": display_name(package),
            "defaultChannel": package.default_channel,
            "channels": [_channel_to_json(channel, package) for channel in package.channels.values()],
            "deprecations": [
                {"schema": notice.schema, "name": notice.name, "message": notice.message}
                for notice in package.deprecations
            ],
        }
        if self.sizes is not None:
            size = self.sizes.packages[package.name]
            document |= {"headsBytes": size.heads_bytes, "allBytes": size.all_bytes}
        return document


async def list_catalogs(request: ListRequest, places: Places, narrator: Narrator) -> list[ListedCatalog]:
    """Read the catalogs, one after the other. Raises NotFoundError when none has a package that was asked for."""
    listed = []
    every: list[Catalog] = []
    for text in request.catalogs:
        narrator.phase(f"reading {text}")
        known = 0

        def seen(count: int) -> None:
            nonlocal known
            narrator.advance(steps=count - known)
            known = count

        async with open_catalog(text, places, tree=request.tree, seen=seen) as opened:
            every.append(opened.catalog)
            chosen = chosen_of(opened.catalog, request)
            digest = str(opened.image.reference.digest) if opened.image is not None else ""
            listed.append(ListedCatalog(text, digest, opened.form, chosen))
    _check_found(request, every)
    if request.sizes:
        sized = [await catalog_sizes(item.catalog.packages.values(), places, narrator) for item in listed]
        listed = [replace(item, sizes=sizes) for item, sizes in zip(listed, sized, strict=True)]
    narrator.done()
    return listed


def chosen_of(catalog: Catalog, request: ListRequest) -> Catalog:
    """Return what of ``catalog`` was asked for: whole packages, or their one channel with its bundles."""
    packages = {
        name: package for name, package in catalog.packages.items() if not request.packages or name in request.packages
    }
    if request.channel:
        packages = {
            name: _only(package, package.channels[request.channel])
            for name, package in packages.items()
            if request.channel in package.channels
        }
    findings = catalog.findings
    if request.packages or request.channel:
        findings = tuple(finding for finding in findings if not finding.package or finding.package in packages)
    return Catalog(packages, findings)


def display_name(package: Package) -> str:
    """Return what the console calls the operator, as its newest bundle that says it; "" where none does."""
    channel = package.channels.get(package.default_channel)
    newest = heads(channel) if channel is not None else ()
    names = (package.bundles[name].display_name for name in (*newest, *package.bundles) if name in package.bundles)
    return next(filter(None, names), "")


def _only(package: Package, channel: Channel) -> Package:
    kept = {entry.name: package.bundles[entry.name] for entry in channel.entries if entry.name in package.bundles}
    return replace(package, channels={channel.name: channel}, bundles=kept)


def _check_found(request: ListRequest, catalogs: Sequence[Catalog]) -> None:
    names = {name for catalog in catalogs for name in catalog.packages}
    for wanted in request.packages:
        if wanted not in names:
            near = difflib.get_close_matches(wanted, names, 3, 0.5) or [name for name in names if wanted in name][:3]
            raise NotFoundError(
                f"there is no package {wanted!r} in {', '.join(request.catalogs)}",
                hint=f"there is {' and '.join(sorted(near))}" if near else "without --package all are listed",
            )
    if request.channel:
        packages = [
            package
            for catalog in catalogs
            for package in catalog.packages.values()
            if not request.packages or package.name in request.packages
        ]
        channels = sorted({name for package in packages for name in package.channels})
        if request.channel not in channels:
            raise NotFoundError(
                f"there is no channel {request.channel!r} in {', '.join(request.packages or request.catalogs)}",
                hint=f"the channels are {', '.join(channels[:10])}" if request.packages else None,
            )


def _channel_to_json(channel: Channel, package: Package) -> dict[str, Any]:
    return {
        "name": channel.name,
        "heads": list(heads(channel)),
        "entries": [
            {
                "name": entry.name,
                "version": package.bundles[entry.name].version if entry.name in package.bundles else "",
                "replaces": entry.replaces,
                "skips": list(entry.skips),
                "skipRange": entry.skip_range,
            }
            for entry in channel.entries
        ],
    }
