"""Ping, catalog, tag lists and referrers.

Sources: OCI distribution-spec "Listing Tags", "Listing Referrers"; Docker Registry HTTP API v2 "Catalog".
"""

from typing import Any

from aiohttp import web

from airferry.oci import Descriptor
from airferry.oci.mediatype import OCI_INDEX
from airferry.registry.handlers.call import Call, Page, json_answer
from airferry.registry.routes import Catalog, Ping, Referrers, TagList


async def ping(call: Call, endpoint: Ping) -> web.StreamResponse:
    """Say that this is a registry; whoever gets here has good credentials."""
    return json_answer({})


async def list_repositories(call: Call, endpoint: Catalog) -> web.StreamResponse:
    """Return a page of the catalog."""
    page = Page.of(call)
    names = await call.store.repositories(after=page.after, limit=page.limit + 1)
    return json_answer({"repositories": names[: page.limit]}, page.link(names, "/v2/_catalog"))


async def list_tags(call: Call, endpoint: TagList) -> web.StreamResponse:
    """Return a page of a repository's tags; 404 when there is no such repository."""
    page = Page.of(call)
    names = await call.store.tags(endpoint.path, after=page.after, limit=page.limit + 1)
    link = page.link(names, f"/v2/{endpoint.path}/tags/list")
    return json_answer({"name": endpoint.path, "tags": names[: page.limit]}, link)


async def list_referrers(call: Call, endpoint: Referrers) -> web.StreamResponse:
    """Return what refers to a digest as an index; empty, never 404, when nothing does."""
    found = await call.store.referrers(endpoint.path, endpoint.digest)
    headers: dict[str, str] = {}
    wanted = call.request.query.get("artifactType")
    if wanted:
        found = tuple(descriptor for descriptor in found if descriptor.artifact_type == wanted)
        headers["OCI-Filters-Applied"] = "artifactType"
    manifests = [_fields(descriptor) for descriptor in found]
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    return json_answer(body, headers, OCI_INDEX)


def _fields(descriptor: Descriptor) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size_bytes,
    }
    if descriptor.artifact_type:
        fields["artifactType"] = descriptor.artifact_type
    if descriptor.annotations:
        fields["annotations"] = dict(descriptor.annotations)
    return fields
