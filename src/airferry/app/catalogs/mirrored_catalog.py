"""What mirroring a catalog came to, as lines, as warnings and as JSON."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airferry.app.catalogs.catalog_findings import finding_line, finding_to_json, one_line
from airferry.app.catalogs.catalog_ledger import LedgerLine
from airferry.app.catalogs.catalog_mirror_files import by_tag_lines
from airferry.app.catalogs.catalog_wanted import added_lines, selected_to_json
from airferry.app.copies.copy_report import CopyReport
from airferry.errors import ExitCode
from airferry.oci import PlaceKind, Reference
from airferry.openshift.catalog.findings import Finding
from airferry.openshift.catalog.selecting.select import Selected


@dataclass(frozen=True, slots=True)
class MirroredCatalog:
    """What came of it. ``copy`` is None when nothing was to be copied; ``destinations`` are those of every image."""

    index: Reference
    name: str
    destinations: Mapping[Reference, Reference]
    label_line: str
    copy: CopyReport | None
    gaps: tuple[LedgerLine, ...]
    selected: Selected | None
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    folder: Path
    files: tuple[Path, ...]

    @property
    def exit_code(self) -> ExitCode:
        """DONE when every image that the catalog names is there and no operator had to be left out, GAPS otherwise."""
        left_out = self.selected is not None and self.selected.left_out
        return ExitCode.GAPS if self.gaps or left_out else ExitCode.DONE

    @property
    def image(self) -> Reference:
        """The catalog image at the destination."""
        return self.destinations[self.index]

    @property
    def warnings(self) -> list[str]:
        """What is wrong or missing, a line for each, and how much is missing in all."""
        lines = [*map(one_line, self.notes), *map(finding_line, self.findings), *map(str, self.gaps)]
        if self.gaps:
            count = "1 gap" if len(self.gaps) == 1 else f"{len(self.gaps)} gaps"
            lines.append(
                f"{count}: the full contents of the catalog may not have been mirrored; "
                "all other images are in place, and the same command again copies what can be had by then"
            )
        return lines

    def text(self) -> str:
        """Return stdout, section by section in oc's order."""
        lines = [one_line(self.label_line)] if self.label_line else []
        lines += self.copy.lines if self.copy is not None else []
        on_disk = self.image.repository.place.kind is PlaceKind.TREE
        lines += added_lines(self.selected) if self.selected is not None else []
        lines += by_tag_lines([item for item in self.destinations if item != self.index]) if not on_disk else []
        lines.append(f"wrote mirroring manifests to {self.folder}")
        if on_disk:
            disk = shlex.quote(self.image.repository.place.address)
            command = f"airferry catalog mirror --from-dir {disk} {self.image}"
            lines += ["", "To upload local images to a registry, run:", "", f"\t{command} REGISTRY/REPOSITORY"]
        return "\n".join([*lines, ""])

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as a JSON object with stable keys."""
        return {
            "catalog": str(self.index),
            "image": str(self.image),
            "catalogSource": self.name,
            "selected": selected_to_json(self.selected) if self.selected is not None else None,
            "files": [str(file) for file in self.files],
            **(self.copy.to_json() if self.copy is not None else {}),
            "mapping": {str(source): str(to) for source, to in self.destinations.items()},
            "gaps": [line.to_json() for line in self.gaps],
            "findings": [finding_to_json(finding) for finding in self.findings],
        }
