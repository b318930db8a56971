"""Which versions a release's components report of themselves: Kubernetes, kubectl, the node's operating system.

Source: the annotations ``io.openshift.build.versions`` and ``io.openshift.build.version-display-names`` of the
tags in image-references, read by ``oc``'s rules: kubectl counts only where it comes from ``cli`` or
``cli-artifacts``, and several values of one version are a warning, except for machine-os.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from airferry.openshift.release.payload import Component, ReleasePayload
from airferry.openshift.semver import is_version

_VERSIONS: Final = "io.openshift.build.versions"
_DISPLAY_NAMES: Final = "io.openshift.build.version-display-names"
_KUBECTL_FROM: Final = ("cli", "cli-artifacts")
_MAY_DIFFER: Final = ("machine-os",)


@dataclass(frozen=True, slots=True)
class ComponentVersion:
    """One reported version; ``component`` is the last image that reported it, ``display_name`` may be ""."""

    name: str
    version: str
    display_name: str
    component: str


@dataclass(frozen=True, slots=True)
class ReportedVersions:
    """All versions, sorted by name, and what was odd about them, as sentences."""

    versions: tuple[ComponentVersion, ...]
    warnings: tuple[str, ...]


def reported_versions(payload: ReleasePayload) -> ReportedVersions:
    """Return the versions that the release's images report."""
    found: dict[str, dict[str, str]] = {}
    reporters: dict[str, str] = {}
    warnings: list[str] = []
    for component in payload.components:
        for name, version, display in _report(component, warnings):
            if name == "kubectl" and component.name not in _KUBECTL_FROM:
                continue
            versions = found.setdefault(name, {})
            versions[version] = display or versions.get(version, "")
            reporters[name] = component.name
    warnings.extend(_conflicts(found))
    listed = tuple(_first(name, found[name], reporters[name]) for name in sorted(found))
    return ReportedVersions(listed, tuple(warnings))


def _first(name: str, versions: Mapping[str, str], component: str) -> ComponentVersion:
    version = min(versions)
    return ComponentVersion(name, version, versions[version], component)


def _conflicts(found: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [
        f"multiple versions reported for the following component(s): {name} ({', '.join(sorted(versions))})"
        for name, versions in sorted(found.items())
        if len(versions) > 1 and name not in _MAY_DIFFER
    ]


def _report(component: Component, warnings: list[str]) -> list[tuple[str, str, str]]:
    text = component.annotations.get(_VERSIONS, "").strip()
    if not text:
        return []
    names = dict(_pairs(component.annotations.get(_DISPLAY_NAMES, "")))
    reported: list[tuple[str, str, str]] = []
    for name, version in _pairs(text):
        if not name or not is_version(version):
            warnings.append(
                f"the referenced image {component.name} had an invalid version annotation: {name}={version}"
            )
            continue
        reported.append((name, version, names.get(name, "")))
    return reported


def _pairs(text: str) -> list[tuple[str, str]]:
    parts = (part.strip().partition("=") for part in text.split(",") if part.strip())
    return [(name.strip(), value.strip()) for name, _, value in parts]
