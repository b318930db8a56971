"""What holds of every file that is read, whatever was done to it."""

import json
from collections.abc import Mapping
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from airferry.errors import AirferryError
from airferry.openshift.samples.belonging import with_belonging
from airferry.openshift.samples.copies import sample_copies, selected_tags
from airferry.openshift.samples.imports import imports
from airferry.openshift.samples.operator_config import OperatorConfig
from airferry.openshift.samples.reading import parse_streams
from airferry.openshift.samples.rewriting import SamplesTarget
from airferry.openshift.samples.selection import Selection
from airferry.openshift.samples.streams import Stream, StreamTag, make_inventory

REDIS = (
    Path(__file__).parents[2] / "data" / "imagestreams" / "ocp-x86_64" / "redis" / "imagestreams" / "redis-rhel.json"
)
TEXT = json.dumps(json.loads(REDIS.read_text()))
TARGET = SamplesTarget.parse("m.example.com:8443/samples")
PIECES = st.sampled_from([*'"{}[]:,@x1', "null", "\n- ", "ImageStreamTag", "\u2028", ""])


def taken_through(text: str) -> None:
    """Read, resolve and plan: every step of it ends, with a value or an error of ours."""
    try:
        streams = parse_streams(text, "f.json")
        inventory = make_inventory(with_belonging(streams))
        tags = selected_tags(inventory, Selection())
    except AirferryError as error:
        assert error.code in ("malformed", "unsupported") and "f.json" in error.message
        return
    copies = sample_copies(tags, TARGET)
    served = {name for sample in copies.wanted for name in sample.used_by} | {item.name for item in copies.troubles}
    assert served == {item.name for item in tags}


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(TEXT)), length=st.integers(0, 40), piece=PIECES)
def test_a_damaged_file_is_read_or_refused_by_name(at: int, length: int, piece: str) -> None:
    taken_through(TEXT[:at] + piece + TEXT[at + length :])


NAMES = st.sampled_from(["a", "b", "c", "d"])
TAGS = st.one_of(
    NAMES.map(lambda name: StreamTag("", image=f"quay.io/org/{name}:1")),
    NAMES.map(lambda name: StreamTag("", alias=name)),
    st.tuples(NAMES, NAMES).map(lambda pair: StreamTag("", alias=":".join(pair))),
)
STREAMS = st.dictionaries(NAMES, st.dictionaries(NAMES, TAGS, max_size=4), max_size=4)


def as_streams(drawn: Mapping[str, Mapping[str, StreamTag]]) -> list[Stream]:
    return [
        Stream(name, tuple(StreamTag(tag, item.image, item.alias) for tag, item in tags.items()))
        for name, tags in drawn.items()
    ]


@settings(max_examples=200, deadline=None)
@given(drawn=STREAMS)
def test_every_tag_comes_to_an_image_or_a_trouble(drawn: dict[str, dict[str, StreamTag]]) -> None:
    for item in make_inventory(as_streams(drawn)).resolved():
        assert (item.image is None) != (item.trouble is None)
        assert item.trouble is None or "is not there" in item.trouble or "in a circle" in item.trouble


@settings(max_examples=100, deadline=None)
@given(drawn=STREAMS, data=st.data())
def test_the_order_of_streams_does_not_matter(drawn: dict[str, dict[str, StreamTag]], data: st.DataObject) -> None:
    streams = as_streams(drawn)
    inventory = make_inventory(streams)
    assert make_inventory(data.draw(st.permutations(streams))) == inventory
    tags = selected_tags(inventory, Selection())
    assert sample_copies(data.draw(st.permutations(tags)), TARGET) == sample_copies(tags, TARGET)


@settings(max_examples=100, deadline=None)
@given(drawn=STREAMS)
def test_every_import_is_served_by_a_copy(drawn: dict[str, dict[str, StreamTag]]) -> None:
    """What the operator asks for and what is mirrored are found by different code, and are the same names."""
    inventory = make_inventory(as_streams(drawn))
    copies = sample_copies(selected_tags(inventory, Selection()), TARGET)
    places = {f"{sample.request.destination}:{tag}" for sample in copies.wanted for tag in sample.request.tags}
    asked = {
        str(item.reference) for item in imports(inventory, OperatorConfig(TARGET.samples_registry)) if item.reference
    }
    assert asked == places
