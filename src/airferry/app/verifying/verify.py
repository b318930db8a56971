"""``airferry verify``: will a cluster be able to pull everything? Every pull is tried as nodes try it."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from airferry.app.cluster.node_access import NodeAccess, NodeFiles, read_node_access, rules_for_reading
from airferry.app.narration import Narrator
from airferry.app.releases.release_files import MANIFESTS_FOLDER
from airferry.app.text_files import read_text_file
from airferry.app.verifying.verify_catalog import CatalogAnswer, CatalogWish, OperatorAnswer, verify_catalogs
from airferry.app.verifying.verify_disk import DiskPlaces, open_disk
from airferry.app.verifying.verify_installer import InstallerAnswer, check_installer
from airferry.app.verifying.verify_release import CompiledRelease, ReleaseRequest, compile_release, unreadable
from airferry.app.verifying.verify_samples import SamplesWish, verify_samples
from airferry.content.http import HttpContent, NoCredentials, RegistryPlace
from airferry.content.registries_conf import read_registries_conf
from airferry.errors import ExitCode, UsageError
from airferry.oci import Platform, Reference
from airferry.oci.pull_findings import PullFindings
from airferry.oci.pull_rules import PullRules
from airferry.oci.pull_sources import PullSource, pull_sources
from airferry.openshift.cluster.policy_demands import rejected, signature_demand
from airferry.openshift.cluster.remedies import Remedies
from airferry.openshift.cluster.verdict import Judgement, Verdict, is_at_mirror, judge, no_mirror
from airferry.openshift.cluster.wanted import Wanted, WantedKind, is_served_by_tag, parse_images, wanted_images
from airferry.openshift.release.naming import architecture_of_word, check_architecture
from airferry.survey.pull_probe import OpenPlace, ProbeSettings, PullProbe, probe_all


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """What is asked for; the fields are the flags of ``verify``.

    ``architecture`` is what a bare version means; None leaves it to the install-config, and else it is
    ``own_architecture``, this machine's.
    """

    nodes: NodeFiles
    release: str | None = None
    architecture: str | None = None
    own_architecture: str = "amd64"
    images: Path | None = None
    platforms: tuple[str, ...] = ()
    from_dir: Path | None = None
    release_file: Path | None = None
    installer: Path | None = None
    deep: bool = False
    samples: SamplesWish | None = None
    catalogs: CatalogWish | None = None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The answer for every image. ``uncompiled`` are sentences about what could not be asked for at all."""

    judgements: tuple[Judgement, ...]
    release: CompiledRelease | None = None
    installer: InstallerAnswer | None = None
    uncompiled: tuple[str, ...] = ()
    disk: Path | None = None
    platforms: tuple[Platform, ...] = field(default=())
    deep: bool = False
    operators: tuple[OperatorAnswer, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """1 with any no; else 3 when something cannot be told; else 0 (design: the table of exit codes)."""
        if any(item.verdict is Verdict.NO for item in self.judgements):
            return ExitCode.USER
        if self.installer is not None and not self.installer.belongs:
            return ExitCode.USER
        unknown = any(item.verdict is Verdict.UNKNOWN for item in self.judgements)
        return ExitCode.GAPS if unknown or self.uncompiled else ExitCode.DONE

    def count(self, verdict: Verdict) -> int:
        """Return how many images have this answer."""
        return sum(item.verdict is verdict for item in self.judgements)


async def verify(asked: VerifyRequest, narrator: Narrator) -> VerifyReport:
    """Try every pull. Raises UsageError, NotFoundError and MalformedError for files that are of no use."""
    _check(asked)
    nodes = read_node_access(asked.nodes)
    architecture = _architecture(asked, nodes)
    extra = parse_images(read_text_file(asked.images), str(asked.images)) if asked.images is not None else ()
    async with AsyncExitStack() as stack:
        content = nodes.content()
        stack.push_async_callback(content.close)
        disk = await open_disk(asked.from_dir) if asked.from_dir is not None else None
        if disk is not None:
            stack.push_async_callback(disk.close)
        release: CompiledRelease | None = None
        if asked.release is not None or asked.release_file is not None:
            narrator.phase("reading the release")
            named = asked.architecture is not None
            wish = ReleaseRequest(asked.release, architecture, asked.from_dir, asked.release_file, named)
            release = await compile_release(wish, nodes.rules, content)
        installer = None
        if asked.installer is not None:
            installer = await check_installer(asked.installer, release, asked.from_dir)
        if asked.from_dir is not None and release is not None and not asked.nodes.has_rules:
            nodes = replace(nodes, rules=_rules_on(asked.from_dir, release))
        wanted = tuple(
            replace(item, demand=item.demand or signature_demand(item.reference, nodes.policy))
            for item in _wanted(release, installer, extra, nodes.rules, on_disk=disk is not None)
        )
        platforms = _platforms(asked, nodes, release)
        settings = ProbeSettings(platforms, asked.deep)
        remedies = Remedies(release.words if release is not None else "", _folder(asked.from_dir))
        found = await _probe(wanted, nodes, content, disk, settings, narrator)
        judgements = tuple(
            rejected(item, findings, nodes.policy)
            or _judged(item, unreadable(findings, item, release), nodes.rules, remedies)
            for item, findings in zip(wanted, found, strict=True)
        )
        if asked.samples is not None:
            judgements += await verify_samples(asked.samples, nodes, architecture, content, settings, narrator)
        catalogs = CatalogAnswer()
        if asked.catalogs is not None:
            policies = release.policies if release is not None else ()
            catalogs = await verify_catalogs(asked.catalogs, nodes, content, settings, narrator, policies)
    narrator.done()
    return VerifyReport(
        (*judgements, *catalogs.judgements),
        release,
        installer,
        (*(release.uncompiled if release is not None else ()), *catalogs.uncompiled),
        asked.from_dir,
        platforms,
        asked.deep,
        catalogs.operators,
    )


async def _probe(
    wanted: Sequence[Wanted],
    nodes: NodeAccess,
    content: HttpContent,
    disk: DiskPlaces | None,
    settings: ProbeSettings,
    narrator: Narrator,
) -> tuple[PullFindings, ...]:
    open_place: OpenPlace = _opener(content) if disk is None else disk.open
    # What is on a disk is asked by the names that a cluster uses, and has no places to choose from.
    rules = nodes.rules if disk is None else PullRules()
    credentials = content.settings.credentials if disk is None else NoCredentials()
    probe = PullProbe(open_place, rules, credentials, settings)
    anywhere = PullProbe(open_place, rules_for_reading(rules), credentials, settings)
    title = "hashing" if settings.deep else "asking"
    narrator.phase(f"{title} for every image", steps=len(wanted))
    workers = 8 if settings.deep else 24
    found: dict[Wanted, PullFindings] = {}
    for one, is_sought in ((anywhere, True), (probe, False)):
        items = [item for item in wanted if item.is_sought is is_sought]
        images = [(item.reference, item.demand) for item in items]
        answers = await probe_all(one, images, lambda: narrator.advance(steps=1), workers=workers)
        found.update(zip(items, answers, strict=True))
    return tuple(found[item] for item in wanted)


def _judged(wanted: Wanted, findings: PullFindings, rules: PullRules, remedies: Remedies) -> Judgement:
    rules = rules_for_reading(rules) if wanted.is_sought else rules
    if remedies.disk is None:
        return judge(wanted, findings, rules, remedies)
    if rules.rules and not is_at_mirror(wanted.reference, rules):
        sources = pull_sources(wanted.reference, rules)
        if not any(source.is_mirror and source.barred is None for source in sources):
            return no_mirror(wanted, findings, rules, sources, remedies)
    return judge(wanted, findings, PullRules(), remedies)


def _folder(disk: Path | None) -> str | None:
    return str(disk) if disk is not None else None


def _opener(content: HttpContent) -> OpenPlace:
    def open_place(source: PullSource) -> RegistryPlace:
        host = source.reference.repository.place.address
        return content.registry(host, insecure=source.insecure)

    return open_place


def _wanted(
    release: CompiledRelease | None,
    installer: InstallerAnswer | None,
    extra: Sequence[Reference],
    rules: PullRules,
    *,
    on_disk: bool,
) -> tuple[Wanted, ...]:
    """By tag the release is wanted where its installer names a tag, or where somebody meant to serve it by tag.

    The rules that are made when a disk without any is loaded serve it by tag.
    """
    if release is None:
        return wanted_images((), (), extra)
    if release.sought is not None:
        # Once, by whatever name is known: that nodes would not pull it by this one is not what is wrong.
        sought = Wanted("release image", release.sought, WantedKind.RELEASE, is_sought=True)
        own = [installer.reference] if installer is not None and installer.reference is not None else []
        more = wanted_images([item for item in own if item != release.sought], (), extra)
        return (sought, *more)
    names = [release.by_digest] if release.by_digest is not None else []
    if installer is not None and installer.reference is not None and installer.reference.digest is None:
        names.append(installer.reference)
    elif release.by_tag is not None and (
        release.by_digest is None or is_served_by_tag(release.by_tag, rules) or (on_disk and not rules.rules)
    ):
        names.append(release.by_tag)
    if installer is not None and installer.reference is not None:
        names.append(installer.reference)
    return wanted_images(dict.fromkeys(names), release.components, extra, release.policies)


def _rules_on(disk: Path, release: CompiledRelease) -> PullRules:
    """Return the rules that were generated beside the release for its mirror; none where that is not known yet."""
    if release.by_tag is None or release.by_tag.tag is None:
        return PullRules()
    file = disk / MANIFESTS_FOLDER / release.by_tag.tag / "registries.conf"
    return read_registries_conf(file) if file.is_file() else PullRules()


def _architecture(asked: VerifyRequest, nodes: NodeAccess) -> str:
    """Return what a bare version means: for pools of several architectures, the release for several."""
    if asked.architecture is not None:
        return check_architecture(asked.architecture)
    pools = nodes.architectures
    if None not in pools and len(set(pools)) > 1:
        return "multi"
    return (pools[0] if pools else None) or asked.own_architecture


def _platforms(asked: VerifyRequest, nodes: NodeAccess, release: CompiledRelease | None) -> tuple[Platform, ...]:
    if asked.platforms:
        return tuple(_platform(text) for text in asked.platforms)
    word = architecture_of_word(release.architecture if release is not None else _architecture(asked, nodes))
    usual = asked.own_architecture if word == "multi" else word
    pools = nodes.architectures if asked.architecture is None or release is not None else ()
    named = [architecture_of_word(pool or usual) for pool in pools] or [usual]
    return tuple(Platform("linux", name) for name in dict.fromkeys(named))


def _platform(text: str) -> Platform:
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise UsageError(f"--platform={text} is not OS/ARCHITECTURE[/VARIANT]", hint="such as linux/amd64")
    return Platform(parts[0], architecture_of_word(parts[1]), *parts[2:])


def _check(asked: VerifyRequest) -> None:
    nodes = asked.nodes
    has_pulls = any(wish is not None for wish in (asked.release, asked.images, asked.release_file, asked.catalogs))
    if not has_pulls and asked.samples is None:
        raise UsageError(
            "nothing to verify",
            hint="name a release with --release, a catalog with --catalog, or a list of images with --images",
        )
    if asked.samples is not None and asked.from_dir is not None:
        raise UsageError(
            "--samples asks the registry that the cluster imports from, not a disk",
            hint="airferry samples config --offline says what a disk lacks",
        )
    if has_pulls and not nodes.has_rules and asked.from_dir is None:
        raise UsageError(
            "what the nodes will have is not known",
            hint="give --install-config, --registries-conf, or --mirror-sets, or a disk with --from-dir",
        )
    if asked.installer is not None and asked.release is None and asked.release_file is None:
        raise UsageError("--installer is compared with a release", hint="name it with --release")
