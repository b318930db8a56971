"""Would opm serve this? One package that it cannot make sense of, and it serves nothing at all.

Source: operator-registry, "alpha/model": what its Validate refuses, and what conversion from documents does.
"""

from collections.abc import Iterator

from airferry.openshift.catalog.model import Catalog, Channel, Package
from airferry.openshift.catalog.upgrade_graph import heads


def refusals(catalog: Catalog) -> tuple[str, ...]:
    """Return why opm would refuse the catalog, a sentence for each reason; empty when it would serve it."""
    return tuple(reason for package in catalog.packages.values() for reason in _in_package(package))


def _in_package(package: Package) -> Iterator[str]:
    name = package.name
    if not package.channels:
        yield f"the package {name} has no channel"
    elif not package.default_channel:
        yield f"the package {name} has no default channel"
    elif package.default_channel not in package.channels:
        yield f"the default channel {package.default_channel} of {name} is not one of its channels"
    for channel in package.channels.values():
        yield from _in_channel(package, channel)
    listed = {entry.name for channel in package.channels.values() for entry in channel.entries}
    for bundle in package.bundles.values():
        if bundle.name not in listed:
            yield f"the bundle {bundle.name} of {name} is in no channel"
        if not bundle.version:
            yield f"the bundle {bundle.name} of {name} has no version"


def _in_channel(package: Package, channel: Channel) -> Iterator[str]:
    where = f"the channel {channel.name} of {package.name}"
    if not channel.entries:
        yield f"{where} is empty"
        return
    found = heads(channel)
    if len(found) != 1:
        yield f"{where} has {len(found)} heads instead of one{': ' if found else ''}{', '.join(found)}"
    for entry in channel.entries:
        if entry.name not in package.bundles:
            yield f"{where} lists {entry.name}, and there is no such bundle"
