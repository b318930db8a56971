"""Which layers each image of a release has, and how large they are: decided before a byte is made.

What is imitated: most images are five layers, four of a shared base of about 68 MB and one of their own; two other
bases have two and three layers; the operating system is one large layer; the own layers are as uneven as the real
ones (143 sizes of 4.9.12). Images for other architectures are kept thin.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from airferry.lab.components import Component, choose_components, real_layer_sizes
from airferry.lab.shape import Shape
from airferry.lab.tools import tool_files

BASES: Final[Mapping[str, tuple[float, ...]]] = {
    "A": (37.7, 0.4, 7.6, 22.3),
    "B": (79.4, 27.2),
    "C": (41.2, 5.0, 28.3),
}
"""Sizes in MiB of the layers of each base, lowest first."""

_WITHOUT_BASE: Final = ("machine-os-content", "rhel-coreos-8")
_ON_B: Final = ("must-gather", "tests", "tools", "network-tools", "driver-toolkit", "rhel-coreos-8-extensions")
_THIN: Final = 0.15
_PER_IMAGE_BYTES: Final = 6_500
"""An upper estimate of config, manifest, tar headers and gzip framing of one image."""


@dataclass(frozen=True, slots=True)
class ImageRecipe:
    """One component: its base (None: it has none), whose own layer it has, and for which architectures it is."""

    component: Component
    base: str | None
    own_layer_of: str
    architectures: tuple[str, ...]
    oci: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseRecipe:
    """All images, and the noise in bytes of each layer, by (owner or base and number, architecture)."""

    images: tuple[ImageRecipe, ...]
    noise_bytes: Mapping[tuple[str, str], int]


def plan_release(shape: Shape) -> ReleaseRecipe:
    """Return what to build for ``shape``; a pure function of it."""
    components = choose_components(shape.components, shape.also)
    owners = _own_layers(shape, components)
    lists = _list_names(shape, components)
    images = tuple(
        ImageRecipe(
            component,
            _base(component.name),
            owners[component.name],
            _architectures(shape, component.name, lists),
            oci=component.name in lists[-1:],
        )
        for component in components
    )
    return ReleaseRecipe(images, _scaled(shape, images))


def base_layers(base: str) -> tuple[str, ...]:
    """Return the names of a base's layers, as :attr:`ReleaseRecipe.noise_bytes` knows them, lowest first."""
    return tuple(f"base-{base}-{number}" for number in range(len(BASES[base])))


def _base(name: str) -> str | None:
    if name in _WITHOUT_BASE:
        return None
    if name.startswith("ironic") or name in _ON_B:
        return "B"
    return "C" if hashlib.sha256(name.encode()).digest()[0] < 20 else "A"


def _own_layers(shape: Shape, components: Sequence[Component]) -> Mapping[str, str]:
    """Say whose own layer each component has: its own, or, past ``own_layers``, another's."""
    holds_tools = {item.name for item in components if tool_files(item.name, "", "", shape.tool_bytes)}
    ordered = sorted((item.name for item in components), key=lambda name: name not in holds_tools)
    count = len(ordered) if shape.own_layers is None else min(shape.own_layers, len(ordered))
    lenders = [name for name in ordered[:count] if name not in holds_tools and name not in _WITHOUT_BASE]
    return {
        name: name if position < count else lenders[position % len(lenders)] for position, name in enumerate(ordered)
    }


def _list_names(shape: Shape, components: Sequence[Component]) -> Sequence[str]:
    """Choose which components are manifest lists, spread over the release and never one that holds tools."""
    plain = [item.name for item in components if not tool_files(item.name, "", "", shape.tool_bytes)]
    plain = [name for name in plain if name != "cluster-version-operator"]
    return [plain[position * len(plain) // shape.lists] for position in range(shape.lists)]


def _architectures(shape: Shape, name: str, lists: Sequence[str]) -> tuple[str, ...]:
    if name in lists[::3] and not shape.multi:
        return ("amd64", "arm64", "ppc64le", "s390x")
    return ("amd64", "arm64") if shape.multi or name in lists else ("amd64",)


def _scaled(shape: Shape, images: Sequence[ImageRecipe]) -> Mapping[tuple[str, str], int]:
    """Scale the real sizes so that everything together fits the budget."""
    weights: dict[tuple[str, str], float] = {}
    owners = sorted({image.own_layer_of for image in images}, key=lambda name: _rank(shape, name))
    drawn = real_layer_sizes()
    own = {name: drawn[position * len(drawn) // len(owners)] for position, name in enumerate(owners)}
    for image in images:
        for architecture in image.architectures:
            thin = 1.0 if architecture == "amd64" else _THIN
            weights[image.own_layer_of, architecture] = own[image.own_layer_of] * thin
            if image.base is not None:
                for name, size_mib in zip(base_layers(image.base), BASES[image.base], strict=True):
                    weights[name, architecture] = size_mib * thin
    spare = shape.budget_bytes - _fixed_bytes(shape, images)
    scale = max(0.0, spare / sum(weights.values()))
    return {layer: 64 + int(weight * scale) for layer, weight in weights.items()}


def _rank(shape: Shape, name: str) -> tuple[bool, bytes]:
    """Order owners by size: at random, but the operating system is always the largest."""
    return name in _WITHOUT_BASE, hashlib.sha256(f"{shape.seed}/{name}".encode()).digest()


def _fixed_bytes(shape: Shape, images: Sequence[ImageRecipe]) -> int:
    """Return what the release takes apart from noise: tools, configs, manifests, the payload's own layer."""
    built = sum(len(image.architectures) for image in images) + len(shape.architectures)
    tools = sum(
        len(tool_files(image.component.name, "", "", shape.tool_bytes)) * len(image.architectures) for image in images
    )
    references = 700 * len(images) * len(shape.architectures)
    attachments = 4_000 * (shape.attached + 4) if shape.attached else 0
    return _PER_IMAGE_BYTES * built + tools * (shape.tool_bytes + 1024) + references + attachments + 40_000
