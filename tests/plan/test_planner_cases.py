"""Cases an administrator would name, beside the properties that hold everywhere."""

import pytest

from airferry.errors import UsageError
from airferry.oci import Digest, Repository
from airferry.plan import CopyBlob, MountBlob, PutManifest, PutTag, plan_copies
from airferry.plan.planner import reachable

from .worlds import DESTINATIONS, DISK, MIRROR, SOURCES, blob_of, image_of, list_of, request, survey_of

A, B, C = (Repository(MIRROR, path) for path in "abc")
CONFIG, LAYER, OTHER = (blob_of(number) for number in range(3))
IMAGE = image_of(CONFIG, [LAYER])


def test_one_image_is_its_blobs_then_its_manifest_then_its_tag() -> None:
    asked = request(IMAGE, A, "v1")
    plan = plan_copies([asked], survey_of(asked, manifests=[IMAGE]))
    assert plan.steps == (
        CopyBlob(SOURCES[0], A, IMAGE.blobs[0]),
        CopyBlob(SOURCES[0], A, IMAGE.blobs[1]),
        PutManifest(A, IMAGE),
        PutTag(A, "v1", IMAGE),
    )
    assert plan.needs == ((), (), (0, 1), (2,))


def test_a_list_waits_for_its_children_and_a_tag_for_the_list() -> None:
    arm = image_of(OTHER, [LAYER])
    both = list_of(IMAGE, arm)
    asked = request(both, A, "v1")
    plan = plan_copies([asked], survey_of(asked, manifests=[IMAGE, arm, both]))
    puts = [step.manifest.digest for step in plan.steps if isinstance(step, PutManifest)]
    assert puts == [IMAGE.digest, arm.digest, both.digest]
    assert isinstance(plan.steps[-1], PutTag)


def test_a_child_shared_by_two_lists_holds_both_back() -> None:
    one, two = list_of(IMAGE), list_of(IMAGE, image_of(OTHER))
    asked = [request(one, A), request(two, A)]
    plan = plan_copies(asked, survey_of(*asked, manifests=[IMAGE, one, two, image_of(OTHER)]))
    where = {step.manifest.digest: index for index, step in enumerate(plan.steps) if isinstance(step, PutManifest)}
    for parent in (one, two):
        assert where[IMAGE.digest] in plan.needs[where[parent.digest]]


def test_a_second_repository_mounts_from_the_first_and_waits_for_it() -> None:
    asked = [request(IMAGE, A), request(IMAGE, B)]
    plan = plan_copies(asked, survey_of(*asked, manifests=[IMAGE]), can_mount={MIRROR})
    mounts = {index: step for index, step in enumerate(plan.steps) if isinstance(step, MountBlob)}
    assert [step.sibling for step in mounts.values()] == [A, A]
    for index, step in mounts.items():
        (brought_by,) = plan.needs[index]
        assert plan.steps[brought_by] == CopyBlob(SOURCES[0], A, step.blob)


def test_where_nothing_can_be_mounted_a_blob_is_written_again() -> None:
    asked = [request(IMAGE, A), request(IMAGE, B)]
    plan = plan_copies(asked, survey_of(*asked, manifests=[IMAGE]))
    assert sum(isinstance(step, CopyBlob) for step in plan.steps) == 4
    assert not any(isinstance(step, MountBlob) for step in plan.steps)


def test_a_blob_that_a_sibling_holds_is_mounted_without_waiting() -> None:
    asked = request(IMAGE, B)
    survey = survey_of(asked, manifests=[IMAGE], present={A: {LAYER.digest}})
    plan = plan_copies([asked], survey, can_mount={MIRROR})
    assert plan.steps[1] == MountBlob(SOURCES[0], A, B, LAYER)
    assert plan.needs[1] == ()


def test_a_sibling_in_another_place_is_no_sibling() -> None:
    asked = request(IMAGE, B)
    survey = survey_of(asked, manifests=[IMAGE], present={Repository(DISK, "a"): {LAYER.digest}})
    plan = plan_copies([asked], survey, can_mount={MIRROR, DISK})
    assert not any(isinstance(step, MountBlob) for step in plan.steps)


def test_a_blob_lost_under_a_present_manifest_is_brought_again() -> None:
    asked = request(IMAGE, A, "v1")
    survey = survey_of(
        asked, manifests=[IMAGE], present={A: {IMAGE.digest, CONFIG.digest}}, tags={(A, "v1"): IMAGE.digest}
    )
    assert plan_copies([asked], survey).steps == (CopyBlob(SOURCES[0], A, LAYER),)


def test_a_tag_that_points_elsewhere_is_moved() -> None:
    asked = request(IMAGE, A, "v1")
    present = {A: {IMAGE.digest, CONFIG.digest, LAYER.digest}}
    survey = survey_of(asked, manifests=[IMAGE], present=present, tags={(A, "v1"): Digest.of(b"old")})
    assert plan_copies([asked], survey).steps == (PutTag(A, "v1", IMAGE),)


def test_a_sparse_list_waits_for_the_children_it_has() -> None:
    sparse = list_of(IMAGE, image_of(OTHER))
    asked = request(sparse, A, "v1")
    plan = plan_copies([asked], survey_of(asked, manifests=[sparse, IMAGE]))
    assert plan.steps[2:] == (PutManifest(A, IMAGE), PutManifest(A, sparse), PutTag(A, "v1", sparse))
    assert plan.needs[3] == (2,)


def test_an_image_whose_manifest_is_not_known_gets_no_step() -> None:
    asked = request(IMAGE, A, "v1")
    assert plan_copies([asked], survey_of(asked, manifests=[])).steps == ()


def test_two_images_for_one_tag_are_refused_whatever_the_tag_points_at() -> None:
    other = image_of(OTHER)
    asked = [request(IMAGE, A, "v1"), request(other, A, "v1")]
    for tags in ({}, {(A, "v1"): IMAGE.digest}, {(A, "v1"): other.digest}):
        with pytest.raises(UsageError, match=r"mirror\.lan:8443/a:v1") as refusal:
            plan_copies(asked, survey_of(*asked, manifests=[IMAGE, other], tags=tags))
        assert str(asked[0].source) in refusal.value.message
        assert str(asked[1].source) in refusal.value.message


def test_one_image_asked_for_twice_under_one_tag_is_no_contradiction() -> None:
    asked = [request(IMAGE, A, "v1", source=source) for source in SOURCES]
    plan = plan_copies(asked, survey_of(*asked, manifests=[IMAGE]))
    assert [step for step in plan.steps if isinstance(step, PutTag)] == [PutTag(A, "v1", IMAGE)]


def test_of_two_optional_images_for_one_tag_the_same_one_wins_every_time() -> None:
    other = image_of(OTHER)
    asked = [request(IMAGE, A, "s.sig", optional=True), request(other, A, "s.sig", optional=True, source=SOURCES[1])]
    (first,) = tags_of(asked, {})
    for old in (IMAGE.digest, other.digest):
        moved = tags_of(asked, {(A, "s.sig"): old})
        assert moved == ([] if old == first.manifest.digest else [first])


def test_a_required_image_keeps_its_tag_against_an_optional_one() -> None:
    other = image_of(OTHER)
    for required, optional in ((IMAGE, other), (other, IMAGE)):
        asked = [request(required, A, "v1"), request(optional, A, "v1", optional=True)]
        assert tags_of(asked, {}) == [PutTag(A, "v1", required)]


def tags_of(asked: list, tags: dict) -> list[PutTag]:  # type: ignore[type-arg]
    survey = survey_of(*asked, manifests=[IMAGE, image_of(OTHER)], tags=tags)
    return [step for step in plan_copies(asked, survey).steps if isinstance(step, PutTag)]


def test_bytes_that_are_both_a_manifest_and_a_blob_are_brought_as_both() -> None:
    # An attestation may carry an image's manifest as its layer; registries keep the two apart.
    bundle = image_of(CONFIG, [IMAGE.descriptor])
    asked = [request(IMAGE, A), request(bundle, A)]
    steps = plan_copies(asked, survey_of(*asked, manifests=[IMAGE, bundle])).steps
    assert PutManifest(A, IMAGE) in steps
    assert IMAGE.digest in [step.blob.digest for step in steps if isinstance(step, CopyBlob)]


def test_everything_below_a_root_comes_children_first_and_once() -> None:
    inner = list_of(IMAGE, image_of(OTHER))
    outer = list_of(inner, IMAGE, inner)
    survey = survey_of(manifests=[IMAGE, image_of(OTHER), inner, outer])
    assert list(reachable(outer.digest, survey)) == [
        IMAGE.digest,
        image_of(OTHER).digest,
        inner.digest,
        outer.digest,
    ]


def test_lists_in_lists_a_thousand_deep_are_no_problem() -> None:
    chain = [IMAGE]
    for _ in range(1000):
        chain.append(list_of(chain[-1]))
    asked = request(chain[-1], A)
    plan = plan_copies([asked], survey_of(asked, manifests=chain))
    assert sum(isinstance(step, PutManifest) for step in plan.steps) == 1001


def test_a_plan_grows_with_the_content_and_not_faster() -> None:
    """Counted in steps: 5,000 images over 30,000 blobs, as a full catalog has."""
    blobs = [blob_of(number) for number in range(30_000)]
    images = [
        image_of(blobs[number * 6], [blobs[(number * 6 + offset) % 30_000] for offset in range(1, 12)])
        for number in range(5_000)
    ]
    asked = [request(image, DESTINATIONS[number % 3], f"t{number}") for number, image in enumerate(images)]
    plan = plan_copies(asked, survey_of(*asked, manifests=images), can_mount={MIRROR})
    counts = {kind: sum(isinstance(step, kind) for step in plan.steps) for kind in (CopyBlob, PutManifest, PutTag)}
    assert counts == {CopyBlob: 30_000, PutManifest: 5_000, PutTag: 5_000}
    assert sum(map(len, plan.needs)) <= 5_000 * 12 + 5_000 + sum(isinstance(s, MountBlob) for s in plan.steps)
