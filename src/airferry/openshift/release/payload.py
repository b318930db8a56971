"""What a release says of itself: ``image-references`` and ``release-metadata``, read into values.

Sources: the two files of real payloads (an ``image.openshift.io/v1`` ImageStream and a
``cincinnati-metadata-v0`` document). Everything a release carries is named there by digest; a reference by
tag is refused, because what it points at may change after the release was signed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from airferry.errors import MalformedError, parser_words
from airferry.oci import Reference
from airferry.oci.reference import is_tag
from airferry.openshift.release.errors import ComponentMissingError

IMAGE_REFERENCES: Final = "image-references"
RELEASE_METADATA: Final = "release-metadata"
MANIFESTS_FOLDER: Final = "release-manifests/"
"""The folder of the release image that holds both files and every manifest the cluster applies."""

ARCHITECTURE_KEY: Final = "release.openshift.io/architecture"
_MAX_FILE_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Component:
    """One image of the release: its name in the payload, where it was published (by digest), annotations."""

    name: str
    image: Reference
    annotations: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class ReleasePayload:
    """A release as its two files describe it. Components keep the order of the file.

    ``version`` is the name of image-references, as tags are made from it. ``references`` and ``document`` are
    the two files as decoded JSON, for ``-o json``; ``document`` is None when there is no release-metadata.
    """

    version: str
    components: tuple[Component, ...]
    previous: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)
    references: Mapping[str, Any] = field(default_factory=dict, repr=False)
    document: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def is_multi(self) -> bool:
        """Whether the metadata calls this a release for several architectures."""
        return self.metadata.get(ARCHITECTURE_KEY) == "multi"

    def component(self, name: str) -> Component:
        """Return the component of that name. Raises ComponentMissingError, with near names as the hint."""
        for component in self.components:
            if component.name == name:
                return component
        near = [item.name for item in self.components if name and (name in item.name or item.name in name)]
        raise ComponentMissingError(
            f'no image tag "{name}" exists in the release image {self.version}',
            hint=f"it has {', '.join(near)}" if near else "`release info` lists the names",
        )


def parse_payload(image_references: bytes, release_metadata: bytes | None = None) -> ReleasePayload:
    """Return the release that the two files describe. Raises MalformedError, naming file and component."""
    references = _decode(image_references, IMAGE_REFERENCES)
    if references.get("kind") != "ImageStream":
        raise MalformedError(f"image-references is not an ImageStream but {references.get('kind')!r}")
    version = _member(references, "metadata").get("name")
    if not isinstance(version, str) or not version:
        raise MalformedError("image-references has no metadata.name, so the version is not known")
    if not is_tag(version):
        raise MalformedError(f"the version {version!r} in image-references cannot be used in a tag")
    document = _decode(release_metadata, RELEASE_METADATA) if release_metadata is not None else None
    return ReleasePayload(
        version=version,
        components=_components(_member(references, "spec")),
        previous=_previous(document or {}),
        metadata=_metadata(document or {}),
        references=references,
        document=document,
    )


def _decode(raw: bytes, file: str) -> dict[str, Any]:
    if len(raw) > _MAX_FILE_BYTES:
        raise MalformedError(f"{file} of {len(raw)} bytes is over the limit of {_MAX_FILE_BYTES}")
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"{file} of the release is not JSON: {parser_words(error)}") from error
    if not isinstance(fields, dict):
        raise MalformedError(f"{file} of the release is not a JSON object but {type(fields).__name__}")
    return fields


def _member(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise MalformedError(f"image-references has no {name}")
    return value


def _components(spec: Mapping[str, Any]) -> tuple[Component, ...]:
    tags = spec.get("tags")
    if not isinstance(tags, list) or not tags:
        raise MalformedError("image-references lists no images under spec.tags")
    components = tuple(_component(tag, index) for index, tag in enumerate(tags))
    seen: set[str] = set()
    for component in components:
        if component.name in seen:
            raise MalformedError(f"image-references names the component {component.name} twice")
        seen.add(component.name)
    return components


def _component(fields: Any, index: int) -> Component:
    name = fields.get("name") if isinstance(fields, dict) else None
    if not isinstance(name, str) or not is_tag(name):
        raise MalformedError(f"spec.tags[{index}] of image-references has no valid name: {name!r}")
    source = fields.get("from")
    if not isinstance(source, dict) or source.get("kind") != "DockerImage":
        raise MalformedError(f"the component {name} in image-references is not a DockerImage")
    text = source.get("name")
    if not isinstance(text, str):
        raise MalformedError(f"the component {name} in image-references has no image")
    return Component(name, _by_digest(text, name), _annotations(fields.get("annotations"), name))


def _by_digest(text: str, name: str) -> Reference:
    try:
        image = Reference.parse(text)
    except MalformedError as error:
        raise MalformedError(f"the component {name} in image-references: {error.message}") from error
    if image.digest is None:
        raise MalformedError(
            f"image-references should only contain pointers to images by digest: {text} (component {name})"
        )
    return image.by_digest(image.digest)


def _annotations(value: Any, name: str) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise MalformedError(f"the annotations of component {name} are not a map of text to text")
    return value


def _previous(document: Mapping[str, Any]) -> tuple[str, ...]:
    value = document.get("previous")
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise MalformedError("previous in release-metadata is not a list of versions")
    return tuple(value)


def _metadata(document: Mapping[str, Any]) -> Mapping[str, object]:
    value = document.get("metadata")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedError("metadata in release-metadata is not a map")
    return value
