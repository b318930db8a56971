"""Where the operator sends an import: its rewriting of pull specs, to the letter."""

import json
from pathlib import Path

import pytest

from airferry.errors import AirferryError
from airferry.openshift.samples.rewriting import SamplesTarget, rewritten

DATA = Path(__file__).parents[2] / "data" / "imagestreams"
R = "mirror.example.com:8443"

CASES = {
    "Red Hat's registry is replaced": (R, "registry.redhat.io/ubi8/nodejs-20:latest", f"{R}/ubi8/nodejs-20:latest"),
    "its open registry is replaced": (R, "registry.access.redhat.com/ubi9/dotnet-100", f"{R}/ubi9/dotnet-100"),
    "Docker Hub is replaced": (R, "docker.io/library/redis:7", f"{R}/library/redis:7"),
    "Quay is replaced": (R, "quay.io/sclorg/ruby-33-c9s:c9s", f"{R}/sclorg/ruby-33-c9s:c9s"),
    "the old CI registry is replaced": (R, "registry.svc.ci.openshift.org/ocp/4.5:cli", f"{R}/ocp/4.5:cli"),
    "an unknown host is replaced as well": (R, "registry.example.com/team/app:1", f"{R}/team/app:1"),
    "an unknown host with a port too": (R, "registry.example.com:5000/team/app:1", f"{R}/team/app:1"),
    "a name without a host gets one": (R, "ubi8/nodejs-20:latest", f"{R}/ubi8/nodejs-20:latest"),
    "a name alone gets one": (R, "redis:7", f"{R}/redis:7"),
    "a known host with one part is kept behind it": (R, "quay.io/redis:7", f"{R}/quay.io/redis:7"),
    "a deeper path keeps its host": (R, "registry.redhat.io/a/b/c:1", f"{R}/registry.redhat.io/a/b/c:1"),
    "a digest stays": (R, f"quay.io/a/b@sha256:{'0' * 64}", f"{R}/a/b@sha256:{'0' * 64}"),
    "what is there already stays": (R, f"{R}/ubi8/nodejs-20:latest", f"{R}/ubi8/nodejs-20:latest"),
    "without a registry all stays": ("", "registry.redhat.io/ubi8/ruby-33:1", "registry.redhat.io/ubi8/ruby-33:1"),
    "a path is part of the registry": (f"{R}/ocp/samples", "quay.io/a/b:1", f"{R}/ocp/samples/a/b:1"),
    "a host that begins like a known one loses its beginning": (R, "quay.io.corp/a/b:1", f"{R}.corp/a/b:1"),
    "the port of a known host stays": (R, "quay.io:443/a/b:1", f"{R}:443/a/b:1"),
}


@pytest.mark.parametrize(("registry", "spec", "imported"), CASES.values(), ids=CASES.keys())
def test_the_operator_rewrites_pull_specs(registry: str, spec: str, imported: str) -> None:
    assert rewritten(spec, registry) == imported
    assert rewritten(imported, registry) == imported, "a second upsert changes nothing"


@pytest.mark.parametrize("registry", [R, f"{R}/ocp/samples", "localhost:5000"])
def test_every_real_image_is_mirrored_to_where_it_is_imported_from(registry: str) -> None:
    specs = [
        tag["from"]["name"]
        for file in DATA.rglob("imagestreams/*.json")
        for tag in json.loads(file.read_text())["spec"]["tags"]
        if tag["from"]["kind"] == "DockerImage"
    ]
    assert len(set(specs)) == 17
    for spec in specs:
        found = SamplesTarget.parse(registry).destination(spec)
        # An import of a name without tag and digest asks for latest.
        assert str(found).removesuffix(":latest") == rewritten(spec, registry).removesuffix(":latest")


@pytest.mark.parametrize(
    ("spec", "on_disk"),
    [
        ("registry.redhat.io/ubi8/nodejs-20:latest", "file://ubi8/nodejs-20:latest"),
        ("registry.example.com/a/b/c:1", "file://registry.example.com/a/b/c:1"),
        ("quay.io/redis", "file://quay.io/redis:latest"),
    ],
)
def test_a_disk_has_the_names_below_the_registry(spec: str, on_disk: str) -> None:
    assert str(SamplesTarget.parse("file://", tree="/media/usb").destination(spec)) == on_disk
    below = SamplesTarget.parse("file://samples", tree="/media/usb").destination(spec)
    assert str(below) == on_disk.replace("file://", "file://samples/")


@pytest.mark.parametrize("spec", ["registry.example.com:5000/a/b/c:1", "quay.io:443/a/b:1", "quay.io/a/B:1"])
def test_what_no_registry_can_serve_is_said(spec: str) -> None:
    with pytest.raises(AirferryError, match="samples operator makes") as caught:
        SamplesTarget.parse(R).destination(spec)
    assert "skippedImagestreams" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mirror", "no registry host"),
        ("", "no registry host"),
        ("mirror.example.com/samples:4.12", "no path of repositories"),
        ("mirror.example.com/Samples", "no path of repositories"),
        ("oci://folder", "not mirrored to"),
        ("file://a:b", "no path of repositories"),
    ],
)
def test_a_destination_that_is_none_is_refused(text: str, words: str) -> None:
    with pytest.raises(AirferryError, match=words):
        SamplesTarget.parse(text)


@pytest.mark.parametrize("text", ["mirror.example.com:8443/ocp/", "docker://mirror.example.com:8443/ocp"])
def test_a_destination_is_written_in_several_ways(text: str) -> None:
    assert SamplesTarget.parse(text).samples_registry == "mirror.example.com:8443/ocp"
