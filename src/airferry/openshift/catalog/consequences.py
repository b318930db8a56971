"""What missing images make unusable: versions, heads of channels, whole channels, whole operators.

A bundle without its bundle image cannot be installed; one without a related image installs, and fails where it
starts that image. Either way its version is unusable, and OLM installs the head of a channel.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from airferry.errors import AirferryError
from airferry.oci import Reference
from airferry.openshift.catalog.images import parse_image
from airferry.openshift.catalog.model import Bundle, Catalog, Package
from airferry.openshift.catalog.upgrade_graph import heads


@dataclass(frozen=True, slots=True)
class UnusableBundle:
    """A version that lacks images. ``channels`` are those it is in, ``head_of`` those whose newest version it is."""

    package: str
    name: str
    version: str
    images: tuple[str, ...]
    channels: tuple[str, ...]
    head_of: tuple[str, ...]

    def __str__(self) -> str:
        """What it means, as a sentence for a ledger."""
        version = f" {self.version}" if self.version else ""
        told = f"{self.package}{version} is unusable"
        if self.head_of:
            plural = "s" if len(self.head_of) > 1 else ""
            told += f", and OLM would install it from the channel{plural} {', '.join(self.head_of)}"
        return told


@dataclass(frozen=True, slots=True)
class Consequences:
    """What cannot be used: versions; channels (package, channel) without their head or without any version; packages.

    ``packages`` have no usable version left.
    """

    bundles: tuple[UnusableBundle, ...] = ()
    headless_channels: tuple[tuple[str, str], ...] = ()
    empty_channels: tuple[tuple[str, str], ...] = ()
    packages: tuple[str, ...] = ()


class ImageUses:
    """Which bundles need which image; made once for a catalog, asked for each image that is missing."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._users: dict[str, list[Bundle]] = {}
        for package in catalog.packages.values():
            for bundle in package.bundles.values():
                for image in dict.fromkeys(map(image_key, bundle_images(bundle))):
                    self._users.setdefault(image, []).append(bundle)

    def users(self, image: str | Reference) -> tuple[Bundle, ...]:
        """Return the bundles that need ``image``."""
        return tuple(self._users.get(image_key(image), ()))

    def consequence(self, image: str | Reference) -> str:
        """Return what it means that ``image`` is missing, in a sentence for a ledger; "" when no bundle needs it."""
        lost = self.consequences([image]).bundles
        told = [str(bundle) for bundle in lost[:3]]
        if len(lost) > 3:
            told.append(f"and so are {len(lost) - 3} more versions")
        return "; ".join(told)

    def consequences(self, missing: Iterable[str | Reference]) -> Consequences:
        """Return everything that the missing images make unusable, in the catalog's order."""
        lacking: dict[tuple[str, str], list[str]] = {}
        for image in missing:
            for bundle in self.users(image):
                lacking.setdefault((bundle.package, bundle.name), []).append(str(image))
        packages = [
            self._catalog.packages[name] for name in self._catalog.packages if any(p == name for p, _ in lacking)
        ]
        lost = [bundle for package in packages for bundle in _lost(package, lacking)]
        names = {(bundle.package, bundle.name) for bundle in lost}
        return Consequences(
            tuple(lost),
            tuple(dict.fromkeys((bundle.package, channel) for bundle in lost for channel in bundle.head_of)),
            tuple(
                (package.name, channel.name)
                for package in packages
                for channel in package.channels.values()
                if channel.entries and all((package.name, entry.name) in names for entry in channel.entries)
            ),
            tuple(
                package.name
                for package in packages
                if all((package.name, bundle) in names for bundle in package.bundles)
            ),
        )


def consequences(catalog: Catalog, missing: Iterable[str | Reference]) -> Consequences:
    """Return what the missing images make unusable; they are references in any spelling."""
    return ImageUses(catalog).consequences(missing)


def bundle_images(bundle: Bundle) -> tuple[str, ...]:
    """Return the images that a bundle needs, as written, each once: its own, then its related ones."""
    images = (bundle.image, *(related.image for related in bundle.related))
    return tuple(dict.fromkeys(image for image in images if image))


def image_key(image: str | Reference) -> str:
    """Return what two spellings of a reference have in common; what is no reference stands for itself."""
    try:
        return str(parse_image(str(image)))
    except AirferryError:
        return str(image)


def _lost(package: Package, lacking: Mapping[tuple[str, str], list[str]]) -> Iterable[UnusableBundle]:
    tops: Mapping[str, Set[str]] = {channel.name: set(heads(channel)) for channel in package.channels.values()}
    within = {channel.name: {entry.name for entry in channel.entries} for channel in package.channels.values()}
    for name, bundle in package.bundles.items():
        images = lacking.get((package.name, name))
        if images is not None:
            yield UnusableBundle(
                package.name,
                name,
                bundle.version,
                tuple(dict.fromkeys(images)),
                tuple(channel for channel, names in within.items() if name in names),
                tuple(channel for channel, names in tops.items() if name in names),
            )
