"""Which entries of a channel must be kept beside those that are wanted, so that its updates are still whole.

Nothing is added to wanted entries that are sound by themselves. Otherwise what lies between them comes along, on the
ways from newer to older by ``replaces`` and ``skips``; and where none of them updates all others, the lowest entry that
does; of all that, as much as it takes for updates without holes. A channel that is sound stays so: see
:func:`~airferry.openshift.catalog.upgrade_graph.violations`. Entries are never rewritten: what the last of them
replaces, and whatever they skip, may be names that are not kept, and clusters that have those can still update.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from airferry.openshift.catalog.model import Channel
from airferry.openshift.catalog.upgrade_graph import updates_from, violations


def keep_whole(channel: Channel, wanted: Iterable[str]) -> Channel:
    """Return the channel with the entries ``wanted`` and those between, in the catalog's order.

    It may still break the rules where the catalog's own channel does: ask
    :func:`~airferry.openshift.catalog.upgrade_graph.violations`.
    """
    asked = frozenset(wanted)
    kept = only(channel, asked)
    if not violations(kept):
        return kept
    wider = channel
    while (kept := _without_spare(_with_between(wider, asked), asked)) != wider:
        wider = kept
    return kept


def _with_between(channel: Channel, asked: Iterable[str]) -> Channel:
    """Return the channel with all that lies between what is asked, sound where the channel is."""
    graph = _Graph(channel)
    wanted = set(asked)
    while True:
        kept = only(channel, graph.closed(wanted))
        # Behind an entry that another one skips, the chain of replaces may not lead on: what else updates joins it.
        more = {graph.updater(violation.entry, kept) for violation in violations(kept)} - {""}
        if not more:
            return kept
        wanted |= more


def _without_spare(channel: Channel, asked: frozenset[str]) -> Channel:
    """Return the channel without entries that it is sound without; one that is not sound stays as it is."""
    if violations(channel):
        return channel
    for name in sorted(entry.name for entry in channel.entries if entry.name not in asked):
        fewer = only(channel, (entry.name for entry in channel.entries if entry.name != name))
        if not violations(fewer):
            channel = fewer
    return channel


def only(channel: Channel, names: Iterable[str]) -> Channel:
    """Return the channel with just these entries, as they are written."""
    kept = frozenset(names)
    return replace(channel, entries=tuple(entry for entry in channel.entries if entry.name in kept))


class _Graph:
    """Who updates whom, directly or in steps."""

    def __init__(self, channel: Channel) -> None:
        self._down = updates_from(channel.entries)
        self._up: dict[str, list[str]] = {name: [] for name in self._down}
        for name, older in self._down.items():
            for other in older:
                self._up[other].append(name)
        self._below: dict[str, frozenset[str]] = {}

    def closed(self, asked: Iterable[str]) -> frozenset[str]:
        """Return ``asked``, with one entry on top of all of it, and everything between."""
        names = frozenset(asked) & self._down.keys()
        tops = self._tops(names)
        if len(tops) > 1:
            common = [name for name in self._down if all(top in self.below(name) for top in tops)]
            if common:
                names |= {min(common, key=lambda name: (len(self.below(name)), name))}
        return _reach(names, self._down) & _reach(names, self._up)

    def below(self, name: str) -> frozenset[str]:
        """Return the entry and all that it updates, directly or in steps."""
        if name not in self._below:
            self._below[name] = _reach([name], self._down)
        return self._below[name]

    def updater(self, name: str, kept: Channel) -> str:
        """Return the lowest entry not kept that replaces or skips ``name``, "" when there is none."""
        held = {entry.name for entry in kept.entries}
        newer = [other for other in self._up.get(name, ()) if other not in held]
        return min(newer, key=lambda other: (len(self.below(other)), other), default="")

    def _tops(self, names: frozenset[str]) -> frozenset[str]:
        """Return those of ``names`` that none of the others updates."""
        below = _reach({older for name in names for older in self._down[name]}, self._down)
        return (names - below) or names


def _reach(start: Iterable[str], edges: Mapping[str, Iterable[str]]) -> frozenset[str]:
    seen = set(start)
    pending = list(seen)
    while pending:
        for name in edges[pending.pop()]:
            if name not in seen:
                seen.add(name)
                pending.append(name)
    return frozenset(seen)
