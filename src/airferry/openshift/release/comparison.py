"""What differs between two releases: the sections of ``oc adm release info FROM TO``."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from airferry.openshift.release.columns import align
from airferry.openshift.release.describe import ReleaseImage, commit_url, print_age
from airferry.openshift.release.payload import Component

_COMMIT: Final = "io.openshift.build.commit.id"


class ChangeKind(StrEnum):
    """How a component differs; the value is the word in the heading. REBUILT: another digest, the same commit."""

    REMOVED = "Removed"
    ADDED = "Added"
    REBUILT = "Rebuilt"
    CHANGED = "Changed"


@dataclass(frozen=True, slots=True)
class ImageChange:
    """A component that differs; ``before`` or ``after`` is None where the release lacks it."""

    name: str
    kind: ChangeKind
    before: Component | None
    after: Component | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two releases, the images that differ, and the names of the manifests that differ, both sorted by name."""

    origin: ReleaseImage
    goal: ReleaseImage
    images: tuple[ImageChange, ...]
    manifests: tuple[str, ...]

    @property
    def is_identical(self) -> bool:
        """Whether both are the same image."""
        return self.origin.outer_digest == self.goal.outer_digest

    @property
    def can_upgrade(self) -> bool:
        """Whether the goal lists the origin's version among those it upgrades from."""
        return self.origin.payload.version in self.goal.payload.previous


def compare(origin: ReleaseImage, goal: ReleaseImage) -> Comparison:
    """Return what differs between two releases."""
    before = {item.name: item for item in origin.payload.components}
    after = {item.name: item for item in goal.payload.components}
    names = sorted(before.keys() | after.keys())
    changes = (_change(name, before.get(name), after.get(name)) for name in names)
    own = origin.manifests, goal.manifests
    manifests = sorted(name for name in {*own[0], *own[1]} if origin.files.get(name) != goal.files.get(name))
    return Comparison(origin, goal, tuple(change for change in changes if change is not None), tuple(manifests))


def describe_comparison(comparison: Comparison, *, now: datetime) -> str:
    """Return the text about two releases; ``now`` is for ages."""
    if comparison.is_identical:
        return "Releases are identical\n"
    return align([*_heading(comparison, now), *_sections(comparison), ""], padding=2)


def _change(name: str, before: Component | None, after: Component | None) -> ImageChange | None:
    if before is None:
        return ImageChange(name, ChangeKind.ADDED, before, after)
    if after is None:
        return ImageChange(name, ChangeKind.REMOVED, before, after)
    if before.image.digest == after.image.digest:
        return None
    commits = before.annotations.get(_COMMIT), after.annotations.get(_COMMIT)
    rebuilt = commits[0] == commits[1] and bool(commits[0])
    return ImageChange(name, ChangeKind.REBUILT if rebuilt else ChangeKind.CHANGED, before, after)


def _heading(comparison: Comparison, now: datetime) -> Iterator[str]:
    origin, goal = comparison.origin, comparison.goal
    yield "\tFROM\tTO"
    yield f"Name:\t{origin.payload.version}\t{goal.payload.version}"
    yield f"Created:\t{print_age(origin.created, now)}\t{print_age(goal.created, now)}"
    if origin.platform != goal.platform:
        yield f"OS/Arch:\t{origin.platform}\t{goal.platform}"
    if origin.payload.document is not None and goal.payload.document is not None:
        yield ""
        yield f"Version:\t{origin.payload.document.get('version', '')}\t{goal.payload.document.get('version', '')}"
        yield f"Upgrade From:\t\t{'Yes' if comparison.can_upgrade else 'No'}"


def _sections(comparison: Comparison) -> Iterator[str]:
    for kind in ChangeKind:
        changes = [change for change in comparison.images if change.kind is kind]
        if changes:
            yield ""
            yield f"Images {kind.value}:"
            yield from ("  " + "\t".join(_row(change)) for change in changes)


def _row(change: ImageChange) -> Iterator[str]:
    yield change.name
    if change.before is not None and change.kind is not ChangeKind.REMOVED:
        yield str(change.before.image.digest)
    if change.after is not None:
        yield str(change.after.image.digest)
        if change.kind is ChangeKind.CHANGED and (url := commit_url(change.after)):
            yield url
