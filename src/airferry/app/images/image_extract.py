"""``image extract``: files out of an image, never outside the folder they are read into."""

from dataclasses import dataclass
from pathlib import Path

from airferry.app.places import Places
from airferry.app.releases.release_records import ImageOnDisk, refuse_unverified
from airferry.content.errors import NotFoundError
from airferry.content.unpack_select import PathMapping, select_layers, split_selector
from airferry.content.unpack_tree import Extraction, ExtractOptions, extract_tree
from airferry.errors import UsageError
from airferry.oci import Manifest, PlaceKind, Reference
from airferry.plan.platforms import PlatformFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageExtract:
    """What is asked for; the fields are the flags of ``image extract``."""

    image: str
    paths: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    tree: Path | None = None
    platforms: PlatformFilter
    allow_unverified: bool = False
    only_files: bool = False
    confirm: bool = False
    dry_run: bool = False


async def image_extract(asked: ImageExtract, places: Places) -> Extraction:
    """Extract what is asked for. Raises NotFoundError when a file that was named is not in the image.

    Raises UnverifiedReleaseError for an image of a release that came to its disk unverified.
    """
    name, selector = split_selector(asked.image)
    reference = Reference.parse(name, tree=str(asked.tree or "."))
    source = places.source(reference.repository.place)
    root = await _root(reference, places)
    if reference.repository.place.kind is PlaceKind.TREE and not asked.allow_unverified:
        image = ImageOnDisk(reference.repository.path, root.digest)
        await refuse_unverified(Path(reference.repository.place.address), {image})
    manifest = await _image_of(root, reference, asked.platforms, places)
    mappings = [PathMapping.parse(path) for path in asked.paths]
    mappings += [PathMapping.parse(f"{file}:.") for file in asked.files]
    layers = select_layers(manifest.layers, selector)
    options = ExtractOptions(
        only_files=asked.only_files,
        confirm=asked.confirm or bool(asked.files),
        dry_run=asked.dry_run,
    )
    return await extract_tree(
        source, reference.repository.path, manifest, mappings or [PathMapping.parse("/:.")], layers, options
    )


async def _root(reference: Reference, places: Places) -> Manifest:
    target = reference.digest or reference.tag
    if target is None:
        raise UsageError(f"{reference} names a repository, not an image", hint="add a tag or a digest")
    return await places.source(reference.repository.place).read_manifest(reference.repository.path, target)


async def _image_of(root: Manifest, reference: Reference, platforms: PlatformFilter, places: Places) -> Manifest:
    """Return the image itself, or of a list the first that ``platforms`` wants."""
    if not root.is_index:
        return root
    for child in root.children:
        if child.platform is not None and platforms.wants(child):
            source = places.source(reference.repository.place)
            return await source.read_manifest(reference.repository.path, child.digest)
    known = ", ".join(str(child.platform) for child in root.children if child.platform)
    raise NotFoundError(f"{reference} is for none of the platforms asked for", hint=f"--filter-by-os: it has {known}")
