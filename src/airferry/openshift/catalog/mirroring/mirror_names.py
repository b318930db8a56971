"""Where a catalog's images go: repositories and tags at the destination, as ``oc adm catalog mirror`` makes them.

Source: observed behaviour of ``oc adm catalog mirror``. A source's registry is not part of the name, and tags of
images by digest are 32-bit hashes, so that two sources can meet in one tag; ``oc`` lets the last one win.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.oci import Reference, Repository
from airferry.oci.reference import is_repository_path

_FNV_32: Final = (0x811C9DC5, 0x01000193, 32)
_FNV_64: Final = (0xCBF29CE484222325, 0x00000100000001B3, 64)

DEFAULT_MAX_COMPONENTS: Final = 2
"""Some registries have no deeper repositories than ``NAMESPACE/NAME``."""


@dataclass(frozen=True, slots=True)
class MirrorNames:
    """The destination of each source, always with a tag; ``refused`` says why a source has none.

    ``notes`` are sentences about sources that got another tag than ``oc`` would give them.
    """

    destinations: Mapping[Reference, Reference]
    refused: Mapping[Reference, AirferryError]
    notes: tuple[str, ...] = ()


def check_max_components(number: int) -> int:
    """Return ``number``: 0 for no limit, or at least 2. Raises UsageError in oc's words."""
    if number < 0 or number == 1:
        raise UsageError("maxPathComponents must be 0 (no limit) or greater than 1")
    return number


def mirror_names(
    sources: Iterable[tuple[Reference, Repository]], max_components: int = DEFAULT_MAX_COMPONENTS
) -> MirrorNames:
    """Return where each source goes, below the repository that it is paired with, whose path may be "".

    The order of the sources makes no difference. Where several would get one tag of one repository, the first by name
    has it, others by digest a longer hash; others by tag are refused, for a repository has each tag once.
    """
    refused: dict[Reference, AirferryError] = {}
    meeting: dict[tuple[Repository, str], list[Reference]] = {}
    for source, below in sources:
        path = mirrored_path(below.path, source.repository.path, max_components)
        if not is_repository_path(path):
            refused[source] = MalformedError(f"{path!r} cannot be the name of a repository")
            continue
        tag = source.tag or fnv_tag(source)
        found = meeting.setdefault((Repository(below.place, path), tag), [])
        if source not in found:
            found.append(source)
    taken: set[tuple[Repository, str]] = set(meeting)
    destinations: dict[Reference, Reference] = {}
    notes: list[str] = []
    for (repository, tag), found in meeting.items():
        holder, *others = sorted(found, key=lambda item: (item.digest is not None, str(item)))
        destinations[holder] = Reference(repository, tag)
        for source in others:
            own = _other_tag(source, repository, taken)
            if own is None:
                refused[source] = UsageError(
                    f"{repository}:{tag} is the copy of {holder} already, and {source} is named by tag too",
                    hint="mirror one of them on its own into another repository: airferry image mirror",
                )
                continue
            taken.add((repository, own))
            destinations[source] = Reference(repository, own)
            notes.append(f"{source} has the tag {own}, because {repository}:{tag} is the copy of {holder}")
    return MirrorNames(destinations, refused, tuple(sorted(notes)))


def mirrored_path(below: str, source: str, max_components: int) -> str:
    """Return the path at the destination: all parts of both, the last ones joined by ``-`` where they are too many."""
    parts = [part for part in (*below.split("/"), *source.split("/")) if part]
    if max_components and len(parts) > max_components:
        parts = [*parts[: max_components - 1], "-".join(parts[max_components - 1 :])]
    return "/".join(parts)


def fnv_tag(source: Reference) -> str:
    """Return the tag that ``oc`` gives an image by digest: the hash of its reference, without zeros in front."""
    return f"{_fnv_1a(str(source), *_FNV_32):x}"


def _other_tag(source: Reference, repository: Repository, taken: set[tuple[Repository, str]]) -> str | None:
    if source.digest is None:
        return None
    tags = (fnv_tag(source), f"{_fnv_1a(str(source), *_FNV_64):016x}", source.digest.hex)
    return next((tag for tag in tags if (repository, tag) not in taken), None)


def _fnv_1a(text: str, start: int, prime: int, bits: int) -> int:
    """Source: the Fowler/Noll/Vo hash, variant 1a (RFC 9923)."""
    mask = (1 << bits) - 1
    value = start
    for byte in text.encode():
        value = ((value ^ byte) * prime) & mask
    return value
