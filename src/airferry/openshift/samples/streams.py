"""Image streams as the samples operator knows them, and what each tag comes to.

Source: the ImageStream of image.openshift.io/v1. A tag names an image (``from.kind`` DockerImage), or another tag of
the same or another stream (ImageStreamTag).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from airferry.errors import MalformedError
from airferry.oci import Reference

_MOST_HOPS: Final = 16
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}


class Belonging(StrEnum):
    """Who brings the images of a stream into a cluster."""

    SAMPLE = "sample"
    PAYLOAD = "payload"
    OUTSIDE = "outside"
    OTHER = "other"

    @property
    def meaning(self) -> str:
        """What that means for a mirror, in a sentence."""
        match self:
            case Belonging.SAMPLE:
                return "imported by the samples operator, from its samplesRegistry"
            case Belonging.PAYLOAD:
                return "brought by the release, and in its mirror"
            case Belonging.OUTSIDE:
                return "imported from where it is written, never from the samplesRegistry"
            case Belonging.OTHER:
                return "made by somebody else than the samples operator"


@dataclass(frozen=True, slots=True)
class StreamTag:
    """One tag: ``image`` as it is written, or the tag that it is an ``alias`` of (``TAG``, or ``STREAM:TAG``).

    Both are None where the tag names nothing that is imported; ``oddity`` says what it names instead.
    """

    name: str
    image: str | None = None
    alias: str | None = None
    oddity: str | None = None

    @property
    def is_imported(self) -> bool:
        """Whether it stands for an image that is imported; what was pushed into it concerns no mirror."""
        return self.image is not None or self.alias is not None


@dataclass(frozen=True, slots=True)
class Stream:
    """One image stream. ``architecture`` is that of its folder (x86_64, aarch64, …), None where none is told.

    ``repository`` is the deprecated ``dockerImageRepository``. ``managed`` says what a cluster's label says of the
    operator's hand in it, None without the label. ``file`` is where it was read, for errors.
    """

    name: str
    tags: tuple[StreamTag, ...]
    architecture: str | None = None
    repository: str | None = None
    managed: bool | None = None
    file: str = ""
    belonging: Belonging = Belonging.SAMPLE

    def tag(self, name: str) -> StreamTag | None:
        """Return the tag of this name."""
        return next((tag for tag in self.tags if tag.name == name), None)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a tag comes to: the ``image`` as written, or the ``trouble`` with it. ``through`` are the tags between."""

    stream: Stream
    tag: StreamTag
    image: str | None = None
    trouble: str | None = None
    through: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``STREAM:TAG``, as people name it."""
        return f"{self.stream.name}:{self.tag.name}"


@dataclass(frozen=True, slots=True)
class Inventory:
    """Every stream of one source, sorted by name. ``version`` is the release's, None where none is known."""

    streams: tuple[Stream, ...]
    version: str | None = None

    @property
    def samples(self) -> tuple[Stream, ...]:
        """The streams that are imported from the samplesRegistry."""
        return tuple(stream for stream in self.streams if stream.belonging is Belonging.SAMPLE)

    @property
    def architectures(self) -> tuple[str, ...]:
        """The architectures that its streams are for, sorted."""
        return tuple(sorted({stream.architecture for stream in self.streams if stream.architecture}))

    def for_architecture(self, architecture: str) -> "Inventory":
        """Return the streams that a cluster of ``architecture`` (amd64 or x86_64, …) has.

        A stream that is there for the architecture takes the place of one that is for any.
        """
        word = folder_word(architecture)
        exact = {stream.name for stream in self.streams if stream.architecture == word}
        kept = [
            stream
            for stream in self.streams
            if stream.architecture == word or (stream.architecture is None and stream.name not in exact)
        ]
        return replace(self, streams=tuple(kept))

    def resolve(self, stream: Stream, tag: StreamTag) -> Resolved:
        """Follow aliases from ``tag`` to an image."""
        current, at, through = tag, stream, [f"{stream.name}:{tag.name}"]
        while current.alias is not None:
            name, colon, last = current.alias.rpartition(":")
            found = at if not colon or name == at.name else self._stream(name, at.architecture)
            target = found.tag(last) if found is not None else None
            step = f"{name or at.name}:{last}"
            if found is None or target is None:
                return Resolved(stream, tag, trouble=f"it is an alias of {step}, which is not there")
            if step in through or len(through) > _MOST_HOPS:
                circle = " -> ".join([*through, step])
                return Resolved(stream, tag, trouble=f"its aliases lead in a circle: {circle}")
            through.append(step)
            current, at = target, found
        if current.image is None:
            return Resolved(stream, tag, trouble=current.oddity or "it names no image", through=tuple(through[1:]))
        return Resolved(stream, tag, image=current.image, through=tuple(through[1:]))

    def resolved(self) -> Iterator[Resolved]:
        """Yield what each tag of each stream comes to."""
        for stream in self.streams:
            for tag in stream.tags:
                yield self.resolve(stream, tag)

    def _stream(self, name: str, architecture: str | None) -> Stream | None:
        named = [stream for stream in self.streams if stream.name == name]
        return next((stream for stream in named if stream.architecture == architecture), None)


def make_inventory(streams: Iterable[Stream], version: str | None = None) -> Inventory:
    """Return the inventory of ``streams``. Raises MalformedError when one is there twice, and not the same."""
    found: dict[tuple[str, str | None], Stream] = {}
    for stream in streams:
        key = (stream.name, stream.architecture)
        other = found.setdefault(key, stream)
        if replace(other, file="") != replace(stream, file=""):
            raise MalformedError(
                f"the image stream {stream.name} is in {other.file} and, with other tags, in {stream.file}",
                hint="leave one of them out: a cluster has one stream of a name",
            )
    ordered = sorted(found.values(), key=lambda stream: (stream.name, stream.architecture or ""))
    return Inventory(tuple(ordered), version)


def folder_word(architecture: str) -> str:
    """Return the architecture as the operator's folders spell it: amd64 is x86_64, arm64 is aarch64."""
    return _MACHINES.get(architecture, architecture)


def image_reference(image: str) -> Reference:
    """Return the image that a pull spec means; without tag and digest it is ``latest``. Raises MalformedError."""
    reference = Reference.parse(image)
    if reference.tag is None and reference.digest is None:
        return replace(reference, tag="latest")
    return reference
