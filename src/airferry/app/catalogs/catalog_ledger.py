"""The ledger of a mirrored catalog: what is missing or wrong in it, and what that makes unusable."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airferry.app.catalogs.catalog_findings import finding_to_json, one_line
from airferry.app.copies.copy_report import gap_to_json
from airferry.openshift.catalog.consequences import ImageUses
from airferry.openshift.catalog.findings import Finding
from airferry.openshift.catalog.images import CatalogImages, ImageUse, UnreadableImage
from airferry.openshift.catalog.model import Catalog
from airferry.plan import Gap


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One thing that is missing: an image or attachment that did not arrive, or a reference that is none."""

    name: str
    source: str
    missing: str
    code: str
    reason: str
    consequence: str
    uses: tuple[ImageUse, ...] = ()

    @classmethod
    def of_gap(cls, gap: Gap, uses: Mapping[str, tuple[ImageUse, ...]], needs: ImageUses) -> "LedgerLine":
        """Return the line for an image that did not arrive; ``uses`` are known by the names of requests."""
        known = uses.get(gap.request.name, ())
        return cls(**{**gap_to_json(gap), "consequence": consequence(gap, needs)}, uses=known)

    @classmethod
    def of_unreadable(cls, image: UnreadableImage, needs: ImageUses) -> "LedgerLine":
        """Return the line for a reference that is none."""
        told = needs.consequence(image.text)
        return cls(image.text, image.text, image.text, image.error.code, image.error.message, told, image.uses)

    def __str__(self) -> str:
        """As people read it."""
        return one_line(f"{self.name}: {self.reason}; {self.consequence}")

    def to_json(self) -> dict[str, Any]:
        """Return the line as a JSON object with stable keys."""
        return {
            "name": self.name,
            "source": self.source,
            "missing": self.missing,
            "code": self.code,
            "reason": self.reason,
            "consequence": self.consequence,
            "packages": sorted({use.package for use in self.uses}),
            "bundles": sorted({use.bundle for use in self.uses}),
        }


def ledger_lines(gaps: Iterable[Gap], images: CatalogImages, catalog: Catalog) -> tuple[LedgerLine, ...]:
    """Return every line, in one order: what did not arrive of a catalog's ``images``, and what is no reference."""
    by_name = {str(reference): found for reference, found in images.uses.items()}
    needs = ImageUses(catalog)
    lines = [LedgerLine.of_gap(gap, by_name, needs) for gap in gaps]
    lines += [LedgerLine.of_unreadable(image, needs) for image in images.unreadable]
    return tuple(sorted(lines, key=lambda line: (line.name, line.missing)))


def consequence(gap: Gap, needs: ImageUses) -> str:
    """Return what a gap makes unusable, in a sentence."""
    if gap.request.optional:
        return "nodes that demand this signature or attestation will refuse the image"
    return needs.consequence(gap.request.name) or "the cluster has no catalog, and so none of its operators"


def catalog_ledger_text(catalog: str, lines: Sequence[LedgerLine], findings: Sequence[Finding]) -> str:
    """Return the ledger as JSON: what is missing, and what was found wrong in the catalog's documents."""
    document = {
        "catalog": catalog,
        "gaps": [line.to_json() for line in lines],
        "findings": [finding_to_json(finding) for finding in findings],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
