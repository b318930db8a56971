"""What is selected, and the copies that serve it."""

import pytest

from airferry.errors import UsageError
from airferry.openshift.samples.copies import sample_copies, selected_tags
from airferry.openshift.samples.imports import imports
from airferry.openshift.samples.operator_config import OperatorConfig
from airferry.openshift.samples.rewriting import SamplesTarget
from airferry.openshift.samples.selection import Selection
from airferry.openshift.samples.streams import Belonging, Inventory, Stream, StreamTag

TARGET = SamplesTarget.parse("m.example.com")
RUBY = Stream(
    "ruby",
    (
        StreamTag("latest", alias="3.3"),
        StreamTag("3.3", "registry.redhat.io/ubi9/ruby-33:1"),
        StreamTag("3.0", "registry.access.redhat.com/ubi9/ruby-30"),
    ),
)
PERL = Stream("perl", (StreamTag("5", "registry.redhat.io/ubi9/perl:5"), StreamTag("x", alias="y")))
CLI = Stream("cli", (StreamTag("latest", "quay.io/o/cli:1"),), belonging=Belonging.PAYLOAD)
ALL = Inventory((CLI, PERL, RUBY))


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        ([], ["perl:5", "perl:x", "ruby:latest", "ruby:3.3", "ruby:3.0"]),
        (["ruby"], ["ruby:latest", "ruby:3.3", "ruby:3.0"]),
        (["r*"], ["ruby:latest", "ruby:3.3", "ruby:3.0"]),
        (["stream=ruby,tag=3.?"], ["ruby:3.3", "ruby:3.0"]),
        (["tag=latest"], ["ruby:latest"]),
        (["registry=registry.access.*"], ["ruby:3.0"]),
        (["perl,tag=5", "tag=3.0"], ["perl:5", "ruby:3.0"]),
    ],
)
def test_terms_add_up_and_their_parts_must_all_hold(texts: list[str], names: list[str]) -> None:
    assert [item.name for item in selected_tags(ALL, Selection.parse(texts))] == names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("color=red", "'color=red' is not understood"),
        ("stream=", "is not understood"),
        ("", "is not understood"),
        ("ruby,", "is not understood"),
        ("pyhton", "matches no tag"),
        ("ruby,tag=9", "stream=ruby,tag=9 matches no tag"),
    ],
)
def test_a_selection_of_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        selected_tags(ALL, Selection.parse([text]))


def test_an_alias_selects_what_it_comes_to_and_an_image_crosses_once() -> None:
    by_alias = sample_copies(selected_tags(ALL, Selection.parse(["tag=latest"])), TARGET)
    assert by_alias.images == ("registry.redhat.io/ubi9/ruby-33:1",)
    whole = sample_copies(selected_tags(ALL, Selection()), TARGET)
    assert [(str(item.request.destination), item.request.tags, item.used_by) for item in whole.wanted] == [
        ("m.example.com/ubi9/perl", ("5",), ("perl:5",)),
        ("m.example.com/ubi9/ruby-30", ("latest",), ("ruby:3.0",)),
        ("m.example.com/ubi9/ruby-33", ("1",), ("ruby:3.3", "ruby:latest")),
    ]
    assert [(item.name, item.reason) for item in whole.troubles] == [
        ("perl:x", "it is an alias of perl:y, which is not there")
    ]


def test_two_hosts_that_come_to_one_name_are_told() -> None:
    one = StreamTag("1", "registry.access.redhat.com/ubi9/ruby:1")
    other = StreamTag("2", "registry.redhat.io/ubi9/ruby:1")
    tags = selected_tags(Inventory((Stream("ruby", (one, other)),)), Selection())
    copies = sample_copies(tags, TARGET)
    assert copies.images == (other.image,)
    assert copies.wanted[0].used_by == ("ruby:1", "ruby:2")
    assert copies.notes == (f"{one.image} and {other.image} have one name at the mirror; it gets the latter",)
    assert sample_copies(reversed(tags), TARGET) == copies


PUSHED = Stream(
    "redis",
    (
        StreamTag("7", "mirror.lan:5000/ocp/samples/rhel9/redis-7:1"),
        StreamTag("mine", oddity="it names no image: what it is comes from outside, by a push"),
        StreamTag("also", alias="mine"),
    ),
)


def test_what_was_pushed_into_a_stream_concerns_no_mirror() -> None:
    inventory = Inventory((PUSHED,))
    copies = sample_copies(selected_tags(inventory, Selection()), SamplesTarget.parse("mirror.lan:5000/ocp/samples"))
    assert [(item.name, "by a push" in item.reason) for item in copies.troubles] == [("redis:also", True)]
    config = OperatorConfig("mirror.lan:5000/ocp/samples")
    assert [(item.name, item.reference is None) for item in imports(inventory, config)] == [
        ("redis:7", False),
        ("redis:also", True),
    ]


def test_without_a_target_images_are_those_that_any_mirror_would_get() -> None:
    """Among them those of a cluster that imports from a mirror already, whose pull specs are rewritten."""
    tags = selected_tags(Inventory((PUSHED, RUBY)), Selection())
    assert sample_copies(tags, None).images == (
        "mirror.lan:5000/ocp/samples/rhel9/redis-7:1",
        "registry.access.redhat.com/ubi9/ruby-30:latest",
        "registry.redhat.io/ubi9/ruby-33:1",
    )
    one, other = StreamTag("1", "quay.io/a/b:1"), StreamTag("2", "registry.redhat.io/a/b:1")
    same = sample_copies(selected_tags(Inventory((Stream("ruby", (one, other)),)), Selection()), None)
    assert same.images == (other.image,) and len(same.notes) == 1


def test_an_image_by_digest_gets_no_tag() -> None:
    digest = f"sha256:{'0' * 64}"
    tags = selected_tags(Inventory((Stream("r", (StreamTag("1", f"quay.io/a/b@{digest}"),)),)), Selection())
    (wanted,) = sample_copies(tags, TARGET).wanted
    assert (wanted.request.source.digest, wanted.request.tags) == (digest, ())
