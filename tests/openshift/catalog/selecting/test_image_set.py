"""An ImageSetConfiguration of oc-mirror says what is wanted of the catalog that it names."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import AirferryError
from airferry.openshift.catalog.selecting.image_set import ImageSetWish, read_image_set
from airferry.openshift.catalog.selecting.wanted import Depth

EXAMPLES = Path(__file__).parents[3] / "data" / "catalogs" / "imageset"
RED_HAT = "registry.redhat.io/redhat/redhat-operator-index"


def read(name: str, catalog: str) -> ImageSetWish:
    return read_image_set((EXAMPLES / name).read_text(), catalog, name)


def entry(text: str, kind: str = "ImageSetConfiguration") -> str:
    """Return a configuration whose one entry goes on with ``text``, in YAML's flow form."""
    header = f"kind: {kind}\napiVersion: mirror.openshift.io/v2alpha1\n"
    return f'{header}mirror:\n  operators:\n  - {{catalog: "{RED_HAT}:v4.16"{text}}}\n'


def test_full_is_everything() -> None:
    assert read("imageset-config-catalog-full.yaml", f"{RED_HAT}:v4.10").wanted.is_everything


def test_an_entry_without_packages_is_the_heads_of_all_channels() -> None:
    wanted = read("imageset-config-catalog-headsonly.yaml", f"{RED_HAT}:v4.10").wanted
    assert (wanted.packages, wanted.depth) == ((), Depth.HEADS)


def test_channels_and_versions_are_read() -> None:
    wanted = read("imageset-config-catalog-include-default.yaml", f"{RED_HAT}:v4.12").wanted
    (package,) = wanted.packages
    assert package.name == "elasticsearch-operator"
    assert [(channel.name, str(channel.versions or "head")) for channel in package.channels] == [
        ("stable-5.5", ">=5.5.9"),
        ("stable", "head"),
    ]
    assert wanted.depth_of(None) is Depth.HEADS
    assert wanted.depth_of(package.channels[0].versions) is Depth.ALL


def test_what_is_not_about_operators_is_passed_over_and_told() -> None:
    wish = read("image-set-config.yaml", f"{RED_HAT}:v4.18")
    assert [package.name for package in wish.wanted.packages] == [
        "aws-load-balancer-operator",
        "3scale-operator",
        "node-observability-operator",
    ]
    assert [note.partition(" ")[0] for note in wish.notes] == [
        "mirror.platform",
        "mirror.additionalImages",
        "mirror.helm",
    ]
    notes = read("imageset-config-catalog-targetcatalog.yaml", f"{RED_HAT}:v4.13").notes
    assert [note.partition(" ")[0] for note in notes] == [
        "mirror.operators[0].targetCatalog",
        "mirror.operators[0].targetTag",
    ]


def test_the_entry_of_the_catalog_is_taken_from_several() -> None:
    name = "imageset-config-mirror-to-mirror-with-catalogs-from-disk.yaml"
    assert [item.name for item in read(name, f"{RED_HAT}:v4.12").wanted.packages] == ["aws-load-balancer-operator"]
    local = read(name, "oci:///home/skhoury/oci-catalog411")
    assert [item.name for item in local.wanted.packages] == ["external-dns-operator"]
    mirrored = read(name, "mirror.lan:8443/redhat/redhat-operator-index:v4.12")
    assert [item.name for item in mirrored.wanted.packages] == ["aws-load-balancer-operator"]
    assert "is taken from mirror.lan:8443" in mirrored.notes[-1]


def test_the_range_default_channel_and_dependencies_are_read() -> None:
    wanted = read_image_set(
        entry(
            ", skipDependencies: true, packages: [{name: a, minVersion: 1.0.0, maxVersion: v2.0.0, defaultChannel: b}]"
        ),
        f"docker://{RED_HAT}:v4.16",
        "isc",
    ).wanted
    assert str(wanted.packages[0].versions) == ">=1.0.0 <=2.0.0"
    assert wanted.packages[0].default_channel == "b"
    assert not wanted.dependencies


REFUSED = {
    "another kind": (entry("", "DeleteImageSetConfiguration"), "is not an ImageSetConfiguration", ""),
    "several documents": (entry("") + "---\n" + entry(""), "holds 2 documents", "keep the one"),
    "no YAML": ("mirror: [", "isc, document 1 is not YAML at line 2", ""),
    "a list": ("- a", "the document is not an object but list", ""),
    "no operators": ("kind: ImageSetConfiguration\nmirror: {}\n", "has no mirror.operators", ""),
    "a field with a typo": (
        entry(", packages: [{name: a, minversion: 1.0.0}]"),
        "mirror.operators[0].packages[0].minversion is no field",
        "did you mean minVersion?",
    ),
    "a field at the top": (
        "kind: ImageSetConfiguration\nmirrors: {}\n",
        "isc: mirrors is no field",
        "did you mean mirror?",
    ),
    "a version that YAML reads as a number": (
        entry(", packages: [{name: a, minVersion: 1.2}]"),
        "packages[0].minVersion is not text but 1.2",
        "put it in quotes",
    ),
    "half a version": (entry(", packages: [{name: a, maxVersion: '1.2'}]"), "maxVersion is no version: 1.2", "1.2.3"),
    "a package without name": (entry(", packages: [{minVersion: 1.2.0}]"), "packages[0] has no name", ""),
    "a package twice": (entry(", packages: [{name: a}, {name: a}]"), "names a twice", "join"),
    "versions in two places": (
        entry(", packages: [{name: a, minVersion: 1.0.0, channels: [{name: b, maxVersion: 2.0.0}]}]"),
        "has versions for the package and for a channel",
        "keep one",
    ),
    "bundles by name": (entry(", packages: [{name: a, minBundle: a.v1}]"), "minBundle is not supported", "minVersion"),
    "full that is no flag": (entry(", full: 'yes'"), "full is neither true nor false", ""),
    "another apiVersion": (
        "kind: ImageSetConfiguration\napiVersion: v1\nmirror: {}\n",
        "apiVersion is 'v1'",
        "v2alpha1",
    ),
}


@pytest.mark.parametrize(("text", "message", "hint"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_wish_is_refused_with_its_place(text: str, message: str, hint: str) -> None:
    with pytest.raises(AirferryError) as caught:
        read_image_set(text, f"{RED_HAT}:v4.16", "isc")
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_catalog_that_is_not_named_is_refused_with_those_that_are() -> None:
    name = "imageset-config-mirror-to-mirror-with-catalogs-from-disk.yaml"
    with pytest.raises(AirferryError) as caught:
        read(name, "quay.io/operatorhubio/catalog:latest")
    assert "oci:///home/skhoury/oci-catalog411" in (caught.value.hint or "")


_FIELDS = st.sampled_from(["catalog", "packages", "channels", "name", "minVersion", "full", "defaultChannel"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.sampled_from(["x", "1.0.0", f"{RED_HAT}:v4.16"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_FIELDS, inner, max_size=3),
)


@given(_VALUES)
def test_any_document_is_a_wish_or_refused(operators: object) -> None:
    text = json.dumps({"kind": "ImageSetConfiguration", "mirror": {"operators": operators}})
    with suppress(AirferryError):
        read_image_set(text, f"{RED_HAT}:v4.16", "isc")
