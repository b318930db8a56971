"""Ping, catalog, tag lists and referrers.

Sources: OCI distribution-spec "Listing Tags", "Listing Referrers"; Docker Registry HTTP API v2 "Catalog".
"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from airferry.oci import Descriptor
from airferry.oci.mediatype import OCI_INDEX
from airferry.registry.handlers.call import Call, Page, json_answer, last_of
from airferry.registry.routes import Catalog, Ping, Referrers, TagList

_MOST_LISTED_BYTES: Final = 4 * 1024 * 1024 - 1024
"""The descriptors in one index of referrers: with what is around them, clients that stop at 4 MiB read it whole."""


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
    """Return what refers to a digest as an index; empty, never 404, when nothing does.

    What is more than one manifest may hold comes in several, each linked to by the one before it.
    """
    found = sorted(await call.store.referrers(endpoint.path, endpoint.digest), key=lambda one: one.digest)
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    wanted = call.request.query.get("artifactType")
    if wanted:
        query["artifactType"] = wanted
        headers["OCI-Filters-Applied"] = "artifactType"
    after = last_of(call.request) or ""
    rest = [one for one in found if one.digest > after and (not wanted or one.artifact_type == wanted)]
    listed = _that_fit(rest)
    if len(listed) < len(rest):
        query["last"] = rest[len(listed) - 1].digest
        headers["Link"] = f'</v2/{endpoint.path}/referrers/{endpoint.digest}?{urlencode(query)}>; rel="next"'
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
    return json_answer(body, headers, OCI_INDEX)


def _that_fit(descriptors: Sequence[Descriptor]) -> list[msgspec.Raw]:
    """Return the first ``descriptors``, printed, as many as fit in one index; the first one always does."""
    listed: list[msgspec.Raw] = []
    size_bytes = 0
    for descriptor in descriptors:
        printed = msgspec.json.encode(_fields(descriptor))
        size_bytes += len(printed) + 1
        if listed and size_bytes > _MOST_LISTED_BYTES:
            break
        listed.append(msgspec.Raw(printed))
    return listed


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
