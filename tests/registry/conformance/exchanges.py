"""Requests that are sent to our registry and to another one, and what each answers, in a few words."""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import aiohttp

from airferry.oci import Digest
from airferry.oci.mediatype import DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX

from ..conftest import Answer, Client
from .objects import CONTENT, follow, image_of, index_of, pointer

Exchange = Callable[[Client], Awaitable[str]]
EXCHANGES: Final[dict[str, Exchange]] = {}
D: Final = Digest.of(CONTENT)
NEVER: Final = Digest.of(b"never pushed")
FOREIGN: Final = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
ACCEPT: Final = {"Accept": f"{DOCKER_MANIFEST}, {DOCKER_LIST}, application/vnd.oci.image.manifest.v1+json, {OCI_INDEX}"}


def exchange(name: str) -> Callable[[Exchange], Exchange]:
    def keep(function: Exchange) -> Exchange:
        EXCHANGES[name] = function
        return function

    return keep


def said(answer: Answer, *headers: str) -> str:
    """The status, the code of a refusal, and what some headers say."""
    words = [str(answer.status)]
    with suppress(ValueError, LookupError, TypeError):
        words.append(json.loads(answer.body)["errors"][0]["code"])
    for name in headers:
        words.append(f"{name} {answer.headers[name]}" if name in answer.headers else f"no {name}")
    return ", ".join(words)


async def answer_to(registry: Client, name: str) -> str:
    try:
        return await EXCHANGES[name](registry)
    except aiohttp.ClientError:
        return "the connection breaks"


def docker_image(**more: object) -> bytes:
    config = pointer(b'{"os":"linux"}', DOCKER_CONFIG)
    layers = [pointer(b"layer", DOCKER_LAYER_GZIP)]
    return image_of(mediaType=DOCKER_MANIFEST, **{"config": config, "layers": layers, **more})


async def pushed(registry: Client, path: str, tag: str = "t", raw: bytes | None = None) -> Digest:
    raw = docker_image() if raw is None else raw
    await _blobs(registry, path)
    answer = await registry.push_manifest(path, tag, raw, DOCKER_MANIFEST)
    assert answer.status == 201, answer.body
    return Digest.of(raw)


async def _blob(registry: Client, path: str, content: bytes = CONTENT) -> Digest:
    location = (await registry("POST", f"/v2/{path}/blobs/uploads/")).headers["Location"]
    answer = await follow(registry, "PUT", location, f"digest={Digest.of(content)}", content)
    assert answer.status == 201, answer.body
    return Digest.of(content)


async def _blobs(registry: Client, path: str) -> None:
    for content in (b'{"os":"linux"}', b"{}", b"layer"):
        await _blob(registry, path, content)


async def _begun(registry: Client, path: str, sent: int = 100) -> str:
    location = (await registry("POST", f"/v2/{path}/blobs/uploads/")).headers["Location"]
    if sent:
        answer = await follow(registry, "PATCH", location, "", CONTENT[:sent], Content_Range=f"0-{sent - 1}")
        location = answer.headers["Location"]
    return location


@exchange("`GET /v2/`")
async def _(registry: Client) -> str:
    return said(await registry("GET", "/v2/"), "Docker-Distribution-API-Version")


@exchange("manifest by tag")
async def _(registry: Client) -> str:
    await pushed(registry, "pull/a")
    return said(await registry("GET", "/v2/pull/a/manifests/t", **ACCEPT), "Content-Type")


@exchange("manifest by digest, HEAD")
async def _(registry: Client) -> str:
    digest = await pushed(registry, "pull/a")
    return said(await registry("HEAD", f"/v2/pull/a/manifests/{digest}", **ACCEPT), "Content-Length")


@exchange("OCI manifest for a client that names no OCI type in Accept")
async def _(registry: Client) -> str:
    await _blobs(registry, "pull/oci")
    await registry.push_manifest("pull/oci", "t", image_of())
    return said(await registry("GET", "/v2/pull/oci/manifests/t", Accept=DOCKER_MANIFEST))


@exchange("manifest that is not there")
async def _(registry: Client) -> str:
    return said(await registry("GET", "/v2/pull/a/manifests/nope", **ACCEPT))


@exchange("manifest the client has (`If-None-Match`)")
async def _(registry: Client) -> str:
    digest = await pushed(registry, "pull/a")
    return said(await registry("GET", "/v2/pull/a/manifests/t", If_None_Match=f'"{digest}"', **ACCEPT))


@exchange("blob")
async def _(registry: Client) -> str:
    await _blob(registry, "pull/a")
    return said(await registry("GET", f"/v2/pull/a/blobs/{D}"), "Content-Length")


@exchange("blob that is not there")
async def _(registry: Client) -> str:
    return said(await registry("GET", f"/v2/pull/a/blobs/{NEVER}"))


@exchange("blob that only another repository links")
async def _(registry: Client) -> str:
    await _blob(registry, "pull/other", b"only there")
    return said(await registry("GET", f"/v2/pull/a/blobs/{Digest.of(b'only there')}"))


@exchange("blob the client has (`If-None-Match`)")
async def _(registry: Client) -> str:
    return said(await registry("GET", f"/v2/pull/a/blobs/{D}", If_None_Match=f'"{D}"'))


@exchange("range in the middle of a blob")
async def _(registry: Client) -> str:
    return said(await registry("GET", f"/v2/pull/a/blobs/{D}", Range="bytes=5-9"), "Content-Range")


@exchange("last bytes of a blob")
async def _(registry: Client) -> str:
    return said(await registry("GET", f"/v2/pull/a/blobs/{D}", Range="bytes=-5"), "Content-Range")


@exchange("range behind the end of a blob")
async def _(registry: Client) -> str:
    return said(await registry("GET", f"/v2/pull/a/blobs/{D}", Range="bytes=99999-"))


@exchange("range that ends before it begins")
async def _(registry: Client) -> str:
    return said(await registry("GET", f"/v2/pull/a/blobs/{D}", Range="bytes=9-5"))


@exchange("range that is none")
async def _(registry: Client) -> str:
    return said(await registry("GET", f"/v2/pull/a/blobs/{D}", Range="bytes=x-y"))


@exchange("range asked for by HEAD")
async def _(registry: Client) -> str:
    return said(await registry("HEAD", f"/v2/pull/a/blobs/{D}", Range="bytes=5-9"), "Content-Length")


@exchange("blob by a malformed digest")
async def _(registry: Client) -> str:
    return said(await registry("GET", "/v2/pull/a/blobs/sha256:abc"))


@exchange("upload, begun")
async def _(registry: Client) -> str:
    return said(await registry("POST", "/v2/push/a/blobs/uploads/"), "Range")


@exchange("blob by POST and PUT")
async def _(registry: Client) -> str:
    location = await _begun(registry, "push/a", 0)
    answer = await follow(registry, "PUT", location, f"digest={D}", CONTENT)
    return f"{said(answer)}, then {(await follow(registry, 'GET', answer.headers['Location'])).status}"


@exchange("blob by a single POST")
async def _(registry: Client) -> str:
    return said(await registry("POST", f"/v2/push/a/blobs/uploads/?digest={D}", CONTENT))


@exchange("blob by its sha512 digest")
async def _(registry: Client) -> str:
    location, digest = await _begun(registry, "push/a", 0), Digest.of(CONTENT, "sha512")
    answer = await follow(registry, "PUT", location, f"digest={digest}", CONTENT)
    return f"{said(answer)}, then {(await registry('GET', f'/v2/push/a/blobs/{digest}')).status}"


@exchange("the empty blob")
async def _(registry: Client) -> str:
    location = await _begun(registry, "push/a", 0)
    return said(await follow(registry, "PUT", location, f"digest={Digest.of(b'')}", b""))


@exchange("chunk")
async def _(registry: Client) -> str:
    location = await _begun(registry, "push/a")
    answer = await follow(registry, "PATCH", location, "", CONTENT[100:200], Content_Range="100-199")
    return said(answer, "Range")


@exchange("stream without `Content-Range`")
async def _(registry: Client) -> str:
    return said(await follow(registry, "PATCH", await _begun(registry, "push/a", 0), "", CONTENT), "Range")


@exchange("status of an upload")
async def _(registry: Client) -> str:
    return said(await follow(registry, "GET", await _begun(registry, "push/a")), "Range")


@exchange("chunk behind a gap")
async def _(registry: Client) -> str:
    location = await _begun(registry, "push/a")
    return said(await follow(registry, "PATCH", location, "", CONTENT[200:300], Content_Range="200-299"))


@exchange("chunk behind a gap, in the closing PUT")
async def _(registry: Client) -> str:
    location = await _begun(registry, "push/a")
    return said(await follow(registry, "PUT", location, f"digest={D}", CONTENT[200:], Content_Range="200-3071"))


@exchange("chunk sent twice")
async def _(registry: Client) -> str:
    location = await _begun(registry, "push/a")
    return said(await follow(registry, "PATCH", location, "", CONTENT[:100], Content_Range="0-99"))


@exchange("malformed `Content-Range`")
async def _(registry: Client) -> str:
    location = await _begun(registry, "push/a")
    return said(await follow(registry, "PATCH", location, "", CONTENT[:100], Content_Range="abc"))


@exchange("`Content-Range` longer than the body")
async def _(registry: Client) -> str:
    location = await _begun(registry, "push/a", 0)
    return said(await follow(registry, "PATCH", location, "", CONTENT[:100], Content_Range="0-999"))


@exchange("PUT with the digest of other content")
async def _(registry: Client) -> str:
    return said(await follow(registry, "PUT", await _begun(registry, "push/a", 0), f"digest={NEVER}", CONTENT))


@exchange("PUT without a digest")
async def _(registry: Client) -> str:
    return said(await follow(registry, "PUT", await _begun(registry, "push/a", 0), "", CONTENT))


@exchange("PUT with an md5 digest")
async def _(registry: Client) -> str:
    location = await _begun(registry, "push/a", 0)
    return said(await follow(registry, "PUT", location, "digest=md5:d41d8cd98f00b204e9800998ecf8427e", CONTENT))


@exchange("upload, cancelled")
async def _(registry: Client) -> str:
    return said(await follow(registry, "DELETE", await _begun(registry, "push/a")))


@exchange("upload that was cancelled")
async def _(registry: Client) -> str:
    location = await _begun(registry, "push/a")
    await follow(registry, "DELETE", location)
    return said(await follow(registry, "GET", location))


@exchange("mount from another repository")
async def _(registry: Client) -> str:
    await _blob(registry, "push/source", b"mounted")
    digest = Digest.of(b"mounted")
    return said(await registry("POST", f"/v2/push/target/blobs/uploads/?mount={digest}&from=push/source"))


@exchange("mount of a blob that is not there")
async def _(registry: Client) -> str:
    return said(await registry("POST", f"/v2/push/target/blobs/uploads/?mount={NEVER}&from=push/source"))


@exchange("mount without `from`")
async def _(registry: Client) -> str:
    await _blob(registry, "push/source", b"anywhere")
    return said(await registry("POST", f"/v2/push/target/blobs/uploads/?mount={Digest.of(b'anywhere')}"))


@exchange("mount of a malformed digest")
async def _(registry: Client) -> str:
    return said(await registry("POST", "/v2/push/target/blobs/uploads/?mount=sha256:abc&from=push/source"))


async def _put(registry: Client, raw: bytes, kind: str = DOCKER_MANIFEST, target: str = "t") -> str:
    await _blobs(registry, "manifests/a")
    return said(await registry.push_manifest("manifests/a", target, raw, kind))


@exchange("manifest pushed by tag")
async def _(registry: Client) -> str:
    return await _put(registry, docker_image())


@exchange("manifest pushed by digest, no tag")
async def _(registry: Client) -> str:
    return await _put(registry, docker_image(), target=Digest.of(docker_image()))


@exchange("manifest pushed by the digest of another")
async def _(registry: Client) -> str:
    return await _put(registry, docker_image(), target=NEVER)


@exchange("manifest pushed by its sha512 digest")
async def _(registry: Client) -> str:
    return await _put(registry, docker_image(), target=Digest.of(docker_image(), "sha512"))


@exchange("manifest pushed by digest with `tag=` parameters")
async def _(registry: Client) -> str:
    target = f"{Digest.of(docker_image())}?tag=one&tag=two"
    answer = await registry.push_manifest("manifests/a", target, docker_image(), DOCKER_MANIFEST)
    found = await registry("GET", "/v2/manifests/a/manifests/one", **ACCEPT)
    return f"{said(answer)}, then the tag {found.status}"


@exchange("manifest whose layer is missing")
async def _(registry: Client) -> str:
    return await _put(registry, docker_image(layers=[pointer(b"never pushed", DOCKER_LAYER_GZIP)]))


@exchange("manifest with a foreign layer")
async def _(registry: Client) -> str:
    return await _put(registry, docker_image(layers=[pointer(b"far away", FOREIGN, urls=["https://example.com/x"])]))


@exchange("list whose images are missing")
async def _(registry: Client) -> str:
    return await _put(registry, index_of((b"never pushed",)), OCI_INDEX)


@exchange("manifest of a type nobody knows")
async def _(registry: Client) -> str:
    return await _put(registry, b'{"mediaType": "application/vnd.example+json"}', "application/vnd.example+json")


@exchange("manifest with a subject")
async def _(registry: Client) -> str:
    await _blobs(registry, "manifests/a")
    raw = image_of(subject=pointer(b"some image", DOCKER_MANIFEST))
    answer = await registry.push_manifest("manifests/a", "t", raw)
    return f"{answer.status}, {'OCI-Subject' if 'OCI-Subject' in answer.headers else 'no OCI-Subject'}"


@exchange("`null` as a manifest")
async def _(registry: Client) -> str:
    return await _put(registry, b"null")


@exchange("`{}` as a manifest")
async def _(registry: Client) -> str:
    return await _put(registry, b"{}")


@exchange("manifest with layers and manifests")
async def _(registry: Client) -> str:
    return await _put(registry, docker_image(manifests=[]))


@exchange("manifest that is not its Content-Type")
async def _(registry: Client) -> str:
    return await _put(registry, image_of(), DOCKER_MANIFEST)


@exchange("manifest of 16 MB")
async def _(registry: Client) -> str:
    return await _put(registry, b" " * 16_000_000)


@exchange("tags")
async def _(registry: Client) -> str:
    for tag in ("b", "a", "10", "9", "Z", "c", "_", "8", "d", "1.0"):
        await pushed(registry, "list/a", tag)
    tags = (await registry("GET", "/v2/list/a/tags/list")).json["tags"]
    return f"{len(tags)}, {'sorted' if tags == sorted(tags) else 'in no order'}"


@exchange("tags, two at a time")
async def _(registry: Client) -> str:
    answer = await registry("GET", "/v2/list/a/tags/list?n=2")
    return f"{len(answer.json['tags'])}, {'Link' if 'Link' in answer.headers else 'no Link'}"


@exchange("tags, none at a time")
async def _(registry: Client) -> str:
    answer = await registry("GET", "/v2/list/a/tags/list?n=0")
    return f"{answer.status}, {len(answer.json.get('tags') or ())} tags"


@exchange("tags, -1 at a time")
async def _(registry: Client) -> str:
    return said(await registry("GET", "/v2/list/a/tags/list?n=-1"))


@exchange("tags of a repository that is not there")
async def _(registry: Client) -> str:
    return said(await registry("GET", "/v2/list/nothing/tags/list"))


@exchange("tags of a repository without any")
async def _(registry: Client) -> str:
    await _blob(registry, "list/blobs")
    return said(await registry("GET", "/v2/list/blobs/tags/list"))


@exchange("catalog, one at a time")
async def _(registry: Client) -> str:
    answer = await registry("GET", "/v2/_catalog?n=1")
    return f"{answer.status}, {len(answer.json['repositories'])}, {'Link' if 'Link' in answer.headers else 'no Link'}"


@exchange("catalog, -1 at a time")
async def _(registry: Client) -> str:
    return said(await registry("GET", "/v2/_catalog?n=-1"))


@exchange("referrers")
async def _(registry: Client) -> str:
    return said(await registry("GET", f"/v2/list/a/referrers/{NEVER}"))


@exchange("tag, deleted")
async def _(registry: Client) -> str:
    await pushed(registry, "delete/a")
    return said(await registry("DELETE", "/v2/delete/a/manifests/t"))


@exchange("manifest, deleted")
async def _(registry: Client) -> str:
    digest = await pushed(registry, "delete/b")
    answer = await registry("DELETE", f"/v2/delete/b/manifests/{digest}")
    gone = await registry("GET", "/v2/delete/b/manifests/t", **ACCEPT)
    return f"{said(answer)}, then its tag {gone.status}"


@exchange("manifest that is not there, deleted")
async def _(registry: Client) -> str:
    return said(await registry("DELETE", f"/v2/delete/b/manifests/{NEVER}"))


@exchange("blob, deleted")
async def _(registry: Client) -> str:
    digest = await _blob(registry, "delete/c", b"short-lived")
    answer = await registry("DELETE", f"/v2/delete/c/blobs/{digest}")
    gone = await registry("GET", f"/v2/delete/c/blobs/{digest}")
    return f"{said(answer)}, then {gone.status}"


@exchange("blob that is not there, deleted")
async def _(registry: Client) -> str:
    return said(await registry("DELETE", f"/v2/delete/c/blobs/{NEVER}"))


@exchange("method that an endpoint does not have")
async def _(registry: Client) -> str:
    return said(await registry("PATCH", "/v2/pull/a/manifests/t"))


@exchange("name in upper case")
async def _(registry: Client) -> str:
    return said(await registry("POST", "/v2/UPPER/x/blobs/uploads/"))


@exchange("name of 300 characters")
async def _(registry: Client) -> str:
    return said(await registry("POST", f"/v2/{'a' * 300}/blobs/uploads/"))


@exchange("name that leads out of the root")
async def _(registry: Client) -> str:
    return said(await registry("GET", "/v2/%2e%2e%2f%2e%2e/tags/list"))
