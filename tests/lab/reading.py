"""What the tests of the lab read content and the upstream with: plain json, tarfile and aiohttp."""

import io
import json
import tarfile
from typing import Any

import aiohttp

from airferry.lab import LabStore
from airferry.oci import mediatype

ACCEPT = {"Accept": mediatype.ACCEPT_MANIFESTS}


def manifest(store: LabStore, digest: str) -> dict[str, Any]:
    return json.loads(store.read(digest))


def layers(store: LabStore, digest: str) -> list[str]:
    return [layer["digest"] for layer in manifest(store, digest)["layers"]]


def files(store: LabStore, layer: str) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(store.read(layer)), mode="r:gz") as tar:
        return {item.name: tar.extractfile(item).read() for item in tar if item.isfile()}


async def token(client: aiohttp.ClientSession, url: str, *paths: str, **options: Any) -> dict[str, str]:
    scopes = [("scope", f"repository:{path}:pull") for path in paths]
    async with client.get(f"{url}/v2/auth", params=scopes, **options) as answer:
        return {"Authorization": f"Bearer {(await answer.json())['token']}"}
