"""A plan in numbers: what people decide by before anything moves."""

from dataclasses import dataclass
from typing import Any

from airferry.oci import Place
from airferry.plan.model import CopyBlob, MountBlob, Plan, PutManifest, PutTag


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of steps and bytes. ``moved_bytes`` counts each copy; a blob bound for two places counts twice."""

    images: int
    manifests: int
    tags: int
    blobs: int
    mounts: int
    moved_bytes: int
    shared_bytes: int
    already_there_blobs: int
    already_there_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as a JSON object with stable keys."""
        return {
            "images": self.images,
            "manifests": self.manifests,
            "tags": self.tags,
            "blobs": self.blobs,
            "mounts": self.mounts,
            "movedBytes": self.moved_bytes,
            "sharedBytes": self.shared_bytes,
            "alreadyThereBlobs": self.already_there_blobs,
            "alreadyThereBytes": self.already_there_bytes,
        }


def summarize(plan: Plan, *, images: int) -> Summary:
    """Return the numbers of ``plan``; ``images`` is how many were asked for, complete ones included."""
    kinds = {CopyBlob: 0, MountBlob: 0, PutManifest: 0, PutTag: 0}
    moved = 0
    for step in plan.steps:
        kinds[type(step)] += 1
        if isinstance(step, CopyBlob):
            moved += step.blob.size_bytes
    return Summary(
        images=images,
        manifests=kinds[PutManifest],
        tags=kinds[PutTag],
        blobs=kinds[CopyBlob],
        mounts=kinds[MountBlob],
        moved_bytes=moved,
        shared_bytes=plan.shared_bytes,
        already_there_blobs=plan.already_there_blobs,
        already_there_bytes=plan.already_there_bytes,
    )


def bytes_to_write(plan: Plan, place: Place) -> int:
    """Return how many bytes the plan adds to ``place``: blobs that are copied, and manifests. Mounts add nothing."""
    written = 0
    for step in plan.steps:
        if step.destination.place != place:
            continue
        if isinstance(step, CopyBlob):
            written += step.blob.size_bytes
        elif isinstance(step, PutManifest):
            written += step.manifest.size_bytes
    return written
