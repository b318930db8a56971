"""Bundles outside of a catalog, made into the documents that a catalog of them would hold.

Two forms: bundles with annotations, which say their package and channels themselves; and package manifests, as app
registries held them: ``NAME.package.yaml`` names the newest bundle of each channel, and the ``replaces`` of one
ClusterServiceVersion after the other lead to the rest. Source: operator-registry's directory loader.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from airferry.errors import MalformedError
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.reading.bundle_manifests import BundleManifests
from airferry.openshift.catalog.reading.bundle_rendering import bundle_properties, rendered
from airferry.openshift.catalog.reading.metas import Meta

_NUMBERS: Final = re.compile(r"\d{1,18}")


@dataclass(frozen=True, slots=True)
class PackageManifest:
    """What a ``package.yaml`` says: the head of each channel. ``where`` is the file."""

    name: str
    heads: Mapping[str, str]
    default_channel: str
    where: str


def read_package_manifest(document: Any, where: str) -> PackageManifest | None:
    """Return the package manifest in a document, None when it is something else. Raises MalformedError."""
    if not isinstance(document, dict) or "packageName" not in document:
        return None
    name, channels, default = (document.get(key) for key in ("packageName", "channels", "defaultChannel"))
    if not isinstance(name, str) or not name:
        raise MalformedError(f"{where}: packageName is not text but {name!r}", hint="put it in quotes")
    heads: dict[str, str] = {}
    for item in channels if isinstance(channels, list) else ():
        channel, head = (item.get("name"), item.get("currentCSV")) if isinstance(item, dict) else (None, None)
        if not isinstance(channel, str) or not isinstance(head, str):
            raise MalformedError(f"{where}: a channel is not a name and a currentCSV but {item!r}")
        heads[channel] = head
    chosen = default if isinstance(default, str) else ""
    # With one channel nothing has to be said, as for OLM.
    return PackageManifest(name, heads, chosen or (next(iter(heads)) if len(heads) == 1 else ""), where)


def package_metas(
    package: PackageManifest,
    bundles: Iterable[BundleManifests],
    findings: list[Finding],
    *,
    with_manifests: bool = False,
) -> Iterator[Meta]:
    """Yield a package, its channels and bundles. A head that is not there, or a bundle in no channel, is a finding.

    The bundles have no image: their manifests are what an app registry gave to a cluster.
    """
    yield _meta("olm.package", package.name, package.name, package.where, {"defaultChannel": package.default_channel})
    by_name = {bundle.name: bundle for bundle in bundles}
    reached: dict[str, BundleManifests] = {}
    for channel, head in package.heads.items():
        entries = []
        name, chain = head, set[str]()
        while name in by_name and name not in chain:
            chain.add(name)
            reached[name] = by_name[name]
            entries.append(_entry(by_name[name]))
            name = by_name[name].replaces
        if entries:
            yield _meta("olm.channel", channel, package.name, package.where, {"entries": entries})
        else:
            what = f"the channel {channel!r} is left out: its newest bundle {head!r} is not there"
            findings.append(Finding(FindingCode.LEFT_OUT, package.where, what, package.name, head))
    for name, bundle in by_name.items():
        if name in reached:
            yield _bundle_meta(bundle, package.name, "", with_manifests)
        else:
            what = "left out: no channel leads to it"
            findings.append(Finding(FindingCode.LEFT_OUT, bundle.where, what, package.name, name))


def bundle_metas(
    bundles: Sequence[tuple[BundleManifests, str]], findings: list[Finding], *, with_manifests: bool = False
) -> Iterator[Meta]:
    """Yield the catalog of bundles that say themselves where they belong, each with its image, "" for none.

    A package's default channel is the one that its highest version names, or else its only channel.
    """
    packages: dict[str, list[BundleManifests]] = {}
    for bundle, image in bundles:
        packages.setdefault(bundle.package, []).append(bundle)
        findings += bundle.findings
        if missing := bundle.missing_crds():
            what = f"no manifest brings {', '.join(missing)}, which the bundle calls its own; opm refuses it"
            findings.append(Finding(FindingCode.MALFORMED_ENTRY, bundle.where, what, bundle.package, bundle.name))
        yield _bundle_meta(bundle, bundle.package, image, with_manifests)
        if not bundle.channels:
            what = "the bundle names no channel, so none has it"
            findings.append(Finding(FindingCode.LEFT_OUT, bundle.where, what, bundle.package, bundle.name))
    for package, members in packages.items():
        channels: dict[str, list[dict[str, Any]]] = {}
        for bundle in members:
            for channel in bundle.channels:
                channels.setdefault(channel, []).append(_entry(bundle))
        named = sorted(
            (bundle for bundle in members if bundle.default_channel), key=lambda bundle: _age(bundle.version)
        )
        default = named[-1].default_channel if named else next(iter(channels)) if len(channels) == 1 else ""
        where = members[0].where
        yield _meta("olm.package", package, package, where, {"defaultChannel": default})
        for channel, entries in channels.items():
            yield _meta("olm.channel", channel, package, where, {"entries": entries})


def _bundle_meta(bundle: BundleManifests, package: str, image: str, with_manifests: bool) -> Meta:
    if with_manifests:
        fields = rendered(bundle, image)
    else:
        shown = {"type": "olm.csv.metadata", "value": {"displayName": bundle.display_name}}
        fields = {
            "image": image,
            "properties": [*bundle_properties(bundle), *([shown] if bundle.display_name else [])],
            "relatedImages": bundle.related_entries(image),
        }
    return _meta("olm.bundle", bundle.name, package, bundle.where, fields)


def _entry(bundle: BundleManifests) -> dict[str, Any]:
    return {
        "name": bundle.name,
        "replaces": bundle.replaces,
        "skips": list(bundle.skips),
        "skipRange": bundle.skip_range,
    }


def _age(version: str) -> tuple[tuple[int, ...], bool]:
    """Order versions as far as a default channel needs it: numbers first, a pre-release before its release."""
    core, dash, _ = version.partition("-")
    return tuple(int(number) for number in _NUMBERS.findall(core)[:3]), not dash


def _meta(schema: str, name: str, package: str, where: str, fields: dict[str, Any]) -> Meta:
    value = {"schema": schema, "name": name} | ({} if schema == "olm.package" else {"package": package}) | fields
    return Meta(schema, package, name, value, where)
