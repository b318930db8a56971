"""What a copy came to, as values, as lines and as JSON."""

from dataclasses import dataclass, field
from typing import Any

from airferry.errors import ExitCode
from airferry.oci import Digest
from airferry.plan import CopyRequest, Gap, Summary
from airferry.transfer import Outcome


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy came to. ``arrived`` pairs each request that is complete with its digest."""

    requests: tuple[CopyRequest, ...]
    arrived: tuple[tuple[CopyRequest, Digest], ...]
    gaps: tuple[Gap, ...]
    summary: Summary
    outcome: Outcome
    seconds: float
    dry_run: bool = False
    estimate: str = ""
    digests: dict[CopyRequest, Digest] = field(default_factory=dict)

    @property
    def exit_code(self) -> ExitCode:
        """DONE when everything asked for is there, GAPS otherwise."""
        return ExitCode.GAPS if self.gaps else ExitCode.DONE

    @property
    def lines(self) -> list[str]:
        """``DIGEST REPOSITORY[:TAG]`` for every image in place, sorted, as oc prints them."""
        return sorted(
            f"{digest} {request.destination}{f':{tag}' if tag else ''}"
            for request, digest in self.arrived
            for tag in request.tags or ("",)
        )

    @property
    def gap_lines(self) -> list[str]:
        """The ledger for people: each gap on a line, and how many there are."""
        lines = [
            f"{gap.request.name or gap.request.source}: {gap.reason}"
            + (f"; {gap.consequence}" if gap.consequence else "")
            for gap in self.gaps
        ]
        if lines:
            images = sum(not request.optional for request in self.requests)
            missing = sum(not gap.request.optional for gap in self.gaps)
            attached = len(self.gaps) - missing
            more = f" and {attached} attachments" if attached else ""
            lines.append(f"{missing} of {images} images{more} are missing; all others are in place")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object with stable keys."""
        return {
            "dryRun": self.dry_run,
            "images": [
                {
                    "name": request.name,
                    "source": str(request.source),
                    "digest": digest,
                    "destination": str(request.destination),
                    "tags": list(request.tags),
                }
                for request, digest in self.arrived
            ],
            "gaps": [gap_to_json(gap) for gap in self.gaps],
            "plan": self.summary.to_json(),
            "estimate": self.estimate,
            "moved": {
                "bytes": self.outcome.moved_bytes,
                "blobs": self.outcome.copied_blobs,
                "mounts": self.outcome.mounted_blobs,
                "seconds": round(self.seconds, 3),
            },
        }


def gap_to_json(gap: Gap) -> dict[str, str]:
    """Return a ledger line as a JSON object."""
    return {
        "name": gap.request.name,
        "source": str(gap.request.source),
        "missing": gap.missing,
        "code": gap.code,
        "reason": gap.reason,
        "consequence": gap.consequence,
    }
