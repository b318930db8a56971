"""What all endpoints share: the ping, error bodies and codes, methods, headers."""

import json
import re

import pytest

from airferry.oci import Digest
from airferry.oci.mediatype import OCI_INDEX

from ..conftest import Client
from .objects import CONTENT, follow, index_of, push_blobs, put

D = Digest.of(b"nope")
U = "9d0b5fb4-5b2f-4f0e-9c5e-111111111111"

OCI_CODES = {
    *("BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN"),
    *("MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED"),
    *("DENIED", "UNSUPPORTED", "TOOMANYREQUESTS"),
}
DOCKER_CODES = {"TAG_INVALID", "PAGINATION_NUMBER_INVALID"}
"""What the OCI list lacks: the first its "Legacy Docker support error codes" allow, the second is Docker's own."""


async def test_the_ping_says_that_this_is_a_registry(registry: Client) -> None:
    """OCI "Determining Support": 200 OK; Docker "API Version Check": the header says registry/2.0."""
    for path in ("/v2/", "/v2", "/v2/?x=y"):
        answer = await registry("GET", path)
        assert (answer.status, answer.headers["Docker-Distribution-API-Version"]) == (200, "registry/2.0")


REFUSED: dict[str, tuple[str, str, bytes | None, int, str]] = {
    "blob": ("GET", f"/v2/a/blobs/{D}", None, 404, "BLOB_UNKNOWN"),
    "blob with a bad digest": ("GET", "/v2/a/blobs/sha256:x", None, 400, "DIGEST_INVALID"),
    "deleting a blob": ("DELETE", f"/v2/a/blobs/{D}", None, 404, "BLOB_UNKNOWN"),
    "deleting a blob with a bad digest": ("DELETE", "/v2/a/blobs/x", None, 400, "DIGEST_INVALID"),
    "manifest": ("GET", "/v2/a/manifests/t", None, 404, "MANIFEST_UNKNOWN"),
    "manifest by digest": ("GET", f"/v2/a/manifests/{D}", None, 404, "MANIFEST_UNKNOWN"),
    "deleting a manifest": ("DELETE", f"/v2/a/manifests/{D}", None, 404, "MANIFEST_UNKNOWN"),
    "bad tag": ("DELETE", "/v2/a/manifests/-", None, 400, "TAG_INVALID"),
    "no manifest": ("PUT", "/v2/a/manifests/t", b"[]", 400, "MANIFEST_INVALID"),
    "manifest of another digest": ("PUT", f"/v2/a/manifests/{D}", b"{}", 400, "DIGEST_INVALID"),
    "bad name": ("POST", "/v2/A/blobs/uploads/", None, 400, "NAME_INVALID"),
    "unknown name": ("GET", "/v2/nope/tags/list", None, 404, "NAME_UNKNOWN"),
    "upload": ("GET", f"/v2/a/blobs/uploads/{U}", None, 404, "BLOB_UPLOAD_UNKNOWN"),
    "chunk for no upload": ("PATCH", f"/v2/a/blobs/uploads/{U}", b"x", 404, "BLOB_UPLOAD_UNKNOWN"),
    "closing no upload": ("PUT", f"/v2/a/blobs/uploads/{U}?digest={D}", b"x", 404, "BLOB_UPLOAD_UNKNOWN"),
    "cancelling no upload": ("DELETE", f"/v2/a/blobs/uploads/{U}", None, 404, "BLOB_UPLOAD_UNKNOWN"),
    "blob of another digest": ("POST", f"/v2/a/blobs/uploads/?digest={D}", b"x", 400, "DIGEST_INVALID"),
    "page size": ("GET", "/v2/_catalog?n=x", None, 400, "PAGINATION_NUMBER_INVALID"),
    "referrers of no digest": ("GET", "/v2/a/referrers/x", None, 400, "DIGEST_INVALID"),
    "method": ("PATCH", "/v2/a/manifests/t", None, 405, "UNSUPPORTED"),
    "no endpoint": ("GET", "/v2/a/b", None, 404, "UNSUPPORTED"),
    "another API": ("GET", "/v1/_ping", None, 404, "UNSUPPORTED"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refusal_has_a_code_of_the_specification_in_the_body_it_gives(registry: Client, case: str) -> None:
    """OCI "Error Codes": the body MUST have the format, the code MUST be one of the list."""
    method, path, body, status, code = REFUSED[case]
    await registry.push_blob("a", CONTENT)
    answer = await registry(method, path, body)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert set(json.loads(answer.body)) == {"errors"}
    for entry in json.loads(answer.body)["errors"]:
        assert set(entry) <= {"code", "message", "detail"}
        assert isinstance(entry["message"], str) and entry["message"]
        assert re.fullmatch(r"[A-Z_]+", entry["code"])
        assert entry["code"] in OCI_CODES | DOCKER_CODES


@pytest.mark.parametrize("case", REFUSED)
async def test_every_answer_names_the_api_and_warns_of_nothing(registry: Client, case: str) -> None:
    """Docker "API Version Check": the header; OCI "Warnings": MAY, so none where there is nothing to warn of."""
    method, path, body, _, _ = REFUSED[case]
    answer = await registry(method, path, body)
    assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
    assert "Warning" not in answer.headers


@pytest.mark.parametrize(
    "path, allowed",
    [
        ("/v2/", {"GET"}),
        ("/v2/_catalog", {"GET"}),
        ("/v2/a/tags/list", {"GET"}),
        (f"/v2/a/referrers/{D}", {"GET"}),
        (f"/v2/a/blobs/{D}", {"GET", "DELETE"}),
        ("/v2/a/manifests/t", {"GET", "PUT", "DELETE"}),
        ("/v2/a/blobs/uploads/", {"POST"}),
        (f"/v2/a/blobs/uploads/{U}", {"GET", "PATCH", "PUT", "DELETE"}),
    ],
)
async def test_a_method_that_an_endpoint_does_not_have_is_405(registry: Client, path: str, allowed: set[str]) -> None:
    """OCI "Endpoints" and RFC 9110 15.5.6: 405 with Allow."""
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} - allowed:
        answer = await registry(method, path)
        assert (answer.status, answer.code) == (405, "UNSUPPORTED"), method
        assert set(answer.headers["Allow"].split(", ")) == allowed | ({"HEAD"} if "GET" in allowed else set())


async def test_answers_to_an_upload_name_it(registry: Client) -> None:
    """Docker "Uploading the Layer": every answer has Location, Range and Docker-Upload-UUID, 416 too."""
    begun = await registry("POST", "/v2/a/blobs/uploads/")
    location, upload_id = begun.headers["Location"], begun.headers["Docker-Upload-UUID"]
    answers = [
        begun,
        await follow(registry, "PATCH", location, "", b"0123456789", Content_Range="0-9"),
        await follow(registry, "GET", location),
        await follow(registry, "PATCH", location, "", b"0123456789", Content_Range="20-29"),
        await follow(registry, "PATCH", location, "", b"0123456789", Content_Range="nonsense"),
        await follow(registry, "PUT", location, f"digest={D}", b"0123456789", Content_Range="0-9"),
    ]
    assert [answer.status for answer in answers] == [202, 202, 204, 416, 416, 416]
    for answer in answers:
        assert (answer.headers["Docker-Upload-UUID"], answer.headers["Location"]) == (upload_id, location)
    assert [answer.headers["Range"] for answer in answers] == ["0-0", *["0-9"] * 5]


@pytest.mark.parametrize("said", ["nonsense", "9-0", "-5-10", "5-", "0-9" * 50, "0-" + "9" * 100, ""])
async def test_a_content_range_that_is_none_is_416(registry: Client, said: str) -> None:
    """Docker "Chunked Upload": 416 for an invalid Content-Range header format."""
    location = await registry.begin("a")
    answer = await follow(registry, "PATCH", location, "", b"0123456789", Content_Range=said)
    assert (answer.status, answer.code) == (416, "BLOB_UPLOAD_INVALID")
    assert (await follow(registry, "PATCH", location, "", b"0123456789", Content_Range="0-9")).status == 202


async def test_names_may_be_those_of_endpoints(registry: Client) -> None:
    """OCI "Pulling manifests": the grammar of names knows no reserved words."""
    for path in ("blobs", "manifests", "tags/list", "blobs/uploads", "referrers", "v2", "a/manifests/b", "uploads"):
        await push_blobs(registry, path)
        await put(registry, path, "t", index_of(), OCI_INDEX)
        assert (await registry("GET", f"/v2/{path}/tags/list")).json == {"name": path, "tags": ["t"]}
        assert (await registry("GET", f"/v2/{path}/blobs/{Digest.of(b'layer')}")).body == b"layer"


async def test_repositories_appear_when_something_is_pushed(registry: Client) -> None:
    """What mirrors need: namespaces of any depth are made by a push, and by nothing else."""
    path = "/".join(f"p{number}" for number in range(40))
    assert (await registry("GET", f"/v2/{path}/tags/list")).status == 404
    await registry.begin(path)
    assert (await registry("GET", "/v2/_catalog")).json["repositories"] == []
    await put(registry, path, "t", index_of(), OCI_INDEX)
    assert (await registry("GET", "/v2/_catalog")).json["repositories"] == [path]
