"""Whether images that a disk is remembered to hold are still there: asked of the disk itself, which costs no request.

A registry is believed for a day (docs/adr/0006). A disk is carried about, copied and cleaned up by people, and to look
at its names is cheap; so what is missing or too short is noticed by the next run, without `--refresh`.
"""

from collections.abc import Mapping

from airferry.app.places import Places
from airferry.oci import Digest, PlaceKind, Reference
from airferry.plan import CopyRequest
from airferry.survey import survey_destinations, survey_sources
from airferry.survey.sources import walk_down


async def lost_on_disk(held: Mapping[CopyRequest, Digest], places: Places) -> set[CopyRequest]:
    """Return those of ``held`` whose destination is on disk and lacks a manifest or blob, or has one of another size.

    Manifests are hashed, blobs are not: `media verify` does that. Destinations in a registry are never among them.
    """
    on_disk = {
        CopyRequest(Reference(request.destination, None, digest), request.destination, (), request.name): request
        for request, digest in held.items()
        if request.destination.place.kind is not PlaceKind.REGISTRY
    }
    findings = await survey_sources(on_disk, places.source)
    holdings = await survey_destinations(on_disk, findings, places.sink)
    lost = set()
    for look, request in on_disk.items():
        present = holdings.present.get(look.destination, set())
        root = findings.roots.get(look)
        needed = () if root is None else walk_down(root, findings.manifests)
        whole = all(
            manifest.digest in present and all(blob.digest in present for blob in manifest.blobs) for manifest in needed
        )
        if root is None or not whole:
            lost.add(request)
    return lost
