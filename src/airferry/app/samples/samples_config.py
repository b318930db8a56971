"""``samples config``: what a cluster needs to import its samples from a mirror, made from what is really there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from airferry.app.cluster.cluster_trust import TrustAnswer, TrustRequest, trust
from airferry.app.generated_files import write_files
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.samples.open_samples import OpenedSamples, SamplesSource, open_samples
from airferry.content.errors import DeniedError, UnauthorizedError
from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.oci import Digest, Place, PlaceKind, Reference
from airferry.openshift.cluster.trust_objects import TrustObject
from airferry.openshift.samples.imports import every_tag
from airferry.openshift.samples.operator_config import (
    OperatorConfig,
    config_patch,
    operator_architecture,
    print_config,
    print_tag_list,
)
from airferry.openshift.samples.reading import CONFIG_MAP
from airferry.openshift.samples.rewriting import SamplesTarget
from airferry.openshift.samples.streams import Belonging, Resolved, Stream
from airferry.survey.crew import work_through

CONFIG_FILE: Final = "samples-config.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesConfigRequest:
    """What is asked for; the fields are the flags of ``samples config``.

    With ``offline`` the disk of the source is asked what there is, instead of the registry.
    """

    source: SamplesSource
    registry: str
    offline: bool = False
    ca_files: tuple[Path, ...] = ()
    name: str = "registry-config"
    to_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class SkippedStream:
    """A stream that the operator must not import, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class SamplesConfigAnswer:
    """The objects in the order of applying them, the streams that are skipped, what else is to be done, the files."""

    config: OperatorConfig
    objects: tuple[TrustObject, ...]
    skipped: tuple[SkippedStream, ...]
    mirrored: int
    advice: tuple[str, ...]
    files: tuple[Path, ...] = ()

    def text(self) -> str:
        """Return the objects as documents of YAML, or the names of the files they are in."""
        return "".join(f"{file}\n" for file in self.files) if self.files else "".join(map(str, self.objects))

    def to_json(self) -> dict[str, Any]:
        """Return the answer as a JSON object with stable keys."""
        return {
            "samplesRegistry": self.config.samples_registry,
            "managementState": self.config.state,
            "streams": self.mirrored,
            "skipped": [{"name": stream.name, "reason": stream.reason} for stream in self.skipped],
            "objects": [{"file": item.file, "yaml": item.yaml, "command": item.command} for item in self.objects],
            "advice": list(self.advice),
            "files": [str(file) for file in self.files],
        }


async def samples_config(asked: SamplesConfigRequest, places: Places, narrator: Narrator) -> SamplesConfigAnswer:
    """Ask the registry (or the disk) for every tag of every stream, and make the objects; written with ``to_dir``.

    A stream that has a tag whose image is not there is skipped. Raises UsageError, MalformedError, and what keeps the
    registry from answering anything.
    """
    if asked.source.every_architecture:
        raise UsageError("a cluster has the streams of one architecture", hint="name it with --arch")
    target = SamplesTarget.parse(asked.registry)
    if target.place.kind is not PlaceKind.REGISTRY:
        raise UsageError(f"{asked.registry} is no registry", hint="name the one that the cluster will import from")
    narrator.phase("reading image streams")
    opened = await open_samples(asked.source, places)
    there = await _what_is_there(asked, opened, target, places, narrator)
    found = _sort_out(opened, there)
    config = OperatorConfig(
        target.samples_registry,
        tuple(sorted({stream.name for stream in found.skipped})),
        "Managed" if found.mirrored else "Removed",
        operator_architecture(asked.source.architecture),
    )
    trusted = await _trust(asked, target)
    objects = (*trusted.objects, *_operator_objects(config, found.tags, opened.inventory.version))
    warnings = [f"{fault.message}; {fault.hint}" for fault in trusted.faults]
    advice = (*warnings, *trusted.notes, *_advice(config, target, asked))
    answer = SamplesConfigAnswer(config, objects, found.skipped, found.mirrored, advice)
    if asked.to_dir is None:
        return answer
    files = await write_files(asked.to_dir, {item.file: str(item).encode() for item in objects})
    return replace(answer, files=files)


@dataclass(frozen=True, slots=True)
class _Sorted:
    """How many streams are whole at the mirror, those to skip, and each image that is there, by stream and tag."""

    mirrored: int
    skipped: tuple[SkippedStream, ...]
    tags: Mapping[tuple[str, str], str]


def _sort_out(opened: OpenedSamples, there: Mapping[str, bool]) -> _Sorted:
    tags: dict[tuple[str, str], str] = {}
    skipped: list[SkippedStream] = []
    mirrored = 0
    for stream in opened.inventory.streams:
        items = [opened.inventory.resolve(stream, tag) for tag in stream.tags]
        reason = _reason_to_skip(stream, items, there)
        if reason is not None:
            skipped.append(SkippedStream(stream.name, reason))
        if stream.belonging is not Belonging.SAMPLE:
            continue
        mirrored += reason is None
        for item in items:
            if item.tag.alias is None and item.image is not None and there.get(item.image, False):
                tags[stream.name, item.tag.name] = item.image
    return _Sorted(mirrored, tuple(skipped), tags)


async def _what_is_there(
    asked: SamplesConfigRequest, opened: OpenedSamples, target: SamplesTarget, places: Places, narrator: Narrator
) -> dict[str, bool]:
    """Say of every image whether its destination answers; an image is asked for once, whoever wants it."""
    place = target
    if asked.offline:
        if asked.source.disk is None or not asked.source.is_on_disk:
            raise UsageError("--offline asks a disk", hint="name it: --from-dir FOLDER, and file:// as SOURCE")
        place = SamplesTarget(Place(PlaceKind.TREE, str(asked.source.disk)), asked.source.prefix)
    images = dict.fromkeys(
        item.image
        for item in opened.inventory.resolved()
        if item.image is not None and item.stream.belonging is Belonging.SAMPLE
    )
    narrator.phase("asking for every image", steps=len(images))
    there: dict[str, bool] = {}
    refusals: list[AirferryError] = []

    async def ask(image: str) -> tuple[str, ...]:
        try:
            there[image] = await _answers(place.destination(image), places)
        except MalformedError:
            there[image] = False
        except (DeniedError, UnauthorizedError) as error:
            # Some registries say so of repositories that do not exist.
            refusals.append(error)
        narrator.advance(steps=1)
        return ()

    await work_through(images, ask, workers=16)
    if refusals and not any(there.values()):
        raise refusals[0]
    return there


async def _answers(reference: Reference, places: Places) -> bool:
    sink, path = places.sink(reference.repository.place), reference.repository.path
    if reference.digest is not None:
        return await sink.has_manifest(path, reference.digest)
    assert reference.tag is not None, "a destination has a tag or a digest"
    found: Digest | None = await sink.tag_digest(path, reference.tag)
    return found is not None


def _reason_to_skip(stream: Stream, items: Sequence[Resolved], there: Mapping[str, bool]) -> str | None:
    """Return why the operator must not import ``stream``; None where it may, and where it never does."""
    match stream.belonging:
        case Belonging.PAYLOAD | Belonging.OTHER:
            return None
        case Belonging.OUTSIDE:
            return f"its images are {stream.belonging.meaning}"
        case Belonging.SAMPLE:
            wanted = [item for item in items if item.tag.is_imported]
            missing = [item for item in wanted if item.image is None or not there.get(item.image, False)]
    if stream.repository is not None:
        return every_tag(stream.repository)
    if not missing:
        return None
    first = missing[0]
    what = first.trouble if first.image is None else f"{first.image} is not mirrored"
    more = f" (and {len(missing) - 1} more tags)" if len(missing) > 1 else ""
    return f"{first.name}: {what}{more}"


def _operator_objects(
    config: OperatorConfig, tags: Mapping[tuple[str, str], str], version: str | None
) -> tuple[TrustObject, ...]:
    file = f"{CONFIG_MAP}.yaml"
    return (
        TrustObject(file, print_tag_list(tags, version), f"oc apply -f {file}"),
        TrustObject(CONFIG_FILE, print_config(config), config_patch(config)),
    )


async def _trust(asked: SamplesConfigRequest, target: SamplesTarget) -> TrustAnswer:
    """Return the objects by which imports trust the registry; what ``to_dir`` holds of earlier runs is kept in them."""
    if not asked.ca_files:
        return TrustAnswer((), (), ())
    hosts = (target.place.address,)
    return await trust(TrustRequest(ca_files=asked.ca_files, hosts=hosts, name=asked.name, to_dir=asked.to_dir))


def _advice(config: OperatorConfig, target: SamplesTarget, asked: SamplesConfigRequest) -> tuple[str, ...]:
    """Say what no object of these can do. Source: openshift-docs on image streams, openshift-apiserver."""
    host = target.place.address
    told = [
        f"an import asks {host} itself: mirror sets and registries.conf do not apply to it",
        f"its credentials are the cluster's pull secret, or secrets in the namespace openshift: "
        f"airferry secret merge {host}, then oc set data secret/pull-secret -n openshift-config "
        "--from-file=.dockerconfigjson=FILE",
        f"where the image config has allowedRegistriesForImport, {host.partition(':')[0]} must be among them",
        "must-gather and what else comes with the release is imported by hand once the mirror is trusted: "
        "oc import-image is/must-gather -n openshift",
    ]
    if not asked.ca_files:
        told.append(f"without --ca there is no ConfigMap with the CA of {host}: imports trust public CAs only")
    if config.state == "Removed":
        told.append("no stream is whole at the mirror, so the operator is told to remove the samples")
    return tuple(told)
