"""Whatever finishes first, the destination is whole at every moment. The order is drawn, not hoped for."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airferry.content.errors import NoSpaceError, NotFoundError
from airferry.oci import Place, PlaceKind
from airferry.plan import CopyBlob, MountBlob
from airferry.transfer import gaps_of

from .freight import DrawnPlace, Freight, Turnstile, freights, run_drawn

SINK = Place(PlaceKind.REGISTRY, "sink.test")
randoms = st.integers(0, 2**32).map(Random)


def opened(random: Random, *, mounts: bool = True) -> tuple[DrawnPlace, Turnstile]:
    turnstile = Turnstile(random)
    return DrawnPlace("sink.test", turnstile, mounts=mounts), turnstile


@settings(max_examples=60, deadline=None)
@given(freights(SINK), randoms, st.booleans(), st.integers(1, 6))
def test_no_order_puts_a_manifest_before_its_parts_or_a_tag_before_its_manifest(
    freight: Freight, random: Random, mounts: bool, workers: int
) -> None:
    sink, turnstile = opened(random, mounts=mounts)
    plan = freight.plan()
    # The sink refuses a manifest whose parts are not there and a tag whose manifest is not.
    outcome, left_running = run_drawn(plan, freight.source, sink, turnstile, workers=workers)
    assert outcome.failures == []
    assert (outcome.done, outcome.skipped, left_running) == (len(plan.steps), 0, 0)
    for asked in freight.requests:
        path = asked.destination.path
        assert asked.source.digest in sink.manifests(path)
        assert all(sink.tags(path)[tag] == asked.source.digest for tag in asked.tags)


@settings(max_examples=30, deadline=None)
@given(freights(SINK), randoms)
def test_no_tag_is_begun_before_everything_else_has_ended(freight: Freight, random: Random) -> None:
    sink, turnstile = opened(random)
    run_drawn(freight.plan(), freight.source, sink, turnstile)
    kinds = ["tag" if kind == "tag" else "other" for _, (kind, _, _) in sink.order]
    assert kinds == sorted(kinds)


@settings(max_examples=30, deadline=None)
@given(freights(SINK), randoms, st.integers(1, 5))
def test_no_more_is_at_work_than_there_are_workers(freight: Freight, random: Random, workers: int) -> None:
    sink, turnstile = opened(random)
    run_drawn(freight.plan(), freight.source, sink, turnstile, workers=workers)
    assert sink.most_at_work <= workers


@settings(max_examples=60, deadline=None)
@given(freights(SINK), randoms, st.booleans(), st.data())
def test_a_blob_that_fails_costs_what_needs_it_and_nothing_else(
    freight: Freight, random: Random, mounts: bool, data: st.DataObject
) -> None:
    sink, turnstile = opened(random, mounts=mounts)
    plan = freight.plan()
    blobs = sorted({step.blob.digest for step in plan.steps if isinstance(step, CopyBlob | MountBlob)})
    gone = data.draw(st.sampled_from(blobs))
    freight.source.fail("open_blob", gone, NotFoundError("gone"), times=1000)
    outcome, left_running = run_drawn(plan, freight.source, sink, turnstile)
    assert outcome.done + outcome.skipped + len(outcome.failures) == len(plan.steps)
    assert left_running == 0
    gaps = {gap.request for gap in gaps_of(outcome, plan, freight.requests, freight.survey)}
    for asked in freight.requests:
        needs_it = gone in blobs_below(freight, asked.source.digest)
        assert (asked in gaps) == needs_it
        assert (asked.source.digest in sink.manifests(asked.destination.path)) != needs_it
        assert all((tag in sink.tags(asked.destination.path)) != needs_it for tag in asked.tags)


@settings(max_examples=30, deadline=None)
@given(freights(SINK), randoms, st.data())
def test_what_hits_everything_alike_stops_at_once_and_is_raised_as_it_is(
    freight: Freight, random: Random, data: st.DataObject
) -> None:
    sink, turnstile = opened(random)
    plan = freight.plan()
    blobs = sorted({step.blob.digest for step in plan.steps if isinstance(step, CopyBlob)})
    full = NoSpaceError("the disk is full")
    sink.fail("write_blob", data.draw(st.sampled_from(blobs)), full, times=1000)
    with pytest.raises(NoSpaceError) as raised:
        run_drawn(plan, freight.source, sink, turnstile)
    assert raised.value is full
    assert sink.at_work == 0
    assert not any(kind == "tag" for _, (kind, _, _) in sink.order)


def blobs_below(freight: Freight, root: object) -> set[str]:
    manifest = freight.manifests[root]  # type: ignore[index]
    below = {str(blob.digest) for blob in manifest.blobs}
    for child in manifest.children:
        below |= blobs_below(freight, child.digest)
    return below
