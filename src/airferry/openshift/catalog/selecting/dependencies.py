"""What the bundles of a selection need, taken along from the same catalog, each with its reason."""

from collections.abc import Iterable

from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.model import Bundle, Catalog
from airferry.openshift.catalog.selecting.choice import Because, Choice, Reason
from airferry.openshift.catalog.selecting.needs import Candidate, Need, Unknown, candidates, needs_of
from airferry.openshift.catalog.upgrade_graph import heads


def add_needed(choice: Choice) -> tuple[Finding, ...]:
    """Ask for what the chosen bundles need, and what that needs, until nothing is lacking that the catalog has.

    Returns what it does not have, or what cannot be told: a cluster may have it from another catalog.
    """
    looked: set[tuple[str, str]] = set()
    lacking: dict[tuple[str, str, str], Finding] = {}
    met: dict[str, bool] = {}
    while pending := [bundle for bundle in _kept(choice) if (bundle.package, bundle.name) not in looked]:
        for bundle in pending:
            looked.add((bundle.package, bundle.name))
            needs, unknown = needs_of(bundle)
            for need in needs:
                if not met.get(need.what):
                    lost = _meet(choice, bundle, need)
                    met[need.what] = not lost
                    for part in lost:
                        lacking[bundle.package, bundle.name, part.what] = _unsatisfied(bundle, part)
            for item in unknown:
                lacking[bundle.package, bundle.name, item.why] = _not_evaluated(bundle, item)
    return tuple(lacking[key] for key in sorted(lacking))


def unsatisfied_needs(catalog: Catalog) -> tuple[Finding, ...]:
    """Return what the catalog's bundles need and no bundle of it is, and what cannot be asked."""
    bundles = [bundle for package in catalog.packages.values() for bundle in package.bundles.values()]
    met: dict[str, bool] = {}
    found: list[Finding] = []
    for bundle in bundles:
        needs, unknown = needs_of(bundle)
        found.extend(_not_evaluated(bundle, item) for item in unknown)
        for need in needs:
            for part in need.parts or (need,):
                if part.what not in met:
                    met[part.what] = any(part.meets(other) for other in bundles)
                if not met[part.what]:
                    found.append(_unsatisfied(bundle, part))
    return tuple(found)


def _kept(choice: Choice) -> list[Bundle]:
    """Return what is kept so far, in an order that does not depend on the documents."""
    kept = [bundle for package in choice.asked for bundle in choice.bundles(package).values()]
    return sorted(kept, key=lambda bundle: (bundle.package, bundle.name))


def _meet(choice: Choice, bundle: Bundle, need: Need) -> list[Need]:
    """See to it that something kept meets ``need``; return what the catalog has nothing for."""
    if any(need.meets(other) for other in _kept(choice)):
        return []
    found = [candidate for candidate in candidates(need, choice.catalog) if choice.has_default(candidate.package)]
    if found:
        _add(choice, bundle, need, found)
        return []
    if need.parts:
        return [lost for part in need.parts for lost in _meet(choice, bundle, part)]
    return [need]


def _add(choice: Choice, bundle: Bundle, need: Need, found: list[Candidate]) -> None:
    first = found[0]
    where = f"{'its default channel' if first.in_default_channel else 'the channel'} {first.channel}"
    head = ", its head" if first.is_head else ""
    others = sorted({other.package for other in found} - {first.package})
    instead = f"; {_listed(others)} would do as well" if others else ""
    what = f"{bundle.name} needs {need.what}: added {first.bundle} from {where}{head}{instead}"
    choice.ask(first.package, first.channel, [first.bundle])
    choice.reasons.append(Reason(first.package, first.channel, first.bundle, Because.NEEDED, what))
    package = choice.catalog.packages[first.package]
    default = choice.default_channel(first.package)
    if default in choice.asked[first.package] or default not in package.channels:
        return
    for name in heads(package.channels[default]):
        what = f"{name} added: the head of {default}, the default channel of {first.package}, which OLM does not miss"
        choice.ask(first.package, default, [name])
        choice.reasons.append(Reason(first.package, default, name, Because.DEFAULT_CHANNEL, what))


def _listed(names: Iterable[str], most: int = 3) -> str:
    known = list(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more


def _unsatisfied(bundle: Bundle, need: Need) -> Finding:
    what = f"needs {need.what}, which no bundle here is"
    return Finding(FindingCode.UNSATISFIED_NEED, "", what, package=bundle.package, bundle=bundle.name)


def _not_evaluated(bundle: Bundle, unknown: Unknown) -> Finding:
    return Finding(FindingCode.NOT_EVALUATED, "", unknown.why, package=bundle.package, bundle=bundle.name)
