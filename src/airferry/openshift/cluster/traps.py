"""Traps in what a cluster is told about its mirrors: legal, accepted, and not what anybody wants.

Each comes from a run of the code that nodes use; ``cluster lint`` prints them, other commands warn of them.
"""

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from airferry.oci.pull_rules import PullFrom, PullRule, PullRules
from airferry.oci.pull_sources import find_rule, match_length, mirrors_for
from airferry.openshift.cluster.image_policies import overridden_scopes, places_of
from airferry.openshift.cluster.mirror_sets import TO_INSTALLER_MANIFESTS, MirrorSet
from airferry.openshift.cluster.node_config import NodeConfig
from airferry.openshift.cluster.scopes import is_location, is_nested

TRAP_CODES: Final = {
    "tag-pulls-unserved": "mirrors of a source serve digests only, so pulls by tag never use them",
    "hidden-tag-mirror": "a narrower table hides the tag mirrors of a wider one",
    "hidden-digest-mirror": "a narrower table hides the digest mirrors of a wider one",
    "source-first": "the source is asked before its mirrors",
    "blocked-mirror": "a mirror lies in a blocked scope",
    "wider-mirrors": "a scope gets the mirrors of the widest source around it, not of the closest",
    "invalid-mirror-name": "a name that makes every pull by its table fail",
    "own-source-only": "an entry lists no mirror but its own source, and counts for nothing",
    "signature-lookup-missing": "a place that images come from is not asked for their signatures",
    "signature-source-unmirrored": "signatures are demanded of a source that has no mirror",
    "not-blocked": "a blocked scope is dropped, because the release could not be pulled any more",
    "policy-overridden": "a namespace's policy counts for nothing, because the cluster has one for its scope",
}
"""Every code, and what it means in general."""

BY_TAG_ONLY: Final = frozenset({"tag-pulls-unserved", "hidden-tag-mirror"})
"""Codes of what no pull by digest meets."""

BY_DIGEST_ONLY: Final = frozenset({"hidden-digest-mirror"})
"""Codes of what no pull by tag meets."""

_COMPONENTS: Final = re.compile(r"/ocp-v[0-9]+\.[0-9]+-art-dev\Z")
"""Repositories of release components, which releases name by digest only."""

_PART: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*\Z")


@dataclass(frozen=True, slots=True)
class Trap:
    """One finding: ``where`` names the table or entry, ``sentence`` says what happens, ``fix`` what to do."""

    code: str
    where: str
    sentence: str
    fix: str


def find_traps(config: NodeConfig, mirror_sets: Sequence[MirrorSet] = ()) -> tuple[Trap, ...]:
    """Return every trap, in a stable order.

    ``mirror_sets`` are what the rules were made from; for a node's own registries.conf there are none.
    """
    rules = sorted(config.rules.rules, key=lambda rule: rule.prefix)
    tables = _Tables(rules)
    found: list[Trap] = []
    is_install_config = any(item.kind.is_section for item in mirror_sets)
    listed = {entry.source for item in mirror_sets for entry in item.entries if entry.source in entry.mirrors}
    # Of places one by one only those are asked about that a blocked table could cover.
    bars = PullRules(tuple(rules)) if any(rule.blocked for rule in rules) else PullRules()
    sources = {
        entry.source for item in mirror_sets for entry in item.entries if not set(entry.mirrors) <= {entry.source}
    }
    for rule in rules:
        wider = tables.around(rule)
        found += _names(rule)
        found += _kinds_of_pull(rule, wider, is_install_config=is_install_config)
        found += _source_first(rule, is_listed=rule.prefix in listed or not mirror_sets)
        found += _blocked_mirrors(rule, bars)
        found += _wider_mirrors(rule, [other for other in wider if other.prefix in sources], sources)
    found += _own_source_only(mirror_sets)
    found += _signatures(config)
    found += _dropped(config)
    return tuple(found)


class _Tables:
    """Finds the tables that a table lies in; clusters have thousands, and comparing each with each takes seconds."""

    def __init__(self, rules: Iterable[PullRule]) -> None:
        self._by_prefix = {rule.prefix: rule for rule in rules}
        self._wildcards = [rule for rule in self._by_prefix.values() if rule.prefix.startswith("*.")]

    def around(self, rule: PullRule) -> list[PullRule]:
        """Return the other tables whose prefix matches this one's, the widest first."""
        name = rule.prefix
        ends = (position for position, sign in enumerate(name) if sign in ":/")
        found = [self._by_prefix[name[:end]] for end in ends if name[:end] in self._by_prefix]
        found += [other for other in self._wildcards if other is not rule and match_length(name, other.prefix)]
        return sorted(found, key=lambda other: (len(other.prefix), other.prefix))


def table(rule: PullRule) -> str:
    """Return how a table is named to people."""
    return f"[[registry]] {rule.prefix}"


def _names(rule: PullRule) -> list[Trap]:
    found = []
    for location in dict.fromkeys((*(mirror.location for mirror in rule.mirrors), rule.location)):
        problem = _name_problem(location)
        if problem is not None:
            sentence = f"{location} {problem}, so every pull by this table fails, whatever other mirrors it has"
            fix = "write host.domain[:port]/path, the path in lower case"
            found.append(Trap("invalid-mirror-name", table(rule), sentence, fix))
    return found


def _name_problem(location: str) -> str | None:
    """Follow containers/image: a first part without dot or colon, other than localhost, is no host."""
    host, _, path = location.partition("/")
    if not location:
        return None
    if not host.startswith("[") and "." not in host and ":" not in host and host != "localhost":
        return f"begins with {host!r}, which containers take for a path on Docker Hub and no host"
    if not path or all(_PART.match(part) for part in path.split("/")):
        return None if is_location(host) else "has a host that cannot be"
    return "has upper-case letters in its path" if path != path.lower() else "has a path that cannot be"


def _serves(rule: PullRule, kind: PullFrom) -> bool:
    """Whether a mirror of ``rule`` serves pulls of this kind."""
    return bool(mirrors_for(rule, by_digest=kind is PullFrom.DIGEST_ONLY))


def _tag_mirrors_fix(sentence: str, *, is_install_config: bool) -> str:
    """Return the fix for missing mirrors of pulls by tag; install-config.yaml, which comes first, has none."""
    if not is_install_config:
        return sentence
    return f"{sentence}; install-config.yaml has no field for it: {TO_INSTALLER_MANIFESTS}"


def _kinds_of_pull(rule: PullRule, wider: Sequence[PullRule], *, is_install_config: bool) -> list[Trap]:
    """What tag pulls and digest pulls of this table miss."""
    found = []
    for kind, code, word in (
        (PullFrom.TAG_ONLY, "hidden-tag-mirror", "tag"),
        (PullFrom.DIGEST_ONLY, "hidden-digest-mirror", "digest"),
    ):
        hidden = next((other for other in wider if _serves(other, kind)), None)
        # A blocked table without mirrors says on purpose that nothing is pulled.
        if hidden is not None and not _serves(rule, kind) and (rule.mirrors or not rule.blocked):
            sentence = (
                f"only the most specific table counts, so pulls of {rule.prefix} by {word} "
                f"never use the mirrors of {hidden.prefix}"
            )
            fix = f"name {rule.prefix} in an ImageDigestMirrorSet as well"
            if kind is PullFrom.TAG_ONLY:
                fix = f"name {rule.prefix} in an ImageTagMirrorSet as well"
                fix = _tag_mirrors_fix(fix, is_install_config=is_install_config)
            found.append(Trap(code, table(rule), sentence, fix))
    if found or not rule.mirrors or _serves(rule, PullFrom.TAG_ONLY) or _COMPONENTS.search(rule.prefix):
        return found
    if any(_serves(other, PullFrom.DIGEST_ONLY) for other in wider):
        return found  # the wider table is named already
    last = "nowhere, since the source is blocked" if rule.blocked else "only the source"
    sentence = f"its mirrors serve digests only: a pull of {rule.prefix} by tag asks {last}"
    fix = f"pull by digest alone, or add an ImageTagMirrorSet (OpenShift 4.13 and later) for {rule.prefix}"
    fix = _tag_mirrors_fix(fix, is_install_config=is_install_config)
    return [Trap("tag-pulls-unserved", table(rule), sentence, fix)]


def _source_first(rule: PullRule, *, is_listed: bool) -> list[Trap]:
    if not rule.location or all(mirror.location != rule.location for mirror in rule.mirrors):
        return []
    why = "it is listed among its own mirrors" if is_listed else "its lists contradict each other"
    place = next(number for number, mirror in enumerate(rule.mirrors) if mirror.location == rule.location)
    before = "first" if place == 0 else f"before {len(rule.mirrors) - place - 1} of its mirrors"
    sentence = f"the source {rule.location} is asked {before}, because {why}"
    fix = f"give every list for {rule.prefix} the same order, and leave the source out: it always comes last"
    return [Trap("source-first", table(rule), sentence, fix)]


def _blocked_mirrors(rule: PullRule, bars: PullRules) -> list[Trap]:
    found = []
    left = False
    for location in dict.fromkeys(mirror.location for mirror in rule.mirrors):
        bar = find_rule(location, bars)
        if bar is None or not bar.blocked:
            left = True
            continue
        sentence = f"the mirror {location} is blocked by {table(bar)}: places are judged by where they are"
        fix = f"take {bar.prefix} out of blockedRegistries or NeverContactSource, or mirror to another registry"
        found.append(Trap("blocked-mirror", table(rule), sentence, fix))
    if found and rule.blocked and not left:
        first = found[0]
        found[0] = Trap(first.code, first.where, f"{first.sentence}; no place is left to pull from", first.fix)
    return found


def _wider_mirrors(rule: PullRule, around: Sequence[PullRule], sources: Container[str]) -> list[Trap]:
    """A quirk of how tables are rendered: the first source in alphabetical order hands its mirrors on."""
    if rule.prefix in sources or not rule.mirrors or len(around) < 2:
        return []
    closest = around[-1]
    rest = rule.prefix.removeprefix(closest.prefix)
    if [mirror.location for mirror in rule.mirrors] == [mirror.location + rest for mirror in closest.mirrors]:
        return []
    used = ", ".join(mirror.location for mirror in rule.mirrors)
    sentence = f"it gets the mirrors of the widest source around it ({used}), not those of {closest.prefix}"
    return [
        Trap("wider-mirrors", table(rule), sentence, f"name {rule.prefix} in a mirror set, with the mirrors it needs")
    ]


def _own_source_only(mirror_sets: Sequence[MirrorSet]) -> list[Trap]:
    found = []
    for item in mirror_sets:
        for number, entry in enumerate(item.entries, 1):
            if set(entry.mirrors) <= {entry.source}:
                where = f"{item.origin or item.name or item.kind.value}, entry {number}"
                what = "lists only the source itself" if entry.mirrors else "lists no mirror"
                sentence = f"the entry for {entry.source} {what}: it counts for nothing, its policy neither"
                found.append(Trap("own-source-only", where, sentence, "name a mirror, or remove the entry"))
    return found


def _signatures(config: NodeConfig) -> list[Trap]:
    found = []
    mirrored = any(rule.mirrors for rule in config.rules.rules)
    for scope in sorted({scope for policy in config.policies for scope in policy.scopes}):
        rule = find_rule(scope, config.rules)
        nested = [item for item in config.rules.rules if item.prefix != scope and is_nested(item.prefix, scope)]
        if mirrored and not any(item.mirrors for item in ([rule] if rule else []) + nested):
            sentence = (
                f"signatures are demanded of {scope}, and no mirror is named for it: they are looked for there alone"
            )
            fix = f"name {scope} in an ImageDigestMirrorSet, with the mirror that holds its .sig tags"
            found.append(Trap("signature-source-unmirrored", scope, sentence, fix))
        if config.lookups is None:
            continue
        places = [*places_of(scope, rule), *(place for item in nested for place in places_of(item.prefix, item))]
        for place in dict.fromkeys(places):
            if not any(is_nested(place, lookup) for lookup in config.lookups):
                sentence = f"images of {scope} may come from {place}, where no signature is looked for"
                fix = f"add {place} to registries.d, with use-sigstore-attachments: true"
                found.append(Trap("signature-lookup-missing", scope, sentence, fix))
    return found


def _dropped(config: NodeConfig) -> list[Trap]:
    found = []
    for scope in config.not_blocked:
        sentence = "the release is pulled from there and has no unblocked digest mirror, so clusters do not block it"
        fix = "add an ImageDigestMirrorSet for the release's repository, at a mirror that is not blocked"
        found.append(Trap("not-blocked", f"blockedRegistries {scope}", sentence, fix))
    for policy, scope, outer in overridden_scopes(config.policies):
        where = f"ImagePolicy {policy.namespace}/{policy.name}"
        sentence = f"its scope {scope} counts for nothing: a ClusterImagePolicy has {outer}"
        found.append(Trap("policy-overridden", where, sentence, "remove the scope from one of the two"))
    return found
