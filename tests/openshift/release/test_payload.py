"""Reading image-references and release-metadata."""

import json
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import AirferryError, MalformedError
from airferry.openshift.release.errors import ComponentMissingError
from airferry.openshift.release.payload import parse_payload
from airferry.openshift.release.versions import reported_versions
from airferry.openshift.semver import is_version, version_order

from .samples import DATA, real_4_12

GOOD = {
    "kind": "ImageStream",
    "metadata": {"name": "4.1.0"},
    "spec": {
        "tags": [{"name": "etcd", "from": {"kind": "DockerImage", "name": f"quay.io/a/b@sha256:{'1' * 64}"}}],
    },
}


def changed(path: str, value: object) -> bytes:
    document = deepcopy(GOOD)
    *parents, last = path.split(".")
    place = document
    for key in parents:
        place = place[int(key)] if key.isdecimal() else place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document).encode()


def test_a_real_release_has_its_183_components_by_digest():
    payload = real_4_12()
    assert payload.version == "4.12.0"
    assert len(payload.components) == 183
    assert payload.components[0].name == "agent-installer-api-server"
    assert all(item.image.digest is not None and item.image.tag is None for item in payload.components)
    assert {str(item.image.repository) for item in payload.components} == {
        "quay.io/openshift-release-dev/ocp-v4.0-art-dev"
    }
    assert payload.previous[0] == "4.11.11"
    assert len(payload.previous) == 21
    assert payload.metadata == {"url": "https://access.redhat.com/errata/RHSA-2022:7399"}
    assert not payload.is_multi


def test_a_ci_release_without_metadata_is_read_too():
    payload = parse_payload((DATA / "ocp-4.8.0-0.ci" / "image-references").read_bytes())
    assert payload.version == "4.8.0-0.ci-2021-05-03-215023"
    assert len(payload.components) == 140
    assert payload.document is None
    assert payload.previous == ()


def test_versions_are_those_that_the_images_report():
    reported = reported_versions(real_4_12())
    assert [(item.name, item.version, item.display_name) for item in reported.versions] == [
        ("kubernetes", "1.25.4", ""),
        ("machine-os", "412.86.202301061548-0", "Red Hat Enterprise Linux CoreOS"),
    ]
    assert reported.warnings == ()


def test_kubectl_counts_only_where_the_client_reports_it():
    document = changed("spec.tags.0.annotations", {"io.openshift.build.versions": "kubectl=1.2.3,kubernetes=1.2.4"})
    assert [item.name for item in reported_versions(parse_payload(document)).versions] == ["kubernetes"]


def test_a_version_that_is_none_is_warned_of():
    document = changed("spec.tags.0.annotations", {"io.openshift.build.versions": "kubernetes=new"})
    assert reported_versions(parse_payload(document)).warnings == (
        "the referenced image etcd had an invalid version annotation: kubernetes=new",
    )


def test_a_component_that_is_not_there_is_named_with_near_names():
    with pytest.raises(ComponentMissingError, match='no image tag "installer-x" exists') as caught:
        real_4_12().component("installer-x")
    assert caught.value.hint is not None
    assert "installer" in caught.value.hint
    assert caught.value.code == "not-found"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        pytest.param(
            changed("spec.tags.0.from.name", "quay.io/a/b:latest"),
            "only contain pointers to images by digest: quay.io/a/b:latest (component etcd)",
            id="a component by tag",
        ),
        pytest.param(changed("spec.tags.0.from.name", "b"), "component etcd", id="a component without a host"),
        pytest.param(changed("spec.tags.0.from.kind", "ImageStreamTag"), "etcd", id="not a DockerImage"),
        pytest.param(changed("spec.tags.0.from", None), "etcd", id="a component without an image"),
        pytest.param(changed("spec.tags.0.from", {"kind": "DockerImage"}), "etcd", id="an image without a name"),
        pytest.param(changed("spec.tags.0.name", "../x"), "spec.tags[0]", id="a name that is a path"),
        pytest.param(changed("spec.tags", [3]), "spec.tags[0]", id="a tag that is a number"),
        pytest.param(changed("spec.tags.0.annotations", {"a": 1}), "annotations of component etcd", id="annotations"),
        pytest.param(changed("spec.tags", []), "lists no images", id="no components"),
        pytest.param(changed("spec.tags", GOOD["spec"]["tags"] * 2), "etcd twice", id="a component twice"),
        pytest.param(changed("spec", None), "no spec", id="no spec"),
        pytest.param(changed("kind", "Pod"), "'Pod'", id="another kind"),
        pytest.param(changed("metadata.name", ""), "metadata.name", id="no version"),
        pytest.param(changed("metadata.name", "4.1.0+x"), "4.1.0+x", id="a version that is no tag"),
        pytest.param(b"{", "not JSON", id="cut off"),
        pytest.param(b"[]", "list", id="a list"),
        pytest.param(b"\xff\xfe", "not JSON", id="not UTF-8"),
        pytest.param(b"[" * 100_000, "not JSON", id="nested too deep"),
        pytest.param(b" " * (16 * 1024 * 1024 + 1), "over the limit", id="too large"),
    ],
)
def test_malformed_references_are_refused_by_name(raw, says):
    with pytest.raises(MalformedError) as caught:
        parse_payload(raw)
    assert says in caught.value.message
    assert "image-references" in caught.value.message or "component" in caught.value.message


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"nonsense", "release-metadata of the release is not JSON"),
        (b'{"previous": "4.1"}', "previous in release-metadata"),
        (b'{"previous": [1]}', "previous in release-metadata"),
        (b'{"metadata": []}', "metadata in release-metadata"),
    ],
)
def test_malformed_metadata_is_refused(raw, says):
    with pytest.raises(MalformedError, match=says):
        parse_payload(json.dumps(GOOD).encode(), raw)


FIELDS = st.sampled_from(["kind", "metadata", "name", "spec", "tags", "from"])
ANY_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(FIELDS, inner)
)


@given(ANY_JSON)
def test_any_json_gives_a_release_or_one_of_our_errors(document):
    for raw in (json.dumps(document).encode(), json.dumps({**GOOD, "spec": document}).encode()):
        try:
            parse_payload(raw, raw)
        except AirferryError as error:
            assert error.code == "malformed"


def test_versions_sort_by_precedence():
    expected = ["4.9.0", "4.10.0-rc.2", "4.10.0-rc.10", "4.10.0", "4.10.1", "junk"]
    shuffled = [expected[index] for index in (3, 5, 0, 2, 4, 1)]
    assert sorted(shuffled, key=version_order) == expected


@pytest.mark.parametrize("text", ["4.12", "v4.12.0", "4.12.0.1", "04.1.0", "", "latest", "4.12.0\n"])
def test_what_is_no_version(text):
    assert not is_version(text)
