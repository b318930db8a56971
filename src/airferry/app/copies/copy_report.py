"""What a copy came to, as values, as lines and as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airferry.app.copies.destination_facts import DestinationFacts
from airferry.errors import ExitCode
from airferry.oci import Digest
from airferry.plan import CopyRequest, Gap, Summary
from airferry.quantities import print_binary_size, print_decimal_size, print_duration
from airferry.transfer import Outcome

_ASSUMED_BYTES_PER_SECOND = 50 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long the blobs will take: as fast as the last copy to the same place, where there was one."""

    seconds: float
    bytes_per_second: float
    measured: bool

    @classmethod
    def of(cls, size_bytes: int, measured_bytes_per_second: float | None) -> "Estimate":
        """Return the estimate for ``size_bytes``, at an assumed rate when none was measured."""
        rate = measured_bytes_per_second or _ASSUMED_BYTES_PER_SECOND
        return cls(size_bytes / rate, rate, measured_bytes_per_second is not None)

    def __str__(self) -> str:
        """As people read it."""
        basis = "as fast as last time" if self.measured else "assumed"
        return f"{print_duration(self.seconds)} at {print_decimal_size(self.bytes_per_second)}/s ({basis})"


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy came to. ``arrived`` pairs each request that is complete with its digest.

    ``renamed`` gives the destinations that got shorter names than were asked for.
    Attachments are among the requests where they were looked for: not with images known complete from an earlier run.
    """

    requests: tuple[CopyRequest, ...]
    arrived: tuple[tuple[CopyRequest, Digest], ...]
    gaps: tuple[Gap, ...]
    summary: Summary
    outcome: Outcome
    seconds: float
    estimate: Estimate
    dry_run: bool = False
    destinations: tuple[DestinationFacts, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> ExitCode:
        """DONE when everything asked for is there, GAPS otherwise; USER for a rehearsal of what would be refused."""
        if self.dry_run and any(facts.refusals for facts in self.destinations):
            return ExitCode.USER
        return ExitCode.GAPS if self.gaps else ExitCode.DONE

    @property
    def lines(self) -> list[str]:
        """``DIGEST REPOSITORY[:TAG]`` for every image asked for that is in place, sorted, as oc prints them."""
        return sorted(
            f"{digest} {request.destination}{f':{tag}' if tag else ''}"
            for request, digest in self.arrived
            for tag in request.tags or ("",)
            if not request.optional
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
            # What could not be resolved to an image is no request, but was asked for.
            asked = {*self.requests, *(gap.request for gap in self.gaps)}
            images = sum(not request.optional for request in asked)
            missing = sum(not gap.request.optional for gap in self.gaps)
            attached = len(self.gaps) - missing
            more = f" and {attached} attachments" if attached else ""
            lines.append(f"{missing} of {images} images{more} are missing; all others are in place")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object with stable keys."""
        return {
            "dryRun": self.dry_run,
            "images": [_copied_to_json(*copied) for copied in self.arrived if not copied[0].optional],
            "attachments": [
                {**_copied_to_json(request, digest), "attachedTo": request.attached_to}
                for request, digest in self.arrived
                if request.optional
            ],
            "gaps": [gap_to_json(gap) for gap in self.gaps],
            "renamed": dict(self.renamed),
            "destinations": [facts.to_json() for facts in self.destinations],
            "plan": self.summary.to_json(),
            "estimate": {
                "seconds": round(self.estimate.seconds, 3),
                "bytesPerSecond": round(self.estimate.bytes_per_second),
                "measured": self.estimate.measured,
            },
            "moved": {
                "bytes": self.outcome.moved_bytes,
                "blobs": self.outcome.copied_blobs,
                "mounts": self.outcome.mounted_blobs,
                "seconds": round(self.seconds, 3),
            },
        }


def print_summary(summary: Summary, held: int, estimate: Estimate) -> str:
    """Return the plan in a line; ``held`` images are known to be complete."""
    known = f", {held} known complete" if held else ""
    to_move, shared = print_binary_size(summary.moved_bytes), print_binary_size(summary.shared_bytes)
    there = f"{summary.already_there_blobs} already there ({print_binary_size(summary.already_there_bytes)})"
    return (
        f"info: {summary.images} images{known}: {summary.blobs} blobs to move ({to_move}), {summary.mounts} to mount, "
        f"{shared} shared, {there}; {estimate}"
    )


def _copied_to_json(request: CopyRequest, digest: Digest) -> dict[str, Any]:
    return {
        "name": request.name,
        "source": str(request.source),
        "digest": digest,
        "destination": str(request.destination),
        "tags": list(request.tags),
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
