"""What pruning came to, for people and for programs."""

from dataclasses import dataclass
from typing import Any

from airferry.oci import Digest, Repository
from airferry.plan.pruning import Removal, RepositoryRemoval, Shelf, freed_bytes
from airferry.quantities import print_binary_size


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What goes, or went. ``is_exact`` is False where others that were not looked at may share the bytes.

    ``at_once`` is False where the bytes come free when the registry collects them. ``spared`` was to go and stays,
    because a tag moved meanwhile.
    """

    place: str
    removal: Removal
    dry_run: bool
    is_exact: bool
    at_once: bool
    wanted: tuple[str, ...]
    kept_manifests: int
    spared: tuple[tuple[Repository, Digest], ...] = ()
    dropped_releases: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The answer for people: what goes and why, what is left alone, and the sum."""
        lines: list[str] = []
        for removal in self.removal.repositories:
            lines += _repository_lines(removal)
        lines += [f"{repository}: left alone, {reason}" for repository, reason in self.removal.untouched]
        lines += [f"{repository}@{digest}: left alone, a tag moved to it" for repository, digest in self.spared]
        lines += [f"release {version}: no longer kept by its record" for version in self.dropped_releases]
        return "\n".join([*lines, self._sum(), ""])

    def _sum(self) -> str:
        tags, manifests, blobs = self._counts()
        verb = "would free" if self.dry_run else "freed" if self.at_once else "free for collection:"
        size = f"{'' if self.is_exact else 'at most '}{print_binary_size(self.removal.freed_bytes)}"
        count = f"{tags} tags, {manifests} manifests, {blobs} blobs; {self.kept_manifests} manifests stay"
        return f"{self.place}: {verb} {size} ({count})"

    def _counts(self) -> tuple[int, int, int]:
        going = self.removal.repositories
        return (
            sum(len(removal.tags) for removal in going),
            sum(len(removal.manifests) for removal in going),
            sum(len(removal.blobs) for removal in going),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object with stable keys."""
        return {
            "dryRun": self.dry_run,
            "place": self.place,
            "wanted": list(self.wanted),
            "freedBytes": self.removal.freed_bytes,
            "exact": self.is_exact,
            "freedAtOnce": self.at_once,
            "keptManifests": self.kept_manifests,
            "repositories": [_removal_to_json(removal) for removal in self.removal.repositories],
            "untouched": [
                {"repository": str(repository), "reason": reason} for repository, reason in self.removal.untouched
            ],
            "spared": [{"repository": str(repository), "digest": digest} for repository, digest in self.spared],
            "droppedReleases": list(self.dropped_releases),
        }


def really_removed(removals: list[RepositoryRemoval], planned: Removal, shelves: tuple[Shelf, ...]) -> Removal:
    """Return what was done of what was planned."""
    done = tuple(removal for removal in removals if not removal.is_empty)
    return Removal(done, freed_bytes(done, shelves), planned.untouched)


def _repository_lines(removal: RepositoryRemoval) -> list[str]:
    tags: dict[Digest, list[str]] = {}
    for tag, digest in removal.tags:
        tags.setdefault(digest, []).append(tag)
    lines = [f"{removal.repository}"]
    for manifest in removal.manifests:
        names = ", ".join(tags.pop(manifest.digest, ())) or "no tag"
        lines.append(f"  {manifest.digest} ({names}): {manifest.reason}")
    lines += [f"  {digest} ({', '.join(names)}): is not there" for digest, names in sorted(tags.items())]
    if removal.blobs:
        lines.append(f"  {len(removal.blobs)} blobs that nothing needs then")
    return lines


def _removal_to_json(removal: RepositoryRemoval) -> dict[str, Any]:
    return {
        "repository": str(removal.repository),
        "tags": [{"tag": tag, "digest": digest} for tag, digest in removal.tags],
        "manifests": [
            {"digest": manifest.digest, "sizeBytes": manifest.size_bytes, "reason": manifest.reason}
            for manifest in removal.manifests
        ],
        "blobs": list(removal.blobs),
        "keptManifests": removal.kept_manifests,
    }
