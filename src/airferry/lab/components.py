"""The components of a release: the names, commits and versions of OpenShift 4.12.0, shipped beside this module."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

_ANNOTATION: Final = "io.openshift.build."


@dataclass(frozen=True, slots=True)
class Component:
    """One tag of image-references. ``commit`` and ``source_location`` are "" where the release leaves them out."""

    name: str
    source_location: str
    commit: str
    versions: str
    display_names: str

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations that image-references carries for this component, in its order."""
        named = {
            f"{_ANNOTATION}commit.id": self.commit,
            f"{_ANNOTATION}commit.ref": "",
            f"{_ANNOTATION}source-location": self.source_location,
        }
        if self.versions:
            named[f"{_ANNOTATION}version-display-names"] = self.display_names
            named[f"{_ANNOTATION}versions"] = self.versions
        return named


@cache
def shipped_components() -> tuple[Component, ...]:
    """Return the 183 components of 4.12.0 in the order of its image-references, which is that of their names."""
    text = (files("airferry.lab") / "payloads" / "ocp-4.12.0.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return tuple(
        Component(name, f"https://github.com/{source}" if source else "", commit, versions, display)
        for name, source, commit, versions, display in rows
    )


@cache
def real_layer_sizes() -> tuple[float, ...]:
    """Return the compressed sizes in MiB of the 143 distinct layers of 4.9.12, smallest first."""
    text = (files("airferry.lab") / "payloads" / "layer-sizes-mib.txt").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return tuple(sorted(float(word) for line in lines for word in line.split()))


def choose_components(count: int, also: Sequence[str] = ()) -> tuple[Component, ...]:
    """Return ``count`` components, sorted by name: those with tools first chosen, made-up ones past 183.

    Those named in ``also`` come on top where they are not among them.
    """
    shipped = shipped_components()
    ranked = sorted(shipped, key=lambda component: component.name not in ALWAYS)
    wanted = [*ranked[:count], *(component for component in ranked[count:] if component.name in also)]
    extra = (
        Component(f"lab-component-{number:03}", "https://github.com/openshift/lab", f"{number:040x}", "", "")
        for number in range(len(shipped) + 1, count + 1)
    )
    return tuple(sorted((*wanted, *extra), key=lambda component: component.name))


ALWAYS: Final = (
    "baremetal-installer",
    "cli",
    "cli-artifacts",
    "cloud-credential-operator",
    "cluster-version-operator",
    "etcd",
    "hyperkube",
    "installer",
    "installer-artifacts",
    "machine-os-content",
    "must-gather",
    "oauth-proxy",
    "pod",
)
"""The components that even the smallest release has: all that hold tools, the base of the release image, a few more."""
