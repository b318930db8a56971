"""A plan as text, in the shape that ``oc image mirror`` shows it, so that eyes find what they look for.

Source: observed output of ``oc image mirror`` and ``oc adm release mirror`` (stderr, before copying).
"""

from collections import defaultdict

from airferry.oci import Digest, Place, PlaceKind, Repository
from airferry.plan.model import CopyBlob, CopyRequest, MountBlob, Plan, PutManifest, PutTag, Survey
from airferry.quantities import print_binary_size


def outline(plan: Plan, survey: Survey, requests: tuple[CopyRequest, ...]) -> str:
    """Return the plan as text: per place and repository its blobs by source, its manifests and tags, and totals."""
    repositories: dict[Place, set[Repository]] = defaultdict(set)
    for request in requests:
        if request in survey.roots:
            repositories[request.destination.place].add(request.destination)
    lines: list[str] = []
    for place in sorted(repositories):
        lines.append(f"{place.address}/" if place.kind is PlaceKind.REGISTRY else "<dir>")
        for repository in sorted(repositories[place]):
            lines += _repository_lines(repository, plan, survey, requests)
    lines += ["", "phase 0:"]
    for place in sorted(repositories):
        lines += [_phase_line(repository, plan) for repository in sorted(repositories[place])]
    return "\n".join([*lines, ""])


def _repository_lines(
    repository: Repository, plan: Plan, survey: Survey, requests: tuple[CopyRequest, ...]
) -> list[str]:
    blobs: dict[Repository, list[tuple[int, Digest]]] = defaultdict(list)
    mounted_bytes = moved_bytes = shared = 0
    for step in plan.steps:
        if isinstance(step, CopyBlob | MountBlob) and step.destination == repository:
            blobs[step.source].append((step.blob.size_bytes, step.blob.digest))
            moved_bytes += step.blob.size_bytes
            if isinstance(step, MountBlob):
                shared += 1
                mounted_bytes += step.blob.size_bytes
    lines = [f"  {repository.path}"]
    for source in sorted(blobs):
        lines.append("    blobs:")
        lines += [f"      {source} {digest} {print_binary_size(size)}" for size, digest in sorted(blobs[source])]
    lines.append("    manifests:")
    lines += [f"      {line}" for line in _manifest_lines(repository, survey, requests)]
    unique = sum(len(found) for found in blobs.values())
    ratio = f" ratio={(moved_bytes - mounted_bytes) / moved_bytes:.2f}" if moved_bytes else ""
    lines.append(f"  stats: shared={shared} unique={unique} size={print_binary_size(moved_bytes)}{ratio}")
    return lines


def _manifest_lines(repository: Repository, survey: Survey, requests: tuple[CopyRequest, ...]) -> list[str]:
    """Manifests by digest first, then those with tags, each group sorted, as oc lists them."""
    tagged, plain = set(), set()
    for request in requests:
        if request.destination != repository or request not in survey.roots:
            continue
        root = survey.roots[request]
        tagged |= {f"{root} -> {tag}" for tag in request.tags}
        manifest = survey.manifests.get(root)
        plain |= {str(child.digest) for child in manifest.children} if manifest else set()
        if not request.tags:
            plain.add(str(root))
    return [*sorted(plain), *sorted(tagged)]


def _phase_line(repository: Repository, plan: Plan) -> str:
    steps = [step for step in plan.steps if step.destination == repository]
    copies = sum(isinstance(step, CopyBlob) for step in steps)
    mounts = sum(isinstance(step, MountBlob) for step in steps)
    manifests = sum(isinstance(step, PutManifest | PutTag) for step in steps)
    place = repository.place.address if repository.place.kind is PlaceKind.REGISTRY else ""
    return f"  {place} {repository.path} blobs={copies} mounts={mounts} manifests={manifests} shared={mounts}"
