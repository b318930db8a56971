"""``catalog list``: what a catalog holds."""

from collections.abc import Iterable
from typing import Any

from airferry.openshift.catalog.model import Catalog, Channel, Package
from airferry.openshift.catalog.upgrade_graph import heads


def catalog_to_json(catalog: Catalog) -> dict[str, Any]:
    """Return the catalog as a JSON object with stable keys."""
    return {"packages": [_package_to_json(package) for package in catalog.packages.values()]}


def catalog_text(catalog: Catalog) -> str:
    """Return a table of packages: name, default channel, and the newest version in it."""
    rows = [("NAME", "DISPLAY NAME", "DEFAULT CHANNEL", "HEAD")]
    for package in catalog.packages.values():
        channel = package.channels.get(package.default_channel)
        head = next(iter(heads(channel)), "") if channel is not None else ""
        bundle = package.bundles.get(head)
        rows.append((package.name, bundle.display_name if bundle else "", package.default_channel, head))
    return _table(rows)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    rows = list(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
    )


def _package_to_json(package: Package) -> dict[str, Any]:
    return {
        "name": package.name,
        "defaultChannel": package.default_channel,
        "channels": [_channel_to_json(channel, package) for channel in package.channels.values()],
    }


def _channel_to_json(channel: Channel, package: Package) -> dict[str, Any]:
    return {
        "name": channel.name,
        "heads": list(heads(channel)),
        "entries": [
            {
                "name": entry.name,
                "version": package.bundles[entry.name].version if entry.name in package.bundles else "",
            }
            for entry in channel.entries
        ],
    }
