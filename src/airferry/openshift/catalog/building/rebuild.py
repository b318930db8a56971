"""Catalog images made of another image, or of nothing, and a layer with documents: new bytes, returned as values.

Layers of the image below are referred to, not read. Sources: OCI image-spec config.md, manifest.md and
image-index.md; Docker image manifest v2 schema 2; ``opm serve --help`` (``--cache-dir``).
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from airferry.errors import MalformedError, UnsupportedError
from airferry.oci import Descriptor, Digest, Manifest, mediatype
from airferry.openshift.catalog.building.layer import Layer, LayerPlan
from airferry.openshift.catalog.labels import CONFIGS_LABEL, DATABASE_LABEL, DEFAULT_CONFIGS

BASE_DIGEST: Final = "org.opencontainers.image.base.digest"
SOURCE_LABEL: Final = "airferry.catalog.source"
"""The digest of the catalog image that the documents were taken from."""
SELECTION_LABEL: Final = "airferry.catalog.selection"
"""The digest of what was taken: see :func:`airferry.openshift.catalog.building.provenance.selection_digest`."""
PACKAGES_LABEL: Final = "airferry.catalog.packages"
_LONG_AGO: Final = "1970-01-01T00:00:00Z"
_CACHE_DIR: Final = "--cache-dir"
_CACHE_FLAGS: Final = ("--cache-enforce-integrity",)
_IN_SHELL: Final = re.compile(r"\s+--cache-(?:dir(?:=|\s+)\S+|enforce-integrity(?:=\S+)?)")


@dataclass(frozen=True, slots=True)
class Below:
    """The image that the layer is put on: its manifest and decoded configuration."""

    manifest: Manifest
    config: Mapping[str, Any]

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the configuration says about running it: labels, command, user."""
        settings = self.config.get("config")
        return settings if isinstance(settings, dict) else {}

    @property
    def command(self) -> tuple[str, ...]:
        """Entrypoint and command, as they are run."""
        return (*_words(self.settings.get("Entrypoint")), *_words(self.settings.get("Cmd")))

    @property
    def layer_plan(self) -> LayerPlan:
        """Where this image keeps documents and opm's cache, and that both are to be hidden."""
        labels = self.settings.get("Labels")
        configs = labels.get(CONFIGS_LABEL) if isinstance(labels, dict) else None
        return LayerPlan(
            configs if isinstance(configs, str) else DEFAULT_CONFIGS, cache_folder(self.command), on_top=True
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is said in a built image: ``labels`` besides that of the folder; ``created`` None keeps that below."""

    configs: str = DEFAULT_CONFIGS
    labels: Mapping[str, str] = field(default_factory=dict)
    created: str | None = None


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """A new image: its manifest and configuration; the layer is known to whoever gave it."""

    manifest: Manifest
    config: bytes


def cache_folder(command: Sequence[str]) -> str | None:
    """Return the folder that ``command`` tells opm to keep its cache in, None when it names none."""
    words = [word for text in command for word in text.split()]
    for position, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == _CACHE_DIR:
            return (value if equals else "".join(words[position + 1 : position + 2])) or None
    return None


def without_cache(command: Sequence[str]) -> list[str]:
    """Return ``command`` without what it says of a cache: opm then makes one in its own temporary folder.

    With a cache of other documents, opm ends as soon as it starts.
    """
    kept: list[str] = []
    skip = False
    for word in command:
        name, equals, _ = word.partition("=")
        if skip or name in (_CACHE_DIR, *_CACHE_FLAGS):
            skip = not skip and name == _CACHE_DIR and not equals
            continue
        kept.append(_IN_SHELL.sub("", word) if any(letter.isspace() for letter in word) else word)
    return kept


def put_on_top(below: Below, layer: Layer, wanted: Wanted) -> BuiltImage:
    """Return the image ``below`` with ``layer`` on it, serving the documents in it without a cache.

    Of the same kind as ``below``: Docker stays Docker. An image that serves nothing gets the command of opm.
    Raises MalformedError and UnsupportedError for what is no image of a container.
    """
    manifest = below.manifest
    if manifest.config is None or not mediatype.is_image_config(manifest.config.media_type):
        raise UnsupportedError(f"{manifest.digest} is not an image of a container that a catalog could be put on")
    is_docker = manifest.media_type == mediatype.DOCKER_MANIFEST
    config = {
        **below.config,
        "created": wanted.created or below.config.get("created") or _LONG_AGO,
        "config": _settings(below, wanted),
        "rootfs": {"type": "layers", "diff_ids": [*_diff_ids(below), layer.diff_id]},
    }
    history = below.config.get("history")
    if isinstance(history, list):
        config["history"] = [*history, {"created": config["created"], "created_by": "airferry catalog build"}]
    raw_config = _compact(config)
    labels = {**wanted.labels, BASE_DIGEST: manifest.digest}
    raw = _manifest_fields(
        mediatype.DOCKER_MANIFEST if is_docker else mediatype.OCI_MANIFEST,
        _fields(mediatype.DOCKER_CONFIG if is_docker else mediatype.OCI_CONFIG, raw_config),
        # As they were written: a descriptor may say more than we know of.
        [
            *_written_layers(manifest),
            _fields(mediatype.DOCKER_LAYER_GZIP if is_docker else mediatype.OCI_LAYER_GZIP, layer.content),
        ],
    )
    if not is_docker:
        raw["annotations"] = labels
    return BuiltImage(Manifest.parse(_compact(raw)), raw_config)


def from_nothing(layer: Layer, wanted: Wanted, architecture: str) -> BuiltImage:
    """Return an image that holds ``layer`` and nothing else: no program, so the same for any architecture."""
    labels = {**wanted.labels, CONFIGS_LABEL: wanted.configs}
    return image_of_files(layer, labels, architecture, created=wanted.created, annotations=wanted.labels)


def image_of_files(
    layer: Layer,
    labels: Mapping[str, str],
    architecture: str,
    *,
    created: str | None = None,
    annotations: Mapping[str, str] | None = None,
) -> BuiltImage:
    """Return an OCI image that holds ``layer`` and nothing else."""
    created = created or _LONG_AGO
    raw_config = _compact(
        {
            "created": created,
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": dict(labels)},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
            "history": [{"created": created, "created_by": "airferry catalog build"}],
        }
    )
    config = _fields(mediatype.OCI_CONFIG, raw_config)
    layers = [_fields(mediatype.OCI_LAYER_GZIP, layer.content)]
    raw = _manifest_fields(mediatype.OCI_MANIFEST, config, layers)
    if annotations:
        raw["annotations"] = dict(annotations)
    return BuiltImage(Manifest.parse(_compact(raw)), raw_config)


def relisted(listed: Manifest, rebuilt: Mapping[Digest, Manifest]) -> Manifest:
    """Return the list with each child replaced as ``rebuilt`` says; children that it lacks are gone from it.

    They may not stay: what is no image for a platform is about an image that the list has no more.
    """
    fields = json.loads(listed.raw)
    children = [child for child in fields["manifests"] if child["digest"] in rebuilt]
    for child in children:
        new = rebuilt[Digest(child["digest"])]
        child.update(digest=new.digest, size=new.size_bytes, mediaType=new.media_type)
        child.pop("annotations", None)
    fields["manifests"] = children
    fields.pop("annotations", None)
    return Manifest.parse(_compact(fields), listed.media_type)


def list_of(images: Iterable[tuple[str, Manifest]]) -> Manifest:
    """Return an OCI index over ``images``, pairs of architecture and manifest, for linux."""
    children = [
        _descriptor_fields(manifest.descriptor) | {"platform": {"architecture": architecture, "os": "linux"}}
        for architecture, manifest in images
    ]
    return Manifest.parse(
        _compact({"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": children}), mediatype.OCI_INDEX
    )


def _settings(below: Below, wanted: Wanted) -> dict[str, Any]:
    settings = dict(below.settings)
    labels = settings.get("Labels")
    kept = dict(labels) if isinstance(labels, dict) else {}
    kept.pop(DATABASE_LABEL, None)
    own = {CONFIGS_LABEL: wanted.configs, BASE_DIGEST: below.manifest.digest}
    settings["Labels"] = {**kept, **wanted.labels, **own}
    entrypoint, command = _words(settings.get("Entrypoint")), _words(settings.get("Cmd"))
    words = {word for text in (*entrypoint, *command) for word in text.split()}
    if "serve" not in words or "registry" in words:  # `opm registry serve` is for indexes in SQLite
        opm = entrypoint[0] if entrypoint and entrypoint[0].rpartition("/")[2] == "opm" else "/bin/opm"
        return settings | {"Entrypoint": [opm], "Cmd": ["serve", wanted.configs]}
    # A flag and its value may be cut between the two: they are cleaned as the one command that they are.
    whole = without_cache((*entrypoint, *command))
    length = len(without_cache(entrypoint))
    settings |= {"Entrypoint": whole[:length], "Cmd": whole[length:]}
    return {key: value for key, value in settings.items() if value or key not in ("Entrypoint", "Cmd")}


def _words(value: Any) -> tuple[str, ...]:
    return tuple(str(word) for word in value) if isinstance(value, list) else ()


def _diff_ids(below: Below) -> list[Any]:
    rootfs = below.config.get("rootfs")
    ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(ids, list) or len(ids) != len(below.manifest.layers):
        raise MalformedError(
            f"the configuration of {below.manifest.digest} does not name the content of its layers",
            hint="its rootfs needs one diff_id for each layer; build on another image with --base",
        )
    return ids


def _written_layers(manifest: Manifest) -> list[Any]:
    layers: list[Any] = json.loads(manifest.raw).get("layers") or []
    return layers


def _manifest_fields(media_type: str, config: Mapping[str, Any], layers: Sequence[Any]) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": list(layers)}


def _fields(media_type: str, content: bytes) -> dict[str, Any]:
    return _descriptor_fields(Descriptor(media_type, Digest.of(content), len(content)))


def _descriptor_fields(descriptor: Descriptor) -> dict[str, Any]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size_bytes}


def _compact(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
