"""What earlier runs found out about registries that are written to, so that a second run asks nothing (ADR 0006).

One JSON file for each host, under the user's state folder, believed for a day. Only what a registry has and can is
remembered: what it lacked may have been mended a minute later.
"""

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from airferry.oci import Digest
from airferry.plan.destination import Can, Capability, RegistryKind
from airferry.transfer.held import BELIEVED_FOR_S
from airferry.transfer.state_file import write_state

_VERSION: Final = 1


@dataclass(slots=True)
class KnownRegistry:
    """What is known of one registry. ``kind`` is None when nobody asked within the last 24 hours.

    ``most_parts`` is how many parts the deepest name had that it took.
    """

    file: Path
    kind: RegistryKind | None = None
    evidence: str = ""
    seen_at: float = 0.0
    can: dict[Capability, float] = field(default_factory=dict)
    namespaces: dict[str, float] = field(default_factory=dict)
    most_parts: int = 0

    def answers(self, parts: int) -> dict[Capability, Can]:
        """Return the capabilities that it was found to have, for names of so many ``parts``."""
        can = dict.fromkeys(self.can, Can.YES)
        if parts > self.most_parts:
            can.pop(Capability.NESTED, None)
        return can

    def note(self, answers: dict[Capability, Can], namespaces: Iterable[str], parts: int, *, now: float) -> None:
        """Remember each yes, the namespaces that took a push, and how many parts the deepest name had."""
        if answers.get(Capability.NESTED) is Can.YES:
            self.most_parts = max(self.most_parts, parts)
        self.can.update({capability: now for capability, can in answers.items() if can is Can.YES})
        self.namespaces.update(dict.fromkeys(namespaces, now))

    def save(self) -> None:
        """Write it. A state folder that cannot be written to costs questions only: no error."""
        document = {
            "version": _VERSION,
            "kind": self.kind.value if self.kind is not None else None,
            "evidence": self.evidence,
            "seen": self.seen_at,
            "can": {capability.name: at for capability, at in self.can.items()},
            "namespaces": self.namespaces,
            "mostParts": self.most_parts,
        }
        write_state(self.file, document)


def load_known(host: str, state_folder: Path, *, now: float) -> KnownRegistry:
    """Return what is still believed about ``host``; a record that is absent, unreadable or too old is empty."""
    file = registry_file(host, state_folder, "json")
    known = KnownRegistry(file)
    with contextlib.suppress(OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
        document: Any = json.loads(file.read_text())
        if document["version"] != _VERSION:
            return known
        can = {Capability[name]: at for name, at in _fresh(document["can"], now).items()}
        namespaces, parts = _fresh(document["namespaces"], now), int(document["mostParts"])
        if _is_fresh(document["seen"], now) and document["kind"] is not None:
            kind, evidence = RegistryKind(document["kind"]), str(document["evidence"])
            return KnownRegistry(file, kind, evidence, float(document["seen"]), can, namespaces, parts)
        return KnownRegistry(file, can=can, namespaces=namespaces, most_parts=parts)
    return known


def registry_file(host: str, state_folder: Path, suffix: str) -> Path:
    """Return the file of that suffix that is about ``host``."""
    name = host.replace("/", "_").replace(":", "_")[-80:]
    return state_folder / "registries" / f"{name}-{Digest.of(host.encode()).short}.{suffix}"


def _fresh(times: Any, now: float) -> dict[str, float]:
    return {str(name): float(at) for name, at in times.items() if _is_fresh(at, now)}


def _is_fresh(at: Any, now: float) -> bool:
    return isinstance(at, int | float) and 0 <= now - at < BELIEVED_FOR_S
