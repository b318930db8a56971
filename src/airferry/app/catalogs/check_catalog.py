"""``catalog check``: what is wrong in catalogs, and what a selection of one would be."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from airferry.app.catalogs.catalog_findings import finding_to_json
from airferry.app.catalogs.catalog_upstream import Upstream, ask_upstream
from airferry.app.catalogs.catalog_wanted import WantedRequest, read_wanted, selected_to_json
from airferry.app.catalogs.open_catalog import open_catalog
from airferry.app.generated_files import write_files
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.errors import AirferryError, ExitCode, UsageError
from airferry.openshift.catalog.checking import check_catalog
from airferry.openshift.catalog.consequences import Consequences
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.images import catalog_images
from airferry.openshift.catalog.model import Catalog
from airferry.openshift.catalog.selecting.select import Selected, select_catalog

_GAPS: Final = (FindingCode.MALFORMED_IMAGE, FindingCode.MISSING_UPSTREAM, FindingCode.CANNOT_TELL)


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to check: ``catalogs`` as they are named, only what is ``wanted`` of each, ``upstream`` too if asked."""

    catalogs: tuple[str, ...]
    wanted: WantedRequest = field(default_factory=WantedRequest)
    upstream: bool = False
    tree: Path | None = None


@dataclass(frozen=True, slots=True)
class CheckedCatalog:
    """What was found in one catalog. ``selected`` is what was checked; ``upstream`` None when nobody was asked."""

    name: str
    selected: Selected
    findings: tuple[Finding, ...]
    upstream: Upstream | None = None

    @property
    def catalog(self) -> Catalog:
        """What was checked."""
        return self.selected.catalog

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """What the catalog itself tells, then what the registries answered."""
        return (*self.findings, *(self.upstream.findings if self.upstream is not None else ()))


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was found in each catalog, in the order they were named; ``errors`` for those that are none."""

    checked: tuple[CheckedCatalog, ...]
    errors: tuple[tuple[str, AirferryError], ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """USER when something is no catalog, GAPS when something was found, DONE for clean catalogs."""
        if self.errors:
            return max(error.exit_code for _, error in self.errors)
        return ExitCode.GAPS if any(item.all_findings for item in self.checked) else ExitCode.DONE


async def check_catalogs(asked: CheckRequest, places: Places, narrator: Narrator) -> CheckReport:
    """Check each catalog. One that cannot be read does not keep the others from being checked.

    Raises what is wrong with it when it is the only one.
    """
    checked: list[CheckedCatalog] = []
    errors: list[tuple[str, AirferryError]] = []
    for name in asked.catalogs:
        try:
            checked.append(await _check(name, asked, places, narrator))
        except AirferryError as error:
            if len(asked.catalogs) == 1:
                raise
            errors.append((name, error))
    return CheckReport(tuple(checked), tuple(errors))


async def _check(name: str, asked: CheckRequest, places: Places, narrator: Narrator) -> CheckedCatalog:
    wanted = await asyncio.to_thread(read_wanted, asked.wanted, name, narrator)
    narrator.phase(f"reading {name}")
    async with open_catalog(name, places, tree=asked.tree) as opened:
        catalog = opened.catalog
    selected = await asyncio.to_thread(select_catalog, catalog, wanted)
    findings = await asyncio.to_thread(check_catalog, selected.catalog)
    narrator.done()
    upstream = await ask_upstream(selected.catalog, places, narrator) if asked.upstream else None
    return CheckedCatalog(name, selected, (*findings, *selected.left_out), upstream)


def report_document(report: CheckReport) -> dict[str, Any]:
    """Return the answer as data: the fields are stable."""
    return {
        "catalogs": [_checked_to_json(item) for item in report.checked],
        "errors": [
            {"catalog": name, "code": error.code, "message": error.message, "hint": error.hint}
            for name, error in report.errors
        ],
    }


def ledger_text(report: CheckReport) -> str:
    """Return the ledger as JSON, in the shape of every ledger of catalogs.

    ``gaps`` are images that cannot be had, with what that makes unusable; ``findings`` is all else that is wrong.
    """
    found = [(item.name, finding) for item in report.checked for finding in item.all_findings]
    document = {
        "catalogs": [item.name for item in report.checked],
        "gaps": [_gap_to_json(name, finding) for name, finding in found if finding.code in _GAPS],
        "findings": [
            {"catalog": name, **finding_to_json(finding)} for name, finding in found if finding.code not in _GAPS
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


async def write_ledger(file: Path, report: CheckReport) -> None:
    """Write the ledger to ``file``; without findings it is written too, with no gaps. Raises ReadOnlyError, …"""
    if await asyncio.to_thread(file.is_dir):
        raise UsageError(f"{file} is a folder", hint="name a file for the ledger")
    await write_files(file.parent, {file.name: ledger_text(report).encode()})


def _gap_to_json(catalog: str, finding: Finding) -> dict[str, Any]:
    return {
        "catalog": catalog,
        "name": finding.bundle or finding.package,
        "source": finding.where,
        "missing": finding.image,
        "code": finding.code.value,
        "reason": finding.what,
        "consequence": finding.consequence,
    }


def _checked_to_json(item: CheckedCatalog) -> dict[str, Any]:
    packages = item.catalog.packages.values()
    return {
        "catalog": item.name,
        "packages": len(packages),
        "channels": sum(len(package.channels) for package in packages),
        "bundles": sum(len(package.bundles) for package in packages),
        "images": len(catalog_images(item.catalog).uses),
        "findings": [finding_to_json(finding) for finding in item.all_findings],
        "selected": None if item.selected.whole else selected_to_json(item.selected),
        "upstream": None if item.upstream is None else _upstream_to_json(item.upstream),
    }


def _upstream_to_json(upstream: Upstream) -> dict[str, Any]:
    return {
        "asked": upstream.asked,
        "present": upstream.present,
        "unusable": _consequences_to_json(upstream.consequences),
    }


def _consequences_to_json(lost: Consequences) -> dict[str, Any]:
    def named(channels: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
        return [{"package": package, "channel": channel} for package, channel in channels]

    return {
        "versions": [
            {
                "package": bundle.package,
                "bundle": bundle.name,
                "version": bundle.version,
                "channels": list(bundle.channels),
                "headOf": list(bundle.head_of),
                "images": list(bundle.images),
            }
            for bundle in lost.bundles
        ],
        "channelsWithoutHead": named(lost.headless_channels),
        "channels": named(lost.empty_channels),
        "packages": list(lost.packages),
    }
