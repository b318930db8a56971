"""Pull: manifests, blobs, and asking whether they are there."""

from urllib.parse import urlsplit

import pytest

from airferry.oci import Digest
from airferry.oci.mediatype import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

from ..conftest import Client, raw_connection
from .objects import ALGORITHMS, CONTENT, artifact_of, image_of, index_of, push_blobs, put

SIZE = len(CONTENT)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_manifest_is_pulled_by_its_digest(registry: Client, algorithm: str) -> None:
    """OCI "Pulling manifests": an existing manifest MUST be provided with 200 and Docker-Content-Digest."""
    await push_blobs(registry, "a/b", algorithm)
    raw = image_of(algorithm=algorithm)
    digest = Digest.of(raw, algorithm)
    await put(registry, "a/b", digest, raw)
    answer = await registry("GET", f"/v2/a/b/manifests/{digest}")
    assert (answer.status, answer.body) == (200, raw)
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["Content-Length"] == str(len(raw))


@pytest.mark.parametrize("tag", ["latest", "4.20.1-x86_64", "_", "0", "A" * 128, "v1.0_beta-2..x"])
async def test_a_manifest_is_pulled_by_any_tag_of_the_grammar(registry: Client, tag: str) -> None:
    """OCI "Pulling manifests": a tag is at most 128 characters of [a-zA-Z0-9_][a-zA-Z0-9._-]*."""
    await push_blobs(registry, "a")
    await put(registry, "a", tag, image_of())
    answer = await registry("GET", f"/v2/a/manifests/{tag}")
    assert (answer.status, answer.body) == (200, image_of())


@pytest.mark.parametrize("path", ["a", "0", "a.b", "a_b", "a__b", "a-b", "a---b", "a/b/c/d/e/f/g", "x" * 200, "a1/2b"])
async def test_a_manifest_is_pulled_from_any_name_of_the_grammar(registry: Client, path: str) -> None:
    """OCI "Pulling manifests": a name is parts of letters and digits with ., _, __ or hyphens between."""
    await push_blobs(registry, path)
    await put(registry, path, "t", image_of())
    assert (await registry("GET", f"/v2/{path}/manifests/t")).status == 200


@pytest.mark.parametrize("path", ["a___b", "a..b", "a._b", "a/", "/a", "-a", "a-", "a_", ".a", "A", "ä"])
async def test_a_name_outside_the_grammar_is_refused(registry: Client, path: str) -> None:
    """OCI "Pulling manifests": <name> MUST match the expression; code-8 NAME_INVALID."""
    answer = await registry("GET", f"/v2/{path.replace('ä', '%C3%A4')}/manifests/t")
    assert (answer.status, answer.code) == (400, "NAME_INVALID")


@pytest.mark.parametrize("target", ["-t", ".t", "a" * 129, "a b".replace(" ", "%20"), "a+b"])
async def test_a_reference_that_is_neither_digest_nor_tag_is_refused(registry: Client, target: str) -> None:
    """OCI "Pulling manifests": <tag-or-digest> MUST NOT be in any other format; TAG_INVALID is Docker's code."""
    answer = await registry("GET", f"/v2/a/manifests/{target}")
    assert (answer.status, answer.code) == (400, "TAG_INVALID")


@pytest.mark.parametrize(
    "kind, raw",
    [
        (OCI_MANIFEST, image_of()),
        (OCI_INDEX, index_of()),
        (DOCKER_MANIFEST, image_of(mediaType=DOCKER_MANIFEST)),
        (DOCKER_LIST, index_of(mediaType=DOCKER_LIST)),
        ("application/vnd.example.Thing.v1+json", b'{"mediaType": "application/vnd.example.Thing.v1+json"}'),
        (OCI_MANIFEST, image_of(mediaType=None)),
        ("application/vnd.example.Other.v1+json", b'{"schemaVersion": 2}'),
    ],
)
async def test_a_manifest_is_pulled_with_the_content_type_it_was_pushed_with(
    registry: Client, kind: str, raw: bytes
) -> None:
    """OCI "Pulling manifests": Content-Type SHOULD match what was pushed and SHOULD NOT have parameters."""
    await push_blobs(registry, "a")
    await put(registry, "a", "t", raw, f"{kind}; charset=utf-8")
    for method in ("GET", "HEAD"):
        answer = await registry(method, "/v2/a/manifests/t")
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind)


@pytest.mark.parametrize("accept", [None, "*/*", DOCKER_MANIFEST, OCI_INDEX, "text/html", "application/json;q=0"])
async def test_a_manifest_is_pulled_whatever_the_client_accepts(registry: Client, accept: str | None) -> None:
    """OCI "Pulling manifests": the Accept header is the client's SHOULD; the manifest MUST be provided."""
    await push_blobs(registry, "a")
    await put(registry, "a", "t", image_of())
    headers = {} if accept is None else {"Accept": accept}
    answer = await registry("GET", "/v2/a/manifests/t", **headers)
    assert (answer.status, answer.headers["Content-Type"]) == (200, OCI_MANIFEST)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("target", ["nope", Digest.of(b"nope"), Digest.of(b"nope", "sha512")])
@pytest.mark.parametrize("path", ["a", "no/such/repository"])
async def test_a_manifest_that_is_not_there_is_404(registry: Client, method: str, target: str, path: str) -> None:
    """OCI "Pulling manifests": not found in the repository, nonexistent repository: MUST be 404."""
    await registry.push_blob("a", b"something")
    answer = await registry(method, f"/v2/{path}/manifests/{target}")
    assert answer.status == 404
    assert method == "HEAD" or answer.code == "MANIFEST_UNKNOWN"


async def test_a_blob_is_not_a_manifest_nor_the_other_way_round(registry: Client) -> None:
    """OCI "Pulling blobs", "Pulling manifests": what is not found as such MUST be 404."""
    await push_blobs(registry, "a")
    await put(registry, "a", "t", image_of())
    assert (await registry("GET", f"/v2/a/manifests/{Digest.of(b'layer')}")).status == 404
    assert (await registry("GET", f"/v2/a/blobs/{Digest.of(image_of())}")).status == 404


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("content", [CONTENT, b"", b"{}"], ids=["bytes", "the empty blob", "the empty JSON"])
async def test_a_blob_is_pulled(registry: Client, algorithm: str, content: bytes) -> None:
    """OCI "Pulling blobs": MUST be 200 with the expected blob; Docker-Content-Digest MUST match the body."""
    digest = await registry.push_blob("a", content, algorithm)
    answer = await registry("GET", f"/v2/a/blobs/{digest}")
    assert (answer.status, answer.body) == (200, content)
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["Content-Length"] == str(len(content))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["a", "no/such/repository"])
async def test_a_blob_that_is_not_there_is_404(registry: Client, method: str, path: str) -> None:
    """OCI "Pulling blobs", "Checking if content exists": MUST be 404."""
    await registry.push_blob("a", b"something")
    answer = await registry(method, f"/v2/{path}/blobs/{Digest.of(b'nope')}")
    assert answer.status == 404
    assert method == "HEAD" or answer.code == "BLOB_UNKNOWN"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_head_says_that_content_is_there(registry: Client, algorithm: str) -> None:
    """OCI "Checking if content exists": MUST be 200 with Docker-Content-Digest and the size in Content-Length."""
    await push_blobs(registry, "a", algorithm)
    raw = artifact_of(algorithm)
    digest = Digest.of(raw, algorithm)
    await put(registry, "a", f"{digest}?tag=t", raw)
    layer = Digest.of(b"layer", algorithm)
    for path, found, size in (
        ("manifests/t", digest, len(raw)),
        (f"manifests/{digest}", digest, len(raw)),
        (f"blobs/{layer}", layer, 5),
    ):
        answer = await registry("HEAD", f"/v2/a/{path}")
        assert (answer.status, answer.body) == (200, b"")
        assert (answer.headers["Docker-Content-Digest"], answer.headers["Content-Length"]) == (found, str(size))


EVERYWHERE = (
    "/v2/",
    "/v2/_catalog",
    "/v2/a/tags/list",
    "/v2/a/manifests/t",
    "/v2/a/manifests/nope",
    f"/v2/a/blobs/{Digest.of(b'layer')}",
    f"/v2/a/blobs/{Digest.of(b'nope')}",
    f"/v2/a/referrers/{Digest.of(b'x')}",
    "/v2/NOT-VALID/tags/list",
)


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_head_is_get_without_the_body(registry: Client, path: str) -> None:
    """RFC 9110 9.3.2, by OCI "API": the same status and headers, and not one byte of content."""
    await push_blobs(registry, "a")
    await put(registry, "a", "t", image_of())
    got = await registry("GET", path)
    reader, writer = await raw_connection(registry.running)
    writer.write(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert (int(head.split(b" ")[1]), body) == (got.status, b"")
    said = dict(line.split(b": ", 1) for line in head.lower().splitlines()[1:])
    for name in ("Content-Length", "Content-Type", "Docker-Content-Digest", "ETag"):
        assert said.get(name.lower().encode(), b"").decode() == got.headers.get(name, "").lower(), name


RANGES = {
    "in the middle": ("bytes=500-1499", 500, 1500),
    "to the end": ("bytes=500-", 500, SIZE),
    "the last bytes": ("bytes=-500", SIZE - 500, SIZE),
    "over the end": (f"bytes={SIZE - 48}-{SIZE + 5000}", SIZE - 48, SIZE),
    "one byte": ("bytes=0-0", 0, 1),
    "more last bytes than there are": (f"bytes=-{SIZE * 2}", 0, SIZE),
}


@pytest.mark.parametrize("case", RANGES)
async def test_a_range_of_a_blob_is_pulled(registry: Client, case: str) -> None:
    """OCI "Pulling blobs": a registry SHOULD support Range in accordance with RFC 9110 section 14."""
    asked, first, end = RANGES[case]
    digest = await registry.push_blob("a", CONTENT)
    answer = await registry("GET", f"/v2/a/blobs/{digest}", Range=asked)
    assert (answer.status, answer.body) == (206, CONTENT[first:end])
    assert answer.headers["Content-Range"] == f"bytes {first}-{end - 1}/{SIZE}"
    assert answer.headers["Content-Length"] == str(end - first)


@pytest.mark.parametrize("asked", ["bytes=500-0", f"bytes={SIZE}-", "bytes=5000-10000", "bytes=-0"])
async def test_a_range_without_a_byte_in_it_is_416(registry: Client, asked: str) -> None:
    """RFC 9110 14.2, 15.5.17: invalid or unsatisfiable ranges may be rejected, saying how long the content is."""
    digest = await registry.push_blob("a", CONTENT)
    answer = await registry("GET", f"/v2/a/blobs/{digest}", Range=asked)
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{SIZE}")
    assert (await registry("GET", f"/v2/a/blobs/{digest}")).body == CONTENT


@pytest.mark.parametrize("asked", ["lines=1-2", "bytes=0-1,5-6", "nonsense", "bytes=-", "bytes=a-b", "bytes 0-1"])
async def test_a_range_that_is_not_understood_is_answered_with_the_whole(registry: Client, asked: str) -> None:
    """RFC 9110 14.2: a server MUST ignore units it does not understand and MAY ignore the header."""
    digest = await registry.push_blob("a", CONTENT)
    answer = await registry("GET", f"/v2/a/blobs/{digest}", Range=asked)
    assert (answer.status, answer.body) == (200, CONTENT)


async def test_head_is_answered_200_also_when_it_asks_for_a_range(registry: Client) -> None:
    """RFC 9110 14.2: Range MUST be ignored unless the method is GET; OCI: HEAD of a blob MUST be 200."""
    digest = await registry.push_blob("a", CONTENT)
    answer = await registry("HEAD", f"/v2/a/blobs/{digest}", Range="bytes=5-9")
    assert (answer.status, answer.headers["Content-Length"]) == (200, str(SIZE))
    assert "Content-Range" not in answer.headers


async def test_a_pull_that_broke_off_goes_on_where_it_was(registry: Client) -> None:
    """OCI "Resumable Pull", RFC 9110 13.1.5: with If-Range the rest comes only of the same content."""
    digest = await registry.push_blob("a", CONTENT)
    etag = (await registry("HEAD", f"/v2/a/blobs/{digest}")).headers["ETag"]
    rest = await registry("GET", f"/v2/a/blobs/{digest}", Range="bytes=1000-", If_Range=etag)
    assert (rest.status, rest.body) == (206, CONTENT[1000:])
    whole = await registry("GET", f"/v2/a/blobs/{digest}", Range="bytes=1000-", If_Range='"another"')
    assert (whole.status, whole.body) == (200, CONTENT)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_a_client_has_already_is_304(registry: Client, method: str) -> None:
    """RFC 9110 13.1.2: If-None-Match with the entity tag of what would be sent."""
    await push_blobs(registry, "a")
    await put(registry, "a", "t", image_of())
    for path in ("manifests/t", f"manifests/{Digest.of(image_of())}", f"blobs/{Digest.of(b'layer')}"):
        etag = (await registry("GET", f"/v2/a/{path}")).headers["ETag"]
        for said in (etag, f"W/{etag}", f'"x", {etag}', "*"):
            answer = await registry(method, f"/v2/a/{path}", If_None_Match=said)
            assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", etag)
        assert (await registry(method, f"/v2/a/{path}", If_None_Match='"x"')).status == 200
        assert urlsplit(path).path == path


async def test_the_entity_tag_of_a_tag_changes_when_it_moves(registry: Client) -> None:
    """RFC 9110 8.8.3: a client that has the old image is given the new one."""
    await push_blobs(registry, "a")
    await put(registry, "a", "t", image_of())
    old = (await registry("GET", "/v2/a/manifests/t")).headers["ETag"]
    await put(registry, "a", "t", image_of(()))
    answer = await registry("GET", "/v2/a/manifests/t", If_None_Match=old)
    assert (answer.status, answer.body) == (200, image_of(()))


async def test_the_host_that_a_proxy_would_ask_is_ignored(registry: Client) -> None:
    """OCI "Registry Proxying": a registry MAY ignore the ns parameter."""
    digest = await registry.push_blob("a", CONTENT)
    answer = await registry("GET", f"/v2/a/blobs/{digest}?ns=quay.io")
    assert (answer.status, answer.body, "OCI-Namespace" in answer.headers) == (200, CONTENT, False)
