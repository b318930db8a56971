"""A plan as text, in the shape that ``oc image mirror`` shows it, so that eyes find what they look for.

Source: observed output of ``oc image mirror`` and ``oc adm release mirror`` (stderr, before copying). Unlike
oc's, it lists the blobs that will move or be mounted, not those that are there already, and has one phase only.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from airferry.oci import Descriptor, Digest, Place, PlaceKind, Repository
from airferry.plan.model import CopyBlob, CopyRequest, MountBlob, Plan, Survey
from airferry.plan.planner import reachable
from airferry.quantities import print_binary_size


@dataclass(slots=True)
class _Section:
    """What goes into one repository: blobs by the repository they come from, and lines about manifests."""

    blobs: dict[Repository, dict[Digest, Descriptor]] = field(default_factory=lambda: defaultdict(dict))
    by_digest: set[str] = field(default_factory=set)
    by_tag: set[str] = field(default_factory=set)
    mounts: int = 0


def outline(plan: Plan, survey: Survey, requests: tuple[CopyRequest, ...]) -> str:
    """Return the plan as text: per place and repository its blobs by source, its manifests and tags, and totals.

    A blob is ``shared`` when several sources have it or several repositories want it; ``ratio`` is the part of
    the bytes that is not shared.
    """
    places: dict[Place, dict[Repository, _Section]] = defaultdict(dict)
    for repository, section in sorted(_sections(plan, survey, requests).items()):
        places[repository.place][repository] = section
    lines: list[str] = []
    phases: list[str] = []
    for place in sorted(places):
        uses = Counter(
            digest for section in places[place].values() for found in section.blobs.values() for digest in found
        )
        lines.append(f"{place.address}/" if place.kind is PlaceKind.REGISTRY else "<dir>")
        for repository, section in places[place].items():
            lines += _section_lines(repository, section)
            phases.append(_phase_line(repository, section, uses))
        lines.append(_stats_line(places[place], uses))
    return "\n".join([*lines, "", "phase 0:", *phases, ""])


def _sections(plan: Plan, survey: Survey, requests: tuple[CopyRequest, ...]) -> dict[Repository, _Section]:
    sections: dict[Repository, _Section] = defaultdict(_Section)
    moving: set[tuple[Repository, Digest]] = set()
    for step in plan.steps:
        if isinstance(step, CopyBlob | MountBlob):
            moving.add((step.destination, step.blob.digest))
            sections[step.destination].mounts += isinstance(step, MountBlob)
    for request in requests:
        root = survey.roots.get(request)
        if root is None:
            continue
        section = sections[request.destination]
        section.by_tag |= {f"{root} -> {tag}" for tag in request.tags}
        for digest in reachable(root, survey):
            if digest != root or not request.tags:
                section.by_digest.add(digest)
            for blob in survey.manifests[digest].blobs:
                if (request.destination, blob.digest) in moving:
                    section.blobs[request.source.repository][blob.digest] = blob
    return sections


def _section_lines(repository: Repository, section: _Section) -> list[str]:
    """Blobs by size, then manifests by digest, then those with tags, as oc lists them."""
    lines = [f"  {repository.path}"]
    for source in sorted(section.blobs):
        lines.append("    blobs:")
        found = sorted(section.blobs[source].values(), key=lambda blob: (blob.size_bytes, blob.digest))
        lines += [f"      {source} {blob.digest} {print_binary_size(blob.size_bytes)}" for blob in found]
    lines.append("    manifests:")
    return lines + [f"      {line}" for line in (*sorted(section.by_digest), *sorted(section.by_tag))]


def _stats_line(sections: dict[Repository, _Section], uses: Counter[Digest]) -> str:
    sizes = {
        digest: blob.size_bytes
        for section in sections.values()
        for found in section.blobs.values()
        for digest, blob in found.items()
    }
    unique = [size for digest, size in sizes.items() if uses[digest] == 1]
    total = sum(sizes.values())
    ratio = f" ratio={sum(unique) / total:.2f}" if total else ""
    shared = len(sizes) - len(unique)
    return f"  stats: shared={shared} unique={len(unique)} size={print_binary_size(total)}{ratio}"


def _phase_line(repository: Repository, section: _Section, uses: Counter[Digest]) -> str:
    blobs = {digest for found in section.blobs.values() for digest in found}
    shared = sum(uses[digest] > 1 for digest in blobs)
    manifests = len(section.by_digest) + len(section.by_tag)
    place = repository.place.address if repository.place.kind is PlaceKind.REGISTRY else ""
    return (
        f"  {place} {repository.path} blobs={len(blobs)} mounts={section.mounts} manifests={manifests} shared={shared}"
    )
