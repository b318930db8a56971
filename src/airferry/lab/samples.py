"""The samples of a made-up release: the samples operator's image with its ImageStreams, and the images they name.

The operator's folders are those of openshift/cluster-samples-operator: ``opt/openshift/operator/<architecture>`` and
below it ``<product>/imagestreams/<file>.json``.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from airferry.lab.images import BuiltImage, ImageParts, put_image, put_list
from airferry.lab.keys import LabKey
from airferry.lab.layer import File, Layer, Noise, write_layer
from airferry.lab.release import PublishedRelease, publish_release
from airferry.lab.shape import SMALL, Shape
from airferry.lab.store import LabStore

OPERATOR: Final = "cluster-samples-operator"
_ARCHITECTURES: Final = ("amd64", "arm64")
_LAYER_BYTES: Final = 2048


def publish_release_with_samples(
    folder: Path, streams: Mapping[str, bytes], shape: Shape = SMALL, *, key: LabKey | None = None
) -> PublishedRelease:
    """Publish a release whose samples operator holds ``streams``: files by path below its folder.

    Every image that they name is published as well, under its own path and tag, whatever its host.
    """
    layer = operator_layer(streams)
    shape = replace(shape, also=(*shape.also, OPERATOR))
    release = publish_release(folder, shape, key=key, layers={OPERATOR: layer})
    store = LabStore(folder)
    for content in streams.values():
        publish_images_of(store, content)
    store.save()
    return release


def operator_layer(streams: Mapping[str, bytes]) -> bytes:
    """Return the layer of the operator's image that holds ``streams``, as a tar.gz."""
    target = io.BytesIO()
    root = "opt/openshift/operator/"
    entries = (File(f"{root}{path}", content, 0o444) for path, content in sorted(streams.items()))
    write_layer(target, (File(root, mode=0o755), *entries))
    return target.getvalue()


def publish_images_of(store: LabStore, stream: bytes, generation: int = 1) -> dict[str, str]:
    """Publish every image that an ImageStream names; another ``generation`` is other bytes under the same tags.

    Returns the digest of each by pull spec, and the caller saves the store. All images have one layer in common, and
    those whose tag is ``latest`` (or not written) are lists for two architectures.
    """
    digests: dict[str, str] = {}
    for tag in json.loads(stream)["spec"]["tags"]:
        origin = tag.get("from") or {}
        if origin.get("kind") == "DockerImage":
            spec = origin["name"]
            digests.setdefault(spec, _publish(store, spec, generation))
    return digests


def _publish(store: LabStore, spec: str, generation: int) -> str:
    path, _, tag = spec.partition("/")[2].partition(":")
    tag = tag or "latest"
    built = [_image(store, path, tag, architecture, generation) for architecture in _ARCHITECTURES]
    if tag == "latest":
        return str(put_list(store, path, built, tag))
    store.repository(path).tags[tag] = str(built[0].digest)
    return str(built[0].digest)


def _image(store: LabStore, path: str, tag: str, architecture: str, generation: int) -> BuiltImage:
    shared = _layer(store, path, f"samples/{architecture}")
    own = _layer(store, path, f"samples/{path}/{tag}/{architecture}/{generation}")
    labels = {"name": path, "version": tag}
    return put_image(store, path, ImageParts((shared, own), labels, architecture))


def _layer(store: LabStore, path: str, key: str) -> Layer:
    return store.put_layer(path, (File("usr/lib/sample.so", Noise(key, _LAYER_BYTES), 0o755),))
