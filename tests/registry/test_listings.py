"""Ping, catalog, tags and referrers."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.oci import Digest
from airferry.oci.mediatype import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from airferry.registry import RegistryStore
from airferry.registry.acceptance import accept_manifest

from .conftest import Client, descriptor, image, index


async def test_the_registry_answers_to_its_ping(registry: Client) -> None:
    for path in ("/v2/", "/v2"):
        answer = await registry("GET", path)
        assert (answer.status, answer.headers["Docker-Distribution-API-Version"]) == (200, "registry/2.0")


async def names_through_pages(registry: Client, path: str, key: str) -> list[list[str]]:
    pages = []
    while path:
        answer = await registry("GET", path)
        assert answer.status == 200
        pages.append(answer.json[key])
        link = answer.headers.get("Link")
        path = link.split(">")[0].lstrip("<") if link else ""
        assert not urlsplit(path).netloc
    return pages


TAGS = ["0.1", "10", "9", "Z", "_x", "a", "a-b", "b"]


async def test_tags_come_in_byte_order_in_pages(registry: Client) -> None:
    for tag in reversed(TAGS):
        await registry.push_image("a/b", tag)
    assert (await registry("GET", "/v2/a/b/tags/list")).json == {"name": "a/b", "tags": TAGS}
    pages = await names_through_pages(registry, "/v2/a/b/tags/list?n=3", "tags")
    assert pages == [TAGS[:3], TAGS[3:6], TAGS[6:]]
    assert (await registry("GET", "/v2/a/b/tags/list?last=Z")).json["tags"] == TAGS[4:]
    assert (await registry("GET", "/v2/a/b/tags/list?n=2&last=9x")).json["tags"] == ["Z", "_x"]
    exactly = await registry("GET", f"/v2/a/b/tags/list?n={len(TAGS)}")
    assert (exactly.json["tags"], exactly.headers.get("Link")) == (TAGS, None)
    nothing = await registry("GET", "/v2/a/b/tags/list?n=0")
    assert (nothing.json["tags"], nothing.headers.get("Link")) == ([], None)


async def test_repositories_appear_on_push_however_deep_and_are_listed_in_pages(registry: Client) -> None:
    paths = ["a", "a/b/c/d/e/f/g/h", "openshift/release", "openshift/release-images"]
    for path in paths:
        await registry.push_image(path, "t")
    assert (await registry("GET", "/v2/_catalog")).json == {"repositories": paths}
    assert await names_through_pages(registry, "/v2/_catalog?n=3", "repositories") == [paths[:3], paths[3:]]


@pytest.mark.parametrize("path", ["/v2/_catalog", "/v2/a/tags/list"])
async def test_a_page_size_is_capped_or_refused(registry: Client, path: str) -> None:
    await registry.push_image("a", "t")
    for good in ("1000000000000", "9" * 500):
        assert (await registry("GET", f"{path}?n={good}")).status == 200
    for bad in ("-1", "x", "1.5", "", "%D9%A1"):
        answer = await registry("GET", f"{path}?n={bad}")
        assert (answer.status, answer.code) == (400, "PAGINATION_NUMBER_INVALID")
    assert (await registry("GET", f"{path}?last={'z' * 20_000}")).status == 200
    assert 400 <= (await registry("GET", f"{path}?last={'z' * 100_000}")).status < 500


async def test_the_tags_of_a_repository_that_is_not_there_are_unknown(registry: Client) -> None:
    answer = await registry("GET", "/v2/no/such/tags/list")
    assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")


async def referring(registry: Client, path: str, subject: bytes, **more: object) -> Digest:
    await registry.push_blob(path, b"{}")
    await registry.push_blob(path, b"layer")
    raw = image(subject=descriptor(subject, OCI_MANIFEST), **more)
    answer = await registry.push_manifest(path, Digest.of(raw), raw)
    assert (answer.status, answer.headers["OCI-Subject"]) == (201, Digest.of(subject))
    return Digest.of(raw)


async def test_referrers_are_listed_with_type_and_annotations_even_before_their_subject(registry: Client) -> None:
    subject = b"pushed later"
    signature = await referring(registry, "a", subject, artifactType="sig/v1", annotations={"who": "me"})
    plain = await referring(registry, "a", subject)
    listed_raw = index(subject=descriptor(subject, OCI_MANIFEST))
    assert (await registry.push_manifest("a", "i", listed_raw, OCI_INDEX)).status == 201
    await referring(registry, "elsewhere", subject, artifactType="other")
    answer = await registry("GET", f"/v2/a/referrers/{Digest.of(subject)}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, OCI_INDEX)
    assert (answer.json["schemaVersion"], answer.json["mediaType"]) == (2, OCI_INDEX)
    found = {entry["digest"]: entry for entry in answer.json["manifests"]}
    assert set(found) == {signature, plain, Digest.of(listed_raw)}
    assert (found[signature]["artifactType"], found[signature]["annotations"]) == ("sig/v1", {"who": "me"})
    assert found[plain]["artifactType"] == OCI_CONFIG
    assert "artifactType" not in found[Digest.of(listed_raw)]


async def test_referrers_are_filtered_by_type(registry: Client) -> None:
    signature = await referring(registry, "a", b"s", artifactType="sig/v1")
    await referring(registry, "a", b"s", artifactType="sbom/v1")
    answer = await registry("GET", f"/v2/a/referrers/{Digest.of(b's')}?artifactType=sig/v1")
    assert [entry["digest"] for entry in answer.json["manifests"]] == [signature]
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    none = await registry("GET", f"/v2/a/referrers/{Digest.of(b's')}?artifactType=nope")
    assert none.json["manifests"] == []


async def test_nothing_refers_is_an_empty_list_and_never_404(registry: Client) -> None:
    answer = await registry("GET", f"/v2/no/such/referrers/{Digest.of(b'x')}")
    assert (answer.status, answer.json["manifests"]) == (200, [])
    bad = await registry("GET", "/v2/a/referrers/sha256:xyz")
    assert (bad.status, bad.code) == (400, "DIGEST_INVALID")


async def test_a_deleted_referrer_is_not_listed(registry: Client) -> None:
    digest = await referring(registry, "a", b"s")
    assert (await registry("DELETE", f"/v2/a/manifests/{digest}")).status == 202
    assert (await registry("GET", f"/v2/a/referrers/{Digest.of(b's')}")).json["manifests"] == []


_TAG_TEXT = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,9}", fullmatch=True)


@given(tags=st.sets(_TAG_TEXT, min_size=1, max_size=20), size=st.integers(min_value=1, max_value=5))
def test_pages_put_together_are_the_whole_list(tags: set[str], size: int) -> None:
    import asyncio

    async def read() -> list[str]:
        store = RegistryStore.in_memory()
        await store.put_manifest("a", accept_manifest(index(), None, None), sorted(tags))
        seen: list[str] = []
        while page := await store.tags("a", after=seen[-1] if seen else None, limit=size):
            seen.extend(page)
        await store.close()
        return seen

    assert asyncio.run(read()) == sorted(tags)
