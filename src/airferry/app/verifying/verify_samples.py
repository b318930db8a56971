"""The samples' part of ``verify``: will every import of the samples operator be answered by its samplesRegistry?

An import asks the place that the operator wrote into the stream, and nothing else: no mirror rule applies to it.
"""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from airferry.app.cluster.node_access import NodeAccess, rules_for_reading
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.samples.open_samples import SamplesSource, open_samples
from airferry.app.settings import Settings
from airferry.app.text_files import read_text_file
from airferry.content.http import HttpContent, RegistryPlace
from airferry.errors import UsageError
from airferry.oci.pull_findings import Attempt, Failure, PullFindings, Trouble
from airferry.oci.pull_rules import PullRules
from airferry.oci.pull_sources import PullSource
from airferry.openshift.cluster.verdict import Judgement, Verdict, judge
from airferry.openshift.cluster.wanted import Wanted, WantedKind
from airferry.openshift.samples.imports import Import, imports
from airferry.openshift.samples.operator_config import OperatorConfig, parse_config
from airferry.survey.pull_probe import OpenPlace, ProbeSettings, PullProbe, probe_all

NOT_REWRITTEN = "not-rewritten"
NO_IMAGE = "no-image"


@dataclass(frozen=True, slots=True)
class SamplesWish:
    """Which samples: where the streams are read, the file with the operator's Config, and the disk of the source."""

    source: str
    config: Path | None
    disk: Path | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The source as ``samples mirror`` takes it."""
        return (self.source,) if self.disk is None else ("--from-dir", str(self.disk), self.source)


async def verify_samples(
    wish: SamplesWish,
    nodes: NodeAccess,
    architecture: str,
    content: HttpContent,
    settings: ProbeSettings,
    narrator: Narrator,
) -> tuple[Judgement, ...]:
    """Return the answer for every image that the operator will import, in the order of streams and tags.

    ``architecture`` is meant where the operator's Config names none.
    Raises UsageError, NotFoundError and MalformedError for files that are of no use.
    """
    if wish.config is None:
        raise UsageError(
            "what the samples operator will be told is not known",
            hint="give its Config with --samples-config; `airferry samples config` makes one",
        )
    config = parse_config(read_text_file(wish.config), str(wish.config))
    narrator.phase("reading image streams")
    source = SamplesSource(text=wish.source, disk=wish.disk, architecture=config.architecture or architecture)
    async with Places(Settings(), readers=content, rules=rules_for_reading(nodes.rules)) as places:
        opened = await open_samples(source, places)
    wanted = imports(opened.inventory, config)
    asked = [item for item in wanted if item.reference is not None]
    narrator.phase("asking for every sample", steps=len(asked))
    probe = PullProbe(_opener(content), PullRules(), content.settings.credentials, settings)
    images = [(item.reference, None) for item in asked if item.reference is not None]
    found = await probe_all(probe, images, lambda: narrator.advance(steps=1))
    answers = dict(zip(asked, found, strict=True))
    return tuple(_judged(item, answers.get(item), config, wish.words) for item in wanted)


def _opener(content: HttpContent) -> OpenPlace:
    def open_place(source: PullSource) -> RegistryPlace:
        return content.registry(source.reference.repository.place.address, insecure=source.insecure)

    return open_place


def _judged(item: Import, findings: PullFindings | None, config: OperatorConfig, source: tuple[str, ...]) -> Judgement:
    wanted = Wanted(item.name, item.shown, WantedKind.SAMPLE)
    skip = f"add {item.stream} to skippedImagestreams; `airferry samples config` does"
    if findings is None:
        reason = item.trouble or "it names no image"
        attempt = Attempt(PullSource(item.shown), failures=(Failure(Trouble.BAD_RULE, reason),))
        return Judgement(wanted, Verdict.NO, PullFindings((attempt,)), "", NO_IMAGE, reason, skip)
    judgement = judge(wanted, findings, PullRules())
    if judgement.verdict is not Verdict.NO:
        return judgement
    if not item.is_rewritten:
        place = item.shown.repository.place
        reason = f"the operator imports it from {place} whatever its samplesRegistry is; {judgement.reason}"
        return replace(judgement, code=NOT_REWRITTEN, reason=reason, fix=skip)
    failure = findings.attempts[-1].failures[0]
    words = (*source, config.samples_registry, f"--select=stream={item.stream}")
    mirror = f"airferry samples mirror --refresh {shlex.join(words)}"
    fix = _fix(failure.trouble, str(item.shown.repository.place), mirror, skip) or judgement.fix
    return replace(judgement, code=str(failure.trouble), reason=failure.message, fix=fix)


def _fix(trouble: Trouble, host: str, mirror: str, skip: str) -> str | None:
    """Return what mends an import where that is not what mends a pull; None where it is."""
    match trouble:
        case Trouble.NO_MANIFEST:
            return f"{mirror}; or {skip}"
        case Trouble.NO_CHILD | Trouble.NO_BLOB:
            return f"mirror it again, what is there is not sent twice: {mirror}"
        case Trouble.BAD_MANIFEST | Trouble.BAD_BLOB:
            # Registries keep content that is there under its digest, whatever is pushed over it.
            return (
                f"have {host} drop what is damaged on its disk (airferry registry scrub does), "
                f"and mirror it again: {mirror}"
            )
        case Trouble.NO_PLATFORM | Trouble.WRONG_PLATFORM:
            return f"give the --platform that the nodes have; or {skip}"
        case Trouble.UNREACHABLE:
            return f"start {host}, or open the way to it, or correct samplesRegistry in the operator's Config"
        case Trouble.UNKNOWN_CA:
            return (
                f"put the CA of {host} into the ConfigMap that additionalTrustedCA names: airferry samples config --ca"
            )
        case _:
            return None
