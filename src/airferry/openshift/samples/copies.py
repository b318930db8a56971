"""What is to be copied so that the operator's imports find it, and what cannot be."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from airferry.errors import AirferryError, UsageError
from airferry.oci import Digest, Place, PlaceKind, Reference, Repository
from airferry.openshift.samples.rewriting import KNOWN_HOSTS, SamplesTarget
from airferry.openshift.samples.selection import Selection
from airferry.openshift.samples.streams import Belonging, Inventory, Resolved, image_reference
from airferry.plan.model import CopyRequest, Gap


@dataclass(frozen=True, slots=True)
class WantedSample:
    """One image to copy: the request, and the tags of streams (``STREAM:TAG``) that come to it, sorted."""

    request: CopyRequest
    image: str
    used_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SampleTrouble:
    """A tag of a stream that no copy can serve, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class SampleCopies:
    """``wanted`` is sorted by destination. ``notes`` are sentences about names that fall together."""

    wanted: tuple[WantedSample, ...]
    troubles: tuple[SampleTrouble, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[str, ...]:
        """The images as references, ``latest`` written out, sorted."""
        return tuple(sorted(str(sample.request.source) for sample in self.wanted))

    @property
    def requests(self) -> tuple[CopyRequest, ...]:
        """The requests alone."""
        return tuple(sample.request for sample in self.wanted)


def selected_tags(inventory: Inventory, selection: Selection) -> tuple[Resolved, ...]:
    """Return what each selected tag of the samples comes to. Raises UsageError for a selection of nothing."""
    selection.check(inventory.resolved())
    selected = [item for item in inventory.resolved() if selection.takes(item)]
    found = tuple(item for item in selected if item.stream.belonging is Belonging.SAMPLE)
    if selected and not found:
        stream = selected[0].stream
        raise UsageError(
            f"nothing of this is imported from a samplesRegistry: {stream.name} is of those that are "
            f"{stream.belonging.meaning}",
            hint="`airferry samples list SOURCE` says of each stream whose it is",
        )
    return found


def sample_copies(tags: Iterable[Resolved], target: SamplesTarget | None) -> SampleCopies:
    """Return the copies that serve ``tags``, each image once; without a ``target`` as far as they do not depend on it.

    The operator forgets the host of an image. Where two hosts' images come to one name, it is the one of the host
    that the operator knows first that is copied, and the other is told of in the notes.
    """
    troubles: list[SampleTrouble] = []
    by_destination: dict[Reference, dict[str, set[str]]] = {}
    for item in tags:
        if not item.tag.is_imported:
            continue
        if item.image is None:
            troubles.append(SampleTrouble(item.name, item.trouble or "it names no image"))
            continue
        try:
            reference = image_reference(item.image)
            destination = target.destination(item.image) if target is not None else _anywhere(item.image, reference)
        except AirferryError as error:
            troubles.append(SampleTrouble(item.name, error.message))
            continue
        by_destination.setdefault(destination, {}).setdefault(item.image, set()).add(item.name)
    wanted: list[WantedSample] = []
    notes: list[str] = []
    for destination, images in sorted(by_destination.items()):
        chosen = min(images, key=_rank)
        others = [str(image_reference(image)) for image in images if image_reference(image) != image_reference(chosen)]
        notes += [f"{other} and {chosen} have one name at the mirror; it gets the latter" for other in sorted(others)]
        used_by = tuple(sorted(set().union(*images.values())))
        wanted.append(WantedSample(_request(chosen, destination, used_by), chosen, used_by))
    return SampleCopies(tuple(wanted), tuple(sorted(troubles, key=lambda trouble: trouble.name)), tuple(notes))


def _anywhere(image: str, reference: Reference) -> Reference:
    """Return what images have in common that have one name at every mirror: the host counts unless it is replaced."""
    if image.count("/") != 2:
        return reference
    return replace(reference, repository=Repository(Place(PlaceKind.TREE, ""), reference.repository.path))


def with_consequence(gap: Gap, copies: SampleCopies, kept: str | None = None) -> Gap:
    """Return ``gap`` with its consequence; ``kept`` is what the mirror still has under the tag."""
    if gap.request.optional:
        return replace(gap, consequence="who demands this signature or attestation will refuse the image")
    used_by = next((sample.used_by for sample in copies.wanted if sample.request == gap.request), ())
    if kept is not None:
        sentence = f"the mirror keeps {kept} from an earlier run for {_listed(used_by)}"
    else:
        sentence = f"the import of {_listed(used_by)} fails; `samples config` skips the streams"
    return replace(gap, consequence=sentence)


def _request(image: str, destination: Reference, used_by: tuple[str, ...]) -> CopyRequest:
    tags = (destination.tag,) if destination.tag is not None and destination.digest is None else ()
    return CopyRequest(image_reference(image), destination.repository, tags, _listed(used_by))


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _rank(image: str) -> tuple[int, str]:
    host = image.partition("/")[0]
    return (KNOWN_HOSTS.index(host) if host in KNOWN_HOSTS else len(KNOWN_HOSTS), image)


def from_disk(copies: SampleCopies, disk: SamplesTarget, digests: Mapping[str, Digest]) -> SampleCopies:
    """Return the copies with their images taken from ``disk``, by the digest that arrived there.

    What never arrived on the disk is left out, and one note says how much.
    """
    wanted: list[WantedSample] = []
    for sample in copies.wanted:
        digest = digests.get(sample.image)
        if digest is None:
            continue
        source = disk.destination(sample.image).by_digest(digest)
        wanted.append(replace(sample, request=replace(sample.request, source=source)))
    missing = len(copies.wanted) - len(wanted)
    told = f"{missing} of {len(copies.wanted)} images of the streams are not on the disk, and are left out"
    return SampleCopies(tuple(wanted), copies.troubles, (*copies.notes, *((told,) if missing else ())))
