"""Within one registry nothing is copied: the destination takes blobs over from the repository they are read from."""

import json

from airferry.oci import Digest, Manifest, Place, PlaceKind, Reference, Repository
from airferry.oci.mediatype import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST
from airferry.plan import CopyBlob, CopyRequest, MountBlob, plan_copies
from airferry.plan.model import Survey

HERE = Place(PlaceKind.REGISTRY, "m.lan")
ELSEWHERE = Place(PlaceKind.REGISTRY, "other.lan")


def image() -> Manifest:
    def described(content: bytes, kind: str) -> dict[str, object]:
        return {"mediaType": kind, "digest": Digest.of(content), "size": len(content)}

    fields = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described(b"{}", OCI_CONFIG),
        "layers": [described(b"layer", OCI_LAYER_GZIP)],
    }
    return Manifest.parse(json.dumps(fields).encode())


def plan(place: Place, *, can_mount: bool) -> list[type]:
    manifest = image()
    source, destination = Repository(HERE, "a/b"), Repository(place, "c/d")
    request = CopyRequest(Reference(source, "1"), destination, ("1",), "image")
    survey = Survey(roots={request: manifest.digest}, manifests={manifest.digest: manifest}, present={}, tags={})
    steps = plan_copies([request], survey, can_mount={place} if can_mount else set()).steps
    for step in steps:
        if isinstance(step, MountBlob):
            assert (step.sibling, step.destination) == (source, destination)
    return [type(step) for step in steps if isinstance(step, CopyBlob | MountBlob)]


def test_blobs_are_taken_over_from_the_source_in_the_same_registry() -> None:
    assert plan(HERE, can_mount=True) == [MountBlob, MountBlob]


def test_blobs_are_copied_to_another_registry() -> None:
    assert plan(ELSEWHERE, can_mount=True) == [CopyBlob, CopyBlob]


def test_blobs_are_copied_where_mounting_is_not_wanted() -> None:
    assert plan(HERE, can_mount=False) == [CopyBlob, CopyBlob]
