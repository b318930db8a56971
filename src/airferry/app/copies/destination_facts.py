"""What was found out about a registry that is written to, as values, as lines and as JSON."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airferry.errors import AirferryError
from airferry.plan.destination import Can, Capability, RegistryKind


@dataclass(slots=True)
class DestinationFacts:
    """What one registry is and can, and what of its namespaces is there, was made, or is not there.

    ``base`` is scheme and host of its API. ``absent`` gives the reason for each namespace that has to be made by
    somebody else, and ``commands`` what would make it. ``refusals`` are the reasons not to begin a copy. ``left`` is
    what trying out could not take back; ``trouble`` is why it could not be asked to the end.
    """

    host: str
    base: str = ""
    kind: RegistryKind = RegistryKind.UNKNOWN
    evidence: str = ""
    can: dict[Capability, Can] = field(default_factory=dict)
    said: dict[Capability, str] = field(default_factory=dict)
    present: list[str] = field(default_factory=list)
    to_make: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    commands_file: Path | None = None
    refusals: list[AirferryError] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    trouble: AirferryError | None = None

    def lines(self) -> list[str]:
        """Return what people are told: one line for the registry, one for each thing to know."""
        lines = [f"{self.host} is {_name(self.kind)}" + (f": {self.evidence}" if self.evidence else "")]
        lines += [
            f"  {capability.value}: {can.value}"
            + (f", it answered {said}" if (said := self.said.get(capability)) else "")
            for capability, can in self.can.items()
        ]
        word = self.kind.namespace_word or "namespace"
        lines += [f"  {word} {name}: there" for name in self.present]
        lines += [f"  {word} {name}: made" for name in self.made]
        lines += [f"  {word} {name}: will be made" for name in self.to_make]
        lines += [f"  {word} {name}: missing, or closed to us: {reason}" for name, reason in self.absent.items()]
        lines += [f"  make it with: {command}" for command in self.commands]
        lines += [f"  not asked to the end: {self.trouble.message}"] if self.trouble else []
        lines += [f"  left behind: {item}" for item in self.left]
        return lines

    def notable_lines(self) -> list[str]:
        """Return the lines that somebody who copies wants to see: nothing where there is nothing to do or to know."""
        notable = self.to_make or self.made or self.absent or self.left or Can.NO in self.can.values()
        return self.lines() if notable else []

    def to_json(self) -> dict[str, Any]:
        """Return the facts as a JSON object with stable keys."""
        return {
            "registry": self.host,
            "kind": self.kind.value,
            "evidence": self.evidence,
            "can": {capability.name.lower(): can.value for capability, can in self.can.items()},
            "namespaces": {
                "present": self.present,
                "made": self.made,
                "toMake": self.to_make,
                "absent": [{"name": name, "reason": reason} for name, reason in self.absent.items()],
            },
            "commands": self.commands,
            "commandsFile": str(self.commands_file) if self.commands_file is not None else None,
            "refusals": [{"code": error.code, "message": error.message, "hint": error.hint} for error in self.refusals],
            "leftBehind": self.left,
            "trouble": self.trouble.message if self.trouble is not None else None,
        }


def _name(kind: RegistryKind) -> str:
    match kind:
        case RegistryKind.UNKNOWN:
            return "a registry that does not tell which"
        case RegistryKind.OPENSHIFT:
            return "OpenShift's own registry"
        case RegistryKind.AIRFERRY | RegistryKind.ZOT | RegistryKind.DISTRIBUTION:
            return kind.value
        case _:
            return kind.value.capitalize()
