"""Bundles' images, for bundles that have none: their manifests and metadata, and labels that say the same.

Source: operator-framework "Operator Bundle"; what ``opm alpha bundle build`` makes of a folder.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from airferry.errors import MalformedError
from airferry.oci import Digest
from airferry.openshift.catalog.building.layer import FOLDER_MODE, Layer, pack, with_parents
from airferry.openshift.catalog.building.rebuild import BuiltImage, image_of_files
from airferry.openshift.catalog.building.tar_stream import TarFile
from airferry.openshift.catalog.model import Package
from airferry.openshift.catalog.reading.bundle_manifests import (
    CHANNELS_ANNOTATION,
    DEFAULT_CHANNEL_ANNOTATION,
    PACKAGE_ANNOTATION,
    read_bundle,
)
from airferry.openshift.catalog.reading.metas import Meta

_FIXED: Final = {
    "operators.operatorframework.io.bundle.mediatype.v1": "registry+v1",
    "operators.operatorframework.io.bundle.manifests.v1": "manifests/",
    "operators.operatorframework.io.bundle.metadata.v1": "metadata/",
}
_DEPENDENCIES: Final = {
    "olm.gvk.required": "olm.gvk",
    "olm.package.required": "olm.package",
    "olm.constraint": "olm.constraint",
}
_NOT_IN_A_NAME: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class BundleImage:
    """The image of a bundle, and the layer in it."""

    name: str
    image: BuiltImage
    layer: Layer

    @property
    def digest(self) -> Digest:
        """The image's digest."""
        return self.image.manifest.digest


def bundle_image(files: Mapping[str, bytes], where: str, *, mtime_s: int = 0) -> BundleImage:
    """Return the image of a bundle whose files, by their path in it, are ``files``. Raises MalformedError."""
    bundle = read_bundle(files, where)
    folders = dict.fromkeys(folder for path in files for folder in with_parents(path.rpartition("/")[0]))
    entries = [TarFile(f"{folder}/", None, FOLDER_MODE) for folder in sorted(folders)]
    entries += [TarFile(path, files[path]) for path in sorted(files)]
    layer = pack(entries, mtime_s=mtime_s)
    labels = _annotations(bundle.package, bundle.channels, bundle.default_channel)
    # Bundles hold no program; those for amd64 are what every cluster is used to.
    return BundleImage(bundle.name, image_of_files(layer, labels, "amd64"), layer)


def files_of(meta: Meta, package: Package) -> dict[str, bytes]:
    """Return the files of a bundle that is known from its document alone, which holds its manifests.

    Raises MalformedError when the document holds none.
    """
    files = dict(_manifests(meta))
    if not files:
        raise MalformedError(f"{meta.where}: the bundle {meta.name} has no image, and its document no manifests")
    channels = [
        channel.name for channel in package.channels.values() if any(meta.name == one.name for one in channel.entries)
    ]
    annotations = _annotations(package.name, channels, package.default_channel)
    files["metadata/annotations.yaml"] = _print({"annotations": annotations})
    needs = [
        {"type": _DEPENDENCIES[str(item["type"])], "value": _needed(str(item["type"]), item.get("value"))}
        for item in _properties(meta)
        if item.get("type") in _DEPENDENCIES
    ]
    if needs:
        files["metadata/dependencies.yaml"] = _print({"dependencies": needs})
    return files


def with_image(meta: Meta, image: str) -> Meta:
    """Return the document of a bundle with ``image`` as its own, which it needs as it needs its related images."""
    related = [*(meta.value.get("relatedImages") or ()), {"name": "", "image": image}]
    return replace(meta, value={**meta.value, "image": image, "relatedImages": related}, text="")


def _manifests(meta: Meta) -> Iterator[tuple[str, bytes]]:
    for number, item in enumerate(item for item in _properties(meta) if item.get("type") == "olm.bundle.object"):
        value = item.get("value")
        data = value.get("data") if isinstance(value, dict) else None
        try:
            content = base64.b64decode(data, validate=True) if isinstance(data, str) else b""
            kind = json.loads(content)["kind"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise MalformedError(f"{meta.where}: manifest {number} of the bundle {meta.name} is not one") from None
        name = _NOT_IN_A_NAME.sub("", str(kind).lower())[:60]
        yield f"manifests/{number:03d}.{name}.json", content


def _properties(meta: Meta) -> list[Mapping[str, Any]]:
    return [item for item in meta.value.get("properties") or () if isinstance(item, dict)]


def _needed(kind: str, value: Any) -> Any:
    if kind == "olm.package.required" and isinstance(value, dict):
        return {"packageName": value.get("packageName", ""), "version": value.get("versionRange", "")}
    return value


def _annotations(package: str, channels: Sequence[str], default_channel: str) -> dict[str, str]:
    found = {**_FIXED, PACKAGE_ANNOTATION: package, CHANNELS_ANNOTATION: ",".join(channels)}
    return found | ({DEFAULT_CHANNEL_ANNOTATION: default_channel} if default_channel else {})


def _print(value: Any) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"
