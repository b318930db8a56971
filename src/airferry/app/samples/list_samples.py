"""``samples list``: every stream and tag of a source, what it comes to, whose it is, and how large."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.samples.open_samples import SamplesSource, open_samples
from airferry.oci import Digest
from airferry.openshift.samples.copies import SampleCopies, sample_copies
from airferry.openshift.samples.selection import Selection
from airferry.openshift.samples.streams import Belonging, Resolved
from airferry.plan import CopyRequest, Gap
from airferry.quantities import print_decimal_size
from airferry.survey import Findings, survey_sources
from airferry.survey.sources import walk_down


@dataclass(frozen=True, slots=True)
class ListedSamples:
    """The selected tags, and the ``copies`` that their samples need. ``sizes`` in bytes by image as written.

    ``total_bytes`` counts what images share once; both sizes are there only when they were asked for, and ``gaps``
    names what could then not be read.
    """

    tags: tuple[Resolved, ...]
    copies: SampleCopies
    version: str | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    total_bytes: int | None = None
    gaps: tuple[Gap, ...] = ()

    @property
    def images_text(self) -> str:
        """Every image to mirror once, one on a line."""
        return "".join(f"{image}\n" for image in self.copies.images)

    def text(self) -> str:
        """Return a table of tags, a line with what is in it, and a line for each that no mirror serves as it is."""
        heads = ("STREAM", "TAG", "IMAGE", "ARCHITECTURE", "BELONGS TO")
        rows: list[tuple[str, ...]] = [(*heads, "SIZE") if self.total_bytes is not None else heads]
        rows += [self._row(item) for item in self.tags]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        troubles = [f"cannot be mirrored: {trouble.name}: {trouble.reason}" for trouble in self.copies.troubles]
        return "".join(f"{line}\n" for line in (*lines, "", self._counts(), *self.copies.notes, *troubles))

    def to_json(self) -> dict[str, Any]:
        """Return the streams as a JSON object with stable keys."""
        by_stream: dict[tuple[str, str | None], list[Resolved]] = {}
        for item in self.tags:
            by_stream.setdefault((item.stream.name, item.stream.architecture), []).append(item)
        return {
            "version": self.version,
            "streams": [
                {
                    "name": name,
                    "architecture": architecture,
                    "belongsTo": items[0].stream.belonging.value,
                    "repository": items[0].stream.repository,
                    "tags": [self._tag_to_json(item) for item in items],
                }
                for (name, architecture), items in by_stream.items()
            ],
            "images": list(self.copies.images),
            "notes": list(self.copies.notes),
            "notMirrored": [{"name": item.name, "reason": item.reason} for item in self.copies.troubles],
            "totalBytes": self.total_bytes,
        }

    def _row(self, item: Resolved) -> tuple[str, ...]:
        image = item.image or f"({item.trouble})"
        if item.tag.alias is not None and item.image is not None:
            image = f"{item.tag.alias} -> {image}"
        row = (item.stream.name, item.tag.name, image, item.stream.architecture or "any", item.stream.belonging.value)
        if self.total_bytes is None:
            return row
        size = self.sizes.get(item.image or "")
        return (*row, print_decimal_size(size) if size is not None else "")

    def _tag_to_json(self, item: Resolved) -> dict[str, Any]:
        return {
            "name": item.tag.name,
            "image": item.image,
            "aliasOf": item.tag.alias,
            "through": list(item.through),
            "trouble": item.trouble,
            "sizeBytes": self.sizes.get(item.image or ""),
        }

    def _counts(self) -> str:
        streams = {(item.stream.name, item.stream.architecture): item.stream.belonging for item in self.tags}
        left_out = [name for (name, _), belonging in streams.items() if belonging is not Belonging.SAMPLE]
        text = f"{len(streams)} streams, {len(self.tags)} tags, {len(self.copies.wanted)} images to mirror"
        if self.total_bytes is not None:
            text += f" ({print_decimal_size(self.total_bytes)} together)"
        return f"{text}; {len(left_out)} streams are left out" if left_out else text


async def list_samples(
    source: SamplesSource, selected: Sequence[str], places: Places, narrator: Narrator, *, with_sizes: bool = False
) -> ListedSamples:
    """Read the streams of ``source``; with ``with_sizes`` also the manifest of every image.

    Raises what :func:`airferry.app.samples.open_samples.open_samples` does, and UsageError for
    values of ``--select`` (``selected``) that are not understood, or match nothing.
    """
    selection = Selection.parse(selected)
    narrator.phase("reading image streams")
    opened = await open_samples(source, places)
    selection.check(opened.inventory.resolved())
    tags = tuple(item for item in opened.inventory.resolved() if selection.takes(item))
    samples = [item for item in tags if item.stream.belonging is Belonging.SAMPLE]
    copies = sample_copies(samples, None)
    listed = ListedSamples(tags, copies, opened.inventory.version)
    if not with_sizes:
        return listed
    narrator.phase("reading manifests", steps=len(copies.wanted))
    findings = await survey_sources(copies.requests, places.source, on_read=lambda manifest: narrator.advance(steps=1))
    sizes, total_bytes = _sizes(copies, findings)
    return ListedSamples(tags, copies, opened.inventory.version, sizes, total_bytes, tuple(findings.gaps))


def _sizes(copies: SampleCopies, findings: Findings) -> tuple[dict[str, int], int]:
    everything: dict[Digest, int] = {}
    sizes: dict[str, int] = {}
    for sample in copies.wanted:
        blobs = _blobs(sample.request, findings)
        if blobs:
            sizes[sample.image] = sum(blobs.values())
            everything |= blobs
    return sizes, sum(everything.values())


def _blobs(request: CopyRequest, findings: Findings) -> dict[Digest, int]:
    root = findings.roots.get(request)
    if root is None:
        return {}
    return {
        blob.digest: blob.size_bytes
        for manifest in walk_down(root, findings.manifests)
        for blob in (*manifest.layers, *((manifest.config,) if manifest.config is not None else ()))
    }
