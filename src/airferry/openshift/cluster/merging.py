"""Several mirror lists for one source become one list, in an order that keeps each list's own order.

Source: library-go's topological sort as used by runtime-utils ``mergedMirrorSets``, with its ways of breaking
ties and loops, so that the outcome is what nodes have.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise

from airferry.errors import MalformedError
from airferry.openshift.cluster.mirror_sets import MirrorEntry, SourcePolicy


def merge_entries(entries: Iterable[MirrorEntry]) -> tuple[MirrorEntry, ...]:
    """Return one entry for each source that has mirrors, sorted by source.

    An entry whose mirrors are none, or only the source itself, counts for nothing, policy included. The
    source stays among the mirrors only where the order puts a mirror behind it.
    """
    lists: dict[str, list[tuple[str, ...]]] = {}
    policies: dict[str, SourcePolicy] = {}
    for entry in entries:
        if set(entry.mirrors) <= {entry.source}:
            continue
        lists.setdefault(entry.source, []).append(entry.mirrors)
        if entry.policy is SourcePolicy.NEVER:
            policies[entry.source] = SourcePolicy.NEVER
    return tuple(MirrorEntry(source, _merge(source, lists[source]), policies.get(source)) for source in sorted(lists))


def check_policies(entries: Iterable[MirrorEntry]) -> None:
    """Raise MalformedError when one source has different policies; no policy counts as AllowContactingSource.

    A cluster refuses all its mirror sets then, not only these.
    """
    policies: dict[str, SourcePolicy] = {}
    for entry in entries:
        policy = entry.policy or SourcePolicy.ALLOW
        if policies.setdefault(entry.source, policy) is not policy:
            raise MalformedError(
                f"the source {entry.source} has both AllowContactingSource and NeverContactSource",
                hint="clusters refuse all mirror sets then; give every entry of that source the same policy",
            )


def _merge(source: str, lists: list[tuple[str, ...]]) -> tuple[str, ...]:
    after: dict[str, set[str]] = {source: set()}
    for mirrors in lists:
        chain = mirrors if source in mirrors else (*mirrors, source)
        for node in chain:
            after.setdefault(node, set())
        for node, following in pairwise(chain):
            if node != following:
                after[node].add(following)
    order = _sort(after)
    return tuple(order[:-1] if order[-1] == source else order)


def _sort(after: Mapping[str, set[str]]) -> list[str]:
    """Return the nodes in topological order: first come first served, batches alphabetical.

    A loop is broken at the alphabetically first node that is left.
    """
    waiting = dict.fromkeys(after, 0)
    for successors in after.values():
        for node in successors:
            waiting[node] += 1
    ready = sorted(node for node, count in waiting.items() if count == 0)
    for node in ready:
        del waiting[node]
    order: list[str] = []
    while ready or waiting:
        if not ready:
            ready.append(min(waiting))
            del waiting[ready[0]]
        order.append(ready.pop(0))
        ready.extend(_free(after[order[-1]], waiting))
    return order


def _free(successors: set[str], waiting: dict[str, int]) -> list[str]:
    """Count one predecessor off each successor; return, sorted, those that wait for nothing any more."""
    freed: list[str] = []
    for node in successors & waiting.keys():
        waiting[node] -= 1
        if waiting[node] == 0:
            freed.append(node)
            del waiting[node]
    return sorted(freed)
