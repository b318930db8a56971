"""What every plan keeps to, in whatever world it is made."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from airferry.oci import Manifest
from airferry.plan import CopyBlob, CopyRequest, MountBlob, PutManifest, PutTag, Step, Survey, plan_copies

from .worlds import StrictRegistry, World, worlds


def made_by(step: Step) -> tuple[object, ...]:
    match step:
        case CopyBlob() | MountBlob():
            return "blob", step.destination, step.blob.digest
        case PutManifest():
            return "manifest", step.destination, step.manifest.digest
        case PutTag():
            return "tag", step.destination, step.tag


@given(worlds())
def test_nothing_is_planned_twice(world: World) -> None:
    made = [made_by(step) for step in plan_copies(world.requests, world.survey, can_mount=world.can_mount).steps]
    assert len(made) == len(set(made))


@given(worlds())
def test_what_is_there_already_is_left_alone(world: World) -> None:
    for step in plan_copies(world.requests, world.survey, can_mount=world.can_mount).steps:
        present = world.survey.present.get(step.destination, ())
        match step:
            case CopyBlob() | MountBlob():
                assert step.blob.digest not in present
            case PutManifest():
                assert step.manifest.digest not in present
            case PutTag():
                assert world.survey.tags.get((step.destination, step.tag)) != step.manifest.digest


@given(worlds())
def test_every_need_comes_earlier_and_is_named_once(world: World) -> None:
    plan = plan_copies(world.requests, world.survey, can_mount=world.can_mount)
    assert len(plan.needs) == len(plan.steps)
    for index, needs in enumerate(plan.needs):
        assert all(0 <= need < index for need in needs)
        assert list(needs) == sorted(set(needs))


@given(worlds(), st.data())
def test_any_legal_order_keeps_the_destination_whole(world: World, data: st.DataObject) -> None:
    plan = plan_copies(world.requests, world.survey, can_mount=world.can_mount)
    registry = StrictRegistry(world.survey)
    for index in legal_order(plan.needs, data):
        registry.do(plan.steps[index])
    for asked in world.found_requests():
        assert registry.has_whole(world, asked)


@given(worlds())
def test_the_steps_as_listed_are_a_legal_order(world: World) -> None:
    registry = StrictRegistry(world.survey)
    registry.do_all(plan_copies(world.requests, world.survey, can_mount=world.can_mount))
    assert all(registry.has_whole(world, asked) for asked in world.found_requests())


@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_requests_does_not_matter(world: World, random: Random) -> None:
    shuffled = [*world.requests, *world.requests[:2]]
    random.shuffle(shuffled)
    one = plan_copies(world.requests, world.survey, can_mount=world.can_mount)
    assert plan_copies(shuffled, world.survey, can_mount=world.can_mount) == one


@given(worlds())
def test_a_second_plan_after_carrying_out_the_first_is_empty(world: World) -> None:
    registry = StrictRegistry(world.survey)
    registry.do_all(plan_copies(world.requests, world.survey, can_mount=world.can_mount))
    again = plan_copies(world.requests, registry.survey_again(world.survey), can_mount=world.can_mount)
    assert again.steps == ()
    assert again.needs == ()


@given(worlds())
def test_only_places_that_can_mount_are_asked_to(world: World) -> None:
    for step in plan_copies(world.requests, world.survey, can_mount=world.can_mount).steps:
        if isinstance(step, MountBlob):
            assert step.destination.place in world.can_mount
            assert step.sibling.place == step.destination.place
            assert step.sibling != step.destination


@given(worlds())
def test_a_blob_crosses_once_into_a_place_that_can_mount_and_never_where_a_sibling_has_it(world: World) -> None:
    crossed: set[tuple[object, str]] = set()
    for step in plan_copies(world.requests, world.survey, can_mount=world.can_mount).steps:
        place = step.destination.place
        if isinstance(step, CopyBlob) and place in world.can_mount:
            assert (place, step.blob.digest) not in crossed
            crossed.add((place, step.blob.digest))
            siblings = [found for found in world.survey.present if found.place == place]
            assert not any(step.blob.digest in world.survey.present[sibling] for sibling in siblings)


@given(worlds())
def test_tags_come_after_everything_else(world: World) -> None:
    kinds = [
        isinstance(step, PutTag) for step in plan_copies(world.requests, world.survey, can_mount=world.can_mount).steps
    ]
    assert kinds == sorted(kinds)


@given(worlds())
def test_a_blob_is_read_where_one_of_those_who_want_it_has_it(world: World) -> None:
    wanted = {
        (asked.source.repository, asked.destination, blob.digest)
        for asked in world.found_requests()
        for digest in world.below(world.survey.roots[asked])
        for blob in world.survey.manifests[digest].blobs
    }
    for step in plan_copies(world.requests, world.survey, can_mount=world.can_mount).steps:
        if isinstance(step, CopyBlob | MountBlob):
            assert (step.source, step.destination, step.blob.digest) in wanted


@given(worlds())
def test_requests_that_were_not_found_get_no_step(world: World) -> None:
    found = set(world.found_requests())
    plan = plan_copies(world.requests, world.survey, can_mount=world.can_mount)
    assert plan == plan_copies(found, world.survey, can_mount=world.can_mount)


def legal_order(needs: tuple[tuple[int, ...], ...], data: st.DataObject) -> list[int]:
    """Draw one of the orders in which no step comes before what it needs."""
    left, order = set(range(len(needs))), list[int]()
    while left:
        ready = sorted(index for index in left if not left.intersection(needs[index]))
        index = data.draw(st.sampled_from(ready))
        left.remove(index)
        order.append(index)
    return order


def test_no_requests_need_no_steps() -> None:
    requests: list[CopyRequest] = []
    manifests: dict[str, Manifest] = {}
    assert plan_copies(requests, Survey({}, manifests)).steps == ()  # type: ignore[arg-type]
