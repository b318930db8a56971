"""The images that a catalog makes a cluster pull: every bundle image and every related image, once, with its users.

References are read as CRI-O and ``oc`` read them: one without a tag or digest means ``latest``, one without a registry
means Docker Hub. A catalog is foreign input: a reference to a folder of this machine is none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from airferry.errors import AirferryError, MalformedError
from airferry.oci import PlaceKind, Reference
from airferry.oci.pull_sources import normalized
from airferry.oci.reference import is_repository_path
from airferry.openshift.catalog.model import Catalog


@dataclass(frozen=True, slots=True, order=True)
class ImageUse:
    """Who needs an image: a bundle of a package, as ``name``; "" is the bundle image itself."""

    package: str
    bundle: str
    name: str = ""

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.bundle} ({self.name})" if self.name else f"{self.bundle} (bundle image)"


@dataclass(frozen=True, slots=True)
class UnreadableImage:
    """A reference that is none, as it is written, and what is wrong with it."""

    text: str
    uses: tuple[ImageUse, ...]
    error: AirferryError


@dataclass(frozen=True, slots=True)
class CatalogImages:
    """Images with the bundles that need them, sorted by reference; references that are none; and what was assumed."""

    uses: Mapping[Reference, tuple[ImageUse, ...]]
    unreadable: tuple[UnreadableImage, ...] = ()
    notes: tuple[str, ...] = ()


def catalog_images(catalog: Catalog) -> CatalogImages:
    """Return every image of the catalog. The order of packages and bundles in it makes no difference."""
    texts: dict[str, dict[ImageUse, None]] = {}
    for text, use in _named(catalog):
        texts.setdefault(text, {})[use] = None
    uses: dict[Reference, dict[ImageUse, None]] = {}
    unreadable: list[UnreadableImage] = []
    notes: list[str] = []
    for text in sorted(texts):
        try:
            reference = parse_image(text)
        except AirferryError as error:
            unreadable.append(UnreadableImage(text, tuple(sorted(texts[text])), error))
            continue
        if reference.repository.place.address not in text:
            notes.append(f"{text} names no registry (in {min(texts[text])}): read as {reference}")
        uses.setdefault(reference, {}).update(texts[text])
    ordered = {reference: tuple(sorted(uses[reference])) for reference in sorted(uses)}
    return CatalogImages(ordered, tuple(unreadable), tuple(notes))


def parse_image(text: str) -> Reference:
    """Return the image that a catalog's reference means, in a registry. Raises MalformedError and others."""
    try:
        reference = Reference.parse(text)
    except MalformedError:
        if not _is_short_name(text):
            raise
        reference = Reference.parse(f"docker.io/{text}")
    if reference.repository.place.kind is not PlaceKind.REGISTRY:
        raise MalformedError(f"{text!r} is not an image in a registry")
    if reference.tag is None and reference.digest is None:
        reference = replace(reference, tag="latest")
    return replace(reference, repository=normalized(reference.repository))


def _is_short_name(text: str) -> bool:
    name, slash, rest = text.partition("@")[0].rpartition("/")
    return is_repository_path(f"{name}{slash}{rest.partition(':')[0]}") and "." not in name.partition("/")[0]


def _named(catalog: Catalog) -> Iterator[tuple[str, ImageUse]]:
    for package in catalog.packages.values():
        for bundle in package.bundles.values():
            if bundle.image:
                yield bundle.image, ImageUse(package.name, bundle.name)
            for related in bundle.related:
                # Bundles list their own image among the related ones, often under no name.
                role = "" if related.image == bundle.image else related.name or "unnamed"
                yield related.image, ImageUse(package.name, bundle.name, role)
