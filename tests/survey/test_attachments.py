"""Signatures, attestations and referrers travel with what they are attached to."""

import pytest

from airferry.content.errors import DeniedError, RegistryFailedError, UnauthorizedError, UnreachableError
from airferry.content.memory import MemoryPlace
from airferry.errors import AirferryError, MalformedError, UnsupportedError
from airferry.oci import Manifest, Place, PlaceKind, Reference, Repository
from airferry.plan import CopyRequest
from airferry.survey import Findings, find_attachments, survey_sources

MIRROR = Place(PlaceKind.REGISTRY, "mirror.lan")


def tag_of(manifest: Manifest, suffix: str) -> str:
    return f"{manifest.digest.replace(':', '-')}{suffix}"


def ask(source: MemoryPlace, image: Manifest, into: str = "into", path: str = "a") -> CopyRequest:
    reference = Reference(Repository(source.place, path), None, image.digest)
    return CopyRequest(reference, Repository(MIRROR, into), ("v1",), "etcd")


async def attached(source: MemoryPlace, *requests: CopyRequest) -> tuple[tuple[CopyRequest, ...], Findings]:
    findings = await survey_sources(requests, lambda place: source)
    return await find_attachments(requests, findings, lambda place: source), findings


@pytest.fixture
def source() -> MemoryPlace:
    return MemoryPlace()


async def test_nothing_attached_is_no_gap(source: MemoryPlace) -> None:
    found, findings = await attached(source, ask(source, source.add_image("a")))
    assert (found, findings.gaps) == ((), [])


@pytest.mark.parametrize("suffix", [".sig", ".att"])
async def test_a_tag_of_cosign_travels_under_the_same_tag(source: MemoryPlace, suffix: str) -> None:
    image = source.add_image("a")
    attachment = source.add_image("a", [b"signature"], tags=[tag_of(image, suffix)])
    asked = ask(source, image)
    (found,), findings = await attached(source, asked)
    assert (found.source.digest, found.source.tag, found.tags) == (attachment.digest, None, (tag_of(image, suffix),))
    assert (found.destination, found.optional) == (asked.destination, True)
    assert found.name == f"{suffix[1:]} of etcd"
    assert findings.roots[found] == attachment.digest
    assert findings.manifests[attachment.digest] == attachment


async def test_a_referrer_travels_without_a_tag(source: MemoryPlace) -> None:
    image = source.add_image("a")
    referrer = source.add_image("a", [b"attestation"], subject=image, artifact_type="application/x.test")
    (found,), findings = await attached(source, ask(source, image))
    assert (found.source.digest, found.tags, found.name) == (referrer.digest, (), "referrer of etcd")
    assert findings.roots[found] == referrer.digest


async def test_what_is_attached_to_a_child_of_a_list_travels_with_the_list(source: MemoryPlace) -> None:
    children = {f"linux/{name}": source.add_image("a", [name.encode()]) for name in ("amd64", "arm64")}
    index = source.add_index("a", children)
    expected = {
        source.add_image("a", [b"of the list"], tags=[tag_of(index, ".sig")]).digest,
        source.add_image("a", [b"of amd64"], tags=[tag_of(children["linux/amd64"], ".sig")]).digest,
        source.add_image("a", [b"refers to arm64"], subject=children["linux/arm64"]).digest,
    }
    found, _ = await attached(source, ask(source, index))
    assert {request.source.digest for request in found} == expected


async def test_what_is_attached_to_a_list_in_a_list_travels_too(source: MemoryPlace) -> None:
    image = source.add_image("a")
    outer = source.add_index("a", {"linux/amd64": source.add_index("a", {"linux/amd64": image})})
    signature = source.add_image("a", [b"deep"], tags=[tag_of(image, ".sig")])
    found, _ = await attached(source, ask(source, outer))
    assert [request.source.digest for request in found] == [signature.digest]


async def test_what_is_attached_to_an_attachment_travels_too(source: MemoryPlace) -> None:
    image = source.add_image("a")
    signature = source.add_image("a", [b"signature"], tags=[tag_of(image, ".sig")])
    referrer = source.add_image("a", [b"referrer"], subject=signature)
    attestation = source.add_image("a", [b"attestation"], tags=[tag_of(referrer, ".att")])
    found, _ = await attached(source, ask(source, image))
    assert {request.source.digest for request in found} == {signature.digest, referrer.digest, attestation.digest}


async def test_what_is_both_tagged_and_a_referrer_keeps_its_tag(source: MemoryPlace) -> None:
    image = source.add_image("a")
    source.add_image("a", [b"both"], subject=image, tags=[tag_of(image, ".sig")])
    found, findings = await attached(source, ask(source, image))
    assert [request.tags for request in found] == [(tag_of(image, ".sig"),)]
    assert all(request in findings.roots for request in found)


async def test_one_attachment_under_the_tags_of_two_images_keeps_both(source: MemoryPlace) -> None:
    one, two = source.add_image("a", [b"1"]), source.add_image("a", [b"2"])
    source.add_image("a", [b"same"], tags=[tag_of(one, ".sig"), tag_of(two, ".sig")])
    found, _ = await attached(source, ask(source, one), ask(source, two))
    assert {tag for request in found for tag in request.tags} == {tag_of(one, ".sig"), tag_of(two, ".sig")}


async def test_an_image_for_two_destinations_takes_its_signature_to_both(source: MemoryPlace) -> None:
    image = source.add_image("a")
    source.add_image("a", [b"signature"], tags=[tag_of(image, ".sig")])
    found, _ = await attached(source, ask(source, image, "x"), ask(source, image, "y"))
    assert [request.destination.path for request in found] == ["x", "y"]


async def test_an_image_asked_for_twice_is_asked_about_once(source: MemoryPlace) -> None:
    image = source.add_image("a")
    source.add_image("a", [b"signature"], tags=[tag_of(image, ".sig")])
    requests = [ask(source, image), CopyRequest(ask(source, image).source, Repository(MIRROR, "into"), ("v2",))]
    found, _ = await attached(source, *requests)
    assert len(found) == 1
    assert source.calls["list_referrers", image.digest] == 1


async def test_two_that_refer_to_each_other_come_to_an_end(source: MemoryPlace) -> None:
    image = source.add_image("a")
    source.add_manifest("a", image, tag_of(image, ".sig"))
    found, _ = await attached(source, ask(source, image))
    assert [request.source.digest for request in found] == [image.digest]


async def test_the_order_of_attachments_is_the_same_every_time(source: MemoryPlace) -> None:
    images = [source.add_image("a", [bytes([number])]) for number in range(8)]
    for image in images:
        source.add_image("a", [b"s", image.raw], tags=[tag_of(image, ".sig")])
        source.add_image("a", [b"r", image.raw], subject=image)
    requests = [ask(source, image) for image in images]
    found, _ = await attached(source, *requests)
    again, _ = await attached(source, *reversed(requests))
    assert len(found) == 16
    assert found == again


async def test_a_missing_image_is_not_asked_about(source: MemoryPlace) -> None:
    source.add_image("a")
    gone = MemoryPlace().add_image("a", [b"gone"])
    found, findings = await attached(source, ask(source, gone))
    assert (found, len(findings.gaps)) == ((), 1)
    assert not any(method == "list_referrers" for method, _ in source.calls)


async def test_an_attachment_that_was_named_and_cannot_be_read_is_a_gap(source: MemoryPlace) -> None:
    image = source.add_image("a")
    lost = MemoryPlace().add_image("a", [b"lost child"])
    source.add_index("a", {"linux/amd64": lost}, tags=[tag_of(image, ".att")])
    found, findings = await attached(source, ask(source, image))
    assert found == ()
    assert [(gap.request.name, gap.code) for gap in findings.gaps] == [("att of etcd", "not-found")]


@pytest.mark.parametrize("kind", [DeniedError, UnsupportedError, MalformedError], ids=lambda kind: kind.code)
async def test_a_registry_that_keeps_no_such_thing_is_no_gap(source: MemoryPlace, kind: type[DeniedError]) -> None:
    image = source.add_image("a")
    signature = source.add_image("a", [b"signature"], tags=[tag_of(image, ".sig")])
    source.fail("list_referrers", image.digest, kind("no such thing"))
    source.fail("resolve_tag", tag_of(image, ".att"), kind("no such thing"))
    found, findings = await attached(source, ask(source, image))
    assert [request.source.digest for request in found] == [signature.digest]
    assert findings.gaps == []


@pytest.mark.parametrize("kind", [UnreachableError, UnauthorizedError, RegistryFailedError], ids=lambda kind: kind.code)
async def test_not_to_be_told_is_a_gap_and_what_was_told_travels(
    source: MemoryPlace, kind: type[AirferryError]
) -> None:
    image = source.add_image("a")
    signature = source.add_image("a", [b"signature"], tags=[tag_of(image, ".sig")])
    source.fail("list_referrers", image.digest, kind("cut"))
    found, findings = await attached(source, ask(source, image))
    assert [request.source.digest for request in found] == [signature.digest]
    assert ("attachments of etcd", kind.code) in {(gap.request.name, gap.code) for gap in findings.gaps}


async def test_a_registry_that_never_tells_is_not_asked_for_ever(source: MemoryPlace) -> None:
    images = [source.add_image("a", [bytes([number])]) for number in range(40)]
    for image in images:
        source.fail("list_referrers", image.digest, RegistryFailedError("500"))
        for suffix in (".sig", ".att"):
            source.fail("resolve_tag", tag_of(image, suffix), RegistryFailedError("500"))
    found, findings = await attached(source, *(ask(source, image, path="a") for image in images))
    assert (found, len(findings.gaps)) == ((), 40)
    assert sum(count for (method, _), count in source.calls.items() if method in ("list_referrers", "resolve_tag")) < 60


async def test_every_question_is_counted_for_progress(source: MemoryPlace) -> None:
    image = source.add_image("a")
    asked = ask(source, image)
    findings = await survey_sources([asked], lambda place: source)
    told: list[None] = []
    await find_attachments([asked], findings, lambda place: source, on_asked=lambda: told.append(None))
    assert len(told) == 1
