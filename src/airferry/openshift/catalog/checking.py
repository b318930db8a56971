"""Everything that is wrong in a catalog, as far as the catalog itself tells.

Sources: operator-registry, alpha/declcfg and alpha/model, for what opm refuses to serve; the rest is what hurts those
who mirror: images that no mirror by digest serves, needs that nothing here meets.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from airferry.errors import AirferryError, MalformedError
from airferry.openshift.catalog.consequences import ImageUses
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.images import parse_image
from airferry.openshift.catalog.model import Bundle, Catalog, Channel, Package
from airferry.openshift.catalog.selecting.dependencies import unsatisfied_needs
from airferry.openshift.catalog.upgrade_graph import violations
from airferry.openshift.semver import is_version
from airferry.openshift.version_range import VersionRange

REFUSED_BY_OPM: Final = frozenset(
    {
        FindingCode.DUPLICATE_VERSION,
        FindingCode.NO_CHANNELS,
        FindingCode.NO_DEFAULT_CHANNEL,
        FindingCode.ABSENT_DEFAULT_CHANNEL,
        FindingCode.EMPTY_CHANNEL,
        FindingCode.DUPLICATE_ENTRY,
        FindingCode.NO_HEAD,
        FindingCode.SEVERAL_HEADS,
        FindingCode.UPDATE_CYCLE,
        FindingCode.STRANDED_ENTRY,
        FindingCode.ENTRY_WITHOUT_BUNDLE,
        FindingCode.BUNDLE_WITHOUT_CHANNEL,
        FindingCode.MALFORMED_VERSION,
    }
)
"""What opm does not serve in a catalog that is written anew; one such package, and it serves nothing at all.

Names that are there twice and deprecations of what is not there it refuses too, but we do not write them. An entry
behind a skipped one only the newest opm refuses, and the catalog that has one was served before."""


def check_catalog(catalog: Catalog) -> tuple[Finding, ...]:
    """Return what was wrong in reading, and everything else, each once, by package."""
    found = list(catalog.findings)
    for package in catalog.packages.values():
        found += _check_package(package)
        for channel in package.channels.values():
            found += _check_channel(channel, package)
        for bundle in package.bundles.values():
            found += _check_bundle(bundle)
    found += unsatisfied_needs(catalog)
    return tuple(_with_consequences(dict.fromkeys(found), catalog))


def refusals(catalog: Catalog) -> tuple[Finding, ...]:
    """Return why opm would refuse the catalog written anew; empty when it would serve it."""
    return tuple(finding for finding in check_catalog(catalog) if finding.code in REFUSED_BY_OPM)


def _check_package(package: Package) -> Iterator[Finding]:
    channels = ", ".join(package.channels) or "none"
    if not package.channels:
        yield Finding(FindingCode.NO_CHANNELS, "", "the package has no channels", package=package.name)
    if not package.default_channel:
        what = f"no olm.package says which channel is the default; there are: {channels}"
        yield Finding(FindingCode.NO_DEFAULT_CHANNEL, "", what, package=package.name)
    elif package.default_channel not in package.channels:
        what = f"the default channel {package.default_channel} is not there; there are: {channels}"
        yield Finding(FindingCode.ABSENT_DEFAULT_CHANNEL, "", what, package=package.name)
    entries = {entry.name for channel in package.channels.values() for entry in channel.entries}
    for name in package.bundles:
        if name not in entries:
            what = "no channel has an entry for the bundle"
            yield Finding(FindingCode.BUNDLE_WITHOUT_CHANNEL, "", what, package=package.name, bundle=name)
    yield from _same_versions(package)
    yield from absent_deprecations(package)


def absent_deprecations(package: Package) -> Iterator[Finding]:
    """Yield the deprecations of channels and bundles that the package has not; they are not written anew."""
    for notice in package.deprecations:
        there: Mapping[str, object] = {"olm.channel": package.channels, "olm.bundle": package.bundles}.get(
            notice.schema, {notice.name: None}
        )
        if notice.name not in there:
            what = f"a deprecation names the {notice.schema} {notice.name}, which is not there"
            yield Finding(FindingCode.ABSENT_DEPRECATED, "", what, package=package.name)


def _same_versions(package: Package) -> Iterator[Finding]:
    by_version: dict[str, list[str]] = {}
    for bundle in package.bundles.values():
        by_version.setdefault(bundle.version, []).append(bundle.name)
    for version, names in by_version.items():
        if version and len(names) > 1:
            what = f"{version} is the version of {', '.join(names)}"
            yield Finding(FindingCode.DUPLICATE_VERSION, "", what, package=package.name)


def _check_channel(channel: Channel, package: Package) -> Iterator[Finding]:
    for broken in violations(channel):
        yield Finding(
            FindingCode(broken.flaw.value),
            "",
            broken.what,
            package=package.name,
            channel=channel.name,
            hint=broken.suggestion,
        )
    for entry in channel.entries:
        if entry.name not in package.bundles:
            what = f"the entry {entry.name} has no bundle"
            yield Finding(FindingCode.ENTRY_WITHOUT_BUNDLE, "", what, package=package.name, channel=channel.name)
        try:
            if entry.skip_range:
                VersionRange.parse(entry.skip_range)
        except MalformedError as error:
            what = f"the skipRange of {entry.name} cannot be read: {error.message}"
            yield Finding(FindingCode.MALFORMED_RANGE, "", what, package=package.name, channel=channel.name)


def _check_bundle(bundle: Bundle) -> Iterator[Finding]:
    if not is_version(bundle.version):
        what = f"{bundle.version!r} is no version" if bundle.version else "the bundle has no version"
        yield Finding(FindingCode.MALFORMED_VERSION, "", what, package=bundle.package, bundle=bundle.name)
    if not bundle.related:
        what = "the bundle names no related images"
        yield Finding(FindingCode.NO_RELATED_IMAGES, "", what, package=bundle.package, bundle=bundle.name)
    named = {bundle.image: "the bundle image"} if bundle.image else {}
    for related in bundle.related:
        named.setdefault(related.image, f"the related image {related.name}" if related.name else "a related image")
    yield from _check_images(bundle, named)


def _with_consequences(found: Iterable[Finding], catalog: Catalog) -> Iterator[Finding]:
    """Say of references that are none what they make unusable: nobody can copy what they mean."""
    needs: ImageUses | None = None
    for finding in found:
        if finding.code is FindingCode.MALFORMED_IMAGE:
            needs = needs or ImageUses(catalog)
            finding = replace(finding, consequence=needs.consequence(finding.image))
        yield finding


def _check_images(bundle: Bundle, named: Mapping[str, str]) -> Iterator[Finding]:
    def finding(code: FindingCode, what: str, repaired: str = "") -> Finding:
        return Finding(code, "", what, bundle.package, bundle.name, repaired, image=image)

    for image, role in named.items():
        try:
            reference = parse_image(image)
        except AirferryError as error:
            yield finding(FindingCode.MALFORMED_IMAGE, f"{role} cannot be read: {error.message}")
            continue
        if reference.repository.place.address not in image:
            yield finding(FindingCode.NO_REGISTRY, f"{role} names no registry: {image}", str(reference))
        if reference.digest is None:
            yield finding(FindingCode.IMAGE_BY_TAG, f"{role} is named by its tag {reference.tag}")
