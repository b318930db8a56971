"""The updates inside a channel: which bundle replaces which, which is newest, and what is wrong with them.

Source: operator-registry, alpha/model, "validateReplacesChain", which refuses to serve a catalog that breaks it:
one head; from it, ``replaces`` reaches every entry that none skips; no cycle; only what is last may replace an entry
that is not there. ``skips`` may name anything. ``skipRange`` is no edge of this graph: it adds updates, and takes
none away. Newer versions of opm end the chain where it would go on to a skipped entry, which is a flaw of its own here.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile

from airferry.openshift.catalog.model import Channel, ChannelEntry


class Flaw(StrEnum):
    """What can be wrong with the updates of a channel; stable, for scripts."""

    EMPTY = "channel-without-entries"
    SAME_ENTRY = "duplicate-entry"
    NO_HEAD = "no-head"
    SEVERAL_HEADS = "several-heads"
    CYCLE = "update-cycle"
    STRANDED = "stranded-entry"
    BEHIND_SKIPPED = "behind-skipped-entry"


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a channel breaks: the ``entry`` that breaks it ("" for the channel as a whole), and what helps."""

    flaw: Flaw
    entry: str
    what: str
    suggestion: str


def heads(channel: Channel) -> tuple[str, ...]:
    """Return the entries that no other entry replaces or skips, in the catalog's order; a sound channel has one."""
    behind = {name for entry in channel.entries for name in (entry.replaces, *entry.skips)}
    return tuple(entry.name for entry in channel.entries if entry.name not in behind)


def violations(channel: Channel) -> tuple[Violation, ...]:
    """Return the rules that the channel breaks, none when OLM can serve it."""
    if not channel.entries:
        what = "the channel has no entries"
        return (Violation(Flaw.EMPTY, "", what, "give it an entry, or remove it"),)
    found = [
        Violation(Flaw.SAME_ENTRY, name, f"{name} is in the channel {count} times", "keep one of them")
        for name, count in Counter(entry.name for entry in channel.entries).items()
        if count > 1
    ]
    top = heads(channel)
    chain, cycle = replaces_chain(channel, top[0] if top else channel.entries[0].name)
    if cycle or not top:
        entry, what = _cycle_sentence(cycle)
        flaw = Flaw.CYCLE if cycle else Flaw.NO_HEAD
        found.append(Violation(flaw, entry, what, "remove one of these replaces: an entry replaces an older one"))
        return tuple(found)
    if len(top) > 1:
        return (*found, *_several_heads(channel, top))
    found.extend(_unreached(channel, top[0], chain))
    return tuple(found)


def replaces_chain(channel: Channel, start: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the entries from ``start`` down by ``replaces``, and the cycle it runs into (empty for none).

    The chain ends at an entry that is not in the channel, which is not part of it.
    """
    by_name = {entry.name: entry for entry in channel.entries}
    chain: dict[str, None] = {}
    name = start
    while name in by_name:
        if name in chain:
            walked = list(chain)
            return tuple(walked), (*walked[walked.index(name) :], name)
        chain[name] = None
        name = by_name[name].replaces
    return tuple(chain), ()


def updates_from(entries: Iterable[ChannelEntry]) -> Mapping[str, tuple[str, ...]]:
    """Return for each entry the others that it updates directly, by ``replaces`` or ``skips``."""
    by_name = {entry.name: entry for entry in entries}
    return {
        name: tuple(older for older in dict.fromkeys((entry.replaces, *entry.skips)) if older in by_name)
        for name, entry in by_name.items()
    }


def _unreached(channel: Channel, head: str, chain: tuple[str, ...]) -> Iterator[Violation]:
    skipped = {name for entry in channel.entries for name in entry.skips}
    direct = set(chain[:1]) | set(takewhile(lambda name: name not in skipped, chain[1:]))
    for entry in channel.entries:
        name = entry.name
        if name in skipped or name in direct:
            continue
        suggestion = f"let an entry of that chain replace or skip {name}, or remove it from the channel"
        if name in chain:
            what = f"{name} is reached from the head {head} through a skipped entry only, which newer opm refuses"
            yield Violation(Flaw.BEHIND_SKIPPED, name, what, suggestion)
        else:
            what = f"{name} is stranded: no chain of replaces leads to it from the head {head}, and none skips it"
            yield Violation(Flaw.STRANDED, name, what, suggestion)


def _several_heads(channel: Channel, top: tuple[str, ...]) -> list[Violation]:
    others = ", ".join(top)
    return [
        Violation(
            Flaw.SEVERAL_HEADS,
            name,
            f"{name} is one of {len(top)} heads of the channel: {others}",
            f"let the newest of them replace or skip {name}, or remove it from the channel",
        )
        for name in top
    ]


def _cycle_sentence(cycle: tuple[str, ...]) -> tuple[str, str]:
    if not cycle:
        return "", "the channel has no head: each entry is replaced or skipped by another"
    return cycle[0], f"{cycle[0]} is updated in a cycle: {' replaces '.join(cycle)}"
