"""``image extract``: files out of an image, never outside the folder they are read into."""

from dataclasses import dataclass
from pathlib import Path

from airferry.app.places import Places
from airferry.content.errors import NotFoundError
from airferry.content.unpack_select import PathMapping, select_layers, split_selector
from airferry.content.unpack_tree import Extraction, ExtractOptions, extract_tree
from airferry.errors import UsageError
from airferry.oci import Manifest, Reference
from airferry.plan.platforms import PlatformFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageExtract:
    """What is asked for; the fields are the flags of ``image extract``."""

    image: str
    paths: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    tree: Path | None = None
    platforms: PlatformFilter
    all_layers: bool = False
    only_files: bool = False
    confirm: bool = False
    dry_run: bool = False


async def image_extract(asked: ImageExtract, places: Places) -> Extraction:
    """Extract what is asked for. Raises NotFoundError when a file that was named is not in the image."""
    name, selector = split_selector(asked.image)
    reference = Reference.parse(name, tree=str(asked.tree or "."))
    source = places.source(reference.repository.place)
    manifest = await _manifest(reference, asked.platforms, places)
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


async def _manifest(reference: Reference, platforms: PlatformFilter, places: Places) -> Manifest:
    target = reference.digest or reference.tag
    if target is None:
        raise UsageError(f"{reference} names a repository, not an image", hint="add a tag or a digest")
    source, path = places.source(reference.repository.place), reference.repository.path
    manifest = await source.read_manifest(path, target)
    if not manifest.is_index:
        return manifest
    for child in manifest.children:
        if child.platform is not None and platforms.wants(child):
            return await source.read_manifest(path, child.digest)
    known = ", ".join(str(child.platform) for child in manifest.children if child.platform)
    raise NotFoundError(f"{reference} is for none of the platforms asked for", hint=f"--filter-by-os: it has {known}")
