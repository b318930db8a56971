"""What a bundle needs of a catalog, as questions to a bundle, and who would answer them first.

Sources: OLM, "Operator dependencies" (``olm.package.required``, ``olm.gvk.required``, ``olm.constraint``);
operator-framework/api, constraints (a constraint is asked of one bundle, compound ones too); OLM's resolver for the
order of candidates: default channels first, then packages and channels by name, then from the newest on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from airferry.errors import MalformedError
from airferry.openshift.catalog.model import Bundle, Catalog, Gvk, Package
from airferry.openshift.catalog.upgrade_graph import heads
from airferry.openshift.semver import Precedence, precedence
from airferry.openshift.version_range import VersionRange

_DEEPEST: Final = 32
_OLDEST: Final[Precedence] = (-1, 0, 0, 0, ())

Question = Callable[[Bundle], bool]


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a bundle needs; ``what`` is it in words, ``meets`` whether a bundle is it.

    ``parts`` is what else would do when no bundle is all of it: the parts of an ``all`` by themselves.
    """

    what: str
    meets: Question = field(compare=False)
    parts: tuple["Need", ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something a bundle says it needs that cannot be asked: ``why`` says so."""

    why: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bundle in a channel, who could meet a need."""

    package: str
    channel: str
    bundle: str
    in_default_channel: bool
    is_head: bool


def needs_of(bundle: Bundle) -> tuple[tuple[Need, ...], tuple[Unknown, ...]]:
    """Return what ``bundle`` needs, and what of it cannot be asked (CEL, a malformed range)."""
    needs: list[Need] = []
    unknown: list[Unknown] = []
    constraints: list[Mapping[str, Any]] = [
        {"package": {"packageName": need.package, "versionRange": need.version_range}} for need in bundle.needs_packages
    ]
    constraints += [
        {"gvk": {"group": kind.group, "version": kind.version, "kind": kind.kind}} for kind in bundle.needs_kinds
    ]
    for constraint in (*constraints, *bundle.constraints):
        try:
            need = _need(constraint, 0)
        except _UnaskableError as error:
            unknown.append(Unknown(str(error)))
            continue
        if need is not None:
            needs.append(need)
    return tuple(dict.fromkeys(needs)), tuple(unknown)


def candidates(need: Need, catalog: Catalog) -> list[Candidate]:
    """Return every bundle of the catalog that meets ``need``, in a channel, from the one that OLM tries first on."""
    found = [
        (candidate, bundle)
        for package in catalog.packages.values()
        for candidate, bundle in _offered(package, need.meets)
    ]
    found.sort(key=lambda pair: (precedence(pair[1].version) or _OLDEST, pair[1].name), reverse=True)
    found.sort(key=lambda pair: (not pair[0].in_default_channel, pair[0].package, pair[0].channel, not pair[0].is_head))
    return [candidate for candidate, _ in found]


def _offered(package: Package, meets: Question) -> Iterator[tuple[Candidate, Bundle]]:
    met = {name for name, bundle in package.bundles.items() if meets(bundle)}
    if not met:
        return
    for channel in package.channels.values():
        top = set(heads(channel))
        for entry in channel.entries:
            if entry.name in met:
                is_default = channel.name == package.default_channel
                candidate = Candidate(package.name, channel.name, entry.name, is_default, entry.name in top)
                yield candidate, package.bundles[entry.name]


class _UnaskableError(Exception):
    """A constraint that this module cannot ask; its text says why."""


def _need(constraint: Any, depth: int) -> Need | None:
    """Return what a constraint asks for, None when every bundle is it (a ``not`` asks for nothing to be there)."""
    if depth > _DEEPEST:
        raise _UnaskableError("a constraint is nested too deeply")
    if not isinstance(constraint, Mapping):
        raise _UnaskableError(f"a constraint is not an object but {type(constraint).__name__}")
    for kind, read in _KINDS.items():
        if kind in constraint:
            return read(constraint[kind], depth)
    named = ", ".join(str(key) for key in constraint if key != "failureMessage") or "nothing"
    raise _UnaskableError(f"a constraint says {named}, which is no kind that is known")


def _package(value: Any, _: int) -> Need:
    name = _word(value, "packageName") or _word(value, "name")
    text = _word(value, "versionRange")
    if not name:
        raise _UnaskableError("a required package has no name")
    if not text:
        return Need(name, lambda bundle: bundle.package == name)
    try:
        versions = VersionRange.parse(text)
    except MalformedError as error:
        raise _UnaskableError(f"{name} {text}: {error.message}") from error
    return Need(f"{name} {text}", lambda bundle: bundle.package == name and versions.allows(bundle.version))


def _kind(value: Any, _: int) -> Need:
    kind = Gvk(_word(value, "group"), _word(value, "version"), _word(value, "kind"))
    return Need(f"a provider of {kind}", lambda bundle: kind in bundle.provides)


def _all(value: Any, depth: int) -> Need | None:
    parts = _parts(value, depth)
    asked = [part for part in parts if part is not None]
    # What must not be there narrows the choice of the bundle that must.
    barred = [part for item in _items(value) for part in _barred(item, depth)]
    if not asked:
        return None
    if len(asked) == 1 and not barred:
        return asked[0]
    what = " and ".join(_grouped(part.what, " or ") for part in asked)
    what += "".join(f", not {part.what}" for part in barred)

    def meets(bundle: Bundle) -> bool:
        return all(part.meets(bundle) for part in asked) and not any(part.meets(bundle) for part in barred)

    return Need(what, meets, tuple(asked) if len(asked) > 1 and not barred else ())


def _any(value: Any, depth: int) -> Need | None:
    parts: list[Need] = []
    doubt = ""
    for item in _items(value):
        try:
            part = _need(item, depth + 1)
        except _UnaskableError as error:
            doubt = str(error)
            continue
        if part is None:
            return None
        parts.append(part)
    if not parts:
        raise _UnaskableError(doubt or "an any has no constraints")
    what = " or ".join(_grouped(part.what, " and ") for part in parts)
    return parts[0] if len(parts) == 1 else Need(what, lambda bundle: any(part.meets(bundle) for part in parts))


def _not(value: Any, depth: int) -> None:
    _parts(value, depth)


def _cel(value: Any, _: int) -> None:
    rule = _word(value, "rule")
    raise _UnaskableError(f"a rule in CEL is not evaluated: {rule}" if rule else "a rule in CEL is not evaluated")


_KINDS: Final[Mapping[str, Callable[[Any, int], Need | None]]] = {
    "package": _package,
    "gvk": _kind,
    "all": _all,
    "any": _any,
    "not": _not,
    "cel": _cel,
}


def _barred(constraint: Any, depth: int) -> list[Need]:
    if not isinstance(constraint, Mapping) or "not" not in constraint:
        return []
    return [part for part in _parts(constraint["not"], depth + 1) if part is not None]


def _parts(value: Any, depth: int) -> list[Need | None]:
    return [_need(item, depth + 1) for item in _items(value)]


def _items(value: Any) -> Iterable[Any]:
    items = value.get("constraints") if isinstance(value, Mapping) else None
    if not isinstance(items, list) or not items:
        raise _UnaskableError("a compound constraint has no constraints")
    return items


def _word(value: Any, key: str) -> str:
    word = value.get(key) if isinstance(value, Mapping) else None
    return word if isinstance(word, str) else ""


def _grouped(text: str, other: str) -> str:
    return f"({text})" if other in text else text
