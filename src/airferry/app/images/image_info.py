"""``image info``: any image in any place, in oc's text and JSON; lists and artifacts included."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airferry.app.images.image_config import read_image_config
from airferry.app.places import Places
from airferry.content.errors import NotFoundError
from airferry.errors import UsageError
from airferry.oci import Descriptor, Digest, Manifest, Reference, mediatype
from airferry.openshift.release.columns import align
from airferry.openshift.release.describe import created_at, print_age
from airferry.plan.mapping import matching_tags
from airferry.plan.platforms import PlatformFilter
from airferry.quantities import print_decimal_size


@dataclass(frozen=True, slots=True)
class DescribedImage:
    """One image: ``config`` is None for an artifact that is not a container image, and for a list."""

    reference: Reference
    manifest: Manifest
    list_digest: Digest | None
    config: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields that oc's JSON has, and for a list its children."""
        document: dict[str, Any] = {
            "name": str(self.reference),
            "digest": str(self.manifest.digest),
            "contentDigest": str(self.manifest.digest),
            "listDigest": str(self.list_digest or ""),
            "mediaType": self.manifest.media_type,
        }
        if self.manifest.is_index:
            return {**document, "manifests": [_child_to_json(child) for child in self.manifest.children]}
        document["layers"] = [
            {"mediaType": layer.media_type, "digest": str(layer.digest), "size": layer.size_bytes}
            for layer in self.manifest.layers
        ]
        return {**document, "config": self.config}


async def image_info(
    names: tuple[str, ...], places: Places, *, tree: Path | None, platforms: PlatformFilter | None, all_platforms: bool
) -> tuple[DescribedImage, ...]:
    """Return the images that ``names`` (patterns in tags allowed) mean, in order.

    Of a list the children that ``platforms`` matches are described, or all with ``all_platforms``, else the list
    itself. Raises NotFoundError, UsageError, MalformedError.
    """
    described: list[DescribedImage] = []
    for name in names:
        for reference in await _references(name, places, tree):
            described += await _describe(reference, places, platforms, all_platforms=all_platforms)
    return tuple(described)


def print_images(images: tuple[DescribedImage, ...]) -> str:
    """Return the text about images, a blank line after each."""
    return "".join(_print_image(image) + "\n" for image in images)


async def _references(name: str, places: Places, tree: Path | None) -> list[Reference]:
    head, _, pattern = name.rpartition(":")
    folder = str(tree or ".")
    if "*" not in pattern:
        reference = Reference.parse(name, tree=folder)
        if reference.tag is None and reference.digest is None:
            raise UsageError(f"{name} names a repository, not an image", hint=f"add a tag: {name}:TAG, or {name}:'*'")
        return [reference]
    repository = Reference.parse(head, tree=folder).repository
    tags = matching_tags(pattern, await places.source(repository.place).list_tags(repository.path))
    if not tags:
        raise NotFoundError(f"no tag matches {name}")
    return [Reference(repository, tag) for tag in tags]


async def _describe(
    reference: Reference, places: Places, platforms: PlatformFilter | None, *, all_platforms: bool
) -> list[DescribedImage]:
    source, path = places.source(reference.repository.place), reference.repository.path
    root = await source.read_manifest(path, reference.digest or reference.tag or "")
    if not root.is_index:
        return [DescribedImage(reference, root, None, await _read_config(root, reference, places))]
    if platforms is None and not all_platforms:
        return [DescribedImage(reference, root, None, None)]
    chosen = [child for child in root.children if all_platforms or (platforms is not None and platforms.wants(child))]
    if not chosen:
        known = ", ".join(str(child.platform) for child in root.children if child.platform)
        raise UsageError(f"--filter-by-os leaves nothing of {reference}", hint=f"it has {known}")
    images = []
    for child in chosen:
        manifest = await source.read_manifest(path, child.digest)
        config = None if manifest.is_index else await _read_config(manifest, reference, places)
        images.append(DescribedImage(reference, manifest, root.digest, config))
    return images


async def _read_config(manifest: Manifest, reference: Reference, places: Places) -> dict[str, Any] | None:
    if manifest.config is None or not mediatype.is_image_config(manifest.config.media_type):
        return None
    return await read_image_config(manifest, reference, places)


def _child_to_json(child: Descriptor) -> dict[str, Any]:
    return {
        "mediaType": child.media_type,
        "digest": str(child.digest),
        "size": child.size_bytes,
        "platform": str(child.platform) if child.platform else None,
    }


def _print_image(image: DescribedImage) -> str:
    manifest = image.manifest
    rows = [("Name", str(image.reference)), ("Digest", manifest.digest)]
    if image.list_digest is not None:
        rows.append(("Manifest List", image.list_digest))
    rows.append(("Media Type", manifest.media_type))
    if manifest.is_index:
        rows += _column("Manifests", [f"{child.platform or '-'!s:<14} {child.digest}" for child in manifest.children])
        return _print_rows(rows)
    if image.config is not None:
        rows.append(("Created", f"{print_age(created_at(image.config), datetime.now(UTC))} ago"))
    if manifest.artifact_type is not None:
        rows.append(("Artifact Type", manifest.artifact_type))
    if manifest.subject is not None:
        rows.append(("Refers To", manifest.subject.digest))
    total = sum(layer.size_bytes for layer in manifest.layers)
    rows.append(("Image Size", f"{print_decimal_size(total)} in {len(manifest.layers)} layers"))
    sizes = [print_decimal_size(layer.size_bytes) for layer in manifest.layers]
    width = max((len(size) for size in sizes), default=0)
    rows += _column(
        "Layers", [f"{size:<{width}} {layer.digest}" for size, layer in zip(sizes, manifest.layers, strict=True)]
    )
    return _print_rows(rows + _config_rows(image.config or {}))


def _config_rows(config: dict[str, Any]) -> list[tuple[str, str]]:
    run = config.get("config") if isinstance(config.get("config"), dict) else {}
    assert isinstance(run, dict)
    rows = [
        ("OS", config.get("os")),
        ("Arch", config.get("architecture")),
        ("Author", config.get("author")),
        ("Entrypoint", " ".join(run.get("Entrypoint") or ())),
        ("Command", " ".join(run.get("Cmd") or ())),
        ("Working Dir", run.get("WorkingDir")),
        ("User", run.get("User")),
        ("Exposes Ports", ", ".join(sorted(run.get("ExposedPorts") or {}))),
    ]
    found = [(title, str(value)) for title, value in rows if value]
    found += _column("Environment", list(run.get("Env") or ()))
    found += _column("Labels", [f"{key}={value}" for key, value in sorted((run.get("Labels") or {}).items())])
    return found + _column("Volumes", sorted(run.get("Volumes") or {}))


def _column(title: str, values: list[str]) -> list[tuple[str, str]]:
    return [(title if number == 0 else "", value) for number, value in enumerate(values)]


def _print_rows(rows: list[tuple[str, str]]) -> str:
    return align([f"{title}:\t{value}" if title else f"\t{value}" for title, value in rows])
