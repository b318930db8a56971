"""Asking destinations what they hold, each thing once, blobs under present manifests included."""

import pytest

from airferry.content.errors import UnauthorizedError
from airferry.content.memory import MemoryPlace
from airferry.oci import Digest, Manifest, Reference, Repository
from airferry.plan import CopyBlob, CopyRequest, plan_copies
from airferry.survey import Findings, Holdings, survey_destinations, survey_sources
from airferry.survey.destinations import as_survey


def ask(source: MemoryPlace, sink: MemoryPlace, image: Manifest, into: str = "x", *tags: str) -> CopyRequest:
    return CopyRequest(Reference(Repository(source.place, "a"), None, image.digest), Repository(sink.place, into), tags)


async def look(
    source: MemoryPlace, sink: MemoryPlace, *requests: CopyRequest, tags_only: bool = False
) -> tuple[Findings, Holdings]:
    findings = await survey_sources(requests, lambda place: source)
    return findings, await survey_destinations(requests, findings, lambda place: sink, tags_only=tags_only)


def questions(sink: MemoryPlace) -> dict[tuple[str, str], int]:
    return {key: count for key, count in sink.calls.items() if key[0] in ("has_blob", "has_manifest", "tag_digest")}


@pytest.fixture
def source() -> MemoryPlace:
    return MemoryPlace("source.test")


@pytest.fixture
def sink() -> MemoryPlace:
    return MemoryPlace("sink.test")


async def test_an_empty_destination_holds_nothing(source: MemoryPlace, sink: MemoryPlace) -> None:
    _, holdings = await look(source, sink, ask(source, sink, source.add_image("a"), "x", "v1"))
    assert (holdings.present, holdings.tags) == ({}, {})


async def test_what_is_there_is_found_manifest_blobs_and_tag(source: MemoryPlace, sink: MemoryPlace) -> None:
    image = source.add_image("a", [b"1", b"2"])
    sink.add_image("x", [b"1", b"2"], tags=["v1"])
    asked = ask(source, sink, image, "x", "v1")
    findings, holdings = await look(source, sink, asked)
    assert holdings.present == {asked.destination: {image.digest, *(blob.digest for blob in image.blobs)}}
    assert holdings.tags == {(asked.destination, "v1"): image.digest}
    assert plan_copies([asked], as_survey(findings, holdings)).steps == ()


async def test_a_blob_lost_under_a_present_manifest_is_found_out(source: MemoryPlace, sink: MemoryPlace) -> None:
    image = source.add_image("a", [b"kept", b"lost"])
    sink.add_blob("x", b"kept")
    sink.add_blob("x", source.blobs("a")[image.blobs[0].digest])
    sink.add_manifest("x", image, "v1")
    asked = ask(source, sink, image, "x", "v1")
    findings, holdings = await look(source, sink, asked)
    (step,) = plan_copies([asked], as_survey(findings, holdings)).steps
    assert isinstance(step, CopyBlob)
    assert step.blob.digest == Digest.of(b"lost")


async def test_a_blob_cut_short_is_not_there(source: MemoryPlace, sink: MemoryPlace) -> None:
    image = source.add_image("a", [b"whole"])
    sink.corrupt("x", Digest.of(b"whole"), b"who")
    asked = ask(source, sink, image)
    _, holdings = await look(source, sink, asked)
    assert Digest.of(b"whole") not in holdings.present.get(asked.destination, set())


async def test_a_child_lost_under_a_present_list_is_found_out(source: MemoryPlace, sink: MemoryPlace) -> None:
    children = {f"linux/{name}": source.add_image("a", [name.encode()]) for name in ("amd64", "arm64")}
    index = source.add_index("a", children)
    sink.add_manifest("x", index)
    sink.add_manifest("x", children["linux/amd64"])
    asked = ask(source, sink, index)
    _, holdings = await look(source, sink, asked)
    assert holdings.present[asked.destination] == {index.digest, children["linux/amd64"].digest}


async def test_each_thing_is_asked_for_once_in_each_repository(source: MemoryPlace, sink: MemoryPlace) -> None:
    one, two = source.add_image("a", [b"base", b"1"]), source.add_image("a", [b"base", b"2"])
    both = source.add_index("a", {"linux/amd64": one, "linux/arm64": two})
    requests = [ask(source, sink, image, "x", "v1") for image in (one, two, both, one)]
    await look(source, sink, *requests)
    assert set(questions(sink).values()) == {1}
    await look(source, sink, *requests, ask(source, sink, one, "y"))
    assert sink.calls["has_blob", Digest.of(b"base")] == 3


@pytest.mark.parametrize("direction", [1, -1])
async def test_bytes_that_are_both_blob_and_manifest_count_as_there_only_as_both(
    source: MemoryPlace, sink: MemoryPlace, direction: int
) -> None:
    image = source.add_image("a", [b"1"])
    bundle = source.add_image("a", [image.raw])
    requests = [ask(source, sink, image), ask(source, sink, bundle)][::direction]
    sink.add_blob("x", image.raw)
    _, holdings = await look(source, sink, *requests)
    assert image.digest not in holdings.present.get(requests[0].destination, set())
    sink.add_manifest("x", image)
    _, holdings = await look(source, sink, *requests)
    assert image.digest in holdings.present[requests[0].destination]


async def test_a_request_that_was_not_found_asks_nothing(source: MemoryPlace, sink: MemoryPlace) -> None:
    source.add_image("a")
    await look(source, sink, ask(source, sink, MemoryPlace().add_image("a", [b"gone"]), "x", "v1"))
    assert questions(sink) == {}


async def test_with_tags_only_nothing_but_tags_is_asked_for(source: MemoryPlace, sink: MemoryPlace) -> None:
    image = source.add_image("a")
    sink.add_image("x", tags=["v1"])
    _, holdings = await look(source, sink, ask(source, sink, image, "x", "v1", "v2"), tags_only=True)
    assert questions(sink) == {("tag_digest", "v1"): 1, ("tag_digest", "v2"): 1}
    assert holdings.tags == {(Repository(sink.place, "x"), "v1"): image.digest}


async def test_an_image_known_from_an_earlier_run_is_asked_for_without_reading_it(sink: MemoryPlace) -> None:
    image = sink.add_image("x")
    asked = CopyRequest(Reference(Repository(sink.place, "a"), None, image.digest), Repository(sink.place, "x"))
    holdings = await survey_destinations([asked], Findings({asked: image.digest}), lambda place: sink)
    assert holdings.present == {asked.destination: {image.digest}}


async def test_an_error_of_a_destination_is_raised_as_it_is(source: MemoryPlace, sink: MemoryPlace) -> None:
    image = source.add_image("a")
    error = UnauthorizedError("log in first")
    sink.fail("has_manifest", image.digest, error)
    with pytest.raises(UnauthorizedError) as raised:
        await look(source, sink, ask(source, sink, image))
    assert raised.value is error


async def test_every_question_is_counted_for_progress(source: MemoryPlace, sink: MemoryPlace) -> None:
    asked = ask(source, sink, source.add_image("a"), "x", "v1")
    findings = await survey_sources([asked], lambda place: source)
    told: list[None] = []
    await survey_destinations([asked], findings, lambda place: sink, on_asked=lambda: told.append(None))
    assert len(told) == 4
