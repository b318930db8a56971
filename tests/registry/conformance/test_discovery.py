"""Content discovery: tags, referrers, the tag scheme for registries that have none, the catalog."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airferry.oci import Digest
from airferry.oci.mediatype import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from airferry.oci.wire import parse_next_link
from airferry.registry import Limits, RegistryStore

from ..conftest import Answer, Client
from .conftest import registry_on
from .objects import ALGORITHMS, ARTIFACT, artifact_of, follow, image_of, index_of, pointer, push_blobs, put

registry = registry_on("memory", "disk", "postgresql")
"""Order and pages are the database's business, so each of them is asked."""

TAGS = ["0.1", "10", "9", "A", "Z", "_x", "a", "a-b", "b"]
SUBJECT = image_of()


async def tagged(registry: Client, path: str = "a/b") -> None:
    query = "&".join(f"tag={tag}" for tag in reversed(TAGS))
    await put(registry, path, f"{Digest.of(index_of())}?{query}", index_of(), OCI_INDEX)


async def pages(registry: Client, path: str) -> list[Answer]:
    """Every page from ``path`` on, by following Link as RFC 8288 says."""
    found: list[Answer] = []
    while path:
        found.append(await follow(registry, "GET", path))
        assert found[-1].status == 200
        path = parse_next_link(found[-1].headers.get("Link", "")) or ""
    return found


async def test_tags_are_listed_in_byte_order(registry: Client) -> None:
    """OCI "Listing Tags": MUST be 200, with name and tags in lexical or "ASCIIbetical" order."""
    await tagged(registry)
    answer = await registry("GET", "/v2/a/b/tags/list")
    assert (answer.status, answer.json) == (200, {"name": "a/b", "tags": TAGS})
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "Link" not in answer.headers


async def test_a_repository_without_tags_lists_none(registry: Client) -> None:
    """OCI "Listing Tags": the list MAY be empty; it is a list all the same."""
    await registry.push_blob("a", b"x")
    assert (await registry("GET", "/v2/a/tags/list")).json == {"name": "a", "tags": []}


async def test_a_repository_that_is_not_there_is_404(registry: Client) -> None:
    """OCI "Listing Tags", end-8a: 404; code-9 NAME_UNKNOWN."""
    answer = await registry("GET", "/v2/no/such/tags/list")
    assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")


@pytest.mark.parametrize("size", range(1, len(TAGS) + 2))
async def test_tags_are_listed_in_pages(registry: Client, size: int) -> None:
    """OCI "Listing Tags": MUST include n results; a Link MUST be rel="next", and ends with the last page."""
    await tagged(registry)
    found = await pages(registry, f"/v2/a/b/tags/list?n={size}")
    assert [page.json["tags"] for page in found] == [TAGS[at : at + size] for at in range(0, len(TAGS), size)]


async def test_no_tags_are_listed_when_none_are_asked_for(registry: Client) -> None:
    """OCI "Listing Tags": when n is zero, MUST be an empty list and MUST NOT include a Link."""
    await tagged(registry)
    answer = await registry("GET", "/v2/a/b/tags/list?n=0")
    assert (answer.status, answer.json["tags"], "Link" in answer.headers) == (200, [], False)


@pytest.mark.parametrize("last", [*TAGS, "9x", "zzz", "A" * 128])
async def test_tags_are_listed_from_behind_the_last_one(registry: Client, last: str) -> None:
    """OCI "Listing Tags": beginning non-inclusively with last, which need not be there; n is OPTIONAL."""
    await tagged(registry)
    rest = [tag for tag in TAGS if tag > last]
    assert (await registry("GET", f"/v2/a/b/tags/list?last={last}")).json["tags"] == rest
    two = await registry("GET", f"/v2/a/b/tags/list?n=2&last={last}")
    assert (two.json["tags"], "Link" in two.headers) == (rest[:2], len(rest) > 2)


@pytest.mark.parametrize("last", ["", "%00", "A%00", "%ff", "a%20b", "%F0%9F%92%A9", "%ED%A0%80", "-1", "0"])
async def test_any_last_is_a_place_in_the_list(registry: Client, last: str) -> None:
    """OCI "Listing Tags": last is a value, never an index; what is no tag has its place in the order too."""
    await tagged(registry)
    answer = await registry("GET", f"/v2/a/b/tags/list?last={last}")
    assert answer.status == 200
    assert answer.json["tags"] == TAGS[len(TAGS) - len(answer.json["tags"]) :]
    if last == "A%00":
        assert answer.json["tags"] == TAGS[TAGS.index("A") + 1 :]


async def test_a_registry_may_answer_with_fewer_than_were_asked_for_and_a_link(start: Any) -> None:
    """OCI "Listing Tags": fewer than n only with a Link; Docker "Pagination": also when n was not asked for."""
    registry = await start(RegistryStore.in_memory(), None, Limits(page=4))
    await tagged(registry)
    for path in ("/v2/a/b/tags/list", "/v2/a/b/tags/list?n=1000"):
        found = await pages(registry, path)
        assert [tag for page in found for tag in page.json["tags"]] == TAGS
        assert [len(page.json["tags"]) for page in found] == [4, 4, 1]


async def test_a_link_carries_n_and_last(registry: Client) -> None:
    """Docker "Pagination": n from the request and the last name in the response."""
    await tagged(registry)
    answer = await registry("GET", "/v2/a/b/tags/list?n=2")
    link = urlsplit(parse_next_link(answer.headers["Link"]))
    assert (link.path, parse_qs(str(link.query))) == ("/v2/a/b/tags/list", {"n": ["2"], "last": ["10"]})
    assert answer.headers["Link"].endswith('>; rel="next"')


@pytest.mark.parametrize("n", ["-1", "x", "1.5", "", "0x10", "%D9%A1", "1%00"])
@pytest.mark.parametrize("path", ["/v2/_catalog", "/v2/a/b/tags/list"])
async def test_a_page_size_that_is_none_is_refused(registry: Client, path: str, n: str) -> None:
    """Docker "Tags Paginated", "Catalog Fetch Paginated": 400 PAGINATION_NUMBER_INVALID."""
    await tagged(registry)
    answer = await registry("GET", f"{path}?n={n}")
    assert (answer.status, answer.code) == (400, "PAGINATION_NUMBER_INVALID")


async def referring(registry: Client, subject: bytes = SUBJECT, path: str = "a", **more: Any) -> Digest:
    raw = artifact_of(subject=pointer(subject, OCI_MANIFEST), **more)
    await put(registry, path, Digest.of(raw), raw)
    return Digest.of(raw)


async def referrers(registry: Client, query: str = "", subject: bytes = SUBJECT) -> list[dict[str, Any]]:
    answer = await registry("GET", f"/v2/a/referrers/{Digest.of(subject)}{query}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, OCI_INDEX)
    assert (answer.json["schemaVersion"], answer.json["mediaType"]) == (2, OCI_INDEX)
    return list(answer.json["manifests"])


async def test_referrers_are_listed_as_an_index_of_descriptors(registry: Client) -> None:
    """OCI "Listing Referrers": Content-Type MUST be that of an index; annotations MUST be included."""
    await push_blobs(registry, "a")
    notes = {"org.example.format": "json", "é": ""}
    raw = artifact_of(subject=pointer(SUBJECT, OCI_MANIFEST), annotations=notes)
    await put(registry, "a", "signed", raw)
    expected = {
        "mediaType": OCI_MANIFEST,
        "digest": Digest.of(raw),
        "size": len(raw),
        "artifactType": ARTIFACT,
        "annotations": notes,
    }
    assert await referrers(registry) == [expected]


@pytest.mark.parametrize("said", [None, ""])
async def test_the_type_of_an_image_that_says_none_is_that_of_its_config(registry: Client, said: str | None) -> None:
    """OCI "Listing Referrers": empty or missing artifactType MUST be the config's mediaType."""
    await push_blobs(registry, "a")
    raw = image_of(subject=pointer(SUBJECT, OCI_MANIFEST), artifactType=said)
    await put(registry, "a", "t", raw)
    assert [entry["artifactType"] for entry in await referrers(registry)] == [OCI_CONFIG]


@pytest.mark.parametrize("said", [None, ""])
async def test_the_type_of_an_index_that_says_none_is_left_out(registry: Client, said: str | None) -> None:
    """OCI "Listing Referrers": empty or missing in an index, artifactType MUST be omitted."""
    more = {} if said is None else {"artifactType": said}
    raw = index_of(subject=pointer(SUBJECT, OCI_MANIFEST), **more)
    await put(registry, "a", "t", raw, OCI_INDEX)
    assert ["artifactType" in entry for entry in await referrers(registry)] == [False]


async def test_an_index_is_listed_with_its_type(registry: Client) -> None:
    """OCI "Listing Referrers": each descriptor is of an image manifest or index."""
    raw = index_of(subject=pointer(SUBJECT, OCI_MANIFEST), artifactType=ARTIFACT, annotations={"a": "b"})
    await put(registry, "a", "t", raw, OCI_INDEX)
    (entry,) = await referrers(registry)
    assert (entry["mediaType"], entry["artifactType"], entry["annotations"]) == (OCI_INDEX, ARTIFACT, {"a": "b"})


async def test_referrers_of_other_repositories_and_subjects_are_not_listed(registry: Client) -> None:
    """OCI "Listing Referrers": in the same <name>, with a subject that specifies the digest."""
    for path in ("a", "other"):
        await push_blobs(registry, path)
    mine = await referring(registry)
    await referring(registry, path="other", annotations={"x": "y"})
    await referring(registry, subject=b"another")
    assert [entry["digest"] for entry in await referrers(registry)] == [mine]


@pytest.mark.parametrize("path", ["a", "no/such/repository"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_nothing_refers_is_an_empty_index_and_never_404(registry: Client, path: str, algorithm: str) -> None:
    """OCI "Listing Referrers": MUST NOT be 404; no matching referrers MUST be an empty list."""
    await registry.push_blob("a", b"x")
    answer = await registry("GET", f"/v2/{path}/referrers/{Digest.of(b'unknown', algorithm)}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, OCI_INDEX)
    assert answer.json == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}


@pytest.mark.parametrize("digest", ["sha256:xyz", "latest", "md5:" + "a" * 32, "sha256:" + "A" * 64])
async def test_referrers_of_what_is_no_digest_are_400(registry: Client, digest: str) -> None:
    """OCI "Listing Referrers": an invalid request MUST be 400."""
    answer = await registry("GET", f"/v2/a/referrers/{digest}")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


async def test_referrers_are_filtered_by_type(registry: Client) -> None:
    """OCI "Listing Referrers": a filter that is applied MUST be named in OCI-Filters-Applied."""
    await push_blobs(registry, "a")
    wanted = await referring(registry)
    await referring(registry, artifactType="application/vnd.example.signature+json")
    path = f"/v2/a/referrers/{Digest.of(SUBJECT)}"
    for query, digests in ((f"?artifactType={ARTIFACT}", [wanted]), ("?artifactType=no/such", [])):
        answer = await registry("GET", path + query)
        assert answer.headers["OCI-Filters-Applied"] == "artifactType"
        assert [entry["digest"] for entry in answer.json["manifests"]] == digests
    plus = await registry("GET", path + "?artifactType=application/vnd.example.signature%2Bjson")
    assert len(plus.json["manifests"]) == 1
    for query in ("", "?artifactType="):
        answer = await registry("GET", path + query)
        assert ("OCI-Filters-Applied" in answer.headers, len(answer.json["manifests"])) == (False, 2)


async def test_referrers_that_do_not_fit_in_one_manifest_come_in_several(registry: Client) -> None:
    """OCI "Listing Referrers": a Link MUST be included; each response is an index with different descriptors."""
    await push_blobs(registry, "a")
    digests = {await referring(registry, annotations={"n": f"{number}" + "x" * 900_000}) for number in range(7)}
    digests.add(await referring(registry, artifactType="other/type"))
    path = f"/v2/a/referrers/{Digest.of(SUBJECT)}"
    found = await pages(registry, path)
    assert len(found) > 1
    assert all(len(page.body) <= 4 * 1024 * 1024 for page in found)
    assert [page.headers["Content-Type"] for page in found] == [OCI_INDEX] * len(found)
    listed = [entry["digest"] for page in found for entry in page.json["manifests"]]
    assert (len(listed), set(listed)) == (8, digests)
    filtered = await pages(registry, f"{path}?artifactType={ARTIFACT}")
    assert sum(len(page.json["manifests"]) for page in filtered) == 7
    assert all(page.headers["OCI-Filters-Applied"] == "artifactType" for page in filtered)


def referrers_tag(digest: Digest) -> str:
    """The tag that a client without the referrers API keeps its list under."""
    return f"{digest.algorithm}-{digest.hex[:64]}"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_client_that_keeps_the_fallback_tag_is_not_disturbed(registry: Client, algorithm: str) -> None:
    """OCI "Referrers Tag Schema": a list under sha256-<hex> is pulled, replaced, listed and deleted as any tag."""
    await push_blobs(registry, "a")
    subject = Digest.of(SUBJECT, algorithm)
    tag = referrers_tag(subject)
    assert (await registry("GET", f"/v2/a/manifests/{tag}")).code == "MANIFEST_UNKNOWN"
    first, second = (artifact_of(annotations={"n": str(number)}) for number in range(2))
    for raws in ((first,), (first, second)):
        await put(registry, "a", Digest.of(raws[-1]), raws[-1])
        await put(registry, "a", tag, index_of(raws), OCI_INDEX)
        assert (await registry("GET", f"/v2/a/manifests/{tag}")).body == index_of(raws)
    assert (await registry("GET", "/v2/a/tags/list")).json["tags"] == [tag]
    # Nothing there has a subject, so the API has nothing to say of it.
    assert (await registry("GET", f"/v2/a/referrers/{subject}")).json["manifests"] == []
    assert (await registry("DELETE", f"/v2/a/manifests/{tag}")).status == 202
    assert (await registry("GET", f"/v2/a/manifests/{Digest.of(first)}")).status == 200


async def test_what_the_fallback_tag_lists_is_in_the_referrers_api_when_it_has_the_subject(registry: Client) -> None:
    """OCI "Enabling the Referrers API": MUST include manifests in the tagged index with a valid subject."""
    await push_blobs(registry, "a")
    digest = await referring(registry)
    raw = artifact_of(subject=pointer(SUBJECT, OCI_MANIFEST))
    await put(registry, "a", referrers_tag(Digest.of(SUBJECT)), index_of((raw,)), OCI_INDEX)
    assert [entry["digest"] for entry in await referrers(registry)] == [digest]


async def test_referrers_outlive_their_subject_and_not_themselves(registry: Client) -> None:
    """OCI "Listing Referrers", "Deleting Manifests": the list is of manifests in the repository."""
    await push_blobs(registry, "a")
    await put(registry, "a", "t", SUBJECT)
    digest = await referring(registry)
    assert (await registry("DELETE", f"/v2/a/manifests/{Digest.of(SUBJECT)}")).status == 202
    assert len(await referrers(registry)) == 1
    assert (await registry("DELETE", f"/v2/a/manifests/{digest}")).status == 202
    assert await referrers(registry) == []


REPOSITORIES = ["a", "a-b", "a/b", "a/b/c/d/e", "b", "z0"]


async def test_the_catalog_is_listed_in_pages(registry: Client) -> None:
    """Docker "Listing Repositories", "Pagination": lexically ordered, n at a time, Link to the next."""
    for path in reversed(REPOSITORIES):
        await registry.push_blob(path, b"x")
    whole = await registry("GET", "/v2/_catalog")
    assert (whole.json, "Link" in whole.headers) == ({"repositories": REPOSITORIES}, False)
    for size in range(1, 8):
        found = await pages(registry, f"/v2/_catalog?n={size}")
        expected = [REPOSITORIES[at : at + size] for at in range(0, len(REPOSITORIES), size)]
        assert [page.json["repositories"] for page in found] == expected
    assert (await registry("GET", "/v2/_catalog?last=a/b")).json["repositories"] == REPOSITORIES[3:]
    nothing = await registry("GET", "/v2/_catalog?n=0")
    assert (nothing.json["repositories"], "Link" in nothing.headers) == ([], False)


async def test_an_empty_registry_has_an_empty_catalog(registry: Client) -> None:
    """Docker "Catalog Fetch": a list, also when there is nothing."""
    assert json.loads((await registry("GET", "/v2/_catalog")).body) == {"repositories": []}
