"""What is wanted of a catalog, from what was said on the command line or in a file, and what that came to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airferry.app.narration import Narrator
from airferry.app.text_files import read_text_file
from airferry.errors import UsageError
from airferry.openshift.catalog.selecting.image_set import read_image_set
from airferry.openshift.catalog.selecting.select import Selected
from airferry.openshift.catalog.selecting.wanted import Depth, Wanted, parse_wanted


@dataclass(frozen=True, slots=True)
class WantedRequest:
    """A wish as it was spelt: see :func:`~airferry.openshift.catalog.selecting.wanted.parse_wanted`.

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


def selected_to_json(selected: Selected) -> dict[str, Any]:
    """Return what was selected, and why what was not asked for is there, as a JSON object with stable keys."""
    return {
        "packages": [
            {
                "name": package.name,
                "defaultChannel": package.default_channel,
                "channels": [
                    {"name": channel.name, "entries": [entry.name for entry in channel.entries]}
                    for channel in package.channels.values()
                ],
            }
            for package in selected.catalog.packages.values()
        ],
        "added": [
            {
                "package": reason.package,
                "channel": reason.channel,
                "bundle": reason.bundle,
                "because": reason.because.value,
                "reason": reason.what,
            }
            for reason in selected.reasons
        ],
    }


def added_lines(selected: Selected) -> list[str]:
    """Return what is there though it was not asked for, for people; nothing for a whole catalog."""
    if not selected.reasons:
        return []
    return ["added, though not asked for:", *(f"  {reason}" for reason in selected.reasons)]


def selection_warnings(selected: Selected) -> tuple[str, ...]:
    """Return what is lacking in the selection, or was left out of it, for people."""
    return tuple(f"{finding.package}: {finding.what}" for finding in selected.warnings)
