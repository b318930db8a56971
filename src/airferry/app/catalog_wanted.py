"""What is wanted of a catalog, from what was said on the command line or in a file."""

from dataclasses import dataclass
from pathlib import Path

from airferry.app.narration import Narrator
from airferry.app.text_files import read_text_file
from airferry.errors import UsageError
from airferry.openshift.catalog.image_set import read_image_set
from airferry.openshift.catalog.wanted import Depth, Wanted, parse_wanted


@dataclass(frozen=True, slots=True)
class WantedRequest:
    """A wish as it was spelt: see :func:`~airferry.openshift.catalog.wanted.parse_wanted`.

    ``select`` is an ImageSetConfiguration that says it instead.
    """

    packages: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    default_channels: tuple[str, ...] = ()
    heads_only: bool = False
    all_versions: bool = False
    dependencies: bool = True
    select: Path | None = None


def read_wanted(request: WantedRequest, catalog: str, narrator: Narrator) -> Wanted:
    """Return what is wanted of ``catalog``; what a file says beside that is noted. Blocks while it reads the file.

    Raises UsageError, and MalformedError for a file or range that is not well-formed.
    """
    if request.heads_only and request.all_versions:
        raise UsageError("--heads-only and --all-versions contradict each other")
    depth = Depth.HEADS if request.heads_only else Depth.ALL if request.all_versions else None
    if request.select is None:
        return parse_wanted(
            request.packages,
            request.channels,
            request.default_channels,
            depth=depth,
            dependencies=request.dependencies,
        )
    if request.packages or request.channels or request.default_channels or depth is not None:
        raise UsageError("--select says what is wanted, and so do other options", hint="use one or the other")
    wish = read_image_set(read_text_file(request.select), catalog, str(request.select))
    for note in wish.notes:
        narrator.note(note)
    wanted = wish.wanted
    return Wanted(wanted.packages, wanted.depth, wanted.dependencies and request.dependencies)
