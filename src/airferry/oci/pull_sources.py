"""Where a pull of one reference is tried, and in which order, by the rules of registries.conf.

This follows containers/image to the letter, since that is what the cluster's nodes do, quirks included: the
rule with the longest matching prefix wins alone; its mirrors come in their order, the rule's own location
last, always; whether a place is blocked is asked of each physical place by its own longest match.
Sources: containers-registries.conf(5); containers/image, pkg/sysregistriesv2 and docker/docker_image_src.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from airferry.errors import MalformedError
from airferry.oci.pull_rules import Mirror, PullFrom, PullRule, PullRules
from airferry.oci.reference import Place, PlaceKind, Reference, Repository

_DOCKER_HUB: Final = ("docker.io", "index.docker.io")
_ODD_PORT: Final = re.compile(r"(?P<host>[A-Za-z0-9.-]+:(?P<number>[0-9]{1,9}))/(?P<path>[a-z0-9][a-z0-9._/-]*)\Z")


@dataclass(frozen=True, slots=True)
class PullSource:
    """One place that a pull tries.

    ``barred`` is a sentence that says which rule forbids this place, None when it may be tried. ``rule_prefix``
    is the rule that led here, None when no rule speaks about the reference. ``is_mirror`` is False for the
    place where the rule's name really lives. ``ill_formed`` tells of a barred place that no pull can ask, whatever else
    the rules say: nodes go on to the next one.
    """

    reference: Reference
    insecure: bool = False
    barred: str | None = None
    rule_prefix: str | None = None
    is_mirror: bool = False
    ill_formed: bool = False


def pull_sources(reference: Reference, rules: PullRules) -> tuple[PullSource, ...]:
    """Return every place that a pull of ``reference`` tries, in order, barred ones included; never empty.

    A reference with tag and digest counts as one by digest, one with neither as one by tag. Places on disk
    know no rules. Raises MalformedError when a rule turns the reference into one that cannot be: nodes then
    fail the whole pull as well, whatever other mirrors there are.
    """
    if reference.repository.place.kind is not PlaceKind.REGISTRY:
        return (PullSource(reference),)
    reference = replace(reference, repository=normalized(reference.repository))
    rule = find_rule(str(reference.repository), rules)
    if rule is None:
        return (PullSource(reference),)
    serving = mirrors_for(rule, by_digest=reference.digest is not None)
    endpoints = [(mirror.location, mirror.insecure, True) for mirror in serving]
    endpoints.append((rule.location, rule.insecure, False))
    sources: list[PullSource] = []
    for location, insecure, is_mirror in endpoints:
        physical, fault = _rewrite(reference, rule, location)
        barred = fault or _barred(physical, rules)
        sources.append(PullSource(physical, insecure, barred, rule.prefix, is_mirror, ill_formed=fault is not None))
    return tuple(sources)


def normalized(repository: Repository) -> Repository:
    """Return the repository as containers/image names it: Docker Hub's short names live under ``library/``."""
    host, path = repository.place.address, repository.path
    if host not in _DOCKER_HUB:
        return repository
    return Repository(Place(PlaceKind.REGISTRY, "docker.io"), path if "/" in path else f"library/{path}")


def find_rule(name: str, rules: PullRules) -> PullRule | None:
    """Return the rule with the longest prefix that matches ``name`` (host[:port]/path), or None.

    The length is that of the prefix as written, ``*.`` included. Of two as long (``*.io`` and ``q.io``) the
    first in alphabetical order counts, because containers/image keeps its tables sorted.
    """
    matching = [rule for rule in rules.rules if match_length(name, rule.prefix) is not None]
    return min(matching, key=lambda rule: (-len(rule.prefix), rule.prefix), default=None)


def match_length(name: str, prefix: str) -> int | None:
    """Return how many characters of ``name`` the prefix covers, or None when it does not match.

    ``*.ex.com`` covers the whole host, and not ``ex.com`` itself. Follow containers/image to the letter:
    ``m.lan`` covers ``m.lan:5000`` as well, and of a wildcard's domain the first occurrence decides.
    """
    if prefix.startswith("*."):
        domain = prefix[1:]
        start = name.find(domain)
        if start == -1 or "/" in name[:start]:
            return None
        end = start + len(domain)
    else:
        if not name.startswith(prefix):
            return None
        end = len(prefix)
    return end if end == len(name) or name[end] in ":/@" else None


def mirrors_for(rule: PullRule, *, by_digest: bool) -> tuple[Mirror, ...]:
    """Return the mirrors of ``rule`` that serve pulls by digest, or else those that serve pulls by tag, in order."""
    if rule.mirror_by_digest_only:
        return rule.mirrors if by_digest else ()
    skipped = PullFrom.TAG_ONLY if by_digest else PullFrom.DIGEST_ONLY
    return tuple(mirror for mirror in rule.mirrors if mirror.pull_from is not skipped)


def _rewrite(reference: Reference, rule: PullRule, location: str) -> tuple[Reference, str | None]:
    """Replace what the rule's prefix covers by ``location``; a wildcard without location changes nothing.

    The second answer is what is wrong with the place alone, so that nodes go on to the next one. A location with a tag
    is such a one for pulls by digest (containers/image, docker: no reference has both), and a port that there is not.
    """
    if not location:
        return reference, None
    name = str(reference.repository)
    rewritten = location + name[match_length(name, rule.prefix) or 0 :]
    port = _ODD_PORT.match(rewritten)
    if port is not None and not 0 < int(port["number"]) < 2**16:
        repository = Repository(Place(PlaceKind.REGISTRY, port["host"]), port["path"])
        return replace(reference, repository=repository), f"{port['host']} has a port that no registry can have"
    try:
        made = Reference.parse(rewritten)
        if made.digest is not None or (made.tag is not None and reference.digest is None):
            raise MalformedError("a location names no tag and no digest")
        if normalized(made.repository) != made.repository:
            raise MalformedError(f"the full name is {normalized(made.repository)}")
    except MalformedError as error:
        raise MalformedError(
            f"the registries.conf rule for {rule.prefix!r} turns {name} into {rewritten!r}: {error.message}",
            hint="correct the location in that rule; nodes fail the whole pull because of it",
        ) from error
    moved = replace(reference, repository=made.repository)
    if made.tag is None:
        return moved, None
    return moved, f"the registries.conf rule for {rule.prefix!r} names {location}: by digest no node pulls with a tag"


def _barred(physical: Reference, rules: PullRules) -> str | None:
    rule = find_rule(str(physical.repository), rules)
    if rule is None or not rule.blocked:
        return None
    return f"{physical.repository} is blocked by the registries.conf rule for {rule.prefix!r}"
