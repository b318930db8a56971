"""Push: manifests of every kind, by tag and by digest."""

import json

import pytest

from airferry.oci import Digest
from airferry.oci.mediatype import OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST

from ..conftest import Answer, Client
from .objects import ALGORITHMS, ARTIFACT, artifact_of, follow, image_of, index_of, pointer, push_blobs, put

ABSENT = b"never pushed"


async def check_stored(registry: Client, answer: Answer, raw: bytes, algorithm: str = "sha256") -> None:
    """The 201 of a push: its Location is a pullable manifest URL, its digest that of the exact bytes."""
    assert (answer.status, answer.body) == (201, b"")
    assert answer.headers["Docker-Content-Digest"] == Digest.of(raw, algorithm)
    assert (await follow(registry, "GET", answer.headers["Location"])).body == raw


async def test_a_manifest_is_pushed_by_tag(registry: Client) -> None:
    """OCI "Pushing Manifests": MUST be 201 with Location."""
    await push_blobs(registry, "a")
    await check_stored(registry, await put(registry, "a", "t", image_of()), image_of())
    assert (await registry("GET", "/v2/a/manifests/t")).body == image_of()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_manifest_is_pushed_by_digest_and_needs_no_tag(registry: Client, algorithm: str) -> None:
    """OCI "Pushing Manifests": Docker-Content-Digest MUST be equal to the client provided digest."""
    await push_blobs(registry, "a", algorithm)
    raw = image_of(algorithm=algorithm)
    answer = await put(registry, "a", Digest.of(raw, algorithm), raw)
    await check_stored(registry, answer, raw, algorithm)
    assert (await registry("GET", "/v2/a/tags/list")).json["tags"] == []


async def test_a_manifest_is_stored_in_exactly_the_bytes_that_were_pushed(registry: Client) -> None:
    """OCI "Pushing Manifests": MUST store the exact byte representation."""
    await push_blobs(registry, "a")
    fields = json.loads(image_of(annotations={"é": "\u2028"}))
    for raw in (
        json.dumps(fields, indent=7).encode(),
        json.dumps(fields, ensure_ascii=False).encode(),
        b" \n" + image_of() + b"\n\n",
        image_of(unknown=[1.50, 10**30]),
    ):
        await check_stored(registry, await put(registry, "a", "t", raw), raw)


OBJECTS: dict[str, tuple[bytes, str]] = {
    "an image": (image_of(), OCI_MANIFEST),
    "an image of two same layers": (image_of((b"layer", b"layer")), OCI_MANIFEST),
    "an image without layers": (image_of(()), OCI_MANIFEST),
    "an artifact": (artifact_of(), OCI_MANIFEST),
    "an artifact of one layer": (artifact_of(layers=[pointer(b"layer", ARTIFACT)]), OCI_MANIFEST),
    "an artifact whose type is its config's": (
        image_of(config=pointer(b"{}", ARTIFACT), artifactType=None),
        OCI_MANIFEST,
    ),
    "an image with its content in its descriptors": (
        image_of(config=pointer(b"{}", OCI_CONFIG, data="e30=")),
        OCI_MANIFEST,
    ),
    "fields nobody knows": (image_of(**{"org.example": {"a": [1, None, "x"]}}), OCI_MANIFEST),
    "an empty index": (index_of(), OCI_INDEX),
    "an index": (index_of((image_of(),)), OCI_INDEX),
    "an index whose images were never pushed": (index_of((ABSENT, ABSENT + b"!")), OCI_INDEX),
    "an index of indexes": (index_of((index_of(), index_of((image_of(),)))), OCI_INDEX),
    "an index that is an artifact": (index_of(artifactType=ARTIFACT, annotations={"a": "b"}), OCI_INDEX),
    "an index of platforms": (
        json.dumps(
            json.loads(index_of())
            | {"manifests": [pointer(ABSENT, OCI_MANIFEST, platform={"os": "linux", "architecture": "s390x"})]}
        ).encode(),
        OCI_INDEX,
    ),
    "layers that live elsewhere": (
        image_of(
            layers=[
                pointer(
                    ABSENT, f"application/vnd.oci.image.layer.nondistributable.v1.tar{packed}", urls=["https://x/y"]
                )
                for packed in ("", "+gzip")
            ]
        ),
        OCI_MANIFEST,
    ),
    "a type of somebody else": (b'{"mediaType": "application/vnd.example+json"}', "application/vnd.example+json"),
}


@pytest.mark.parametrize("case", OBJECTS)
@pytest.mark.parametrize("by", ["tag", "digest"])
async def test_every_kind_of_object_is_taken_and_comes_back(registry: Client, case: str, by: str) -> None:
    """OCI "Pushing Manifests": agnostic of content types; the list of blobs MAY be empty."""
    raw, kind = OBJECTS[case]
    await push_blobs(registry, "a")
    answer = await put(registry, "a", "t" if by == "tag" else Digest.of(raw), raw, kind)
    await check_stored(registry, answer, raw)
    pulled = await registry("GET", f"/v2/a/manifests/{Digest.of(raw)}")
    assert (pulled.body, pulled.headers["Content-Type"]) == (raw, kind)


async def test_parameters_of_the_content_type_are_ignored(registry: Client) -> None:
    """OCI "Pushing Manifests": the registry SHOULD ignore parameters on Content-Type."""
    await push_blobs(registry, "a")
    for kind in (f"{OCI_MANIFEST}; charset=utf-8", f"{OCI_MANIFEST} ;x=y", OCI_MANIFEST.upper()):
        answer = await registry.push_manifest("a", "t", image_of(), kind)
        assert answer.status == 201


@pytest.mark.parametrize("by", ["tag", "digest"])
async def test_blobs_that_are_missing_are_each_named(registry: Client, by: str) -> None:
    """OCI "Push": one or more MANIFEST_BLOB_UNKNOWN; Docker "Pushing an Image Manifest": one for each digest."""
    await registry.push_blob("a", b"layer")
    await registry.push_blob("elsewhere", b"two")
    raw = image_of((b"layer", b"two", b"three"))
    answer = await registry.push_manifest("a", "t" if by == "tag" else Digest.of(raw), raw)
    assert (answer.status, {entry["code"] for entry in answer.json["errors"]}) == (400, {"MANIFEST_BLOB_UNKNOWN"})
    missing = {Digest.of(content) for content in (b'{"os":"linux"}', b"two", b"three")}
    assert {entry["detail"]["digest"] for entry in answer.json["errors"]} == missing
    for target in ("t", Digest.of(raw)):
        assert (await registry("HEAD", f"/v2/a/manifests/{target}")).status == 404


async def test_a_manifest_of_thousands_of_missing_blobs_is_refused_in_few_words(registry: Client) -> None:
    """OCI "Push": one or more errors; so not all of them."""
    raw = image_of(tuple(b"%d" % number for number in range(3000)))
    answer = await registry.push_manifest("a", "t", raw)
    assert (answer.status, answer.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert 1 <= len(answer.json["errors"]) <= 100


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", [OCI_MANIFEST, OCI_INDEX])
@pytest.mark.parametrize("first", ["the subject", "the referrer"])
async def test_a_subject_may_be_pushed_before_or_after_what_refers_to_it(
    registry: Client, algorithm: str, kind: str, first: str
) -> None:
    """OCI "Push": MUST initially accept; "Pushing Manifests with Subject": MUST respond with OCI-Subject."""
    await push_blobs(registry, "a", algorithm)
    subject = image_of(algorithm=algorithm)
    points = pointer(subject, OCI_MANIFEST, algorithm)
    make = artifact_of if kind == OCI_MANIFEST else index_of
    referrer = make(algorithm=algorithm, subject=points)
    if first == "the subject":
        await put(registry, "a", Digest.of(subject, algorithm), subject)
    answer = await put(registry, "a", Digest.of(referrer, algorithm), referrer, kind)
    assert answer.headers["OCI-Subject"] == Digest.of(subject, algorithm)
    await check_stored(registry, answer, referrer, algorithm)
    if first != "the subject":
        await put(registry, "a", Digest.of(subject, algorithm), subject)
    listed = await registry("GET", f"/v2/a/referrers/{Digest.of(subject, algorithm)}")
    assert [entry["digest"] for entry in listed.json["manifests"]] == [Digest.of(referrer, algorithm)]


async def test_no_subject_is_answered_with_none(registry: Client) -> None:
    """OCI "Pushing Manifests with Subject": the header says that a subject was processed."""
    await push_blobs(registry, "a")
    assert "OCI-Subject" not in (await put(registry, "a", "t", image_of())).headers
    assert "OCI-Subject" not in (await put(registry, "a", "t", image_of(subject=None))).headers


def oci_tags(answer: Answer) -> list[str]:
    """The tags in all OCI-Tag headers together (RFC 9110 5.3)."""
    return [tag.strip() for value in answer.headers.getall("OCI-Tag", []) for tag in value.split(",")]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_push_by_digest_makes_the_tags_of_its_parameters(registry: Client, algorithm: str) -> None:
    """OCI "Pushing Manifests": SHOULD support at least 10 tags; MUST include an OCI-Tag for each."""
    await push_blobs(registry, "a", algorithm)
    raw = image_of(algorithm=algorithm)
    digest = Digest.of(raw, algorithm)
    tags = ["1.2.3", "1.2", "1", "latest", *(f"tag-{number}" for number in range(20)), "A" * 128]
    answer = await put(registry, "a", f"{digest}?{'&'.join(f'tag={tag}' for tag in tags)}", raw)
    assert sorted(oci_tags(answer)) == sorted(tags)
    for tag in tags:
        pulled = await registry("GET", f"/v2/a/manifests/{tag}")
        assert (pulled.body, pulled.headers["Docker-Content-Digest"]) == (raw, digest)


async def test_the_longest_ten_tags_there_are_fit(registry: Client) -> None:
    """OCI "Pushing Manifests": SHOULD support at least 10 tags per request, of 128 characters each."""
    raw = index_of()
    tags = [f"{number}" * 128 for number in range(10)]
    query = "&".join(f"tag={tag}" for tag in tags)
    answer = await put(registry, "a", f"{Digest.of(raw, 'sha512')}?{query}", raw, OCI_INDEX)
    assert sorted(oci_tags(answer)) == tags


async def test_the_same_tag_twice_is_one_tag(registry: Client) -> None:
    """OCI "Pushing Manifests": an OCI-Tag header for each accepted tag."""
    answer = await put(registry, "a", f"{Digest.of(index_of())}?tag=x&tag=x", index_of(), OCI_INDEX)
    assert oci_tags(answer) == ["x"]


async def test_too_many_tags_are_414_and_none_is_made(registry: Client) -> None:
    """OCI "Pushing Manifests": MAY return 414 if too many tags are included."""
    query = "&".join(f"tag=v{number}" for number in range(500))
    answer = await registry.push_manifest("a", f"{Digest.of(index_of())}?{query}", index_of(), OCI_INDEX)
    assert answer.status == 414
    assert (await registry("GET", "/v2/a/tags/list")).status == 404


async def test_one_bad_tag_among_good_ones_makes_none(registry: Client) -> None:
    """OCI "Pulling manifests": a tag MUST match the expression; what is refused leaves nothing."""
    raw = index_of()
    for bad in ("", "-x", "a/b", "a" * 129, "%00"):
        answer = await registry.push_manifest("a", f"{Digest.of(raw)}?tag=good&tag={bad}", raw, OCI_INDEX)
        assert (answer.status, answer.code) == (400, "TAG_INVALID")
    assert (await registry("GET", f"/v2/a/manifests/{Digest.of(raw)}")).status == 404


async def test_tag_parameters_of_a_push_by_tag_are_no_business_of_it(registry: Client) -> None:
    """OCI "Pushing Manifests": tag parameters belong to pushes by digest."""
    answer = await put(registry, "a", "t?tag=other", index_of(), OCI_INDEX)
    assert "OCI-Tag" not in answer.headers
    assert (await registry("GET", "/v2/a/tags/list")).json["tags"] == ["t"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_manifest_of_another_digest_is_refused(registry: Client, algorithm: str) -> None:
    """OCI "Pushing Manifests": the digest MUST be equal to the client provided one; code-4 DIGEST_INVALID."""
    raw = index_of()
    digest = Digest.of(raw, algorithm)
    answer = await registry.push_manifest("a", f"{digest}?tag=t", raw + b"  ", OCI_INDEX)
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    for target in (digest, Digest.of(raw + b"  ", algorithm), "t"):
        assert (await registry("HEAD", f"/v2/a/manifests/{target}")).status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_reference_that_looks_like_a_digest_and_is_none_is_refused(registry: Client, method: str) -> None:
    """OCI "Pushing blobs", "Pulling manifests": an invalid digest SHOULD be 400."""
    body = index_of() if method == "PUT" else None
    answer = await registry(method, "/v2/a/manifests/sha256:baddigeststring", body)
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize("size", [4_000_000, 4 * 1024 * 1024])
async def test_manifests_of_four_megabytes_are_taken(registry: Client, size: int) -> None:
    """OCI "Pushing Manifests": SHOULD expect to support manifest pushes of at least 4 megabytes."""
    raw = index_of(annotations={"x": ""})
    raw = raw.replace(b'"x": ""', b'"x": "' + b"y" * (size - len(raw)) + b'"')
    answer = await put(registry, "a", "t", raw, OCI_INDEX)
    await check_stored(registry, answer, raw)


@pytest.mark.parametrize("framing", ["with a length", "chunked"])
async def test_manifests_over_the_limit_are_413(registry: Client, framing: str) -> None:
    """OCI "Pushing Manifests": SHOULD enforce some limit; over it SHOULD be 413."""
    raw = bytes(16_000_000)

    async def stream():
        for at in range(0, len(raw), 1_000_000):
            yield raw[at : at + 1_000_000]

    answer = await registry.push_manifest("a", "t", raw if framing == "with a length" else stream(), OCI_INDEX)
    assert (answer.status, answer.code) == (413, "SIZE_INVALID")
    assert (await registry("GET", "/v2/")).status == 200


async def test_pushing_again_changes_nothing(registry: Client) -> None:
    """OCI "Pushing Manifests": a tag points to one manifest, and moves with the last push."""
    await push_blobs(registry, "a")
    for raw in (image_of(), image_of(), image_of(()), image_of()):
        await put(registry, "a", "t", raw)
        assert (await registry("GET", "/v2/a/manifests/t")).body == raw
    assert (await registry("GET", "/v2/a/tags/list")).json["tags"] == ["t"]


CONTRADICTIONS = {
    "a Content-Type that is not its own": (image_of(), OCI_INDEX),
    "layers and manifests": (image_of(manifests=[]), OCI_MANIFEST),
    "an index with layers": (index_of(layers=[]), OCI_INDEX),
    "a subject that is no descriptor": (image_of(subject={}), OCI_MANIFEST),
    "a subject that is a list": (index_of(subject=[]), OCI_INDEX),
    "a subject without a size": (index_of(subject={"mediaType": OCI_MANIFEST, "digest": Digest.of(b"")}), OCI_INDEX),
    "an artifact type that is no text": (artifact_of(artifactType=5), OCI_MANIFEST),
    "manifests that are no list": (index_of(manifests={}), OCI_INDEX),
    "no config": (json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}).encode(), OCI_MANIFEST),
    "a digest of md5": (image_of(layers=[pointer(b"", OCI_EMPTY) | {"digest": "md5:" + "a" * 32}]), OCI_MANIFEST),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
async def test_a_manifest_that_is_none_is_refused(registry: Client, case: str) -> None:
    """OCI "Error Codes": code-6 MANIFEST_INVALID; image-spec manifest.md, image-index.md, descriptor.md."""
    await push_blobs(registry, "a")
    raw, kind = CONTRADICTIONS[case]
    answer = await registry.push_manifest("a", "t", raw, kind)
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")
    assert (await registry("HEAD", "/v2/a/manifests/t")).status == 404
