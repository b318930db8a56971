"""Random worlds to plan in, and a registry made of sets that is as strict as real ones."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hypothesis import strategies as st

from airferry.oci import Descriptor, Digest, Manifest, Place, PlaceKind, Reference, Repository, mediatype
from airferry.plan import CopyBlob, CopyRequest, MountBlob, Plan, PutManifest, PutTag, Step, Survey

UPSTREAM = Place(PlaceKind.REGISTRY, "quay.io")
MIRROR = Place(PlaceKind.REGISTRY, "mirror.lan:8443")
DISK = Place(PlaceKind.TREE, "/media/usb")
SOURCES = tuple(Repository(UPSTREAM, path) for path in ("ocp/release", "ocp/art"))
DESTINATIONS = tuple(Repository(place, path) for place in (MIRROR, DISK) for path in ("a", "b", "c"))


def blob_of(number: int, size_bytes: int | None = None) -> Descriptor:
    content = f"blob {number}".encode()
    return Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(content), 10 + number if size_bytes is None else size_bytes)


def image_of(config: Descriptor, layers: Iterable[Descriptor] = ()) -> Manifest:
    fields = {
        "schemaVersion": 2,
        "config": _fields(config) | {"mediaType": mediatype.OCI_CONFIG},
        "layers": [_fields(layer) for layer in layers],
    }
    return Manifest.parse(json.dumps(fields).encode())


def list_of(*children: Manifest) -> Manifest:
    fields = {"schemaVersion": 2, "manifests": [_fields(child.descriptor) for child in children]}
    return Manifest.parse(json.dumps(fields).encode())


def _fields(descriptor: Descriptor) -> dict[str, object]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size_bytes}


def request(
    root: Manifest,
    destination: Repository = DESTINATIONS[0],
    *tags: str,
    source: Repository = SOURCES[0],
    optional: bool = False,
    name: str = "",
) -> CopyRequest:
    attached_to = Digest.of(b"image") if optional else None
    return CopyRequest(Reference(source, None, root.digest), destination, tags, name, attached_to)


def survey_of(*roots: CopyRequest, manifests: Iterable[Manifest], **more: object) -> Survey:
    known = {manifest.digest: manifest for manifest in manifests}
    return Survey({root: _digest(root) for root in roots}, known, **more)  # type: ignore[arg-type]


def _digest(root: CopyRequest) -> Digest:
    assert root.source.digest is not None
    return root.source.digest


@dataclass
class World:
    """What is asked for, what is known, and which places mount."""

    requests: list[CopyRequest]
    survey: Survey
    can_mount: frozenset[Place]

    def found_requests(self) -> list[CopyRequest]:
        """The requests whose image is known."""
        return [asked for asked in self.requests if self.survey.roots.get(asked) in self.survey.manifests]

    def below(self, root: Digest) -> Iterator[Digest]:
        """Yield the root and every child that is known; a list may be sparse."""
        if root in self.survey.manifests:
            yield root
            for child in self.survey.manifests[root].children:
                yield from self.below(child.digest)


class StrictRegistry:
    """Holds sets of digests; refuses a manifest before its parts, a tag before its manifest, an empty mount."""

    def __init__(self, survey: Survey) -> None:
        self.held: dict[Repository, set[Digest]] = defaultdict(set)
        for repository, digests in survey.present.items():
            self.held[repository] |= digests
        self.tags = dict(survey.tags)
        self._known = survey.manifests

    def do(self, step: Step) -> None:
        match step:
            case CopyBlob():
                self.held[step.destination].add(step.blob.digest)
            case MountBlob():
                assert step.sibling.place == step.destination.place
                assert step.blob.digest in self.held[step.sibling], "mounted from a repository without the blob"
                self.held[step.destination].add(step.blob.digest)
            case PutManifest():
                known = [child for child in step.manifest.children if child.digest in self._known]
                for part in (*step.manifest.blobs, *known):
                    assert part.digest in self.held[step.destination], "a manifest before its parts"
                self.held[step.destination].add(step.manifest.digest)
            case PutTag():
                assert step.manifest.digest in self.held[step.destination], "a tag before its manifest"
                self.tags[step.destination, step.tag] = step.manifest.digest

    def do_all(self, plan: Plan) -> None:
        for step in plan.steps:
            self.do(step)

    def has_whole(self, world: World, asked: CopyRequest) -> bool:
        """Whether everything that is known below the request's image is there, and its tags point at it."""
        root = world.survey.roots[asked]
        held = self.held[asked.destination]
        return all(
            digest in held and all(blob.digest in held for blob in world.survey.manifests[digest].blobs)
            for digest in world.below(root)
        ) and all(self.tags.get((asked.destination, tag)) == root for tag in asked.tags)

    def survey_again(self, survey: Survey) -> Survey:
        return Survey(survey.roots, survey.manifests, dict(self.held), self.tags)


@dataclass
class _Catalog:
    images: list[Manifest] = field(default_factory=list)
    lists: list[Manifest] = field(default_factory=list)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Images that share blobs, lists that share images and lists, destinations that hold some of it already."""
    blobs = [blob_of(number) for number in range(draw(st.integers(1, 6)))]
    some_blobs = st.lists(st.sampled_from(blobs), max_size=4)
    catalog = _Catalog()
    for _ in range(draw(st.integers(1, 4))):
        catalog.images.append(image_of(draw(st.sampled_from(blobs)), draw(some_blobs)))
    for _ in range(draw(st.integers(0, 3))):
        children = draw(st.lists(st.sampled_from(catalog.images + catalog.lists), max_size=3))
        catalog.lists.append(list_of(*children))
    manifests = catalog.images + catalog.lists
    requests = draw(st.lists(_requests(manifests), min_size=1, max_size=6))
    unknown = draw(st.lists(st.sampled_from(manifests), max_size=2))
    known = [manifest for manifest in manifests if manifest not in unknown]
    missing = draw(st.lists(st.sampled_from(requests), max_size=1))
    digests = [blob.digest for blob in blobs] + [manifest.digest for manifest in manifests]
    present = st.dictionaries(st.sampled_from(DESTINATIONS), st.sets(st.sampled_from(digests)))
    # A tag may point at what we want or at an older image; where it points, the image is.
    held = draw(present)
    tags = {}
    for asked in requests:
        pointed = draw(st.sampled_from([None, *manifests]))
        if asked.tags and pointed is not None:
            tags[asked.destination, asked.tags[0]] = pointed.digest
            held.setdefault(asked.destination, set()).add(pointed.digest)
    survey = Survey(
        {asked: _digest(asked) for asked in requests if asked not in missing},
        {manifest.digest: manifest for manifest in known},
        held,
        tags,
    )
    return World(requests, survey, draw(st.frozensets(st.sampled_from([MIRROR, DISK]))))


def _requests(manifests: list[Manifest]) -> st.SearchStrategy[CopyRequest]:
    def build(number: int, destination: Repository, source: Repository, tags: int) -> CopyRequest:
        # The tag is the image's own, so that no two images are asked for under one tag.
        names = tuple(f"v{number}.{suffix}" for suffix in range(tags))
        return request(manifests[number], destination, *names, source=source, name=f"image {number}")

    return st.builds(
        build,
        st.integers(0, len(manifests) - 1),
        st.sampled_from(DESTINATIONS),
        st.sampled_from(SOURCES),
        st.integers(0, 2),
    )
