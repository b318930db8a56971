"""Mirror sets of several runs become one: nothing of an earlier run is lost, whatever the order of the runs.

Within one source, the order of mirrors that a list gives is kept; where lists leave it open, and where they
contradict each other, it is alphabetical. Unlike the merging that nodes do, this never puts the source first
to break a contradiction.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from airferry.errors import MalformedError
from airferry.openshift.cluster.mirror_sets import (
    MirrorEntry,
    MirrorKind,
    MirrorSet,
    SourcePolicy,
    check_entry,
    print_object,
)

MOST_BYTES: Final = 250_000
"""How large one object may get before ``oc adm catalog mirror`` begins another."""


@dataclass(frozen=True, slots=True)
class AccumulatedSets:
    """All entries of all sets, each source once and sorted, by the pulls they serve."""

    by_digest: tuple[MirrorEntry, ...]
    by_tag: tuple[MirrorEntry, ...]

    def entries(self, kind: MirrorKind) -> tuple[MirrorEntry, ...]:
        """Return the entries that belong into a set of ``kind``."""
        return self.by_tag if kind.is_for_tags else self.by_digest


def accumulate(earlier: Iterable[MirrorSet], new: Iterable[MirrorSet]) -> AccumulatedSets:
    """Return what ``earlier`` sets and ``new`` ones say together; in any order they give the same.

    An entry of ``earlier`` without a policy means AllowContactingSource, as it does to a cluster; one of
    ``new`` takes the policy that its source has. Raises MalformedError, naming both places, where one source
    has two policies: a cluster refuses all its mirror sets then.
    """
    earlier, new = tuple(earlier), tuple(new)
    policies = _policies(earlier, new)
    return AccumulatedSets(
        _merge((item for item in (*earlier, *new) if not item.kind.is_for_tags), policies),
        _merge((item for item in (*earlier, *new) if item.kind.is_for_tags), policies),
    )


def split_objects(
    kind: MirrorKind,
    entries: Iterable[MirrorEntry],
    name: str,
    *,
    most_bytes: int = MOST_BYTES,
    of_catalog: bool = False,
) -> tuple[MirrorSet, ...]:
    """Return the entries as objects of at most ``most_bytes``: ``name``, then ``name-2``, ``name-3``, …

    With ``of_catalog`` they are ``name-0``, ``name-1``, … and labelled, as ``oc`` has them for catalogs. No entries
    give no object. An entry that alone is larger has an object of its own.
    """
    empty = len(print_object(kind, (), name=f"{name}-{MOST_BYTES}", of_catalog=of_catalog).encode())
    parts: list[list[MirrorEntry]] = []
    size = 0
    for entry in sorted(entries, key=lambda item: item.source):
        added = len(print_object(kind, (entry,), name=f"{name}-{MOST_BYTES}", of_catalog=of_catalog).encode()) - empty
        if not parts or size + added > most_bytes:
            parts.append([])
            size = empty
        parts[-1].append(entry)
        size += added
    names = [name, *(f"{name}-{number}" for number in range(2, len(parts) + 1))]
    if of_catalog:
        names = [f"{name}-{number}" for number in range(len(parts))]
    return tuple(
        MirrorSet(kind, tuple(part), own, of_catalog=of_catalog) for own, part in zip(names, parts, strict=False)
    )


def _policies(earlier: Iterable[MirrorSet], new: Iterable[MirrorSet]) -> dict[str, SourcePolicy | None]:
    found: dict[str, tuple[SourcePolicy, str]] = {}
    written: dict[str, SourcePolicy | None] = {}
    for item, is_new in (*((item, False) for item in earlier), *((item, True) for item in new)):
        where = item.origin or item.name or item.kind.value
        for entry in item.entries:
            written[entry.source] = written.get(entry.source) or entry.policy
            if is_new and entry.policy is None:
                continue
            policy = entry.policy or SourcePolicy.ALLOW
            known, known_where = found.setdefault(entry.source, (policy, where))
            if known is not policy:
                raise MalformedError(
                    f"the source {entry.source} has {known.value} in {known_where}, and {policy.value} in {where}",
                    hint="clusters refuse all mirror sets then; change one of the two, "
                    "or give --mirror-source-policy as it is in the file",
                )
    return written


def _merge(sets: Iterable[MirrorSet], policies: Mapping[str, SourcePolicy | None]) -> tuple[MirrorEntry, ...]:
    lists: dict[str, list[tuple[str, ...]]] = {}
    for item in sets:
        for entry in item.entries:
            if set(entry.mirrors) - {entry.source}:
                lists.setdefault(entry.source, []).append(entry.mirrors)
    merged = tuple(MirrorEntry(source, _in_order(lists[source]), policies[source]) for source in sorted(lists))
    for entry in merged:
        check_entry(entry, "after merging")
    return merged


def _in_order(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return all mirrors, each after those that a list puts before it; the alphabetically first of all that may."""
    before: dict[str, set[str]] = {}
    for mirrors in lists:
        for mirror in mirrors:
            before.setdefault(mirror, set())
        for first, second in pairwise(dict.fromkeys(mirrors)):
            before[second].add(first)
    order: list[str] = []
    while before:
        free = [mirror for mirror, needed in before.items() if not needed & before.keys()]
        order.append(min(free or before))
        del before[order[-1]]
    return tuple(order)
