"""Where a template sends an image."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import AirferryError, UsageError
from airferry.oci import Reference
from airferry.plan.lists import Template

HEX = "7f" * 32
APP = "quay.io/org/team/app:1.2"

PLACED = {
    "a host keeps the path below it": ("mirror.lan:8443", APP, "mirror.lan:8443/org/team/app:1.2"),
    "a path keeps the path below it": ("mirror.lan:8443/apps/", APP, "mirror.lan:8443/apps/org/team/app:1.2"),
    "a disk keeps the path": ("file://", APP, "file://org/team/app:1.2"),
    "a folder on a disk": ("file://apps", APP, "file://apps/org/team/app:1.2"),
    "a layout is one repository": ("oci:///tmp/x", APP, "oci:///tmp/x:1.2"),
    "a layout for each": ("oci:///tmp/{name}", APP, "oci:///tmp/app:1.2"),
    "all fields": (
        "mirror.lan/{registry}/{namespace}/{name}:{tag}-x",
        "localhost:5000/a/b:1",
        "mirror.lan/localhost-5000/a/b:1-x",
    ),
    "no tag field means the tag": ("mirror.lan/{repository}", APP, "mirror.lan/org/team/app:1.2"),
    "an empty namespace leaves no gap": ("mirror.lan/{namespace}/{name}", "quay.io/app:1", "mirror.lan/app:1"),
    "a digest stays without a tag": ("mirror.lan", f"quay.io/a/b@sha256:{HEX}", "mirror.lan/a/b"),
    "a digest as a tag": ("mirror.lan/{repository}:{digest}", f"quay.io/a/b@sha256:{HEX}", f"mirror.lan/a/b:{HEX}"),
    "tag and digest keep the tag": ("mirror.lan", f"quay.io/a/b:1@sha256:{HEX}", "mirror.lan/a/b:1"),
    "a tag in the path": ("mirror.lan/{repository}/{tag}:x", "quay.io/a/b:1", "mirror.lan/a/b/1:x"),
}


@pytest.mark.parametrize("name", PLACED)
def test_images_go_where_the_template_says(name: str) -> None:
    template, source, expected = PLACED[name]
    assert str(Template.parse(template).place(Reference.parse(source))) == expected


@pytest.mark.parametrize(
    "template",
    ["mirror.lan/{nope}", "mirror.lan/{tag", "mirror.lan/x:latest", f"mirror.lan/x@sha256:{HEX}", "mirror.lan/{}"],
)
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(UsageError):
        Template.parse(template)


def test_a_field_that_an_image_does_not_have_is_named() -> None:
    with pytest.raises(UsageError, match="has no digest"):
        Template.parse("mirror.lan/{repository}:{digest}").place(Reference.parse(APP))
    with pytest.raises(AirferryError, match="cannot go to"):
        Template.parse("mirror.lan/{tag}").place(Reference.parse("quay.io/a/b:V_1"))


@given(
    before=st.sampled_from(["", "a-", "v"]), after=st.sampled_from(["", "-x"]), tag=st.from_regex(r"\A[a-z0-9.]{1,9}\Z")
)
def test_the_tag_at_the_source_can_be_told_from_the_one_that_was_made(before: str, after: str, tag: str) -> None:
    template = Template.parse(f"mirror.lan/{{repository}}:{before}{{tag}}{after}")
    made = template.place(Reference.parse("quay.io/a/b:1"))
    assert made.tag == f"{before}1{after}"
    assert template.source_tag(f"{before}{tag}{after}") == tag


def test_where_it_cannot_be_told_that_is_said() -> None:
    for text in ("mirror.lan/{repository}:latest", "mirror.lan/{tag}:{tag}", "mirror.lan/{name}:{tag}-{tag}"):
        with pytest.raises(UsageError, match="cannot be told"):
            Template.parse(text).source_tag("x")


@given(st.text(max_size=40) | st.text("mirror.lan:5000/{}tagname@", max_size=40))
def test_no_destination_is_more_than_refused(text: str) -> None:
    try:
        placed = Template.parse(text).place(Reference.parse(APP))
    except AirferryError:
        return
    assert placed.digest is None
