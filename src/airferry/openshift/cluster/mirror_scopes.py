"""From repositories that were mirrored to the entries of mirror sets, as narrow as asked and never wrong.

An entry for a whole namespace or registry stands for repositories that nobody named. It is made only where it
leads every repository that was really mirrored to exactly its mirrors, by the longest prefix as nodes match
it; oc-mirror cut such scopes out by searching for text, and sent pulls astray where a mirror's own path holds
the name of the namespace (OCPBUGS-47688).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from airferry.openshift.cluster.mirror_sets import MirrorEntry, SourcePolicy


class ScopeWidth(StrEnum):
    """How much one entry may stand for."""

    REPOSITORY = "repository"
    NAMESPACE = "namespace"
    REGISTRY = "registry"


@dataclass(frozen=True, slots=True, order=True)
class MirroredRepository:
    """One repository and where it was mirrored to, both host[:port]/path. Pulls by digest always count.

    ``by_tag`` says that it is pulled by tag as well.
    """

    source: str
    mirror: str
    by_tag: bool = False


@dataclass(frozen=True, slots=True)
class ScopedEntries:
    """Entries for pulls by digest and for pulls by tag, each sorted by source."""

    by_digest: tuple[MirrorEntry, ...]
    by_tag: tuple[MirrorEntry, ...]


def scoped_entries(
    mirrored: Iterable[MirroredRepository], width: ScopeWidth, policy: SourcePolicy | None = None
) -> ScopedEntries:
    """Return the entries for ``mirrored``; the same set in any order gives the same entries.

    A repository has its own entry wherever a wider one would be wrong for it or for another. What is mirrored
    to itself is left out. Several mirrors of one source are in alphabetical order.
    """
    mirrors: dict[str, set[str]] = {}
    tagged: dict[str, set[str]] = {}
    for item in mirrored:
        if item.source != item.mirror:
            mirrors.setdefault(item.source, set()).add(item.mirror)
            if item.by_tag:
                tagged.setdefault(item.source, set()).add(item.mirror)
    chosen = _choose(mirrors, tagged, width)
    return ScopedEntries(_entries(_places(mirrors, chosen), policy), _entries(_places(tagged, chosen), policy))


def _entries(places: Mapping[str, set[str]], policy: SourcePolicy | None) -> tuple[MirrorEntry, ...]:
    return tuple(MirrorEntry(scope, tuple(sorted(places[scope])), policy) for scope in sorted(places))


def _places(mirrors: Mapping[str, set[str]], chosen: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the mirrors of each scope."""
    places: dict[str, set[str]] = {}
    for source, found in mirrors.items():
        scope = chosen[source]
        places.setdefault(scope, set()).update(mirror.removesuffix(source.removeprefix(scope)) for mirror in found)
    return places


def _choose(mirrors: Mapping[str, set[str]], tagged: Mapping[str, set[str]], width: ScopeWidth) -> dict[str, str]:
    """Return the scope of each source: wide ones where they prove right, its own where not."""
    levels = {
        ScopeWidth.REPOSITORY: (),
        ScopeWidth.NAMESPACE: (ScopeWidth.NAMESPACE,),
        ScopeWidth.REGISTRY: (ScopeWidth.REGISTRY, ScopeWidth.NAMESPACE),
    }[width]
    chosen = {source: source for source in mirrors}
    refused: set[str] = set()
    for level in levels:
        for source, found in mirrors.items():
            scope = _scope(source, level)
            if chosen[source] == source and scope is not None and scope not in refused:
                if all(_is_clear(source, scope, mirror) for mirror in found):
                    chosen[source] = scope
                else:
                    refused.add(scope)
        for source in mirrors:
            if chosen[source] in refused:
                chosen[source] = source
        while wrong := _wrong_scopes(mirrors, tagged, chosen):
            refused |= wrong
            for source in mirrors:
                if chosen[source] in wrong:
                    chosen[source] = source
    return chosen


def _scope(source: str, level: ScopeWidth) -> str | None:
    host, _, path = source.partition("/")
    if level is ScopeWidth.REGISTRY:
        return host
    namespace = path.rpartition("/")[0]
    return f"{host}/{namespace}" if namespace else None


def _is_clear(source: str, scope: str, mirror: str) -> bool:
    """Whether ``mirror`` ends with the source's whole path, and holds the source's namespace nowhere else."""
    path = source.partition("/")[2]
    if not mirror.endswith(f"/{path}") or source == scope:
        return False
    before = mirror.removesuffix(f"/{path}").partition("/")[2]
    return f"/{path.rpartition('/')[0] or path}/" not in f"/{before}/"


def _wrong_scopes(
    mirrors: Mapping[str, set[str]], tagged: Mapping[str, set[str]], chosen: Mapping[str, str]
) -> set[str]:
    """Return the wide scopes that lead a mirrored repository elsewhere than to its mirrors, by digest or by tag.

    For a pull by tag, too, the longest scope of all counts: one that has mirrors by digest alone hides the wider one.
    """
    by_digest = _places(mirrors, chosen)
    wrong: set[str] = set()
    for wanted, places in ((mirrors, by_digest), (tagged, _places(tagged, chosen))):
        for source, found in wanted.items():
            scope = next(prefix for prefix in _prefixes(source) if prefix in by_digest)
            rest = source[len(scope) :]
            if {f"{place}{rest}" for place in places.get(scope, ())} != found:
                wrong.add(scope)
    return wrong


def _prefixes(source: str) -> Iterator[str]:
    """Give every scope that matches ``source``, longest first; nodes take a host for all its ports as well."""
    scope = source
    while scope:
        yield scope
        scope = scope.rpartition("/")[0]
    yield source.partition("/")[0].partition(":")[0]
