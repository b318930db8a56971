"""What a built catalog says of where it comes from: no time, no host, nothing that differs from run to run."""

import json
from typing import Any

from airferry.oci import Digest
from airferry.openshift.catalog.building.rebuild import PACKAGES_LABEL, SELECTION_LABEL, SOURCE_LABEL
from airferry.openshift.catalog.model import Catalog, Package


def provenance(kept: Catalog, source: Digest | None) -> dict[str, str]:
    """Return the labels for a catalog of ``kept``, taken from the image ``source``, None when it was no image."""
    labels = {SELECTION_LABEL: selection_digest(kept), PACKAGES_LABEL: ",".join(sorted(kept.packages))}
    return labels | ({SOURCE_LABEL: source} if source is not None else {})


def selection_digest(kept: Catalog) -> Digest:
    """Return the digest of the names of what is kept, as JSON with sorted keys and without blanks.

    ``{PACKAGE: {"bundles": [NAME…], "channels": {CHANNEL: [NAME…]}, "defaultChannel": CHANNEL}}``, bundles sorted,
    entries of channels in the catalog's order.
    """
    document = {name: _names(package) for name, package in kept.packages.items()}
    return Digest.of(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


def _names(package: Package) -> dict[str, Any]:
    return {
        "defaultChannel": package.default_channel,
        "channels": {name: [entry.name for entry in channel.entries] for name, channel in package.channels.items()},
        "bundles": sorted(package.bundles),
    }
