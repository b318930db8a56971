"""``samples mirror``: the images of the samples operator's streams, where its imports will look for them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airferry.app.copies.copy_report import CopyReport, gap_to_json
from airferry.app.copies.copying import CopyOptions, copy_images, reserve
from airferry.app.generated_files import write_files
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.releases.mirror_files import LEDGER, check_writable, forget_ledger
from airferry.app.releases.release_files import MANIFESTS_FOLDER
from airferry.app.samples.open_samples import OpenedSamples, SamplesSource, open_samples
from airferry.app.samples.samples_records import SamplesRecord, read_samples_record, write_samples_record
from airferry.errors import AirferryError, ExitCode, UsageError
from airferry.oci import Digest, Place, PlaceKind
from airferry.openshift.samples.copies import (
    SampleCopies,
    WantedSample,
    from_disk,
    sample_copies,
    selected_tags,
    with_consequence,
)
from airferry.openshift.samples.rewriting import SamplesTarget
from airferry.openshift.samples.selection import Selection
from airferry.survey.crew import work_through

_FOLDER = "samples"
_MAPPING = "mapping.txt"
_LEDGER_KIND = "samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorSamples:
    """What is asked for; the fields are the flags of ``samples mirror``. ``disk`` is for a ``to`` of file://."""

    source: SamplesSource
    to: str
    disk: Path | None = None
    selected: tuple[str, ...] = ()
    manifests_dir: Path | None = None
    options: CopyOptions = field(default_factory=CopyOptions)

    @property
    def target(self) -> SamplesTarget:
        """Where the samples go. Raises MalformedError, UnsupportedError, UsageError."""
        target = SamplesTarget.parse(self.to, tree=str(self.disk or "."))
        if target.place.kind is PlaceKind.TREE and self.disk is None:
            raise UsageError(f"{self.to} is a disk", hint="name its folder with --dir FOLDER")
        return target

    @property
    def files_folder(self) -> Path:
        """Where the generated files go."""
        if self.manifests_dir is not None:
            return self.manifests_dir
        if self.target.place.kind is PlaceKind.TREE and self.disk is not None:
            return self.disk / MANIFESTS_FOLDER / _FOLDER
        return Path(f"{MANIFESTS_FOLDER}-{_FOLDER}")


@dataclass(frozen=True, slots=True)
class MovedTag:
    """An image whose tag came to another digest than the destination had under it."""

    sample: WantedSample
    before: Digest
    now: Digest

    @property
    def line(self) -> str:
        """The sentence for people."""
        return f"{self.sample.image} has moved: it was {self.before} and is {self.now} ({self.sample.request.name})"


@dataclass(frozen=True, slots=True)
class MirroredSamples:
    """What came of it: the copy, the tags that moved, those that no copy can serve, the text for stdout, the files."""

    copy: CopyReport
    copies: SampleCopies
    moved: tuple[MovedTag, ...]
    text: str
    files: tuple[Path, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """GAPS when the ledger has a line, DONE otherwise."""
        has_lines = self.copy.gaps or self.moved or self.copies.troubles
        return ExitCode.GAPS if has_lines else ExitCode.DONE

    @property
    def ledger_lines(self) -> list[str]:
        """The ledger for people."""
        moved = [item.line for item in self.moved]
        troubles = [f"{trouble.name}: {trouble.reason}" for trouble in self.copies.troubles]
        return [*moved, *troubles, *self.copy.gap_lines]

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as a JSON object with stable keys."""
        return {**self.copy.to_json(), **_ledger(self), "files": [str(file) for file in self.files]}


async def mirror_samples(asked: MirrorSamples, places: Places, narrator: Narrator) -> MirroredSamples:
    """Mirror the selected samples, and remember on a disk what it carries.

    A missing image is a gap, and all others are copied. Raises UsageError, MalformedError, NotFoundError for a source
    or a selection of no use, and what stops every copy alike.
    """
    target, selection = asked.target, Selection.parse(asked.selected)
    narrator.phase("reading image streams")
    opened = await open_samples(asked.source, places)
    copies = sample_copies(selected_tags(opened.inventory, selection), target)
    if opened.record is not None:
        assert asked.source.disk is not None, "a record was read from it"
        disk = SamplesTarget(Place(PlaceKind.TREE, str(asked.source.disk)), asked.source.prefix)
        copies = from_disk(copies, disk, opened.record.digests)
    for note in copies.notes:
        narrator.warn(note)
    if not asked.options.dry_run:
        await reserve(copies.requests, places)
        await check_writable(asked.files_folder, flag="--to-manifests")
    before = await _tags_now(copies, places)
    report = await copy_images(copies.requests, places, asked.options, narrator)
    gaps = tuple(with_consequence(gap, copies, before.get(gap.request)) for gap in report.gaps)
    report = replace(report, gaps=gaps)
    moved = _moved(copies, report, before)
    mirrored = MirroredSamples(report, copies, moved, _text(asked, report, target))
    if asked.options.dry_run:
        return mirrored
    files = await _write(asked, mirrored, places)
    await _remember(asked, opened, mirrored, places)
    return replace(mirrored, files=files)


async def _tags_now(copies: SampleCopies, places: Places) -> dict[Any, Digest]:
    """Return what the destination has under the tags; a question that is not answered counts as nothing."""
    found: dict[Any, Digest] = {}

    async def ask(sample: WantedSample) -> tuple[WantedSample, ...]:
        request = sample.request
        for tag in request.tags:
            try:
                digest = await places.sink(request.destination.place).tag_digest(request.destination.path, tag)
            except AirferryError:
                return ()  # the copy asks again, and says what is wrong
            if digest is not None:
                found[request] = digest
        return ()

    await work_through(copies.wanted, ask, workers=16)
    return found


def _moved(copies: SampleCopies, report: CopyReport, before: Mapping[Any, Digest]) -> tuple[MovedTag, ...]:
    arrived = dict(report.arrived)
    return tuple(
        MovedTag(sample, before[sample.request], arrived[sample.request])
        for sample in copies.wanted
        if sample.request in before and sample.request in arrived and before[sample.request] != arrived[sample.request]
    )


async def _write(asked: MirrorSamples, mirrored: MirroredSamples, places: Places) -> tuple[Path, ...]:
    pairs = [
        f"{sample.request.source}={sample.request.destination}" + "".join(f":{tag}" for tag in sample.request.tags)
        for sample in mirrored.copies.wanted
    ]
    files = {_MAPPING: "".join(f"{pair}\n" for pair in pairs).encode()}
    if mirrored.exit_code is not ExitCode.DONE:
        document = {_LEDGER_KIND: asked.source.text, **_ledger(mirrored)}
        files[LEDGER] = (json.dumps(document, indent=2) + "\n").encode()
    else:
        await forget_ledger(asked.files_folder, asked.source.text, kind=_LEDGER_KIND)
    return await write_files(asked.files_folder, files, private=places.settings.private)


def _ledger(mirrored: MirroredSamples) -> dict[str, Any]:
    return {
        "gaps": [gap_to_json(gap) for gap in mirrored.copy.gaps],
        "movedTags": [
            {
                "image": item.sample.image,
                "usedBy": list(item.sample.used_by),
                "before": str(item.before),
                "now": str(item.now),
            }
            for item in mirrored.moved
        ],
        "notMirrored": [{"name": item.name, "reason": item.reason} for item in mirrored.copies.troubles],
    }


async def _remember(asked: MirrorSamples, opened: OpenedSamples, mirrored: MirroredSamples, places: Places) -> None:
    target = asked.target
    if target.place.kind is not PlaceKind.TREE or asked.disk is None:
        return
    arrived = dict(mirrored.copy.arrived)
    digests = {sample.image: arrived[sample.request] for sample in mirrored.copies.wanted if sample.request in arrived}
    record = SamplesRecord(opened.inventory, digests)
    known = await read_samples_record(asked.disk, target.prefix)
    whole = record if known is None else known.joined(record)
    await write_samples_record(asked.disk, target.prefix, whole, private=places.settings.private)


def _text(asked: MirrorSamples, report: CopyReport, target: SamplesTarget) -> str:
    text = "".join(f"{line}\n" for line in report.lines)
    if asked.options.dry_run:
        return text
    if target.place.kind is PlaceKind.TREE:
        name = f"file://{target.prefix}"
        return (
            f"{text}\nTo load the samples into a registry, run:\n\n"
            f"    airferry samples mirror --from-dir={asked.disk} {name} HOST[:PORT][/PATH]\n"
        )
    from_dir = f" --from-dir={asked.source.disk}" if asked.source.disk is not None else ""
    return (
        f"{text}\nTo make what the samples operator needs, run:\n\n"
        f"    airferry samples config{from_dir} {asked.source.text} {target.samples_registry} --ca ca.crt\n"
    )
