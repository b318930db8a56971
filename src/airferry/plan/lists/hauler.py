"""Hauler's manifests: documents of kind Images. Sources: Hauler's manifest kinds and annotations.

https://docs.hauler.dev, "Content manifests".
"""

from typing import Final

from airferry.plan.lists.documents import Node, unknown_fields
from airferry.plan.lists.model import ImageList, Note, Wish
from airferry.plan.lists.plain import parse_image

GROUP: Final = "content.hauler.cattle.io/"
_REGISTRY, _PLATFORM = "hauler.dev/registry", "hauler.dev/platform"
_PROOFS: Final = (
    "key",
    "use-tlog-verify",
    "certificate-identity",
    "certificate-identity-regexp",
    "certificate-oidc-issuer",
    "certificate-oidc-issuer-regexp",
    "certificate-github-workflow-repository",
)
_KNOWN: Final = frozenset({"name", "platform", "rewrite", *_PROOFS})
_KNOWN_ANNOTATIONS: Final = frozenset({_REGISTRY, _PLATFORM})
_OUR_KINDS: Final = ("Images",)


def is_hauler(document: Node) -> bool:
    """Whether the document is one of Hauler's."""
    fields = document.fields() if document.kind == "mapping" else {}
    version = fields.get("apiVersion")
    return version is not None and version.kind == "scalar" and str(version.raw.value).startswith(GROUP)


def parse_hauler(documents: tuple[Node, ...]) -> ImageList:
    """Return the images of all documents; what is none of them is noted. Raises MalformedError with the line."""
    wishes: list[Wish] = []
    notes: list[Note] = []
    for document in documents:
        fields = document.fields()
        kind = fields["kind"].text() if "kind" in fields else ""
        if not is_hauler(document) or kind not in _OUR_KINDS:
            notes.append(
                Note(document.where, f"{kind or 'a document without a kind'} holds no images, and is left out")
            )
            continue
        found, more = _images(fields)
        wishes += found
        notes += more
    return ImageList(tuple(wishes), notes=tuple(notes))


def _images(fields: dict[str, Node]) -> tuple[list[Wish], list[Note]]:
    annotations = _below(_below(fields, "metadata"), "annotations")
    registry = annotations[_REGISTRY].text() if _REGISTRY in annotations else None
    usual = annotations[_PLATFORM].text() if _PLATFORM in annotations else ""
    notes = [
        Note(node.where, "this annotation is not followed")
        for name, node in annotations.items()
        if name.startswith("hauler.dev/") and name not in _KNOWN_ANNOTATIONS
    ]
    wishes = []
    spec = _below(fields, "spec")
    for item in spec["images"].items() if "images" in spec else ():
        image = item.fields()
        notes += _notes(image)
        if "name" not in image:
            notes.append(Note(item.where, "this image has no name, and is left out"))
            continue
        platform = image["platform"].text() if "platform" in image and not image["platform"].is_null else usual
        source = parse_image(image["name"].text(), image["name"].where, registry=registry)
        wishes.append(Wish(source, image["name"].where, platforms=(platform,) if platform else ()))
    return wishes, notes


def _notes(image: dict[str, Node]) -> list[Note]:
    notes = list(unknown_fields(image, _KNOWN))
    for name in _PROOFS:
        if (node := image.get(name)) is not None and not node.is_null and node.text() != "false":
            notes.append(Note(node.where, "signatures are carried along and not verified here"))
    if (node := image.get("rewrite")) is not None and not node.is_null:
        notes.append(Note(node.where, "not followed; a template for the destination renames images"))
    return notes


def _below(fields: dict[str, Node], name: str) -> dict[str, Node]:
    return fields[name].fields() if name in fields else {}
