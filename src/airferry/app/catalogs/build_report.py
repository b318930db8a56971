"""What building a catalog came to, as lines and as JSON, and the objects that a cluster takes it by."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from airferry.app.catalogs.catalog_wanted import added_lines, selected_to_json, selection_warnings
from airferry.app.copies.copy_report import CopyReport
from airferry.errors import ExitCode
from airferry.oci import Manifest, Reference
from airferry.openshift.catalog.building.documents import Rewritten
from airferry.openshift.catalog.building.provenance import selection_digest
from airferry.openshift.catalog.model import Catalog
from airferry.openshift.catalog.selecting.select import Selected
from airferry.quantities import print_count

_MOST_NAMES: Final = 20
"""Of packages in a line; -o json has all."""


@dataclass(frozen=True, slots=True)
class BuildReport:
    """A built catalog: ``root`` is its manifest or list, at ``destination``.

    ``extract_content`` says that there is no opm in the image. ``removed_caches`` are folders of opm's cache that
    the layers below have and the image shows no more.
    """

    destination: Reference
    root: Manifest
    selected: Selected
    documents: Rewritten
    notes: tuple[str, ...]
    removed_caches: tuple[str, ...]
    extract_content: bool
    copied: CopyReport
    files: tuple[Path, ...] = ()

    @property
    def kept(self) -> Catalog:
        """What is in it."""
        return self.selected.catalog

    @property
    def complete(self) -> bool:
        """Whether all of the image is at its destination."""
        return not self.copied.gaps

    @property
    def exit_code(self) -> ExitCode:
        """DONE when the image is whole at its destination."""
        return self.copied.exit_code

    def with_files(self, files: tuple[Path, ...]) -> "BuildReport":
        """Return the same with the files that were written."""
        return replace(self, files=files)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was repaired, removed or left out, for people."""
        repairs = [
            f"{finding.package} {finding.bundle}: {finding.what}; "
            + (f"written as image: {finding.repaired}" if finding.repaired else "left out")
            for finding in self.documents.repairs
        ]
        caches = [
            f"the cache in {folder} is removed: it is of other documents, and opm would end at once"
            for folder in self.removed_caches
        ]
        return (
            *selection_warnings(self.selected),
            *repairs,
            *self.documents.left_out,
            *caches,
            *self.notes,
            *self.copied.gap_lines,
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """``DIGEST DESTINATION``, what is in it, and the files."""
        if not self.complete:
            return ()
        bundles = sum(len(package.bundles) for package in self.kept.packages.values())
        counted = f"{print_count(len(self.kept.packages), 'package')}, {print_count(bundles, 'bundle')}"
        names = list(self.kept.packages)
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        content = f"{counted}: {', '.join(names[:_MOST_NAMES])}{more}"
        return (
            f"{self.root.digest} {self.destination}",
            content,
            *added_lines(self.selected),
            *(str(file) for file in self.files),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object with stable keys."""
        return {
            "image": str(self.destination),
            "digest": self.root.digest,
            "selection": selection_digest(self.kept),
            "selected": None if self.selected.whole else selected_to_json(self.selected),
            "packages": list(self.kept.packages),
            "bundles": sum(len(package.bundles) for package in self.kept.packages.values()),
            "extractContent": self.extract_content,
            "removedCaches": list(self.removed_caches),
            "repairs": [
                {
                    "code": finding.code,
                    "package": finding.package,
                    "bundle": finding.bundle,
                    "where": finding.where,
                    "image": finding.repaired or None,
                }
                for finding in self.documents.repairs
            ],
            "leftOut": [*self.documents.left_out, *self.notes],
            "files": [str(file) for file in self.files],
            "copy": self.copied.to_json(),
        }
