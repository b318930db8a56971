"""A plan in numbers: they add up, and they are what a disk must have room for."""

import json

from hypothesis import given

from airferry.oci import Place, Repository
from airferry.plan import CopyBlob, MountBlob, PutManifest, plan_copies, summarize
from airferry.plan.summary import bytes_to_write

from .worlds import DISK, MIRROR, World, blob_of, image_of, request, survey_of, worlds


@given(worlds())
def test_steps_are_counted_by_their_kind(world: World) -> None:
    plan = plan_copies(world.requests, world.survey, can_mount=world.can_mount)
    summary = summarize(plan, images=len(world.requests))
    assert summary.blobs + summary.mounts + summary.manifests + summary.tags == len(plan.steps)
    assert summary.images == len(world.requests)
    assert summary.blobs == sum(isinstance(step, CopyBlob) for step in plan.steps)


@given(worlds())
def test_what_moves_what_is_shared_and_what_is_there_add_up_to_what_is_asked_for(world: World) -> None:
    summary = summarize(plan_copies(world.requests, world.survey, can_mount=world.can_mount), images=0)
    asked = {
        (found.destination, digest)
        for found in world.found_requests()
        for digest in world.below(world.survey.roots[found])
    }
    total = sum(blob.size_bytes for _, digest in asked for blob in world.survey.manifests[digest].blobs)
    assert summary.moved_bytes + summary.shared_bytes + summary.already_there_bytes == total


@given(worlds())
def test_a_place_needs_room_for_what_is_written_to_it_and_no_other(world: World) -> None:
    plan = plan_copies(world.requests, world.survey, can_mount=world.can_mount)
    for place in (MIRROR, DISK):
        written = [step for step in plan.steps if step.destination.place == place]
        blobs = sum(step.blob.size_bytes for step in written if isinstance(step, CopyBlob))
        manifests = sum(step.manifest.size_bytes for step in written if isinstance(step, PutManifest))
        assert bytes_to_write(plan, place) == blobs + manifests
    assert bytes_to_write(plan, Place(DISK.kind, "/elsewhere")) == 0


def test_what_cannot_be_shared_between_repositories_of_a_disk_needs_room_twice() -> None:
    image = image_of(blob_of(1, 1_000_000))
    asked = [request(image, Repository(DISK, path)) for path in "ab"]
    survey = survey_of(*asked, manifests=[image])
    assert bytes_to_write(plan_copies(asked, survey), DISK) == 2 * (1_000_000 + image.size_bytes)
    mounting = plan_copies(asked, survey, can_mount={DISK})
    assert any(isinstance(step, MountBlob) for step in mounting.steps)
    assert bytes_to_write(mounting, DISK) == 1_000_000 + 2 * image.size_bytes


def test_the_numbers_have_stable_names_in_json() -> None:
    image = image_of(blob_of(1, 1000), [blob_of(2, 500)])
    asked = request(image, Repository(DISK, "a"), "v1")
    summary = summarize(plan_copies([asked], survey_of(asked, manifests=[image])), images=1)
    assert json.loads(json.dumps(summary.to_json())) == {
        "images": 1,
        "manifests": 1,
        "tags": 1,
        "blobs": 2,
        "mounts": 0,
        "movedBytes": 1500,
        "sharedBytes": 0,
        "alreadyThereBlobs": 0,
        "alreadyThereBytes": 0,
    }
