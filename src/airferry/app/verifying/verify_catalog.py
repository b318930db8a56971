"""Operator catalogs in ``verify``: every image of every bundle is a pull that the cluster will make."""

import shlex
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airferry.app.catalogs.catalog_findings import one_line
from airferry.app.catalogs.catalog_source import CatalogToMirror, WantedCatalog, open_catalog_to_mirror
from airferry.app.cluster.node_access import NodeAccess, rules_for_reading
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.settings import Settings
from airferry.app.verifying.verify_disk import DiskPlace
from airferry.content.http import HttpContent, NoCredentials, RegistryPlace
from airferry.content.tree import TreePlace
from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.oci import PlaceKind, Reference
from airferry.oci.pull_findings import PullFindings
from airferry.oci.pull_rules import PullRules
from airferry.oci.pull_sources import PullSource, pull_sources
from airferry.openshift.catalog.images import ImageUse, catalog_images
from airferry.openshift.catalog.model import Catalog
from airferry.openshift.cluster.remedies import Remedies
from airferry.openshift.cluster.verdict import Judgement, Verdict, judge, no_mirror
from airferry.openshift.cluster.wanted import ImagePolicy, Wanted, WantedKind, demand_for
from airferry.survey.pull_probe import OpenPlace, ProbeSettings, PullProbe, probe_all


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogWish:
    """Which catalogs, by the references that CatalogSources use; of which packages, all where none is named.

    ``from_dir`` is the disk that they lie on; there a catalog may have the name that it has upstream.
    """

    catalogs: tuple[str, ...]
    packages: tuple[str, ...] = ()
    from_dir: Path | None = None


def new_wish(catalogs: tuple[str, ...], packages: tuple[str, ...], from_dir: Path | None) -> CatalogWish | None:
    """Return the wish that the flags mean, None without a catalog. Raises UsageError."""
    if packages and not catalogs:
        raise UsageError("--package is for --catalog", hint="name the catalog: --catalog REF")
    if not catalogs:
        return None
    return CatalogWish(catalogs=catalogs, packages=packages, from_dir=from_dir)


@dataclass(frozen=True, slots=True)
class OperatorAnswer:
    """The answer for one package: how many images it has, how many are no yes, and the bundles that need those."""

    package: str
    verdict: Verdict
    images: int
    lacking: int
    bundles: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the answer as a JSON object with stable keys."""
        return {
            "package": self.package,
            "answer": self.verdict.value,
            "images": self.images,
            "lacking": self.lacking,
            "bundles": list(self.bundles),
        }


@dataclass(frozen=True, slots=True)
class CatalogAnswer:
    """The answer for every image, grouped by operator; ``uncompiled`` are sentences about what cannot be asked for."""

    judgements: tuple[Judgement, ...] = ()
    operators: tuple[OperatorAnswer, ...] = ()
    uncompiled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Compiled:
    """What a cluster pulls of the catalogs, who needs it, and on a disk the repository of each and what brings it.

    ``nameless`` are the uses of references that are none.
    """

    wanted: dict[str, Wanted]
    uses: dict[str, tuple[ImageUse, ...]]
    homes: dict[str, str]
    commands: dict[str, str]
    uncompiled: list[str]
    known: set[str]
    nameless: list[ImageUse]


async def verify_catalogs(
    wish: CatalogWish,
    nodes: NodeAccess,
    content: HttpContent,
    settings: ProbeSettings,
    narrator: Narrator,
    policies: Sequence[ImagePolicy] = (),
) -> CatalogAnswer:
    """Try every pull of the catalogs as nodes try it, or on the disk. Raises UsageError for unknown packages."""
    compiled = _Compiled({}, {}, {}, {}, [], set(), [])
    for text in wish.catalogs:
        asked = WantedCatalog(text, wish.from_dir, wish.from_dir, settings.platforms[0].architecture)
        await _compile(asked, wish, nodes, content, narrator, compiled)
    unknown = [name for name in wish.packages if name not in compiled.known]
    if unknown and not compiled.uncompiled:
        raise UsageError(
            f"no package {', '.join(unknown)} in {', '.join(wish.catalogs)}",
            hint=f"`airferry catalog list {wish.catalogs[0]}` shows what there is",
        )
    wanted = tuple(replace(item, demand=demand_for(item.reference, policies)) for item in compiled.wanted.values())
    found = await _probe(wanted, wish, compiled, nodes, content, settings, narrator)
    disk = str(wish.from_dir) if wish.from_dir is not None else None
    judgements = tuple(
        _judged(
            item, findings, nodes.rules, Remedies(disk=disk, catalog=compiled.commands.get(str(item.reference), ""))
        )
        for item, findings in zip(wanted, found, strict=True)
    )
    return CatalogAnswer(judgements, tuple(_operators(judgements, compiled)), tuple(compiled.uncompiled))


def operator_lines(operators: Sequence[OperatorAnswer]) -> list[str]:
    """Return the answer by operator for people: a line for each that is not a yes, and how many are."""
    if not operators:
        return []
    good = sum(item.verdict is Verdict.YES for item in operators)
    lines = ["", f"operators with all their images: {good} of {len(operators)}"]
    lines += [
        one_line(
            f"  {item.verdict.value:<11}  {item.package}: {item.lacking} of {item.images} images, "
            f"needed by {', '.join(item.bundles)}"
        )
        for item in operators
        if item.verdict is not Verdict.YES
    ]
    return lines


async def _compile(
    asked: WantedCatalog,
    wish: CatalogWish,
    nodes: NodeAccess,
    content: HttpContent,
    narrator: Narrator,
    compiled: _Compiled,
) -> None:
    """Add what one catalog makes a cluster pull. One that cannot be read is asked for all the same, and told."""
    text, rules = asked.name, rules_for_reading(nodes.rules)
    try:
        async with (
            Places(Settings(), readers=content, rules=rules) as places,
            open_catalog_to_mirror(asked, places, narrator) as opened,
        ):
            _take(text, opened, wish, compiled)
    except UsageError:
        raise
    except AirferryError as error:
        told = f"the catalog {text} could not be read, so what its operators need is not known: {error.message}"
        compiled.uncompiled.append(told)
        reference = _reference(text)
        if reference is not None and wish.from_dir is None:
            _want(Wanted(f"catalog {text}", reference, WantedKind.CATALOG), compiled)


def _take(text: str, opened: CatalogToMirror, wish: CatalogWish, compiled: _Compiled) -> None:
    index = opened.index
    reference = _reference(text) or index.named
    if wish.from_dir is not None:
        reference = Reference(index.named.repository, None, index.source.digest)
        if reference.repository.place.kind is not PlaceKind.REGISTRY:
            reference = index.source
        compiled.homes[str(reference)] = index.source.repository.path
        compiled.commands[str(reference)] = _mirror_command(opened, wish.from_dir)
    _want(Wanted(f"catalog {text}", reference, WantedKind.CATALOG), compiled)
    packages = opened.catalog.packages
    compiled.known.update(packages)
    chosen = {name: package for name, package in packages.items() if not wish.packages or name in wish.packages}
    images = catalog_images(Catalog(chosen))
    for image, uses in images.uses.items():
        more = f" and {len(uses) - 1} more" if len(uses) > 1 else ""
        _want(Wanted(one_line(f"{uses[0]}{more}"), image, WantedKind.OPERATOR), compiled, uses)
        located = opened.locate(image)
        if wish.from_dir is not None:
            compiled.commands.setdefault(str(image), _mirror_command(opened, wish.from_dir))
            if located is not None:
                compiled.homes[str(image)] = located.repository.path
    compiled.nameless.extend(use for item in images.unreadable for use in item.uses)
    compiled.uncompiled.extend(
        one_line(f"{', '.join(map(str, item.uses))}: {item.text!r} names no image: {item.error.message}")
        for item in images.unreadable
    )


def _mirror_command(opened: CatalogToMirror, disk: Path) -> str:
    """Return what brings everything of a catalog to the disk again, where what it is called is known."""
    named, path = opened.index.named, opened.index.source.repository.path
    below = path.removesuffix(named.repository.path).rstrip("/")
    if named.repository.place.kind is PlaceKind.TREE or not below or below == path:
        return f"airferry catalog mirror --refresh CATALOG file://NAME --dir {shlex.quote(str(disk))}"
    return f"airferry catalog mirror --refresh {named} file://{below} --dir {shlex.quote(str(disk))}"


def _want(wanted: Wanted, compiled: _Compiled, uses: tuple[ImageUse, ...] = ()) -> None:
    key = str(wanted.reference)
    compiled.wanted.setdefault(key, wanted)
    compiled.uses[key] = tuple(dict.fromkeys((*compiled.uses.get(key, ()), *uses)))


def _reference(text: str) -> Reference | None:
    try:
        reference = Reference.parse(text)
    except MalformedError:
        return None
    return reference if reference.repository.place.kind is PlaceKind.REGISTRY else None


async def _probe(
    wanted: Sequence[Wanted],
    wish: CatalogWish,
    compiled: _Compiled,
    nodes: NodeAccess,
    content: HttpContent,
    settings: ProbeSettings,
    narrator: Narrator,
) -> tuple[PullFindings, ...]:
    async with AsyncExitStack() as stack:
        if wish.from_dir is None:
            probe = PullProbe(_at_registries(content), nodes.rules, content.settings.credentials, settings)
        else:
            tree = TreePlace(wish.from_dir)
            stack.push_async_callback(tree.close)
            probe = PullProbe(_on_disk(tree, compiled.homes), PullRules(), NoCredentials(), settings)
        title = "hashing" if settings.deep else "asking"
        narrator.phase(f"{title} for every image of the catalog", steps=len(wanted))
        images = [(item.reference, item.demand) for item in wanted]
        workers = 8 if settings.deep else 24
        return await probe_all(probe, images, lambda: narrator.advance(steps=1), workers=workers)


def _at_registries(content: HttpContent) -> OpenPlace:
    def open_place(source: PullSource) -> RegistryPlace:
        return content.registry(source.reference.repository.place.address, insecure=source.insecure)

    return open_place


def _on_disk(tree: TreePlace, homes: dict[str, str]) -> OpenPlace:
    def open_place(source: PullSource) -> DiskPlace:
        # What loads the disk looks for an image in one repository alone.
        home = homes.get(str(source.reference))
        return DiskPlace(tree, (home,) if home is not None else ())

    return open_place


def _judged(wanted: Wanted, findings: PullFindings, rules: PullRules, remedies: Remedies) -> Judgement:
    # What mends a single image is what mends one of a catalog.
    as_extra = replace(wanted, kind=WantedKind.EXTRA)
    if remedies.disk is None:
        return replace(judge(as_extra, findings, rules, remedies), wanted=wanted)
    if rules.rules and wanted.kind is not WantedKind.CATALOG:
        sources = pull_sources(wanted.reference, rules)
        if not any(source.is_mirror and source.barred is None for source in sources):
            return replace(no_mirror(as_extra, findings, rules, sources, remedies), wanted=wanted)
    return replace(judge(as_extra, findings, PullRules(), remedies), wanted=wanted)


def _operators(judgements: Iterable[Judgement], compiled: _Compiled) -> Iterable[OperatorAnswer]:
    images: dict[str, list[Judgement]] = {}
    for item in judgements:
        for package in {use.package for use in compiled.uses[str(item.wanted.reference)]}:
            images.setdefault(package, []).append(item)
    for package in sorted(images.keys() | {use.package for use in compiled.nameless}):
        found = images.get(package, [])
        nameless = [use for use in compiled.nameless if use.package == package]
        lacking = [item for item in found if item.verdict is not Verdict.YES]
        is_no = any(item.verdict is Verdict.NO for item in lacking)
        bundles = {
            use.bundle
            for item in lacking
            for use in compiled.uses[str(item.wanted.reference)]
            if use.package == package
        }
        bundles |= {use.bundle for use in nameless}
        verdict = Verdict.NO if is_no else Verdict.UNKNOWN if lacking or nameless else Verdict.YES
        wanted, missing = len(found) + len(nameless), len(lacking) + len(nameless)
        yield OperatorAnswer(package, verdict, wanted, missing, tuple(sorted(bundles)))
