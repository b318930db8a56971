"""The answer of ``catalog check`` for people: findings by kind, the same one of several bundles told once."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from airferry.app.catalogs.catalog_upstream import Upstream
from airferry.app.catalogs.catalog_wanted import added_lines
from airferry.app.catalogs.check_catalog import CheckedCatalog, CheckReport
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.images import catalog_images, parse_image
from airferry.openshift.catalog.selecting.select import Selected
from airferry.quantities import print_count

_MOST_LINES: Final = 40
"""Of one kind; the rest is counted, and -o json and --ledger have all."""

_MOST_NAMES: Final = 3

_SERVED: Final = "OLM does not serve such a catalog"

TITLES: Final = {
    FindingCode.VALUE_FOR_IMAGE: (
        "related images under value instead of image",
        "they were read as what is meant; oc drops them in silence, and the operator fails offline",
    ),
    FindingCode.EMPTY_IMAGE: ("related images that name nothing", "whatever is meant will not be mirrored"),
    FindingCode.MALFORMED_IMAGE: ("images that are no references", "they cannot be mirrored"),
    FindingCode.MALFORMED_ENTRY: ("related images that are no entries", "whatever is meant will not be mirrored"),
    FindingCode.NO_REGISTRY: (
        "images without a registry",
        "nodes guess one by their own rules; a mirror serves them only where both guess alike",
    ),
    FindingCode.IMAGE_BY_TAG: (
        "images by tag",
        "no ImageDigestMirrorSet or ImageContentSourcePolicy is asked for them: nodes go to the registry that is named "
        "unless an ImageTagMirrorSet covers it; and a tag may move",
    ),
    FindingCode.DUPLICATE_NAME: ("names given twice", _SERVED),
    FindingCode.DUPLICATE_VERSION: ("versions given twice", _SERVED),
    FindingCode.NO_CHANNELS: ("packages without channels", _SERVED),
    FindingCode.NO_DEFAULT_CHANNEL: ("packages without a default channel", _SERVED),
    FindingCode.ABSENT_DEFAULT_CHANNEL: ("default channels that are not there", _SERVED),
    FindingCode.EMPTY_CHANNEL: ("channels without entries", _SERVED),
    FindingCode.DUPLICATE_ENTRY: ("entries given twice", _SERVED),
    FindingCode.NO_HEAD: ("channels without a head", _SERVED),
    FindingCode.SEVERAL_HEADS: ("channels with several heads", _SERVED),
    FindingCode.UPDATE_CYCLE: ("updates in a cycle", _SERVED),
    FindingCode.STRANDED_ENTRY: ("stranded entries", _SERVED),
    FindingCode.BEHIND_SKIPPED_ENTRY: ("entries behind a skipped one", "newer OLM does not serve such a catalog"),
    FindingCode.MALFORMED_RANGE: ("ranges that cannot be read", "OLM does not offer these updates"),
    FindingCode.ENTRY_WITHOUT_BUNDLE: ("entries without a bundle", _SERVED),
    FindingCode.BUNDLE_WITHOUT_CHANNEL: ("bundles in no channel", _SERVED),
    FindingCode.MALFORMED_VERSION: ("bundles without a version", _SERVED),
    FindingCode.NO_RELATED_IMAGES: (
        "bundles without related images",
        "their bundle image alone will be mirrored; what the operator starts is not known",
    ),
    FindingCode.ABSENT_DEPRECATED: ("deprecations of what is not there", _SERVED),
    FindingCode.UNSATISFIED_NEED: (
        "needs that nothing here meets",
        "the bundles cannot be installed unless the cluster has it from another catalog",
    ),
    FindingCode.NOT_EVALUATED: ("needs that were not looked into", "whether the catalog meets them cannot be told"),
    FindingCode.LEFT_OUT: ("left out", "neither checked nor mirrored"),
    FindingCode.MISSING_UPSTREAM: ("images that no longer exist", "their registries say so"),
    FindingCode.CANNOT_TELL: ("images that cannot be told of", "they may exist: nobody could say"),
}
"""What each kind of finding is called, and what it means to who mirrors the catalog; every kind has one."""


def print_report(report: CheckReport) -> str:
    """Return what was found in each catalog, and a last line that sums it up."""
    parts = ["\n".join(_checked(item)) for item in report.checked]
    parts += [f"{name}: error[{error.code}]: {error.message}" for name, error in report.errors]
    return "\n\n".join(parts) + "\n"


def _checked(item: CheckedCatalog) -> Iterator[str]:
    packages = item.catalog.packages.values()
    channels = sum(len(package.channels) for package in packages)
    bundles = sum(len(package.bundles) for package in packages)
    counted = [
        print_count(len(packages), "package"),
        print_count(channels, "channel"),
        print_count(bundles, "bundle"),
        print_count(len(catalog_images(item.catalog).uses), "image"),
    ]
    yield f"{item.name}: {', '.join(counted)}"
    if not item.selected.whole:
        yield from _selected(item.selected)
    if item.upstream is not None:
        yield f"asked for {print_count(item.upstream.asked, 'image')}, {item.upstream.present} are there"
    found = item.all_findings
    for code in FindingCode:
        of_code = [finding for finding in found if finding.code is code]
        if of_code:
            title, meaning = TITLES[code]
            yield ""
            yield f"{title} ({len(of_code)}): {meaning} [{code.value}]"
            yield from _limited(_paragraphs(of_code))
    if item.upstream is not None:
        yield from _unusable(item.upstream)
    yield ""
    yield f"{print_count(len(found), 'finding')}" if found else "nothing is wrong"


def _paragraphs(findings: Sequence[Finding]) -> Iterator[list[str]]:
    """Yield one paragraph for each finding, the same one of several bundles or images once; by package."""
    if findings[0].code is FindingCode.CANNOT_TELL:
        yield from _by_registry(findings)
        return
    tell = _TELLERS.get(findings[0].code, _alike)
    by_package: dict[str, list[Finding]] = {}
    for finding in findings:
        by_package.setdefault(finding.package, []).append(finding)
    for package, found in by_package.items():
        title = [f"  {package}"] if package else []
        for lines in tell(found):
            yield [*title, *lines]
            title = []


def _alike(findings: Iterable[Finding]) -> Iterator[list[str]]:
    alike: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        key = (finding.channel, finding.what, finding.repaired, finding.hint, finding.consequence)
        alike.setdefault(key, []).append(finding)
    for (channel, what, repaired, hint, consequence), same in alike.items():
        names = [name for name in dict.fromkeys(finding.bundle or finding.image for finding in same) if name]
        about = _some(names) or (f"channel {channel}" if channel else "")
        where = f" ({same[0].where})" if len(same) == 1 and same[0].where else ""
        lines = [f"    {about}: {what}{where}" if about else f"    {what}{where}"]
        lines += [f"        read as {repaired}"] if repaired else []
        lines += [f"        so {consequence}"] if consequence else []
        lines += [f"        fix: {hint}"] if hint else []
        yield lines


def _by_repository(findings: Iterable[Finding]) -> Iterator[list[str]]:
    """Tell images by their repositories: what serves them is set up for a repository."""
    tags: dict[str, dict[str, None]] = {}
    bundles: dict[str, dict[str, None]] = {}
    for finding in findings:
        reference = parse_image(finding.image)
        repository = str(reference.repository)
        tags.setdefault(repository, {})[reference.tag or "no tag"] = None
        bundles.setdefault(repository, {})[finding.bundle] = None
    for repository, named in tags.items():
        yield [f"    {repository}: {_some(list(named), most=6)}", f"        in {_some(list(bundles[repository]))}"]


def _by_image(findings: Iterable[Finding]) -> Iterator[list[str]]:
    for finding in findings:
        yield [f"    {finding.image}", *([f"        so {finding.consequence}"] if finding.consequence else [])]


_TELLERS: Final = {FindingCode.IMAGE_BY_TAG: _by_repository, FindingCode.MISSING_UPSTREAM: _by_image}


def _by_registry(findings: Iterable[Finding]) -> Iterator[list[str]]:
    """Tell once for each registry what kept it from saying: its first words stand for all that are alike."""
    alike: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        host = parse_image(finding.image).repository.place.address
        alike.setdefault((host, finding.hint), []).append(finding)
    for (host, hint), same in alike.items():
        fix = [f"        fix: {hint}"] if hint else []
        yield [f"  {host}: {print_count(len(same), 'image')}, such as {same[0].image}", f"        {same[0].what}", *fix]


def _limited(paragraphs: Iterable[list[str]]) -> Iterator[str]:
    told = list(paragraphs)
    for lines in told[:_MOST_LINES]:
        yield from lines
    if len(told) > _MOST_LINES:
        yield f"  and {len(told) - _MOST_LINES} more: -o json shows all, --ledger FILE writes all"


def _selected(selected: Selected) -> Iterator[str]:
    for package in selected.catalog.packages.values():
        yield f"  {package.name}, default channel {package.default_channel or 'none'}"
        for channel in package.channels.values():
            yield f"    {channel.name}: {', '.join(entry.name for entry in channel.entries)}"
    yield from added_lines(selected)


def _unusable(upstream: Upstream) -> Iterator[str]:
    lost = upstream.consequences
    if not lost.bundles:
        return
    yield ""
    yield "unusable without the missing images:"
    by_package: dict[str, list[str]] = {}
    for bundle in lost.bundles:
        by_package.setdefault(bundle.package, []).append(bundle.version or bundle.name)
    for package, versions in by_package.items():
        if package in lost.packages:
            yield f"  {package}: every version ({len(versions)})"
            continue
        yield f"  {package}: {_some(versions, most=10)}"
        empty = [channel for name, channel in lost.empty_channels if name == package]
        headless = [channel for name, channel in lost.headless_channels if name == package and channel not in empty]
        if empty:
            yield f"    nothing is left of {', '.join(empty)}"
        if headless:
            yield f"    the head is lost of {', '.join(headless)}"


def _some(names: list[str], most: int = _MOST_NAMES) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
