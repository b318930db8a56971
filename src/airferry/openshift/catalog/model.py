"""What a catalog holds: packages, channels, bundles, and what each bundle needs and brings.

The words are those of file-based catalogs (``olm.package``, ``olm.channel``, ``olm.bundle``, ``olm.deprecations``),
whatever form a catalog was read from. Icons, descriptions and manifests are not kept: a catalog of thousands of
bundles stays small.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airferry.openshift.catalog.findings import Finding


@dataclass(frozen=True, slots=True)
class RelatedImage:
    """An image that a bundle says it needs: its role, and the reference as written, which may be no good one."""

    name: str
    image: str


@dataclass(frozen=True, slots=True, order=True)
class Gvk:
    """A kind of Kubernetes object that a bundle provides or needs."""

    group: str
    version: str
    kind: str

    def __str__(self) -> str:
        return f"{self.group}/{self.version}/{self.kind}"


@dataclass(frozen=True, slots=True)
class PackageNeed:
    """A package that must be installable beside a bundle, in a version that ``version_range`` allows."""

    package: str
    version_range: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version of an operator.

    ``image`` is the bundle image's reference as written, "" when the catalog holds the bundle's manifests itself.
    ``constraints`` are the values of ``olm.constraint`` properties, which may nest.
    """

    name: str
    package: str
    image: str
    version: str = ""
    related: tuple[RelatedImage, ...] = ()
    provides: tuple[Gvk, ...] = ()
    needs_packages: tuple[PackageNeed, ...] = ()
    needs_kinds: tuple[Gvk, ...] = ()
    constraints: tuple[Mapping[str, Any], ...] = ()
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class ChannelEntry:
    """A bundle in a channel, and which ones it updates: ``replaces`` one, ``skips`` some, ``skip_range`` by version."""

    name: str
    replaces: str = ""
    skips: tuple[str, ...] = ()
    skip_range: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of a package; its entries in the catalog's order."""

    name: str
    package: str
    entries: tuple[ChannelEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Deprecation:
    """A notice: ``schema`` says what ``name`` is (``olm.package``, ``olm.channel``, ``olm.bundle``)."""

    schema: str
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Package:
    """An operator: its channels and bundles by name, in the catalog's order."""

    name: str
    default_channel: str = ""
    channels: Mapping[str, Channel] = field(default_factory=dict)
    bundles: Mapping[str, Bundle] = field(default_factory=dict)
    deprecations: tuple[Deprecation, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalog:
    """Packages by name, sorted, and what was wrong with what they were read from."""

    packages: Mapping[str, Package]
    findings: tuple[Finding, ...] = ()
