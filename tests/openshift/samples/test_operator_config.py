"""The operator's Config and its list: printed, read back, and stable."""

import pytest
from ruamel.yaml import YAML

from airferry.errors import MalformedError
from airferry.openshift.samples.operator_config import (
    OperatorConfig,
    config_patch,
    operator_architecture,
    parse_config,
    print_config,
    print_tag_list,
)

CONFIG = OperatorConfig("m.example.com:8443/ocp", ("perl", "ruby"), "Managed", "x86_64")


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        OperatorConfig("m.example.com"),
        OperatorConfig("10.0.0.1:5000", ("no", "123", "a-b"), "Removed", "arm64"),
    ],
)
def test_what_is_printed_is_what_is_read(config: OperatorConfig) -> None:
    assert parse_config(print_config(config), "f.yaml") == OperatorConfig(
        config.samples_registry, tuple(sorted(config.skipped)), config.state, config.architecture
    )


def test_the_config_has_the_fields_of_its_api() -> None:
    assert YAML(typ="safe").load(print_config(CONFIG)) == {
        "apiVersion": "samples.operator.openshift.io/v1",
        "kind": "Config",
        "metadata": {"name": "cluster"},
        "spec": {
            "architectures": ["x86_64"],
            "managementState": "Managed",
            "samplesRegistry": "m.example.com:8443/ocp",
            "skippedImagestreams": ["perl", "ruby"],
        },
    }
    assert "architectures" not in config_patch(CONFIG), "the operator refuses to change them"


def test_the_list_has_the_keys_of_the_operators_own() -> None:
    images = {("ruby", "3.3_x"): "quay.io/a/b:1", ("perl", "5"): "quay.io/a/c@sha256:0"}
    document = YAML(typ="safe").load(print_tag_list(images, "4.12.0"))
    assert document["data"] == {"perl_5": "quay.io/a/c@sha256:0", "ruby_3.3_x": "quay.io/a/b:1"}
    assert document["metadata"] == {
        "annotations": {"samples.operator.openshift.io/version": "4.12.0"},
        "name": "imagestreamtag-to-image",
        "namespace": "openshift-cluster-samples-operator",
    }
    assert print_tag_list(images, None) == print_tag_list(dict(reversed(images.items())), None)
    assert YAML(typ="safe").load(print_tag_list({}, None))["data"] == {}


def test_limits_of_a_config_map_are_kept() -> None:
    with pytest.raises(MalformedError, match="cannot be a key"):
        print_tag_list({("a" * 250, "1234"): "x"}, None)
    with pytest.raises(MalformedError, match="clusters take"):
        print_tag_list({(f"stream-{number}", "1"): "x" * 200 for number in range(6000)}, None)


@pytest.mark.parametrize(
    ("word", "architecture"),
    [("amd64", "x86_64"), ("x86_64", "x86_64"), ("aarch64", "arm64"), ("arm64", "arm64"), ("s390x", "s390x")],
)
def test_architectures_are_spelled_as_the_operator_spells_them(word: str, architecture: str) -> None:
    assert operator_architecture(word) == architecture


def test_an_architecture_without_samples_is_refused() -> None:
    with pytest.raises(MalformedError, match="riscv64"):
        operator_architecture("riscv64")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: Pod\n", "holds no Config"),
        ("[", "not YAML"),
        ("apiVersion: samples.operator.openshift.io/v1\nkind: Config\nspec: 1\n", "spec is not a map"),
        (
            "apiVersion: samples.operator.openshift.io/v1\nkind: Config\nspec: {managementState: On}\n",
            "managementState is",
        ),
        (
            "apiVersion: samples.operator.openshift.io/v1\nkind: Config\nspec: {skippedImagestreams: ruby}\n",
            "skippedImagestreams is not a list",
        ),
    ],
)
def test_a_config_that_is_none_is_refused(text: str, words: str) -> None:
    with pytest.raises(MalformedError, match=words):
        parse_config(text, "f.yaml")
