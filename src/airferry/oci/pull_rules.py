"""What registries.conf says about one name: mirrors, blocked places, insecure places. Values only.

Source: containers-registries.conf(5). Which places a pull tries, and in which order, is decided from these by
:mod:`airferry.oci.pull_sources`.
"""

from dataclasses import dataclass
from enum import StrEnum


class PullFrom(StrEnum):
    """Which pulls a mirror serves; the values are those of ``pull-from-mirror``."""

    ALL = "all"
    DIGEST_ONLY = "digest-only"
    TAG_ONLY = "tag-only"


@dataclass(frozen=True, slots=True)
class Mirror:
    """One ``[[registry.mirror]]``: ``location`` is host[:port][/path]."""

    location: str
    insecure: bool = False
    pull_from: PullFrom = PullFrom.ALL


@dataclass(frozen=True, slots=True)
class PullRule:
    """One ``[[registry]]`` table.

    ``prefix`` is host[:port][/path] or ``*.domain``; ``location`` replaces it, and is "" for a wildcard without one.
    """

    prefix: str
    location: str
    mirrors: tuple[Mirror, ...] = ()
    blocked: bool = False
    insecure: bool = False
    mirror_by_digest_only: bool = False


@dataclass(frozen=True, slots=True)
class PullRules:
    """All tables that apply, each prefix once. Empty rules mean: pull from where the name says."""

    rules: tuple[PullRule, ...] = ()
