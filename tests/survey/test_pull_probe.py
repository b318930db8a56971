"""A pull is tried in the order of the rules; what images share is asked once, and a refused password once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from airferry.content.errors import NotFoundError, ThrottledError, UnauthorizedError
from airferry.content.http import Credential, FixedCredential, NoCredentials
from airferry.content.http.credentials import CredentialSource
from airferry.content.protocol import ByteStream
from airferry.errors import AirferryError
from airferry.oci import Descriptor, Digest, Manifest, Place, PlaceKind, Platform, Reference
from airferry.oci.mediatype import DOCKER_LIST, OCI_INDEX
from airferry.oci.pull_findings import Trouble
from airferry.oci.pull_rules import Mirror, PullRule, PullRules
from airferry.oci.pull_sources import PullSource
from airferry.survey.pull_platform import choose_instance
from airferry.survey.pull_probe import ProbeSettings, PullProbe, probe_all

RULES = PullRules((PullRule("quay.io", "quay.io", (Mirror("first.lan"), Mirror("second.lan"))),))


CONFIG = b'{"os":"linux","architecture":"amd64"}'


def manifest(*layers: bytes) -> Manifest:
    import json

    def described(content: bytes, media_type: str) -> dict[str, object]:
        return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}

    fields = {
        "schemaVersion": 2,
        "config": described(CONFIG, "application/vnd.oci.image.config.v1+json"),
        "layers": [described(layer, "application/vnd.oci.image.layer.v1.tar+gzip") for layer in layers],
    }
    return Manifest.parse(json.dumps(fields).encode())


class Scripted:
    """A place that answers from what it was given, and counts what it was asked."""

    def __init__(self, host: str, *manifests: Manifest, lacks: bytes = b"", fails: AirferryError | None = None) -> None:
        self.place = Place(PlaceKind.REGISTRY, host)
        self.asked: Counter[str] = Counter()
        self._manifests = {item.digest: item for item in manifests}
        self._lacks = Digest.of(lacks)
        self._fails = fails

    async def read_manifest(self, path: str, target: str) -> Manifest:
        self.asked["manifest"] += 1
        await asyncio.sleep(0)
        if self._fails is not None:
            raise self._fails
        found = self._manifests.get(Digest(target))
        if found is None:
            raise NotFoundError(f"no {target}")
        return found

    async def has_blob(self, path: str, blob: Descriptor) -> bool:
        self.asked[str(blob.digest)] += 1
        await asyncio.sleep(0)
        return blob.digest != self._lacks

    async def resolve_tag(self, path: str, tag: str) -> Digest:
        raise NotFoundError(tag)

    @asynccontextmanager
    async def open_blob(self, path: str, blob: Descriptor, offset: int = 0) -> AsyncIterator[ByteStream]:
        if blob.digest != Digest.of(CONFIG):
            raise NotFoundError(str(blob.digest))

        async def content() -> AsyncIterator[bytes]:
            yield CONFIG

        yield content()

    async def list_tags(self, path: str) -> tuple[str, ...]:
        return ()

    async def list_referrers(self, path: str, subject: Digest) -> tuple[Descriptor, ...]:
        return ()

    async def close(self) -> None:
        """Nothing to give back."""


def probe_of(*places: Scripted, credentials: CredentialSource | None = None) -> PullProbe:
    by_host = {place.place.address: place for place in places}

    def open_place(source: PullSource) -> Scripted:
        return by_host[source.reference.repository.place.address]

    return PullProbe(open_place, RULES, credentials or NoCredentials(), ProbeSettings())


def by_digest(item: Manifest) -> Reference:
    return Reference.parse(f"quay.io/ocp/art@{item.digest}")


async def test_the_first_place_with_the_manifest_is_kept_whatever_is_missing_there() -> None:
    image = manifest(b"one", b"two")
    first, second = Scripted("first.lan", image, lacks=b"two"), Scripted("second.lan", image)
    found = await probe_of(first, second).probe(by_digest(image))
    (attempt,) = found.attempts
    assert attempt.answered and [failure.trouble for failure in attempt.failures] == [Trouble.NO_BLOB]
    assert not second.asked


async def test_places_without_the_manifest_are_passed_over_and_told() -> None:
    image = manifest(b"one")
    first = Scripted("first.lan", fails=ThrottledError("busy"))
    found = await probe_of(first, Scripted("second.lan", image)).probe(by_digest(image))
    assert [attempt.answered for attempt in found.attempts] == [False, True]
    assert found.attempts[0].failures[0].trouble is Trouble.UNSETTLED and not found.attempts[1].failures


async def test_what_images_share_is_asked_once_for_each_place() -> None:
    images = [manifest(b"shared", str(number).encode()) for number in range(40)]
    first = Scripted("first.lan", *images)
    probe = probe_of(first)
    found = await probe_all(probe, [(by_digest(item), None) for item in images])
    assert all(not item.attempts[-1].failures for item in found)
    assert first.asked[str(Digest.of(b"shared"))] == 1 and first.asked["manifest"] == len(images)


async def test_a_password_that_was_refused_is_offered_once() -> None:
    """Registries slow down whoever guesses, and 190 images are 190 guesses."""
    images = [manifest(str(number).encode()) for number in range(40)]
    refusing = [Scripted(host, fails=UnauthorizedError("no")) for host in ("first.lan", "second.lan", "quay.io")]
    credentials = FixedCredential(Credential("ann", "wrong"))
    probe = probe_of(*refusing, credentials=credentials)
    found = await probe_all(probe, [(by_digest(item), None) for item in images])
    assert {attempt.failures[0].trouble for item in found for attempt in item.attempts} == {Trouble.REFUSED_CREDENTIAL}
    assert [place.asked["manifest"] for place in refusing] == [1, 1, 1]


def index(*platforms: Platform | None, media_type: str = OCI_INDEX) -> Manifest:
    children = tuple(
        Descriptor("application/vnd.oci.image.manifest.v1+json", Digest.of(str(number).encode()), 1, platform)
        for number, platform in enumerate(platforms)
    )
    return Manifest(b"", media_type, Digest.of(b"index"), children=children)


AMD64, ARM64_V8, ARM_V7 = Platform("linux", "amd64"), Platform("linux", "arm64", "v8"), Platform("linux", "arm", "v7")
CHOICES: dict[str, tuple[Manifest, Platform, int | None]] = {
    "the one for the platform": (index(ARM64_V8, AMD64), AMD64, 1),
    "of two, the first": (index(AMD64, AMD64), AMD64, 0),
    "the best variant before none": (index(Platform("linux", "arm64"), ARM64_V8), Platform("linux", "arm64"), 1),
    "none at all where that is all there is": (index(Platform("linux", "arm64")), Platform("linux", "arm64"), 0),
    "the variant that was asked for": (index(Platform("linux", "arm", "v6"), ARM_V7), ARM_V7, 1),
    "another variant of amd64 is none": (index(Platform("linux", "amd64", "v3")), AMD64, None),
    "windows is not linux": (index(Platform("windows", "amd64")), AMD64, None),
    "one without a platform, in an OCI index": (index(ARM64_V8, None), AMD64, 1),
    "one without a platform, in Docker's list": (index(ARM64_V8, None, media_type=DOCKER_LIST), AMD64, None),
}


@pytest.mark.parametrize("name", CHOICES)
def test_nodes_take_a_child_of_a_list(name: str) -> None:
    listed, platform, expected = CHOICES[name]
    assert choose_instance(listed, platform) == (None if expected is None else listed.children[expected].digest)
