"""A smaller catalog out of a catalog and a wish, with the reason for everything that was not asked for.

What comes out can be served: each kept channel is whole (see
:mod:`~airferry.openshift.catalog.selecting.kept_entries`), each package has its default channel, deprecations name
only what is there. What cannot be made so is refused, and says what would help. The order of documents does not
matter, and selecting once more with the same wish changes nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from airferry.errors import AirferryError, UsageError
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.model import Catalog, Channel, Package
from airferry.openshift.catalog.selecting.choice import Because, Choice, Reason
from airferry.openshift.catalog.selecting.dependencies import add_needed
from airferry.openshift.catalog.selecting.wanted import Depth, Wanted, WantedChannel, WantedPackage
from airferry.openshift.catalog.upgrade_graph import heads
from airferry.openshift.semver import version_order
from airferry.openshift.version_range import VersionRange


@dataclass(frozen=True, slots=True)
class Selected:
    """The smaller catalog; ``reasons`` for what was added, sorted; ``warnings`` for what is lacking.

    ``whole`` says that nothing was left out because everything is wanted: the catalog is the one that was given.
    """

    catalog: Catalog
    reasons: tuple[Reason, ...] = ()
    warnings: tuple[Finding, ...] = ()
    whole: bool = False

    @property
    def left_out(self) -> tuple[Finding, ...]:
        """What was wanted, as all of a catalog is, and would have spoiled the rest."""
        return tuple(finding for finding in self.warnings if finding.code is FindingCode.LEFT_OUT)


def select_catalog(catalog: Catalog, wanted: Wanted) -> Selected:
    """Return what ``wanted`` means in ``catalog``.

    Raises UsageError for names, versions and default channels that are not there, and MalformedError for a channel
    whose updates would be broken.
    """
    if wanted.is_everything:
        return Selected(catalog, whole=True)
    choice = Choice(catalog)
    left_out = _choose_all(choice, wanted) if not wanted.packages else ()
    for wish in sorted(wanted.packages, key=lambda wish: wish.name):
        _choose(choice, wish, wanted)
    lacking = add_needed(choice) if wanted.dependencies else ()
    packages = {name: choice.package(name) for name in sorted(choice.asked)}
    findings = tuple(finding for finding in catalog.findings if _concerns(finding, packages))
    reasons = sorted({*choice.reasons, *_between(choice)})
    return Selected(Catalog(packages, findings), tuple(reasons), (*left_out, *lacking))


def _choose_all(choice: Choice, wanted: Wanted) -> tuple[Finding, ...]:
    """Choose from every package; one that OLM would not serve is left out, and told, for it would spoil the others."""
    left_out: list[Finding] = []
    for name in sorted(choice.catalog.packages):
        try:
            _choose(choice, WantedPackage(name), wanted)
        except AirferryError as error:
            choice.asked.pop(name, None)
            left_out.append(Finding(FindingCode.LEFT_OUT, "", f"left out: {error.message}", package=name))
    return tuple(left_out)


def _choose(choice: Choice, wish: WantedPackage, wanted: Wanted) -> None:
    package = choice.catalog.packages.get(wish.name)
    if package is None:
        raise UsageError(
            f"the catalog has no package {wish.name}", hint=_closest(wish.name, choice.catalog.packages, "packages")
        )
    for channel, versions in _channels(package, wish):
        entries = _entries(channel, package, versions, wanted.depth_of(versions))
        if entries:
            choice.ask(package.name, channel.name, entries)
        elif wish.channels:
            raise _no_version(versions, package, channel.name, [channel])
    if package.name not in choice.asked:
        raise _no_version(wish.versions, package, "", package.channels.values())
    if wish.default_channel:
        choice.defaults[package.name] = wish.default_channel
    _demand_default(choice, package, wish)
    choice.package(package.name)


def _channels(package: Package, wish: WantedPackage) -> list[tuple[Channel, VersionRange | None]]:
    if not wish.channels:
        return [(channel, wish.versions) for channel in package.channels.values()]
    return [(_channel(package, item), item.versions or wish.versions) for item in wish.channels]


def _channel(package: Package, wish: WantedChannel) -> Channel:
    channel = package.channels.get(wish.name)
    if channel is None:
        raise UsageError(
            f"{package.name} has no channel {wish.name}", hint=_closest(wish.name, package.channels, "channels")
        )
    return channel


def _entries(channel: Channel, package: Package, versions: VersionRange | None, depth: Depth) -> tuple[str, ...]:
    def version(name: str) -> str:
        bundle = package.bundles.get(name)
        return bundle.version if bundle is not None else ""

    names = [entry.name for entry in channel.entries]
    if versions is not None:
        names = [name for name in names if versions.allows(version(name))]
    if depth is Depth.ALL or not names:
        return tuple(names)
    top = tuple(name for name in heads(channel) if name in names)
    return top or (max(names, key=lambda name: (version_order(version(name)), name)),)


def _demand_default(choice: Choice, package: Package, wish: WantedPackage) -> None:
    default = choice.default_channel(package.name)
    kept = sorted(choice.asked[package.name])
    if default in kept:
        return
    flags = " or ".join(f"--default-channel {package.name}:{name}" for name in kept)
    if wish.default_channel:
        raise UsageError(
            f"{default} cannot be the default channel of {package.name}: it is not among those kept: {', '.join(kept)}",
            hint=f"{_closest(default, kept, 'channels')}; keep it with --channel {package.name}:{default}"
            if default in package.channels
            else _closest(default, kept, "channels"),
        )
    named = f"its default channel {default}" if default else "a default channel"
    also = f"keep it with --channel {package.name}:{default}, or " if default in package.channels else ""
    raise UsageError(
        f"{package.name} would be left without {named}, and OLM does not take a package without one; "
        f"kept: {', '.join(kept)}",
        hint=f"{also}choose another: {flags} (defaultChannel in an ImageSetConfiguration)",
    )


def _no_version(
    versions: VersionRange | None, package: Package, channel: str, channels: Iterable[Channel]
) -> UsageError:
    where = f"the channel {channel} of {package.name}" if channel else package.name
    if versions is None:
        return UsageError(f"{where} has no entries", hint="airferry catalog check tells what is wrong with it")
    there = {
        package.bundles[entry.name].version
        for item in channels
        for entry in item.entries
        if entry.name in package.bundles
    }
    listed = sorted(there - {""}, key=version_order)
    shown = ", ".join(listed if len(listed) <= 12 else [*listed[:4], "…", *listed[-7:]]) or "none"
    return UsageError(f"no version of {where} is in the range {versions}", hint=f"it has: {shown}")


def _closest(name: str, names: Iterable[str], what: str) -> str:
    known = sorted(names)
    near = get_close_matches(name, known, n=3, cutoff=0.75) or [other for other in known if name and name in other][:3]
    if near:
        return f"did you mean {' or '.join(near)}?"
    shown = ", ".join(known[:10]) or "none"
    return f"it has the {what} {shown}" + (f" and {len(known) - 10} more" if len(known) > 10 else "")


def _between(choice: Choice) -> Iterable[Reason]:
    for package, channels in choice.asked.items():
        for channel, asked in channels.items():
            for entry in choice.channel(package, channel).entries:
                if entry.name not in asked:
                    what = f"{entry.name} stays in {package}:{channel}: updates between wanted versions go through it"
                    yield Reason(package, channel, entry.name, Because.BETWEEN, what)


def _concerns(finding: Finding, packages: Mapping[str, Package]) -> bool:
    package = packages.get(finding.package)
    return not finding.package or (package is not None and (not finding.bundle or finding.bundle in package.bundles))
