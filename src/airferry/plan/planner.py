"""From requests and a survey to a plan: each blob crosses once, children before parents, tags last."""

from collections.abc import Iterable, Iterator, Set

from airferry.errors import UsageError
from airferry.oci import Descriptor, Digest, Place, Repository
from airferry.plan.model import CopyBlob, CopyRequest, MountBlob, Plan, PutManifest, PutTag, Step, Survey


def plan_copies(requests: Iterable[CopyRequest], survey: Survey, *, can_mount: Set[Place] = frozenset()) -> Plan:
    """Return the steps that bring every request of ``survey.roots`` to its destination.

    Within one destination place a blob is read from a source once; where the place is in ``can_mount``, other
    repositories take it over from the first, or from the source if that is the same place; elsewhere it is
    written again. What ``survey.present`` names is left alone. The order of requests does not matter. Requests
    that the survey could not find are left out: it has named them as gaps. A child that the survey does not hold
    was declined (a sparse list) and is not waited for. Raises UsageError when one tag is asked for with two
    images; of optional requests that meet in a tag one has it, the same in every plan.
    """
    draft = _Draft(survey, can_mount)
    found = (request for request in set(requests) if survey.roots.get(request) in survey.manifests)
    wanted = sorted(found, key=_request_order)
    for request in wanted:
        draft.put_manifest(request, survey.roots[request])
    for (repository, tag), root in _tag_roots(wanted, survey).items():
        draft.put_tag(repository, tag, root)
    return draft.finish()


def reachable(root: Digest, survey: Survey) -> Iterator[Digest]:
    """Yield ``root`` and every manifest below it, children before parents, each once.

    Manifests that the survey does not hold are not followed. An index that contains itself cannot exist (it
    would have to contain its own digest), but one that is listed twice is yielded once.
    """
    seen: set[Digest] = set()
    stack: list[tuple[Digest, bool]] = [(root, False)]
    while stack:
        digest, expanded = stack.pop()
        if expanded:
            yield digest
            continue
        manifest = survey.manifests.get(digest)
        if digest in seen or manifest is None:
            continue
        seen.add(digest)
        stack.append((digest, True))
        stack.extend((child.digest, False) for child in reversed(manifest.children))


def _request_order(request: CopyRequest) -> tuple[str, str, str, str, tuple[str, ...], str]:
    destination = request.destination
    return (
        destination.place.kind,
        destination.place.address,
        destination.path,
        str(request.source),
        request.tags,
        request.name,
    )


def _tag_roots(wanted: Iterable[CopyRequest], survey: Survey) -> dict[tuple[Repository, str], Digest]:
    """Decide what each tag shall point at, required requests before optional ones."""
    decided: dict[tuple[Repository, str], CopyRequest] = {}
    for request in sorted(wanted, key=lambda request: request.optional):
        for tag in request.tags:
            first = decided.setdefault((request.destination, tag), request)
            if survey.roots[first] != survey.roots[request] and not request.optional:
                raise UsageError(
                    f"{request.destination}:{tag} cannot be both {first.source} and {request.source}",
                    hint="give one of them another tag or another repository",
                )
    return {key: survey.roots[request] for key, request in decided.items()}


class _Draft:
    """A plan in the making: which step brings what where, so that nothing is planned twice."""

    def __init__(self, survey: Survey, can_mount: Set[Place]) -> None:
        self._survey = survey
        self._can_mount = can_mount
        self._steps: list[Step] = []
        self._needs: list[tuple[int, ...]] = []
        # Manifests and blobs apart: the same bytes may be wanted as both, and registries keep them apart as well.
        self._put: dict[tuple[Repository, Digest], int | None] = {}
        self._brought: dict[tuple[Repository, Digest], int | None] = {}
        self._homes: dict[tuple[Place, Digest], tuple[Repository, int | None]] = {}
        self._already_there_bytes = 0
        self._already_there_blobs = 0
        self._shared_bytes = 0
        for repository in sorted(survey.present):
            for digest in survey.present[repository]:
                self._homes.setdefault((repository.place, digest), (repository, None))

    def put_manifest(self, request: CopyRequest, root: Digest) -> None:
        """Plan ``root`` and all below it into the request's destination."""
        destination, source = request.destination, request.source.repository
        for digest in reachable(root, self._survey):
            if (destination, digest) in self._put:
                continue
            manifest = self._survey.manifests[digest]
            needs = [self._put.get((destination, child.digest)) for child in manifest.children]
            needs += [self._bring_blob(source, destination, blob) for blob in manifest.blobs]
            if digest in self._survey.present.get(destination, ()):
                self._put[destination, digest] = None
            else:
                step = PutManifest(destination, manifest)
                self._put[destination, digest] = self._add(step, needs)

    def put_tag(self, destination: Repository, tag: str, root: Digest) -> None:
        """Plan that ``tag`` points at ``root``, unless it does already."""
        if self._survey.tags.get((destination, tag)) != root:
            put = self._put[destination, root]
            self._add(PutTag(destination, tag, self._survey.manifests[root]), [put])

    def finish(self) -> Plan:
        """Return the plan."""
        return Plan(
            tuple(self._steps),
            tuple(self._needs),
            self._already_there_bytes,
            self._already_there_blobs,
            self._shared_bytes,
        )

    def _bring_blob(self, source: Repository, destination: Repository, blob: Descriptor) -> int | None:
        key = (destination, blob.digest)
        if key in self._brought:
            self._shared_bytes += blob.size_bytes
        elif blob.digest in self._survey.present.get(destination, ()):
            self._already_there_bytes += blob.size_bytes
            self._already_there_blobs += 1
            self._brought[key] = None
        else:
            self._brought[key] = self._copy_or_mount(source, destination, blob)
        return self._brought[key]

    def _copy_or_mount(self, source: Repository, destination: Repository, blob: Descriptor) -> int:
        place = destination.place
        home = self._homes.get((place, blob.digest))
        if home is None and source.place == place:
            home = (source, None)
        if home is not None and place in self._can_mount:
            sibling, brought_by = home
            self._shared_bytes += blob.size_bytes
            return self._add(MountBlob(source, sibling, destination, blob), [brought_by])
        index = self._add(CopyBlob(source, destination, blob), [])
        self._homes.setdefault((place, blob.digest), (destination, index))
        return index

    def _add(self, step: Step, needs: Iterable[int | None]) -> int:
        self._steps.append(step)
        self._needs.append(tuple(sorted({need for need in needs if need is not None})))
        return len(self._steps) - 1
