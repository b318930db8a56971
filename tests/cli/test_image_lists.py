"""``image mirror -f`` and ``image copy --list``: any list, through the one planner."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from failures.stage import Run, airferry

from .test_image_commands import LAYOUT, LIST, get, tags
from .world import OurRegistry, as_json, nothing_listens

VERSIONS = ("v1.0.0", "v1.2.3", "v2.0.0", "3.10", "latest")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurRegistry]:
    """A registry with ``lab/app`` in five versions and ``lab/tool:1``, all of them the same real list."""
    folder = tmp_path_factory.mktemp("lists")
    with pytest.MonkeyPatch.context() as patch, OurRegistry(folder, use_tls=False, use_auth=False) as registry:
        for name in ("HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(folder))
        pairs = [f"oci://{LAYOUT}@{LIST}={registry.host}/lab/app:{version}" for version in VERSIONS]
        airferry("image", "mirror", *pairs, f"oci://{LAYOUT}@{LIST}={registry.host}/lab/tool:1", "--insecure").done()
        patch.undo()
        yield registry


@pytest.fixture
def listed(lab: OurRegistry, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Copies a list to a destination below the lab, or with ``None`` mirrors it to its own."""

    def run(text: str, to: str | None, *flags: object) -> Run:
        file = tmp_path / "list"
        file.write_text(text.replace("HOST", lab.host))
        if to is None:
            return airferry("image", "mirror", "-f", file, "--insecure", *flags)
        return airferry("image", "copy", "--list", file, f"{lab.host}/{to}", "--insecure", *flags)

    return run


def test_a_plain_list_keeps_paths_below_the_destination(lab: OurRegistry, listed) -> None:
    run = listed(
        "# what we need\nHOST/lab/app:v1.2.3\nHOST/lab/app:v2*  # all of two\nHOST/lab/tool:1\n", "plain"
    ).done()
    assert run.out == "".join(
        f"{LIST} {lab.host}/plain/lab/{name}\n" for name in ("app:v1.2.3", "app:v2.0.0", "tool:1")
    )


def test_what_kubectl_prints_on_one_line_is_a_list(lab: OurRegistry, listed) -> None:
    listed(f"HOST/lab/app:v1.2.3 HOST/lab/tool@{LIST} HOST/lab/app:v1.2.3", "kubectl").done()
    assert tags(lab, "kubectl/lab/app") == ["v1.2.3"]
    assert get(lab, f"/v2/kubectl/lab/tool/manifests/{LIST}")["manifests"]


def test_skopeos_yaml_is_followed(lab: OurRegistry, listed) -> None:
    text = """
HOST:
  images: {lab/app: [3.10]}
  images-by-tag-regex: {lab/app: "^la"}
  images-by-semver: {lab/app: ">=1.1 <3"}
  credentials: {username: ann, password: hunter2}
"""
    run = listed(text, "skopeo/{name}:{tag}").done()
    assert tags(lab, "skopeo/app") == ["3.10", "latest", "v1.2.3", "v2.0.0"]
    assert "warning: " in run.err and f"airferry login {lab.host}" in run.err and "hunter2" not in run.err


def test_regsyncs_configuration_names_its_own_targets(lab: OurRegistry, listed) -> None:
    text = """
version: 1
defaults: {interval: 1h}
sync:
- {type: registry, source: HOST, target: HOST/regsync, repos: {allow: ["lab/.*"]}, tags: {allow: ["v1.*", "1"]}}
- {type: image, source: "HOST/lab/tool:1", target: "HOST/regsync/own:new"}
- {type: repository, source: HOST/lab/app, target: HOST/regsync/two, tags: {semverRange: ["^2"]}}
"""
    run = listed(text, None).done()
    assert tags(lab, "regsync/lab/app") == ["v1.0.0", "v1.2.3"]
    assert tags(lab, "regsync/lab/tool") == ["1"]
    assert tags(lab, "regsync/own") == ["new"] and tags(lab, "regsync/two") == ["v2.0.0"]
    assert "this runs once" in run.err
    listed(text, "elsewhere").refused("usage", "says itself where its images go", hint="leave out")


HAULER = """
apiVersion: content.hauler.cattle.io/v1
kind: Images
metadata: {annotations: {hauler.dev/registry: HOST}}
spec:
  images:
  - {name: "lab/app:v1.0.0", platform: linux/amd64}
"""


def test_a_list_that_wants_some_platforms_is_followed_only_when_that_is_said(lab: OurRegistry, listed) -> None:
    """Leaving platforms out changes digests."""
    listed(HAULER, "hauler").refused("usage", "only linux/amd64", "changes the digests", hint="'^linux/amd64'")
    assert listed(HAULER, "whole", "--filter-by-os", ".*").done().out.startswith(LIST)
    assert not listed(HAULER, "one", "--filter-by-os", "^linux/amd64").done().out.startswith(LIST)


def test_mirror_sets_are_made_of_what_a_list_came_to(lab: OurRegistry, listed, tmp_path: Path) -> None:
    text = "HOST:\n  images-by-semver:\n    lab/app: '>=1 <2'\n  images:\n    lab/tool: []\n"
    images = as_json(listed(text, "deep/{registry}/{repository}:{tag}", "--max-nested-paths", "2", "-o", "json"))[
        "images"
    ]
    mapping = tmp_path / "mapping.txt"
    mapping.write_text("".join(f"{image['source']}={image['destination']}\n" for image in images))
    sets = airferry("cluster", "mirror-sets", "-f", mapping).done().out
    for image in images:
        assert f"source: {image['source'].rpartition(':')[0]}\n" in sets
        assert f"- {image['destination']}\n" in sets and image["destination"].count("/") == 2


def test_shared_content_crosses_once(lab: OurRegistry, tmp_path: Path, listed) -> None:
    """Five tags of one list, to a disk: its blobs are written once."""
    file = tmp_path / "all.yaml"
    file.write_text(f"{lab.host}: {{images: {{lab/app: [], lab/tool: ['1']}}}}")
    to_disk = ("file://{name}", "--dir", tmp_path / "disk", "--insecure", "-o", "json")
    done = as_json(airferry("image", "copy", "--list", file, *to_disk))
    assert len(done["images"]) == 6
    assert done["moved"]["blobs"] == 8 and done["moved"]["mounts"] == 8


def test_two_images_for_one_name_are_refused_with_both(lab: OurRegistry, listed) -> None:
    run = listed("HOST/lab/app:latest\nHOST/lab/tool:1\n", "clash:{digest}")
    run.refused("usage", "has no digest")
    listed("HOST/lab/app:latest\nHOST/lab/tool:1\n", "{namespace}:x").refused(
        "usage", f"{lab.host}/lab/app:latest and {lab.host}/lab/tool:1 would both be {lab.host}/lab:x"
    )


def test_what_is_missing_stops_it_or_is_in_the_ledger(lab: OurRegistry, listed) -> None:
    text = "HOST/lab/app:v1.0.0\nHOST/lab/app:v9*\nHOST/lab/nope:1\n"
    listed(text, "missing").refused("not-found", "line 2: none of the 5 tags")
    run = listed(text, "missing", "--skip-missing").left_gaps("line 2", "lab/nope:1", "2 of 3 images")
    assert tags(lab, "missing/lab/app") == ["v1.0.0"], run.err


def test_past_a_registry_that_cannot_be_reached(lab: OurRegistry, listed) -> None:
    with nothing_listens() as host:
        text = f"HOST/lab/app:v1.0.0\n{host}/x/y:*\n"
        listed(text, "unreached", "--retry-times", "0").refused("unreachable", host)
        listed(text, "unreached", "--retry-times", "0", "--continue-on-error").left_gaps(f"{host}/x/y")
    assert tags(lab, "unreached/lab/app") == ["v1.0.0"]


def test_a_dry_run_of_stdin_copies_nothing(lab: OurRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{lab.host}/lab/app:latest\n"))
    run = airferry("image", "mirror", "-f", "-", "--to", f"{lab.host}/dry", "--dry-run", "--insecure").done()
    assert run.out == f"{LIST} {lab.host}/dry/lab/app:latest\n"
    assert "dry/lab/app" not in get(lab, "/v2/_catalog")["repositories"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("image", "copy", "quay.io/a/b:1"), "one source and one destination"),
        (("image", "copy", "--list", "x", "a.b/c", "a.b/d"), "one destination"),
        (("image", "mirror", "--to", "mirror.lan"), "--to says where"),
        (("image", "copy", "--list", "nosuch", "mirror.lan"), "cannot be read"),
    ],
)
def test_misuse_is_named(arguments: tuple[str, ...], words: str) -> None:
    airferry(*arguments).refused("usage", words)


def test_a_list_without_a_destination_is_told_how_to_give_one(listed) -> None:
    listed("HOST: {images: {lab/app: [latest]}}", None).refused("usage", "nothing says where", hint="--to HOST/PATH")
    listed("HOST/lab/app:latest", None).refused("malformed", "valid SRC=DST", hint="--to DEST")
    listed("# nothing\n", "empty").refused("malformed", "names no image")


def test_every_format_has_its_word() -> None:
    from airferry.plan.lists import ListFormat

    for command in ("mirror", "copy", "prune"):
        assert f"[{'|'.join(ListFormat)}]" in airferry("image", command, "--help").done().out
