"""What is asked for of a catalog while a selection grows, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from airferry.errors import MalformedError
from airferry.openshift.catalog.model import Bundle, Catalog, Channel, Deprecation, Package
from airferry.openshift.catalog.selecting.kept_entries import keep_whole
from airferry.openshift.catalog.upgrade_graph import Flaw, violations


class Because(StrEnum):
    """Why something is kept that was not asked for."""

    NEEDED = "needed"
    DEFAULT_CHANNEL = "default-channel"
    BETWEEN = "between"


@dataclass(frozen=True, slots=True, order=True)
class Reason:
    """Why ``bundle`` of ``channel`` is kept although nobody asked for it; ``what`` is a sentence."""

    package: str
    channel: str
    bundle: str
    because: Because
    what: str

    def __str__(self) -> str:
        return self.what


@dataclass(slots=True)
class Choice:
    """What is asked for so far: entries by package and channel. Channels are kept whole as they are looked at."""

    catalog: Catalog
    asked: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    reasons: list[Reason] = field(default_factory=list)
    _kept: dict[tuple[str, str], tuple[frozenset[str], Channel]] = field(default_factory=dict)

    def ask(self, package: str, channel: str, entries: Iterable[str]) -> None:
        """Ask for more entries of a channel."""
        self.asked.setdefault(package, {}).setdefault(channel, set()).update(entries)

    def channel(self, package: str, channel: str) -> Channel:
        """Return the channel with what is kept of it. Raises MalformedError when it cannot be whole."""
        entries = frozenset(self.asked[package][channel])
        known = self._kept.get((package, channel))
        if known is None or known[0] != entries:
            whole = self.catalog.packages[package]
            kept = keep_whole(whole.channels[channel], entries)
            _demand_sound(kept, whole)
            known = self._kept[package, channel] = (entries, kept)
        return known[1]

    def bundles(self, package: str) -> Mapping[str, Bundle]:
        """Return the bundles that are kept of a package, in the catalog's order."""
        names = {
            entry.name for channel in self.asked.get(package, ()) for entry in self.channel(package, channel).entries
        }
        return {name: bundle for name, bundle in self.catalog.packages[package].bundles.items() if name in names}

    def default_channel(self, package: str) -> str:
        """Return the package's default channel, as wished or as the catalog says."""
        return self.defaults.get(package) or self.catalog.packages[package].default_channel

    def has_default(self, package: str) -> bool:
        """Whether the package's default channel is there; without it OLM serves nothing of the catalog."""
        return self.default_channel(package) in self.catalog.packages[package].channels

    def package(self, name: str) -> Package:
        """Return the package with what is kept of it."""
        whole = self.catalog.packages[name]
        channels = {channel: self.channel(name, channel) for channel in whole.channels if channel in self.asked[name]}
        bundles = self.bundles(name)
        notices = tuple(notice for notice in whole.deprecations if _still_there(notice, channels, bundles))
        return replace(
            whole,
            default_channel=self.default_channel(name),
            channels=channels,
            bundles=bundles,
            deprecations=notices,
        )


def _demand_sound(channel: Channel, package: Package) -> None:
    # What only newer opm refuses, the catalog had already: entries that mend it were added where there are any.
    broken = [violation for violation in violations(channel) if violation.flaw is not Flaw.BEHIND_SKIPPED]
    if broken:
        first = broken[0]
        raise MalformedError(
            f"{channel.package}:{channel.name}, as it would be kept, has broken updates: {first.what}",
            hint=f"leave that version out, or mend the catalog: {first.suggestion}",
        )
    for entry in channel.entries:
        if entry.name not in package.bundles:
            raise MalformedError(
                f"{channel.package}:{channel.name}, as it would be kept, has the entry {entry.name} without a bundle",
                hint="leave that version out, or add its bundle to the catalog",
            )


def _still_there(notice: Deprecation, channels: Mapping[str, Channel], bundles: Mapping[str, Bundle]) -> bool:
    match notice.schema:
        case "olm.channel":
            return notice.name in channels
        case "olm.bundle":
            return notice.name in bundles
        case _:
            return True
