"""Reading what is asked for: each manifest once, what is missing named, the rest gone on with."""

import pytest

from airferry.content.errors import (
    BlockedError,
    CertificateError,
    DamagedError,
    DeniedError,
    NotFoundError,
    ThrottledError,
    UnauthorizedError,
    UnreachableError,
)
from airferry.content.memory import MemoryPlace
from airferry.errors import AirferryError, MalformedError, UnsupportedError, UsageError
from airferry.oci import ContentMismatchError, Digest, Manifest, Place, PlaceKind, Reference, Repository
from airferry.plan import CopyRequest
from airferry.survey import Findings, survey_sources

MIRROR = Place(PlaceKind.REGISTRY, "mirror.lan")


def ask(source: MemoryPlace, target: str, name: str = "", *, path: str = "a") -> CopyRequest:
    """Ask for a digest or tag of ``source``."""
    repository = Repository(source.place, path)
    reference = Reference(repository, None, Digest.parse(target)) if ":" in target else Reference(repository, target)
    return CopyRequest(reference, Repository(MIRROR, "into"), (), name)


async def look(source: MemoryPlace, *requests: CopyRequest) -> Findings:
    return await survey_sources(requests, lambda place: source)


def reads(source: MemoryPlace) -> dict[str, int]:
    return {what: count for (method, what), count in source.calls.items() if method == "read_manifest"}


async def test_images_are_found_by_digest_and_by_tag() -> None:
    source = MemoryPlace()
    image, other = source.add_image("a", tags=["v1"]), source.add_image("a", [b"other"])
    by_tag, by_digest = ask(source, "v1"), ask(source, other.digest)
    findings = await look(source, by_tag, by_digest)
    assert findings.roots == {by_tag: image.digest, by_digest: other.digest}
    assert findings.manifests == {image.digest: image, other.digest: other}
    assert findings.gaps == []


async def test_a_reference_with_tag_and_digest_is_read_by_its_digest() -> None:
    source = MemoryPlace()
    old, _ = source.add_image("a", [b"old"]), source.add_image("a", [b"new"], tags=["v1"])
    both = CopyRequest(Reference(Repository(source.place, "a"), "v1", old.digest), Repository(MIRROR, "into"))
    assert (await look(source, both)).roots == {both: old.digest}


async def test_a_list_is_read_down_to_the_last_child() -> None:
    source = MemoryPlace()
    images = [source.add_image("a", [bytes([number])]) for number in range(3)]
    inner = source.add_index("a", {"linux/arm64": images[0], "linux/amd64": images[1]})
    outer = source.add_index("a", {"linux/s390x": images[2], "linux/ppc64le": inner}, tags=["v1"])
    findings = await look(source, ask(source, "v1"))
    assert set(findings.manifests) == {outer.digest, inner.digest, *(image.digest for image in images)}


async def test_each_manifest_is_read_once_however_many_need_it() -> None:
    source = MemoryPlace()
    shared = [source.add_image("a", [bytes([number])]) for number in range(3)]
    lists = [
        source.add_index("a", {"linux/amd64": image, "linux/arm64": shared[0], "linux/s390x": shared[1]})
        for image in shared
    ]
    asked = [ask(source, manifest.digest, f"{number}") for number, manifest in enumerate((*lists, *lists))]
    findings = await look(source, *asked)
    assert len(findings.roots) == len(asked)
    assert reads(source) == {manifest.digest: 1 for manifest in (*shared, *lists)}


async def test_each_manifest_is_shown_to_who_wants_to_see_progress() -> None:
    source = MemoryPlace()
    image = source.add_image("a", tags=["v1"])
    shown: list[Manifest] = []
    await survey_sources([ask(source, "v1")], lambda place: source, on_read=shown.append)
    assert shown == [image]


async def test_what_is_known_is_not_read_again() -> None:
    source = MemoryPlace()
    image = source.add_image("a")
    index = source.add_index("a", {"linux/amd64": image})
    known = await look(source, ask(source, image.digest))
    both = ask(source, index.digest)
    findings = await survey_sources([both], lambda place: source, known=known)
    assert findings is known
    assert findings.roots[both] == index.digest
    assert reads(source) == {image.digest: 1, index.digest: 1}


async def test_a_missing_image_is_a_gap_of_everyone_who_asks_for_it_and_the_rest_goes_on() -> None:
    source = MemoryPlace()
    image = source.add_image("a")
    gone = Digest.of(b"gone")
    first, second, good = ask(source, gone, "b"), ask(source, gone, "a"), ask(source, image.digest)
    findings = await look(source, first, second, good)
    assert list(findings.roots) == [good]
    assert [(gap.request, gap.missing, gap.code) for gap in findings.gaps] == [
        (second, f"memory.test/a@{gone}", "not-found"),
        (first, f"memory.test/a@{gone}", "not-found"),
    ]


async def test_a_missing_tag_is_named_as_a_tag() -> None:
    source = MemoryPlace()
    source.add_image("a", tags=["v1"])
    findings = await look(source, ask(source, "v2"))
    assert [gap.missing for gap in findings.gaps] == ["memory.test/a:v2"]


async def test_a_list_without_one_of_its_children_is_a_gap_that_names_the_child() -> None:
    source = MemoryPlace()
    here = source.add_image("a", [b"here"])
    gone = MemoryPlace().add_image("a", [b"gone"])
    index = source.add_index("a", {"linux/amd64": here, "linux/arm64": gone})
    asked, child = ask(source, index.digest), ask(source, here.digest)
    findings = await look(source, asked, child)
    assert list(findings.roots) == [child]
    assert [(gap.request, gap.missing) for gap in findings.gaps] == [(asked, f"memory.test/a@{gone.digest}")]


async def test_several_missing_children_are_one_gap_of_the_request() -> None:
    source = MemoryPlace()
    gone = [MemoryPlace().add_image("a", [bytes([number])]) for number in range(3)]
    index = source.add_index("a", {f"linux/{number}": child for number, child in enumerate(gone)})
    findings = await look(source, ask(source, index.digest))
    assert len(findings.gaps) == 1


CONCERNS_ONE_IMAGE = [
    NotFoundError,
    DeniedError,
    ContentMismatchError,
    DamagedError,
    MalformedError,
    UnsupportedError,
    BlockedError,
]


@pytest.mark.parametrize("kind", CONCERNS_ONE_IMAGE, ids=lambda kind: kind.code)
async def test_these_errors_concern_one_image_and_are_its_gap(kind: type[AirferryError]) -> None:
    source = MemoryPlace()
    bad, good = source.add_image("a", [b"bad"]), source.add_image("a", [b"good"])
    source.fail("read_manifest", bad.digest, kind("this one"))
    asked = [ask(source, bad.digest), ask(source, good.digest)]
    findings = await look(source, *asked)
    assert list(findings.roots) == asked[1:]
    assert [(gap.code, gap.reason) for gap in findings.gaps] == [(kind.code, "this one")]


@pytest.mark.parametrize(
    "kind",
    [UnreachableError, CertificateError, UnauthorizedError, ThrottledError, ZeroDivisionError],
    ids=lambda kind: kind.__name__,
)
async def test_any_other_error_ends_the_survey_and_is_raised_as_it_is(kind: type[Exception]) -> None:
    source = MemoryPlace()
    image, other = source.add_image("a"), source.add_image("a", [b"other"])
    error = kind("all of it")
    source.fail("read_manifest", image.digest, error)
    with pytest.raises(kind) as raised:
        await look(source, ask(source, image.digest), ask(source, other.digest))
    assert raised.value is error


async def test_a_whole_repository_is_not_an_image() -> None:
    source = MemoryPlace()
    whole = CopyRequest(Reference(Repository(source.place, "a")), Repository(MIRROR, "into"))
    with pytest.raises(UsageError, match=r"memory\.test/a names a whole repository"):
        await look(source, whole)


async def test_each_place_is_asked_for_its_own() -> None:
    one, two = MemoryPlace("one.test"), MemoryPlace("two.test")
    places = {place.place: place for place in (one, two)}
    asked = [ask(place, place.add_image("a", [place.place.address.encode()]).digest) for place in (one, two)]
    findings = await survey_sources(asked, places.__getitem__)
    assert set(findings.roots) == set(asked)
    assert (len(reads(one)), len(reads(two))) == (1, 1)


async def test_children_that_nobody_wants_are_neither_read_nor_missed() -> None:
    source = MemoryPlace()
    wanted = source.add_image("a", [b"wanted"])
    unwanted = source.add_image("a", [b"unwanted"])
    gone = MemoryPlace().add_image("a", [b"gone"])
    index = source.add_index("a", {"linux/amd64": wanted, "linux/arm64": unwanted, "linux/s390x": gone})
    asked = ask(source, index.digest)
    findings = await survey_sources(
        [asked], lambda place: source, want_child=lambda child: str(child.platform) == "linux/amd64"
    )
    assert findings.roots == {asked: index.digest}
    assert set(findings.manifests) == {index.digest, wanted.digest}
    assert findings.gaps == []


async def test_a_broken_child_that_another_list_needs_is_a_gap_of_both() -> None:
    source = MemoryPlace()
    gone = MemoryPlace().add_image("a", [b"gone"])
    lists = [source.add_index("a", {platform: gone}) for platform in ("linux/amd64", "linux/arm64")]
    asked = [ask(source, manifest.digest, manifest.digest) for manifest in lists]
    findings = await look(source, *asked)
    assert findings.roots == {}
    assert {gap.request for gap in findings.gaps} == set(asked)
    again = await survey_sources(asked, lambda place: source, known=findings)
    assert again.roots == {}
