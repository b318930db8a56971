"""Mirror sets as files: printed, read back, and refused where they are wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from airferry.errors import MalformedError, UnsupportedError
from airferry.openshift.cluster.mirror_files import parse_mirror_sets
from airferry.openshift.cluster.mirror_sets import (
    MirrorEntry,
    MirrorKind,
    MirrorSet,
    SourcePolicy,
    print_documents,
    print_fragment,
    print_object,
    release_mirrors,
)

FILES = Path(__file__).parents[2] / "data" / "mirrors" / "files"
OBJECTS = (MirrorKind.IDMS, MirrorKind.ITMS, MirrorKind.ICSP)
FRAGMENTS = (MirrorKind.DIGEST_SOURCES, MirrorKind.CONTENT_SOURCES)
ENTRY = MirrorEntry("quay.io/a", ("m.lan:8443/a",))

HEAD = """apiVersion: config.openshift.io/v1
kind: ImageDigestMirrorSet
metadata: {name: x}
spec:
  imageDigestMirrors:
"""


def read(name: str) -> tuple[MirrorSet, ...]:
    return parse_mirror_sets((FILES / name).read_text(), name)


def test_real_objects_are_read():
    (item,) = read("image-content-source-policy-0.yaml")
    assert item.kind is MirrorKind.ICSP
    assert item.name == "image-policy-0"
    assert item.entries == (
        MirrorEntry("registry.product.example.org/ocp/4.2-date-version", ("registry.mirror.example.com/ocp",)),
    )
    (item,) = read("idmsFile64921.yaml")
    assert [entry.policy for entry in item.entries] == [SourcePolicy.ALLOW] * 3


def test_an_install_config_is_read_for_its_sources():
    (item,) = read("upi-none-mirror.yaml")
    assert item.kind is MirrorKind.CONTENT_SOURCES
    assert [entry.source for entry in item.entries] == [
        "quay.io/openshift-release-dev/ocp-release",
        "quay.io/openshift-release-dev/ocp-v4.0-art-dev",
    ]


def test_every_document_counts_not_only_the_first():
    text = (FILES / "image-content-source-policy-0.yaml").read_text()
    text += "---\n" + (FILES / "image-content-source-policy-1.yaml").read_text() + "---\n---\n"
    text += (FILES / "idmsFile64921.yaml").read_text()
    assert [(item.name, item.origin) for item in parse_mirror_sets(text, "all.yaml")] == [
        ("image-policy-0", "all.yaml, document 1"),
        ("image-policy-1", "all.yaml, document 2"),
        ("example", "all.yaml, document 4"),
    ]


def test_a_list_as_oc_get_prints_it_is_read():
    text = print_object(MirrorKind.ITMS, [ENTRY])
    body = "".join("  " + line for line in text.splitlines(keepends=True))
    (item,) = parse_mirror_sets("apiVersion: v1\nkind: List\nitems:\n-" + body[1:], "list.yaml")
    assert (item.kind, item.entries) == (MirrorKind.ITMS, (ENTRY,))


HOSTS = st.sampled_from(
    ["quay.io", "m.lan:8443", "registry.redhat.io", "localhost", "1.2.3.4:5000", "[::1]:5000", "10"]
)
PATHS = st.lists(st.sampled_from(["a", "ocp-release", "x_y", "4.12", "null", "true"]), max_size=3)
LOCATIONS = st.builds(lambda host, path: "/".join([host, *path]), HOSTS, PATHS)
SOURCES = LOCATIONS | st.sampled_from(["*.ex.com", "*.a.b"])


def entries(policies) -> st.SearchStrategy:
    def allowed(entry: MirrorEntry) -> bool:
        return entry.policy is not SourcePolicy.NEVER or entry.source not in entry.mirrors

    mirrors = st.lists(LOCATIONS, min_size=1, max_size=3, unique=True).map(tuple)
    one = st.builds(MirrorEntry, SOURCES, mirrors, policies).filter(allowed)
    return st.lists(one, min_size=1, max_size=4, unique_by=lambda entry: entry.source).map(tuple)


def by_source(items: tuple[MirrorEntry, ...]) -> list[MirrorEntry]:
    return sorted(items, key=lambda entry: entry.source)


@given(st.sampled_from(MirrorKind), st.data())
def test_what_is_printed_is_read_back(kind, data):
    with_policy = kind not in (MirrorKind.ICSP, MirrorKind.CONTENT_SOURCES)
    wanted = data.draw(entries(st.none() | st.sampled_from(SourcePolicy) if with_policy else st.none()))
    text = print_object(kind, wanted) if kind in OBJECTS else print_fragment(kind, wanted)
    (item,) = parse_mirror_sets(text, "f")
    assert item.kind is kind
    assert list(item.entries) == by_source(wanted)
    assert text == (print_object(kind, wanted[::-1]) if kind in OBJECTS else print_fragment(kind, wanted[::-1]))


@given(st.lists(st.sampled_from(OBJECTS), min_size=1, max_size=3))
def test_several_objects_in_one_file_are_read_back(kinds):
    sets = [MirrorSet(kind, (ENTRY,), f"name-{index}") for index, kind in enumerate(kinds)]
    found = parse_mirror_sets(print_documents(sets), "f")
    assert [(item.kind, item.name, item.entries) for item in found] == [
        (item.kind, item.name, item.entries) for item in sets
    ]


def test_policies_stand_where_each_kind_wants_them():
    never = MirrorEntry("quay.io/a", ("m.lan/a",), SourcePolicy.NEVER)
    reader = YAML(typ="safe", pure=True)
    section = reader.load(print_fragment(MirrorKind.DIGEST_SOURCES, [never]))
    assert section["imageDigestSources"][0]["sourcePolicy"] == "NeverContactSource"
    document = reader.load(print_object(MirrorKind.ITMS, [never]))
    assert document["spec"]["imageTagMirrors"][0]["mirrorSourcePolicy"] == "NeverContactSource"
    with pytest.raises(MalformedError, match="cannot say NeverContactSource"):
        print_object(MirrorKind.ICSP, [never])


def test_the_mirrors_of_a_release_are_sorted_and_listed_once():
    assert release_mirrors(["q/b", "q/a", "q/b"], ["m/2", "m/1", "m/2"]) == (
        MirrorEntry("q/a", ("m/2", "m/1")),
        MirrorEntry("q/b", ("m/2", "m/1")),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "f holds no mirror set", id="empty"),
        pytest.param("---\n---\n", "f holds no mirror set", id="empty documents"),
        pytest.param("a: [", "f, line 1, column 5: not YAML", id="cut off"),
        pytest.param("imageDigestSources: []\n---\n\tb", "f, line 3", id="broken second document"),
        pytest.param("- a", "f, document 1 is not an object but list", id="a list"),
        pytest.param("a: 1", "f, document 1 has no kind, no imageDigestSources", id="something else"),
        pytest.param("imageDigestSources: []\nimageContentSources: []", "f, document 1 has both", id="both sections"),
        pytest.param("imageDigestSources: 3", "f, document 1: imageDigestSources is not a list", id="a number"),
        pytest.param(HEAD.replace("config", "operator"), "f, document 1: apiVersion", id="another apiVersion"),
        pytest.param(HEAD + "  - mirrors: [m/a]", "spec.imageDigestMirrors[0]: source is missing", id="no source"),
        pytest.param(HEAD + "  - {source: q.io/a, mirrors: m/a}", "mirrors is not a list", id="mirrors as text"),
        pytest.param(HEAD + "  - {source: q.io/a, mirrors: [1]}", "mirrors is not a list of text", id="a number in it"),
        pytest.param(HEAD + "  - {source: q.io/a, mirrors: ['m/a:v1']}", "mirror 1 'm/a:v1'", id="a mirror with a tag"),
        pytest.param(HEAD + "  - {source: q.io/a}\n  - {source: Q/A}", "[1]: source 'Q/A'", id="the second entry"),
        pytest.param(HEAD + "  - 5", "spec.imageDigestMirrors[0] is not a map", id="an entry that is a number"),
        pytest.param(
            HEAD + "  - {source: q.io/a, mirrorSourcePolicy: Maybe}", "mirrorSourcePolicy is 'Maybe'", id="a policy"
        ),
        pytest.param(
            HEAD + "  - {source: q.io/a, mirrors: [q.io/a], mirrorSourcePolicy: NeverContactSource}",
            "is its own mirror",
            id="never contacted and its own mirror",
        ),
    ],
)
def test_errors_name_file_document_and_field(text, says):
    with pytest.raises(MalformedError) as caught:
        parse_mirror_sets(text, "f")
    assert says in caught.value.message


def test_another_kind_is_named():
    with pytest.raises(UnsupportedError, match="f, document 2 is a Pod, not a mirror set"):
        parse_mirror_sets(print_object(MirrorKind.IDMS, [ENTRY]) + "---\nkind: Pod\n", "f")


def test_aliases_cannot_multiply_objects():
    bomb = "kind: List\nitems: &a [{kind: List, items: *a}, {kind: List, items: *a}]\n"
    with pytest.raises(UnsupportedError, match=r"items\[0\] is a List"):
        parse_mirror_sets(bomb, "f")


def test_yaml_that_would_make_objects_or_grow_without_end_is_refused():
    with pytest.raises(MalformedError):
        parse_mirror_sets("!!python/object/apply:os.system ['true']", "f")
    with pytest.raises(MalformedError):
        parse_mirror_sets("[" * 5000, "f")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_our_own_errors(text):
    try:
        parse_mirror_sets(text, "f")
    except (MalformedError, UnsupportedError) as error:
        assert error.message.startswith("f")
