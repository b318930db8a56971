"""What packages of a catalog would add to a mirror, read from the manifests of their images; no layer is fetched.

Every image counts whole, for all its platforms, since that is how it is mirrored. A layer counts once for each
package, and once in the sum. Signatures and other attachments are not counted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.content.breaker import Breaker
from airferry.errors import AirferryError
from airferry.oci import Digest, Manifest, Reference
from airferry.openshift.catalog.model import Bundle, Package
from airferry.openshift.catalog.upgrade_graph import heads
from airferry.plan import CopyRequest
from airferry.survey.sources import Findings, survey_sources, walk_down


@dataclass(frozen=True, slots=True)
class PackageSize:
    """Bytes that a package adds: the newest bundle of each channel with its images, and all its bundles."""

    heads_bytes: int
    all_bytes: int


@dataclass(frozen=True, slots=True)
class UnreadImage:
    """An image whose size is not known, the packages whose figures lack it, and why."""

    image: str
    packages: tuple[str, ...]
    error: AirferryError


@dataclass(frozen=True, slots=True)
class CatalogSizes:
    """Sizes by package, of all of them together with shared layers counted once, and what they lack."""

    packages: Mapping[str, PackageSize]
    together: PackageSize
    unread: tuple[UnreadImage, ...]


async def catalog_sizes(packages: Iterable[Package], places: Places, narrator: Narrator) -> CatalogSizes:
    """Read the manifests of all images of ``packages`` and add up what they consist of."""
    packages = tuple(packages)
    wanted = {package.name: (_images(_heads(package)), _images(package.bundles.values())) for package in packages}
    parsed, failures = _parse(image for _, images in wanted.values() for image in images)
    # How many there are below lists is not known before they are read.
    narrator.phase(f"reading manifests of {len(parsed)} images")
    requests = {image: CopyRequest(reference, reference.repository, (), image) for image, reference in parsed.items()}

    def read(manifest: Manifest) -> None:
        narrator.advance(steps=1)

    found = await survey_sources(requests.values(), places.source, on_read=read, breaker=Breaker(go_on=True))
    failures.update({gap.request.name: gap.error for gap in found.gaps})
    adder = _Adder(found, requests)
    sizes = {name: PackageSize(adder.size(newest), adder.size(every)) for name, (newest, every) in wanted.items()}
    newest = {image for images, _ in wanted.values() for image in images}
    every = {image for _, images in wanted.values() for image in images}
    unread = (
        UnreadImage(image, tuple(name for name, (_, images) in wanted.items() if image in images), error)
        for image, error in sorted(failures.items())
    )
    return CatalogSizes(sizes, PackageSize(adder.size(newest), adder.size(every)), tuple(unread))


class _Adder:
    """Adds up manifests and blobs, each digest once."""

    def __init__(self, found: Findings, requests: Mapping[str, CopyRequest]) -> None:
        self._found = found
        self._roots = {image: found.roots[request] for image, request in requests.items() if request in found.roots}

    def size(self, images: Iterable[str]) -> int:
        """Return the bytes of these images, as far as they were read."""
        sizes: dict[Digest, int] = {}
        for root in {self._roots[image] for image in images if image in self._roots}:
            for manifest in walk_down(root, self._found.manifests):
                sizes[manifest.digest] = manifest.size_bytes
                sizes.update((blob.digest, blob.size_bytes) for blob in manifest.blobs)
        return sum(sizes.values())


def _parse(images: Iterable[str]) -> tuple[dict[str, Reference], dict[str, AirferryError]]:
    parsed: dict[str, Reference] = {}
    failures: dict[str, AirferryError] = {}
    for image in dict.fromkeys(images):
        try:
            reference = Reference.parse(image)
        except AirferryError as error:
            failures[image] = error
            continue
        # Without a tag a container runtime takes the one that is called latest.
        parsed[image] = reference if reference.tag or reference.digest else Reference(reference.repository, "latest")
    return parsed, failures


def _heads(package: Package) -> list[Bundle]:
    names = dict.fromkeys(name for channel in package.channels.values() for name in heads(channel))
    return [package.bundles[name] for name in names if name in package.bundles]


def _images(bundles: Iterable[Bundle]) -> frozenset[str]:
    images = (image for bundle in bundles for image in (bundle.image, *(item.image for item in bundle.related)))
    return frozenset(image for image in images if image)
