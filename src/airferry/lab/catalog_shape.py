"""What a made-up operator catalog looks like: its operators, and what is odd about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Operator:
    """One package: its channels with their versions, oldest first, and what it needs.

    Every version has a bundle image and an operator image of its own, which is a list for two architectures.
    ``shares`` names images that others may use too. ``needs`` is a package and a range of its versions;
    ``needs_kind`` the operator whose kind of object is needed.
    """

    name: str
    channels: tuple[tuple[str, tuple[str, ...]], ...]
    shares: tuple[str, ...] = ()
    needs: tuple[str, str] | None = None
    needs_kind: str | None = None

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version once."""
        return tuple(dict.fromkeys(version for _, versions in self.channels for version in versions))

    @property
    def default_channel(self) -> str:
        """The first channel."""
        return self.channels[0][0]

    def bundle(self, version: str) -> str:
        """Return the name of the bundle of a version."""
        return f"{self.name}.v{version}"


_OPERATORS: Final = (
    Operator("anchor", (("stable", ("1.0.0", "1.1.0", "1.2.0")), ("candidate", ("1.2.0", "2.0.0"))), ("proxy",)),
    Operator("buoy", (("alpha", ("0.1.0", "0.2.0")),), ("proxy", "gauge"), needs=("anchor", ">=1.1.0 <2.0.0")),
    Operator("compass", (("stable", ("3.0.0",)),), needs_kind="anchor"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogShape:
    """A catalog to publish. The same shape gives the same bytes.

    Images are named ``REPOSITORY:VERSION`` without host and namespace, such as ``anchor-operator:1.0.0``,
    ``anchor-bundle:1.0.0`` and ``proxy:1``. Those in ``missing`` are in the documents and not in the registry, those
    in ``by_tag`` are named by tag, those in ``elsewhere`` at ``other_host``, and entries for those in ``slips`` say
    ``value`` where ``image`` belongs. Bundles in ``empty`` have one more entry that names no image, those in
    ``malformed`` one with a reference that is none.
    ``own_bytes`` is the size of the layer that each operator image has of its own.
    """

    operators: tuple[Operator, ...] = _OPERATORS
    missing: tuple[str, ...] = ()
    by_tag: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    slips: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    malformed: tuple[str, ...] = ()
    attached: bool = True
    source_host: str = "quay.io"
    other_host: str = "registry.redhat.io"
    namespace: str = "airlab"
    name: str = "operator-index"
    tag: str = "v4.16"
    own_bytes: int = 2048

    @property
    def bundles(self) -> Iterator[tuple[Operator, str]]:
        """Every bundle as its operator and version."""
        return ((operator, version) for operator in self.operators for version in operator.versions)


CATALOG: Final = CatalogShape()
"""Three operators with seven bundles and 16 images besides the catalog itself, in a few hundred kB."""
