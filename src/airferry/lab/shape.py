"""What a made-up release looks like: how many images, how large, and what is odd about it."""

from dataclasses import dataclass
from typing import Final

from airferry.errors import UsageError
from airferry.lab.components import ALWAYS

KIB: Final = 1024
MIB: Final = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Shape:
    """A release to publish. The same shape gives the same bytes, except for what the signing key is part of.

    ``components`` images besides the release image; ``own_layers`` of them bring a layer of their own, the rest
    share one (None: all bring one). ``budget_bytes`` bounds all distinct blobs and manifests together.
    ``lists`` components are manifest lists; with ``multi`` all are, and the release image too. ``tool_bytes`` is
    the size of each tool. ``attached`` components have a Sigstore signature, as the release image then has;
    0 leaves out every attachment. Names in ``rebuilt`` differ from the same shape with another ``version``;
    other components are the same images. Names in ``missing`` are in image-references but not in the registry, and
    names in ``also`` are among the components however few there are.
    Raises UsageError when the shape cannot be.
    """

    version: str = "4.12.0"
    components: int = 183
    budget_bytes: int = 220 * MIB
    own_layers: int | None = None
    lists: int = 6
    multi: bool = False
    signed: bool = True
    attached: int = 8
    tool_bytes: int = 384 * KIB
    source_host: str = "quay.io"
    seed: int = 1
    rebuilt: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.components < len(ALWAYS):
            raise UsageError(f"a lab release has at least {len(ALWAYS)} components, not {self.components}")
        if self.tool_bytes < 12 * KIB:
            raise UsageError(f"a lab tool needs at least 12 KiB for its markers, not {self.tool_bytes} bytes")

    @property
    def architectures(self) -> tuple[str, ...]:
        """What the release image is for, the first being what a single-architecture release is for."""
        return ("amd64", "arm64") if self.multi else ("amd64",)

    @property
    def tag(self) -> str:
        """The release image's tag, as quay.io has it: ``4.12.0-x86_64``, ``4.12.0-multi``."""
        return f"{self.version}-{'multi' if self.multi else 'x86_64'}"


DEMO: Final = Shape()
"""OpenShift 4.12.0 as the demo crosses it: 183 components and the release image in about 220 MiB."""

SMALL: Final = Shape(components=13, budget_bytes=MIB, lists=2, attached=2, tool_bytes=16 * KIB)
"""Thirteen components in at most 1 MiB, for tests."""

R190: Final = Shape(components=189, budget_bytes=1024 * MIB, own_layers=104, lists=4, attached=0)
"""190 images over about 330 blobs, 1 GiB in all, for benchmarks."""

S74: Final = Shape(
    components=73, budget_bytes=2_200_000, own_layers=64, lists=0, attached=0, tool_bytes=16 * KIB, signed=False
)
"""74 images over 148 blobs, 2.2 MB in all, for benchmarks."""
