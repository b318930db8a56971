"""Image streams as they are met: real files, what a cluster prints, and files that are broken."""

import json
from pathlib import Path
from typing import Any

import pytest

from airferry.errors import MalformedError
from airferry.openshift.samples.belonging import PAYLOAD_STREAMS, with_belonging
from airferry.openshift.samples.reading import architecture_of, is_stream_file, parse_streams
from airferry.openshift.samples.streams import Belonging, Inventory, Stream, StreamTag, make_inventory

DATA = Path(__file__).parents[2] / "data" / "imagestreams"
REAL = sorted((DATA / "ocp-x86_64").rglob("imagestreams/*.json"))


def a_stream(*tags: dict[str, Any], name: str = "ruby", **more: Any) -> dict[str, Any]:
    return {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": name, **more},
        "spec": {"tags": list(tags)},
    }


def an_image(name: str, image: str) -> dict[str, Any]:
    return {"name": name, "from": {"kind": "DockerImage", "name": image}}


def an_alias(name: str, target: str) -> dict[str, Any]:
    return {"name": name, "from": {"kind": "ImageStreamTag", "name": target}}


def inventory(*documents: dict[str, Any]) -> Inventory:
    return make_inventory([stream for item in documents for stream in parse_streams(json.dumps(item), "f.json")])


def comes_to(found: Inventory) -> dict[str, str | None]:
    return {item.name: item.image or item.trouble for item in found.resolved()}


@pytest.mark.parametrize("file", REAL, ids=lambda file: file.name)
def test_real_streams_are_read_whole(file: Path) -> None:
    document = json.loads(file.read_text())
    (stream,) = parse_streams(file.read_text(), str(file))
    assert stream.name == document["metadata"]["name"] and stream.architecture == "x86_64"
    assert [tag.name for tag in stream.tags] == [tag["name"] for tag in document["spec"]["tags"]]
    assert [tag.image or tag.alias for tag in stream.tags] == [tag["from"]["name"] for tag in document["spec"]["tags"]]
    assert all(item.image for item in Inventory((stream,)).resolved())


def test_all_sources_say_the_same_of_the_same_streams() -> None:
    documents = [json.loads(file.read_text()) for file in REAL]
    of_files = make_inventory([stream for file in REAL for stream in parse_streams(file.read_text(), "f.json")])
    listed = {"kind": "List", "apiVersion": "v1", "items": documents}
    import io

    from ruamel.yaml import YAML

    as_yaml = io.StringIO()
    YAML(typ="safe", pure=True).dump_all(documents, as_yaml)
    for text in (json.dumps(listed), json.dumps({**listed, "kind": "ImageStreamList"}), as_yaml.getvalue()):
        assert comes_to(make_inventory(parse_streams(text, "all"))) == comes_to(of_files)
    images = {item.name: item.image for item in of_files.resolved() if item.tag.alias is None}
    data = {name.replace(":", "_", 1): image for name, image in images.items()}
    config_map = {"kind": "ConfigMap", "metadata": {"name": "imagestreamtag-to-image"}, "data": data}
    assert comes_to(make_inventory(parse_streams(json.dumps(config_map), "cm.json"))) == images


def test_aliases_are_followed_within_a_stream_and_to_others() -> None:
    found = inventory(
        a_stream(an_alias("latest", "3"), an_alias("3", "3.3"), an_image("3.3", "quay.io/a/ruby:3.3")),
        a_stream(an_alias("v", "ruby:latest"), an_alias("gone", "ruby:9"), an_alias("lost", "perl:1"), name="other"),
    )
    assert comes_to(found) == {
        "ruby:latest": "quay.io/a/ruby:3.3",
        "ruby:3": "quay.io/a/ruby:3.3",
        "ruby:3.3": "quay.io/a/ruby:3.3",
        "other:v": "quay.io/a/ruby:3.3",
        "other:gone": "it is an alias of ruby:9, which is not there",
        "other:lost": "it is an alias of perl:1, which is not there",
    }
    (item,) = [item for item in found.resolved() if item.name == "other:v"]
    assert item.through == ("ruby:latest", "ruby:3", "ruby:3.3")


@pytest.mark.parametrize("tags", [[("a", "a")], [("a", "b"), ("b", "a")], [("a", "b"), ("b", "c"), ("c", "b")]])
def test_aliases_in_a_circle_are_told(tags: list[tuple[str, str]]) -> None:
    found = inventory(a_stream(*(an_alias(*tag) for tag in tags)))
    for trouble in comes_to(found).values():
        assert trouble is not None and "lead in a circle: ruby:" in trouble


@pytest.mark.parametrize(
    ("tag", "trouble"),
    [
        ({"name": "1"}, "from outside, by a push"),
        ({"name": "1", "from": {"kind": "ImageStreamImage", "name": f"a@sha256:{'0' * 64}"}}, "is the image a@sha256"),
    ],
)
def test_a_tag_that_names_no_image_is_told(tag: dict[str, Any], trouble: str) -> None:
    (told,) = comes_to(inventory(a_stream(tag))).values()
    assert told is not None and trouble in told


def test_an_architecture_has_its_own_stream_or_the_one_for_all() -> None:
    files = sorted((DATA / "library").rglob("*.json"))
    found = make_inventory([stream for file in files for stream in parse_streams(file.read_text(), str(file))])
    assert [stream.architecture for stream in found.streams] == [None, "aarch64"]
    assert [stream.architecture for stream in found.for_architecture("arm64").streams] == ["aarch64"]
    assert [stream.architecture for stream in found.for_architecture("amd64").streams] == [None]


@pytest.mark.parametrize(
    ("file", "architecture"),
    [
        ("opt/openshift/operator/x86_64/ruby/imagestreams/ruby-rhel.json", "x86_64"),
        ("opt/openshift/operator/ocp-ppc64le/ruby/imagestreams/ruby-rhel.json", "ppc64le"),
        ("opt/openshift/operator/okd-x86_64/ruby/imagestreams/ruby-centos.json", "x86_64"),
        ("official/ruby/imagestreams/ruby-rhel-aarch64.json", "aarch64"),
        ("official/ruby/imagestreams/ruby-rhel.json", None),
    ],
)
def test_folders_and_names_tell_the_architecture(file: str, architecture: str | None) -> None:
    assert architecture_of(file) == architecture
    assert is_stream_file(file) == file.startswith("opt/")


def test_templates_are_no_streams() -> None:
    template = DATA / "ocp-x86_64/redis/templates/redis-ephemeral.json"
    assert parse_streams(template.read_text(), str(template)) == ()
    assert not is_stream_file("opt/openshift/operator/x86_64/redis/templates/redis-ephemeral.json")


def belongings(*streams: Stream, components: frozenset[str] = frozenset()) -> list[Belonging]:
    return [stream.belonging for stream in with_belonging(streams, components)]


def test_streams_that_the_release_applies_are_left_out() -> None:
    file = DATA / "08-openshift-imagestreams.yaml"
    streams = parse_streams(file.read_text(), str(file))
    assert {stream.name for stream in streams} <= PAYLOAD_STREAMS
    assert set(belongings(*streams)) == {Belonging.PAYLOAD}
    digest = f"quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:{'0' * 64}"
    assert belongings(Stream("something-new", (StreamTag("latest", digest),))) == [Belonging.PAYLOAD]


def test_jenkins_is_the_releases_or_nobodys() -> None:
    streams = [stream for file in REAL for stream in parse_streams(file.read_text(), str(file))]
    jenkins = [stream for stream in streams if stream.name.startswith("jenkins")]
    assert len(jenkins) == 2
    assert belongings(*jenkins) == [Belonging.OUTSIDE] * 2
    assert belongings(*jenkins, components=frozenset({"jenkins"})) == [Belonging.PAYLOAD] * 2


def test_in_a_cluster_the_label_tells_whose_a_stream_is() -> None:
    tags = (StreamTag("1", "quay.io/a/b:1"),)
    mine, skipped, own = Stream("ruby", tags, managed=True), Stream("perl", tags, managed=False), Stream("own", tags)
    assert belongings(mine, skipped, own) == [Belonging.SAMPLE, Belonging.SAMPLE, Belonging.OTHER]
    assert belongings(own) == [Belonging.SAMPLE], "files have no labels"


BROKEN: dict[str, tuple[str, list[str]]] = {
    "not YAML": ("a: [", ["f.json, line 1, column 5: not YAML"]),
    "a list of streams without a List": ("[1]", ["document 1 is not an object but list"]),
    "no kind": ("{}", ["f.json has no kind"]),
    "another ConfigMap": ('{"kind": "ConfigMap", "metadata": {"name": "x"}}', ["is the ConfigMap 'x'"]),
    "a key without a tag": (
        '{"kind": "ConfigMap", "metadata": {"name": "imagestreamtag-to-image"}, "data": {"ruby": "a"}}',
        ["the key 'ruby' is not STREAM_TAG"],
    ),
    "no name": ('{"kind": "ImageStream", "apiVersion": "v1"}', ["f.json, metadata has no name"]),
    "a name that leads elsewhere": (json.dumps(a_stream(name="../x")), ["cannot be the name of an ImageStream"]),
    "another version": ('{"kind": "ImageStream", "apiVersion": "v2"}', ["an ImageStream of 'v2'"]),
    "tags that are a map": (
        '{"kind": "ImageStream", "apiVersion": "v1", "metadata": {"name": "r"}, "spec": {"tags": {}}}',
        ["ImageStream r: tags is not a list"],
    ),
    "a tag without a name": (json.dumps(a_stream({"from": {}})), ["ImageStream ruby, spec.tags[0] has no name"]),
    "a tag whose name YAML takes for a number": (
        "kind: ImageStream\napiVersion: v1\nmetadata: {name: r}\nspec: {tags: [{name: 1.10}]}",
        ["spec.tags[0].name is not text but 1.1"],
    ),
    "a pull spec with a password": (
        json.dumps(a_stream(an_image("1", "user:s3cret@quay.io/a/b:1"))),
        ["spec.tags[0].from.name: credentials in a reference are not accepted"],
    ),
    "a pull spec with a password in the ConfigMap": (
        '{"kind": "ConfigMap", "metadata": {"name": "imagestreamtag-to-image"}, "data": {"a_1": "u:s3cret@q.io/a/b"}}',
        ["data.a_1: credentials in a reference are not accepted"],
    ),
    "a tag that is none": (json.dumps(a_stream(an_image("a b", "x"))), ["spec.tags[0]: 'a b' cannot be"]),
    "a tag twice": (json.dumps(a_stream(an_image("1", "x"), an_image("1", "y"))), ["has the tag 1 twice"]),
    "an unknown kind of image": (
        json.dumps(a_stream({"name": "1", "from": {"kind": "Pod", "name": "x"}})),
        ["spec.tags[0].from.kind is 'Pod'"],
    ),
    "an item of a list": (
        json.dumps({"kind": "List", "items": [a_stream(), a_stream({})]}),
        ["f.json, items[1], ImageStream ruby, spec.tags[0]"],
    ),
}


@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_named_and_the_place_in_it(text: str, words: list[str]) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_streams(text, "f.json")
    for word in words:
        assert word in caught.value.message
    assert "s3cret" not in caught.value.message


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    text = json.dumps(a_stream(an_image("1", "quay.io/a/b:1")))
    assert parse_streams(f"\ufeff{text}", "f.json") == parse_streams(text, "f.json")


@pytest.mark.parametrize("text", ["variables: {}\ndata: []", "[1]", '{"name": "a package of npm"}', ""])
def test_what_is_no_object_of_a_cluster_is_passed_over_in_a_folder_of_files(text: str) -> None:
    assert parse_streams(text, "f.yaml", is_one_of_many=True) == ()
    with pytest.raises(MalformedError):
        parse_streams('{"metadata": {"name": "half a stream"}}', "f.json", is_one_of_many=True)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(MalformedError):
        parse_streams('{"a":' * 100_000, "f.json")


def test_two_streams_of_a_name_are_told_with_both_files() -> None:
    one, two = (Stream("ruby", (StreamTag(tag, "quay.io/a/b:1"),), file=f"{tag}.json") for tag in "12")
    with pytest.raises(MalformedError, match=r"ruby is in 1\.json and, with other tags, in 2\.json"):
        make_inventory([one, two])
    assert len(make_inventory([one, one]).streams) == 1
