"""What a plan needs of the registries that it goes to, and the words for what those can do. Pure."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from airferry.oci import Digest, Place, PlaceKind, Repository
from airferry.plan.model import CopyBlob, MountBlob, Plan, PutManifest, PutTag, Step

SHALLOW: Final = 2
"""Every registry takes names of so many parts."""


class RegistryKind(StrEnum):
    """Which software a registry is, as far as it tells."""

    AIRFERRY = "airferry"
    ARTIFACTORY = "artifactory"
    DISTRIBUTION = "distribution"
    HARBOR = "harbor"
    NEXUS = "nexus"
    OPENSHIFT = "openshift"
    QUAY = "quay"
    ZOT = "zot"
    UNKNOWN = "unknown"

    @property
    def namespace_word(self) -> str | None:
        """What it calls the first part of a name that must exist before a push; None where nothing must."""
        match self:
            case RegistryKind.QUAY:
                return "organization"
            case RegistryKind.HARBOR | RegistryKind.OPENSHIFT:
                return "project"
            case RegistryKind.ARTIFACTORY:
                return "repository"
            case _:
                return None


class Capability(StrEnum):
    """What registries differ in, as far as it matters to a copy."""

    TAGLESS = "push without a tag"
    NESTED = "names of more than two parts"
    SPARSE = "lists that lack images"
    MOUNT = "cross-repository mount"
    CHUNKED = "chunked upload"
    DELETE = "delete"


class Can(StrEnum):
    """Whether a registry can; UNKNOWN where it was not asked, or its answer says neither."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


_EVERYTHING_NAMED = frozenset({Capability.TAGLESS, Capability.NESTED})
_KNOWN: dict[RegistryKind, frozenset[Capability]] = {
    RegistryKind.AIRFERRY: frozenset(Capability) - {Capability.DELETE},
    RegistryKind.DISTRIBUTION: _EVERYTHING_NAMED | {Capability.MOUNT, Capability.CHUNKED},
    RegistryKind.ZOT: _EVERYTHING_NAMED,
    RegistryKind.HARBOR: _EVERYTHING_NAMED,
    RegistryKind.QUAY: frozenset({Capability.TAGLESS}),
}


def known_of(kind: RegistryKind) -> dict[Capability, Can]:
    """Return what every registry of that kind can. What depends on its settings, or is a no, must be asked."""
    return dict.fromkeys(sorted(_KNOWN.get(kind, ())), Can.YES)


@dataclass(frozen=True, slots=True)
class Needs:
    """What the plan writes to one registry: into which repositories, and which of them need what.

    ``tagless`` are those that get manifests that no tag of the plan names, ``named`` those all of whose manifests
    are tagged, ``sparse`` those that get a list without all of its images. All are sorted.
    """

    place: Place
    repositories: tuple[Repository, ...]
    tagless: tuple[Repository, ...] = ()
    named: tuple[Repository, ...] = ()
    sparse: tuple[Repository, ...] = ()

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The first parts of the names, for names that have more than one."""
        return tuple(dict.fromkeys(r.path.split("/")[0] for r in self.repositories if "/" in r.path))

    def deepest(self, namespace: str | None = None) -> Repository:
        """Return the repository with the most parts, of a namespace or of all."""
        prefix = "" if namespace is None else f"{namespace}/"
        return max((r for r in self.repositories if r.path.startswith(prefix)), key=depth)


def depth(repository: Repository) -> int:
    """Return how many parts a repository's name has, the host not among them."""
    return repository.path.count("/") + 1


def needs_of(plan: Plan, present: Mapping[Repository, Set[Digest]] = MappingProxyType({})) -> tuple[Needs, ...]:
    """Return what the plan needs of each registry that it writes to, sorted by place; disks need nothing.

    ``present`` is what repositories hold already: a list lacks none of its images that are there.
    """
    steps = [step for step in plan.steps if step.destination.place.kind is PlaceKind.REGISTRY]
    tagged = {(step.destination, step.manifest.digest) for step in steps if isinstance(step, PutTag)}
    put = [step for step in steps if isinstance(step, PutManifest)]
    bare = {step.destination for step in put if (step.destination, step.manifest.digest) not in tagged}
    sparse = _sparse(steps, present)
    found = []
    for place in sorted({step.destination.place for step in steps}):
        mine = sorted({step.destination for step in steps if step.destination.place == place})
        putting = {step.destination for step in put if step.destination.place == place}
        found.append(
            Needs(
                place,
                tuple(mine),
                tagless=tuple(sorted(bare & set(mine))),
                named=tuple(sorted(putting - bare)),
                sparse=tuple(sorted(sparse & set(mine))),
            )
        )
    return tuple(found)


def needs_of_repositories(repositories: Iterable[Repository]) -> tuple[Needs, ...]:
    """Return what is known of a copy before there is a plan: which registries, and which repositories there."""
    mine = sorted({one for one in repositories if one.place.kind is PlaceKind.REGISTRY})
    return tuple(
        Needs(place, tuple(one for one in mine if one.place == place)) for place in sorted({one.place for one in mine})
    )


def pushed_by_tag(plan: Plan, places: Iterable[Place]) -> Plan:
    """Return the plan with every manifest that goes to ``places`` pushed under its tag at once, never by digest.

    Manifests without a tag stay as they are: see :attr:`Needs.tagless`.
    """
    shy = frozenset(places)
    tags: dict[tuple[Repository, Digest], str] = {}
    for step in plan.steps:
        if isinstance(step, PutTag):
            tags.setdefault((step.destination, step.manifest.digest), step.tag)

    def changed(step: Step) -> Step:
        if not isinstance(step, PutManifest) or step.destination.place not in shy:
            return step
        tag = tags.get((step.destination, step.manifest.digest))
        return step if tag is None else PutTag(step.destination, tag, step.manifest)

    return replace(plan, steps=tuple(changed(step) for step in plan.steps))


def _sparse(steps: Iterable[Step], present: Mapping[Repository, Set[Digest]]) -> set[Repository]:
    """Return the repositories that get a list with children that are not there and that the plan does not bring."""
    brought: dict[Repository, set[Digest]] = {}
    lists: list[PutManifest | PutTag] = []
    for step in steps:
        match step:
            case PutManifest() | PutTag():
                brought.setdefault(step.destination, set()).add(step.manifest.digest)
                if step.manifest.is_index:
                    lists.append(step)
            case CopyBlob() | MountBlob():
                pass
    found = set()
    for step in lists:
        there = brought[step.destination] | present.get(step.destination, frozenset())
        if any(child.digest not in there for child in step.manifest.children):
            found.add(step.destination)
    return found
