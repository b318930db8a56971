"""``release info``: what a release is, in oc's text and JSON; two releases compared."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airferry.app.images.image_config import read_image_config
from airferry.app.places import Places
from airferry.app.releases.release_image import (
    OpenedRelease,
    choose_child,
    components_repository,
    parse_release,
    read_release,
)
from airferry.oci import Reference
from airferry.openshift.release.comparison import compare, describe_comparison
from airferry.openshift.release.describe import (
    ImageDetails,
    ImageTable,
    describe_contents,
    describe_images,
    describe_release,
)
from airferry.openshift.release.documents import comparison_document, release_document
from airferry.openshift.release.payload import Component
from airferry.survey.crew import work_through

IMAGE_TABLES = {
    "digests": ImageTable.DIGESTS,
    "pullspecs": ImageTable.PULLSPECS,
    "size": ImageTable.SIZES,
    "commits": ImageTable.COMMITS,
    "commit_urls": ImageTable.COMMIT_URLS,
    "contents": ImageTable.DIGESTS,
    "verify": ImageTable.DIGESTS,
}
"""Which table each flag of ``release info`` shows."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in both forms."""

    text: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoRequest:
    """What is asked for; the fields are the flags of ``release info``."""

    release: str
    architecture: str
    other: str | None = None
    disk: Path | None = None
    table: ImageTable = ImageTable.DIGESTS
    contents: bool = False
    verify: bool = False
    include_images: bool = False
    image_for: str | None = None


async def release_info(asked: InfoRequest, places: Places) -> Answer:
    """Return the description of one release, of one component's image, or of what differs between two."""
    release = await _open(asked.release, asked, places)
    if asked.image_for is not None:
        pullspec = str(release.payload.component(asked.image_for).image)
        return Answer(pullspec, {"name": asked.image_for, "image": pullspec})
    now = datetime.now(UTC)
    if asked.other is not None:
        comparison = compare(release.image, (await _open(asked.other, asked, places)).image)
        return Answer(describe_comparison(comparison, now=now), comparison_document(comparison))
    image = release.image
    if asked.table is ImageTable.SIZES or asked.verify or asked.include_images:
        image = replace(image, images=await _read_details(release, places))
    if asked.contents:
        text = describe_contents(image)
    elif asked.verify:
        text = describe_images(image)
    else:
        text = describe_release(image, asked.table, now=now)
    return Answer(text, release_document(image))


async def release_name(asked: InfoRequest, places: Places) -> dict[str, str]:
    """Return what ``-o name``, ``-o digest`` and ``-o pullspec`` print, by those words."""
    release = await _open(asked.release, asked, places)
    return {
        "name": release.payload.version,
        "digest": release.digest,
        "pullspec": str(release.reference),
    }


async def _open(text: str, asked: InfoRequest, places: Places) -> OpenedRelease:
    reference = parse_release(text, architecture=asked.architecture, disk=asked.disk)
    return await read_release(reference, places, architecture=asked.architecture)


async def _read_details(release: OpenedRelease, places: Places) -> dict[str, ImageDetails]:
    """Read manifest and config of every component, through mirrors where there are rules for them."""
    own = await components_repository(release, places)
    details: dict[str, ImageDetails] = {}

    async def read(component: Component) -> tuple[Component, ...]:
        digest = component.image.digest
        image = component.image if own is None else Reference(own, None, digest)
        details[component.name] = await _read_image(image, places, release.architecture)
        return ()

    await work_through(release.payload.components, read, workers=16)
    return details


async def _read_image(image: Reference, places: Places, architecture: str) -> ImageDetails:
    assert image.digest is not None, "parse_payload takes components by digest only"
    source = places.source(image.repository.place)
    root = await source.read_manifest(image.repository.path, image.digest)
    manifest = root
    if root.is_index:
        manifest = await source.read_manifest(image.repository.path, choose_child(root, architecture))
    config = await read_image_config(manifest, image, places)
    return ImageDetails(
        manifest.digest, manifest.media_type, manifest.layers, config, root.digest if root.is_index else None
    )
