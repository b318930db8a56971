"""The upstream answers as quay.io does; seen by a plain HTTP client."""

import hashlib
import json
from dataclasses import replace

import aiohttp
import pytest

from airferry.lab import SMALL, Endpoint, LabStore, Policy, PublishedRelease, Upstream, publish_release
from airferry.oci import mediatype

from .reading import ACCEPT, layers, manifest, token


async def test_a_pull_goes_from_challenge_to_token_to_manifest_to_cdn(client, small: PublishedRelease, store: LabStore):
    async with Upstream(store) as upstream:
        url = f"{upstream.url}/v2/{small.release_repository}"
        async with client.get(f"{url}/manifests/{small.tag}", headers=ACCEPT) as refused:
            assert refused.status == 401
            assert refused.headers["WWW-Authenticate"] == (
                f'Bearer realm="{upstream.url}/v2/auth",service="{upstream.host}",'
                f'scope="repository:{small.release_repository}:pull"'
            )
            assert (await refused.json())["errors"][0]["code"] == "UNAUTHORIZED"
        allowed = await token(client, upstream.url, small.release_repository)
        async with client.get(f"{url}/manifests/{small.tag}", headers=ACCEPT | allowed) as answer:
            content = await answer.read()
            assert answer.headers["Docker-Content-Digest"] == small.digest
            assert answer.headers["Content-Type"] == mediatype.DOCKER_MANIFEST
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == small.digest
        layer = json.loads(content)["layers"][-1]["digest"]
        async with client.get(f"{url}/blobs/{layer}", headers=allowed) as answer:
            assert f"sha256:{hashlib.sha256(await answer.read()).hexdigest()}" == layer
            assert answer.history[0].status == 302
            assert answer.url.port != int(upstream.host.rpartition(":")[2])
            assert answer.url.host == "localhost", "another name, for clients that compare names without ports"
        assert upstream.fetches(layer) == 1


async def test_the_cdn_refuses_whoever_shows_credentials(client, small, store):
    async with Upstream(store) as upstream:
        allowed = await token(client, upstream.url, small.release_repository)
        url = f"{upstream.url}/v2/{small.release_repository}/blobs/{layers(store, small.digest)[0]}"
        async with client.get(url, headers=allowed, allow_redirects=False) as redirect:
            target = redirect.headers["Location"]
        async with client.get(target, headers=allowed) as answer:
            assert answer.status == 400
        async with client.get(target) as answer:
            assert answer.status == 200


async def test_the_cdn_serves_ranges(client, small, store):
    layer = layers(store, small.digest)[-1]
    content = store.read(layer)
    async with Upstream(store) as upstream:
        allowed = await token(client, upstream.url, small.release_repository)
        url = f"{upstream.url}/v2/{small.release_repository}/blobs/{layer}"
        async with client.get(url, headers=allowed | {"Range": "bytes=1000-"}) as answer:
            assert answer.status == 206
            assert answer.headers["Content-Range"] == f"bytes 1000-{len(content) - 1}/{len(content)}"
            assert await answer.read() == content[1000:]
        async with client.get(url, headers=allowed | {"Range": "bytes=5-9"}) as answer:
            assert await answer.read() == content[5:10]
        async with client.get(url, headers=allowed | {"Range": f"bytes={len(content)}-"}) as answer:
            assert answer.status == 416
        await upstream.settled()
        last = [entry for entry in upstream.requests if entry.endpoint == Endpoint.CDN]
        assert [(entry.range, entry.sent_bytes) for entry in last[:2]] == [
            ("bytes=1000-", len(content) - 1000),
            ("bytes=5-9", 5),
        ]


async def test_head_tells_size_and_digest_without_a_body(client, small, store):
    layer = layers(store, small.digest)[0]
    async with Upstream(store) as upstream:
        allowed = await token(client, upstream.url, small.release_repository)
        url = f"{upstream.url}/v2/{small.release_repository}"
        async with client.head(f"{url}/blobs/{layer}", headers=allowed) as answer:
            assert answer.status == 200
            assert int(answer.headers["Content-Length"]) == len(store.read(layer))
        async with client.head(f"{url}/manifests/{small.digest}", headers=allowed | ACCEPT) as answer:
            assert answer.headers["Docker-Content-Digest"] == small.digest
            assert int(answer.headers["Content-Length"]) == len(store.read(small.digest))
        async with client.head(f"{url}/manifests/absent", headers=allowed | ACCEPT) as answer:
            assert answer.status == 404


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("openshift-release-dev/ocp-release/manifests/9.9.9", 404, "MANIFEST_UNKNOWN"),
        (f"openshift-release-dev/ocp-release/blobs/sha256:{64 * '0'}", 404, "BLOB_UNKNOWN"),
        ("nobody/nothing/tags/list", 404, "NAME_UNKNOWN"),
    ],
)
async def test_what_is_not_there_is_a_json_404(client, store, path, status, code):
    async with Upstream(store) as upstream:
        allowed = await token(client, upstream.url, path.split("/", 2)[0] + "/" + path.split("/")[1])
        async with client.get(f"{upstream.url}/v2/{path}", headers=allowed | ACCEPT) as answer:
            assert answer.status == status
            assert (await answer.json())["errors"][0]["code"] == code


async def test_a_blob_of_another_repository_is_not_there(client, small, store):
    only_elsewhere = layers(store, small.components["pod"])[-1]
    async with Upstream(store) as upstream:
        allowed = await token(client, upstream.url, small.release_repository)
        async with client.get(
            f"{upstream.url}/v2/{small.release_repository}/blobs/{only_elsewhere}", headers=allowed
        ) as answer:
            assert answer.status == 404


async def test_a_list_is_served_only_to_those_who_accept_lists(client, small, store):
    digest = small.components[small.lists[0]]
    async with Upstream(store) as upstream:
        allowed = await token(client, upstream.url, small.component_repository)
        url = f"{upstream.url}/v2/{small.component_repository}/manifests/{digest}"
        async with client.get(url, headers=allowed | {"Accept": mediatype.DOCKER_MANIFEST}) as answer:
            assert answer.status == 404
        async with client.get(url, headers=allowed | {"Accept": "*/*"}) as answer:
            assert answer.content_type == mediatype.DOCKER_LIST


async def test_accept_may_be_spread_over_several_lines(client, small, store):
    async with Upstream(store) as upstream:
        allowed = await token(client, upstream.url, small.release_repository)
        headers = [*allowed.items(), ("Accept", mediatype.OCI_MANIFEST), ("Accept", mediatype.DOCKER_MANIFEST)]
        url = f"{upstream.url}/v2/{small.release_repository}/manifests/{small.tag}"
        async with client.get(url, headers=headers) as answer:
            assert answer.status == 200


async def test_an_old_client_gets_the_amd64_image_of_a_tagged_list(client, tmp_path):
    release = publish_release(tmp_path, replace(SMALL, multi=True))
    store = LabStore(tmp_path)
    async with Upstream(store) as upstream:
        allowed = await token(client, upstream.url, release.release_repository)
        url = f"{upstream.url}/v2/{release.release_repository}/manifests/{release.tag}"
        async with client.get(url, headers=allowed | {"Accept": mediatype.DOCKER_MANIFEST}) as answer:
            wanted = manifest(store, release.digest)["manifests"][0]["digest"]
            assert answer.headers["Docker-Content-Digest"] == wanted


async def test_tags_come_in_pages(client, small, store):
    async with Upstream(store, Policy(tags_per_page=2)) as upstream:
        allowed = await token(client, upstream.url, small.release_repository)
        url, pages = f"/v2/{small.release_repository}/tags/list", []
        while url:
            async with client.get(upstream.url + url, headers=allowed) as answer:
                pages.append((await answer.json())["tags"])
                url = str(answer.links["next"]["url"].relative()) if "next" in answer.links else ""
        assert [len(page) for page in pages] == [2, 1]
        plain = small.digest.replace(":", "-")
        assert [tag for page in pages for tag in page] == sorted([small.tag, f"{plain}.att", f"{plain}.sig"])


async def test_referrers_are_listed_and_filtered(client, small, store):
    url = f"/v2/{small.release_repository}/referrers/{small.digest}"
    async with Upstream(store) as upstream:
        allowed = await token(client, upstream.url, small.release_repository)
        async with client.get(upstream.url + url, headers=allowed) as answer:
            assert answer.content_type == mediatype.OCI_INDEX
            listed = json.loads(await answer.read())["manifests"]
            assert [entry["digest"] for entry in listed] == list(small.referrers)
        async with client.get(f"{upstream.url}{url}?artifactType=no/such", headers=allowed) as answer:
            assert json.loads(await answer.read())["manifests"] == []
            assert answer.headers["OCI-Filters-Applied"] == "artifactType"
        unknown = f"/v2/{small.release_repository}/referrers/sha256:{64 * '0'}"
        async with client.get(upstream.url + unknown, headers=allowed) as answer:
            assert answer.status == 400, "Quay's answer for a subject it does not know"
    async with Upstream(store, Policy(referrers=False)) as upstream:
        allowed = await token(client, upstream.url, small.release_repository)
        async with client.get(upstream.url + url, headers=allowed) as answer:
            assert answer.status == 404


async def test_the_signature_store_is_served_without_credentials(client, small, store):
    name = f"sha256={small.digest.removeprefix('sha256:')}"
    async with Upstream(store) as upstream:
        async with client.get(f"{upstream.signature_store_url}/{name}/signature-1") as answer:
            assert await answer.read() == (small.signature_store / name / "signature-1").read_bytes()
        async with client.get(f"{upstream.signature_store_url}/{name}/signature-2") as answer:
            assert answer.status == 404
        async with client.get(f"{upstream.signature_store_url}/%2e%2e/verification-key.asc") as answer:
            assert answer.status == 404


async def test_it_takes_no_pushes(client, small, store):
    async with Upstream(store) as upstream:
        allowed = await token(client, upstream.url, small.release_repository)
        async with client.post(f"{upstream.url}/v2/{small.release_repository}/manifests/x", headers=allowed) as answer:
            assert answer.status == 405


async def test_blobs_may_come_from_the_registry_itself(client, small, store):
    layer = layers(store, small.digest)[0]
    async with Upstream(store, Policy(redirects=False)) as upstream:
        allowed = await token(client, upstream.url, small.release_repository)
        url = f"{upstream.url}/v2/{small.release_repository}/blobs/{layer}"
        async with client.get(url, headers=allowed) as answer:
            assert not answer.history
            assert await answer.read() == store.read(layer)
        assert upstream.fetches(layer) == 1


async def test_the_log_tells_who_came_with_what_and_got_how_much(client, small, store):
    done = []
    layer = layers(store, small.digest)[0]
    async with Upstream(store, on_complete=done.append) as upstream:
        allowed = await token(client, upstream.url, small.release_repository)
        async with client.get(f"{upstream.url}/v2/{small.release_repository}/blobs/{layer}", headers=allowed) as answer:
            await answer.read()
        await upstream.settled()
        seen = [(entry.endpoint, entry.status, entry.had_authorization) for entry in upstream.requests]
        assert seen == [("token", 200, False), ("blob", 302, True), ("cdn", 200, False)]
        assert upstream.requests[-1].sent_bytes == len(store.read(layer))
        assert done == upstream.requests
        assert all(entry.complete for entry in done)


async def test_a_paced_upstream_gives_the_same_bytes(client, small, store):
    layer = layers(store, small.digest)[0]
    async with Upstream(store, Policy(pace_bytes_per_s=10**9)) as upstream:
        allowed = await token(client, upstream.url, small.release_repository)
        url = f"{upstream.url}/v2/{small.release_repository}/blobs/{layer}"
        async with client.get(url, headers=allowed) as answer:
            assert await answer.read() == store.read(layer)
        async with client.get(url, headers=allowed | {"Range": "bytes=100-299"}) as answer:
            assert await answer.read() == store.read(layer)[100:300]


async def test_a_client_that_leaves_in_the_middle_is_no_error(client, small, tmp_path, caplog):
    large = LabStore(tmp_path)
    digest = large.put_blob("a/b", bytes(32 * 2**20))
    async with Upstream(large) as upstream:
        allowed = await token(client, upstream.url, "a/b")
        answer = await client.get(f"{upstream.url}/v2/a/b/blobs/{digest}", headers=allowed)
        await answer.content.readexactly(10)
        answer.close()
        await upstream.settled()
        assert not upstream.requests[-1].complete
        assert 10 <= upstream.requests[-1].sent_bytes < 32 * 2**20
    assert not caplog.records


async def test_leaving_the_block_closes_the_ports(client, store):
    async with Upstream(store) as upstream:
        url = upstream.url
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.get(f"{url}/v2/")
