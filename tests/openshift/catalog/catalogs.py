"""Small catalogs for tests, written as administrators would draw them."""

from collections.abc import Mapping
from typing import Any

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

DIGEST = "sha256:" + "a" * 64


def entry(text: str) -> ChannelEntry:
    """Return the entry that ``v3 > v2 - v1 v0`` draws: v3 replaces v2, and skips v1 and v0."""
    name, _, older = text.partition(">")
    replaces, _, skips = older.partition("-")
    if not older:
        name, _, skips = text.partition("-")
    return ChannelEntry(name.strip(), replaces.strip(), tuple(skips.split()))


def channel(text: str, name: str = "stable", package: str = "etcd") -> Channel:
    """Return the channel with the entries that ``text`` draws, one behind each comma."""
    return Channel(name, package, tuple(entry(part) for part in text.split(",") if part.strip()))


def bundle(name: str, package: str, version: str, **more: Any) -> Bundle:
    """Return a bundle with an image of its own and one related image."""
    image = f"quay.io/{package}/{name.replace('.', '-')}"
    related = (RelatedImage("operand", f"{image}-operand@{DIGEST}"),)
    return Bundle(name, package, f"{image}@{DIGEST}", version, **{"related": related, **more})


def package(
    name: str,
    channels: Mapping[str, str],
    *,
    default: str = "stable",
    needs: Mapping[str, Mapping[str, Any]] | None = None,
    deprecations: tuple[Deprecation, ...] = (),
) -> Package:
    """Return a package with a drawing for each channel; an entry 1.2.0 is the bundle NAME.v1.2.0."""
    drawn = {
        channel_name: Channel(
            channel_name,
            name,
            tuple(
                ChannelEntry(
                    f"{name}.v{item.name}",
                    f"{name}.v{item.replaces}" if item.replaces else "",
                    tuple(f"{name}.v{skip}" for skip in item.skips),
                )
                for item in channel(text).entries
            ),
        )
        for channel_name, text in channels.items()
    }
    versions = dict.fromkeys(item.name for one in drawn.values() for item in one.entries)
    bundles = {
        bundle_name: bundle(
            bundle_name,
            name,
            bundle_name.removeprefix(f"{name}.v"),
            **(needs or {}).get(bundle_name.removeprefix(f"{name}.v"), {}),
        )
        for bundle_name in versions
    }
    return Package(name, default, drawn, bundles, deprecations)


def catalog(*packages: Package) -> Catalog:
    """Return the catalog of these packages."""
    return Catalog({item.name: item for item in sorted(packages, key=lambda item: item.name)})


def needs(*wanted: str) -> dict[str, Any]:
    """Return what a bundle needs: ``NAME RANGE`` for a package, ``group/version/Kind`` for a kind."""
    kinds = tuple(Gvk(*text.split("/")) for text in wanted if "/" in text)
    packages = tuple(PackageNeed(*text.split(" ", 1)) for text in wanted if "/" not in text)
    return {"needs_kinds": kinds, "needs_packages": packages}


def kept(picked: Catalog) -> dict[str, dict[str, list[str]]]:
    """Return the versions that are kept, by package and channel, from the oldest on."""
    return {
        name: {
            one.name: sorted(item.name.removeprefix(f"{name}.v") for item in one.entries)
            for one in found.channels.values()
        }
        for name, found in picked.packages.items()
    }
