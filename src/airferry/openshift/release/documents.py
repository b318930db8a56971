"""Releases as JSON, with the fields, the order and the spelling of ``oc adm release info -o json``."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from airferry.oci import Descriptor, Digest
from airferry.openshift.release.comparison import Comparison
from airferry.openshift.release.describe import ImageDetails, ReleaseImage
from airferry.openshift.release.versions import reported_versions

# fmt: off
_CONFIG_ORDER: Final = (
    "id", "parent", "comment", "created", "container", "container_config", "docker_version", "author", "config",
    "architecture", "size", "rootfs", "history", "os", "os.version", "os.features",
)
_RUN_ORDER: Final = (
    "Hostname", "Domainname", "User", "Memory", "MemorySwap", "CpuShares", "Cpuset", "AttachStdin", "AttachStdout",
    "AttachStderr", "ExposedPorts", "Tty", "OpenStdin", "StdinOnce", "Env", "Cmd", "DNS", "Image", "Volumes",
    "VolumesFrom", "WorkingDir", "Entrypoint", "NetworkDisabled", "SecurityOpts", "OnBuild", "Labels",
)
_HISTORY_ORDER: Final = ("created", "author", "created_by", "comment", "empty_layer")
# fmt: on


def release_document(release: ReleaseImage) -> dict[str, Any]:
    """Return a release as data. ``images`` is null unless details of the components were read."""
    reported = reported_versions(release.payload)
    images = release.images
    return {
        "image": str(release.asked),
        "digest": release.digest,
        "contentDigest": release.digest,
        "listDigest": release.list_digest or "",
        "config": _config(release.config, release.layers),
        "metadata": release.payload.document,
        "references": _references(release.payload.references),
        "versions": None,
        "displayVersions": {
            item.name: {"Version": item.version, "DisplayName": item.display_name} for item in reported.versions
        },
        "versionsTags": {item.name: item.component for item in reported.versions},
        "images": None if images is None else {name: _image(release, name, images[name]) for name in sorted(images)},
        "warnings": list(reported.warnings) or None,
    }


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """Return two releases and what differs between them as data; manifests are in base64."""
    tags = [_tags(side) for side in (comparison.origin, comparison.goal)]
    images = {
        change.name: {"name": change.name, "from": tags[0].get(change.name), "to": tags[1].get(change.name)}
        for change in sorted(comparison.images, key=lambda item: item.name)
    }
    files = (comparison.origin.files, comparison.goal.files)
    manifests = {
        name: {"filename": name, "from": _encoded(files[0].get(name)), "to": _encoded(files[1].get(name))}
        for name in comparison.manifests
    }
    return {
        "from": release_document(comparison.origin),
        "to": release_document(comparison.goal),
        "changedImages": images,
        "changedManifests": manifests,
    }


def print_json(document: Mapping[str, Any]) -> str:
    """Return JSON as Go prints it: two blanks of indent, and ``<``, ``>`` and ``&`` escaped; ends in a newline."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text + "\n"


def _image(release: ReleaseImage, name: str, image: ImageDetails) -> dict[str, Any]:
    return {
        "name": str(release.payload.component(name).image),
        "digest": image.digest,
        "contentDigest": image.digest,
        "listDigest": image.list_digest or "",
        "mediaType": image.media_type,
        "layers": [_layer(layer) for layer in image.layers],
        "config": _config(image.config, image.layers),
    }


def _layer(layer: Descriptor) -> dict[str, str | int | Digest]:
    return {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size_bytes}


def _config(config: Mapping[str, Any], layers: tuple[Descriptor, ...]) -> dict[str, Any]:
    """Return an image config with what ``oc`` adds: an empty id and container_config, and the layers' size."""
    size = sum(layer.size_bytes for layer in layers)
    fields = {"id": "", "container_config": {}, **config, "size": size}
    if isinstance(config.get("config"), dict):
        fields["config"] = _ordered(config["config"], _RUN_ORDER)
        labels = fields["config"].get("Labels")
        if isinstance(labels, dict):
            fields["config"]["Labels"] = dict(sorted(labels.items()))
    if isinstance(config.get("history"), list):
        fields["history"] = [
            _ordered(item, _HISTORY_ORDER) if isinstance(item, dict) else item for item in config["history"]
        ]
    return _ordered(fields, _CONFIG_ORDER, keep=("id", "container_config"))


def _ordered(fields: Mapping[str, Any], order: tuple[str, ...], *, keep: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return ``fields`` in Go's order, what is empty left out unless in ``keep``; unknown ones at the end, kept."""
    names = [*(name for name in order if name in fields), *(name for name in fields if name not in order)]
    return {name: fields[name] for name in names if name in keep or fields[name] not in (None, "", 0, False, [], {})}


def _references(references: Mapping[str, Any]) -> dict[str, Any]:
    """Return image-references with the status that ``oc`` adds when it is missing, annotations sorted."""
    status = {"dockerImageRepository": ""}
    document = {**references, "status": references.get("status") or status}
    document["spec"] = {**references["spec"], "tags": [_tag(tag) for tag in references["spec"]["tags"]]}
    return document


def _tag(tag: Mapping[str, Any]) -> dict[str, Any]:
    annotations = tag.get("annotations")
    if not isinstance(annotations, dict):
        return dict(tag)
    return {**tag, "annotations": dict(sorted(annotations.items()))}


def _tags(release: ReleaseImage) -> dict[str, Any]:
    return {tag["name"]: _tag(tag) for tag in release.payload.references["spec"]["tags"]}


def _encoded(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()
