"""Quotas: what counts, what is refused and how, and that nothing refused takes up space."""

import asyncio
from functools import partial

import pytest

from airferry.oci import Digest
from airferry.registry import RegistryStore
from airferry.registry.collecting import CollectionPolicy
from airferry.registry.errors import QuotaExceededError
from airferry.registry.metadata import quotas

from .conftest import Client, image
from .stored import stored

CONFIG, LAYER = b"{}", b"layer"
USED = len(CONFIG) + len(LAYER) + len(image())


def store_of(registry: Client) -> RegistryStore:
    assert isinstance(registry.store, RegistryStore)
    return registry.store


async def limit(registry: Client, namespace: str, limit_bytes: int) -> None:
    work = partial(quotas.set_quota, namespace=namespace, limit_bytes=limit_bytes)
    await store_of(registry).metadata.write(work)


async def used(registry: Client) -> dict[str, int]:
    found = await store_of(registry).metadata.read(quotas.list_quotas)
    return {quota.namespace: quota.used_bytes for quota in found}


async def test_what_repositories_share_is_counted_once(registry: Client) -> None:
    for namespace in ("team", "team/a", "*", "other", "te"):
        await limit(registry, namespace, 10**9)
    await registry.push_image("team/a", "v1")
    await registry.push_image("team/b", "v1")
    await registry.push_image("teams", "v1")
    assert await used(registry) == {"team": USED, "team/a": USED, "*": USED, "other": 0, "te": 0}
    await registry("DELETE", f"/v2/team/a/blobs/{Digest.of(LAYER)}")
    assert (await used(registry))["team/a"] == USED - len(LAYER)


async def test_a_push_over_the_limit_is_refused_and_says_why(registry: Client) -> None:
    await limit(registry, "team", 10)
    await registry.push_blob("team/app", b"12345678")
    content = b"more than fits"
    location = await registry.begin("team/app")
    answer = await registry("PUT", f"{location}?digest={Digest.of(content)}", content)
    assert (answer.status, answer.code) == (403, "DENIED")
    message = answer.json["errors"][0]["message"]
    assert "namespace team is 10B" in message and "holds 8 bytes" in message and "add 14" in message
    assert await stored(store_of(registry)) == {Digest.of(b"12345678")}
    assert (await registry("GET", location)).status == 404
    answer = await registry("POST", f"/v2/team/app/blobs/uploads/?digest={Digest.of(content)}", content)
    assert (answer.status, answer.code) == (403, "DENIED")
    # Others are not concerned, and what is held may be pushed again.
    await registry.push_blob("teams", content)
    await registry.push_blob("team/other", b"12345678")


async def test_a_limit_that_is_set_during_an_upload_counts_for_it(registry: Client) -> None:
    store, content = store_of(registry), b"more than fits"
    upload_id = await store.begin_upload("team/app", "sha256")
    with pytest.raises(QuotaExceededError):
        async with store.open_upload("team/app", upload_id) as upload:
            await upload.append([content])
            await limit(registry, "team", 10)
            await upload.finish(Digest.of(content))
    assert (await registry("GET", f"/v2/team/app/blobs/{Digest.of(content)}")).status == 404


async def test_mounts_and_manifests_count_too(registry: Client) -> None:
    await registry.push_image("free", "v1")
    await limit(registry, "team", len(LAYER) + len(CONFIG))
    for content in (LAYER, CONFIG):
        answer = await registry("POST", f"/v2/team/a/blobs/uploads/?mount={Digest.of(content)}&from=free")
        assert answer.status == 201
    big = await registry.push_blob("free", b"another layer")
    answer = await registry("POST", f"/v2/team/a/blobs/uploads/?mount={big}&from=free")
    assert (answer.status, answer.code) == (403, "DENIED")
    answer = await registry.push_manifest("team/a", "v1", image())
    assert (answer.status, answer.code) == (403, "DENIED")
    await limit(registry, "team", USED)
    assert (await registry.push_manifest("team/a", "v1", image())).status == 201


async def test_deleting_and_collecting_makes_room(registry: Client) -> None:
    await limit(registry, "team", USED)
    digest = await registry.push_image("team/a", "v1")
    await registry("DELETE", f"/v2/team/a/manifests/{digest}")
    await store_of(registry).collect(CollectionPolicy(-1))
    assert await used(registry) == {"team": 0}
    await registry.push_image("team/a", "v2")


async def test_two_pushes_do_not_get_past_a_limit_together(registry: Client) -> None:
    await limit(registry, "team", 100)

    async def push(number: int) -> int:
        content = b"%030d" % number
        location = await registry.begin(f"team/{number % 2}")
        return (await registry("PUT", f"{location}?digest={Digest.of(content)}", content)).status

    statuses = await asyncio.gather(*(push(number) for number in range(8)))
    assert sorted(statuses) == [201] * 3 + [403] * 5
    assert await used(registry) == {"team": 90}
