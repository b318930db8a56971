"""What people type and files hold, written wrongly: a clear message, exit code 1, and nothing is written."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from airferry.lab import SMALL, Endpoint, LabStore, PublishedRelease, Rule, publish_release
from airferry.lab.faults import Answer
from airferry.lab.payload import RELEASE_REPOSITORY

from .stage import Entry, Mirror, Quay, airferry, look_at

DIGEST = "sha256:" + 64 * "a"

REFERENCES = {
    "a bare name": ("ubi9", "malformed", "no registry host in 'ubi9'", "quay.io/ubi9"),
    "a bare name with a tag": ("ubi9:latest", "malformed", "no registry host", "write it out"),
    "a path without a host": ("library/busybox:1", "malformed", "no registry host", "write it out"),
    "a short digest": ("quay.io/a/b@sha256:1234", "malformed", "sha256:1234", ""),
    "a digest of an unknown kind": ("quay.io/a/b@md5:" + 32 * "a", "malformed", "md5", ""),
    "upper case in a repository": ("quay.io/Team/App:1", "malformed", "Team/App", ""),
    "an empty tag": ("quay.io/a/b:", "malformed", "quay.io/a/b:", ""),
    "a tag that is too long": (f"quay.io/a/b:{129 * 'x'}", "malformed", "tag", ""),
    "two slashes": ("quay.io//b:1", "malformed", "quay.io//b", ""),
    "dots that lead upwards": ("quay.io/a/../b:1", "malformed", "..", ""),
    "a port that is none": ("quay.io:port/a/b:1", "malformed", "port", ""),
    "a space": ("quay.io/a b:1", "malformed", "quay.io/a b", ""),
    "a place of the future": ("s3://bucket/a:1", "unsupported", "s3", ""),
    "no tag and no digest": ("quay.io/a/b", "usage", "quay.io/a/b", "add a tag or a digest"),
    "a blank": (" ", "malformed", "", ""),
}


COMMANDS = ("image info", "image copy", "image extract", "release info", "release mirror")
ELSEWHERE_RIGHT = {("image info", "no tag and no digest"), ("image copy", "no tag and no digest")}
"""There a repository without a tag means all of it."""


@pytest.mark.parametrize(
    ("command", "case"),
    [(command, case) for command in COMMANDS for case in REFERENCES if (command, case) not in ELSEWHERE_RIGHT],
)
def test_references(command: str, case: str, home: Path) -> None:
    text, code, words, hint = REFERENCES[case]
    rest: tuple[str, ...] = ()
    if command == "image copy":
        rest = ("oci://copied:1",)
    elif command == "release mirror":
        rest = ("--to-dir", "disk")
    airferry(*command.split(), text, *rest).refused(code, words, hint=hint)
    assert look_at(home) == {}


MAPPINGS = {
    "one word": ("quay.io/a/b:1\n", "line 1: all arguments must be valid SRC=DST"),
    "a bare source": ("# fine\nubi9=quay.io/x/y:1\n", "line 2: no registry host in 'ubi9'"),
    "no destination": ("quay.io/a/b:1=\n", "line 1: all arguments must be valid SRC=DST"),
    "a digest to go to": (f"quay.io/a/b:1=quay.io/c/d@{DIGEST}\n", "line 1: you must specify a tag for DST"),
    "the same twice": ("quay.io/a/b:1=quay.io/a/b:1\n", "line 1: SRC and DST may not be the same"),
    "a wildcard in a name": ("quay.io/a/*:1=quay.io/c/d\n", "line 1: only the tag of a source may contain wildcards"),
    "a wildcard to a tag": ("quay.io/a/b:v*=quay.io/c/d:1\n", "line 1: when source contains wildcards"),
    "a mixture": ("quay.io/a/b:1=quay.io/c/d:1 quay.io/x/y:1\n", "line 1: all arguments must be valid SRC=DST"),
}


@pytest.mark.parametrize("case", MAPPINGS)
def test_mapping_files(tmp_path: Path, home: Path, case: str) -> None:
    content, words = MAPPINGS[case]
    file = tmp_path / "mapping.txt"
    file.write_text(content)
    airferry("image", "mirror", "-f", file).refused("malformed", f"file {file}, {words}")
    assert look_at(home) == {}


def test_mapping_files_that_say_nothing_or_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "mapping.txt"
    airferry("image", "mirror", "-f", file).refused("usage", f"the mapping file {file} cannot be read: No such file")
    file.write_text("# nothing yet\n")
    airferry("image", "mirror", "-f", file).refused("usage", "you must specify at least one source image")
    file.write_bytes(b"\xff\xfe\x00")
    airferry("image", "mirror", "-f", file).refused("usage", f"{file} cannot be read: it is not text")
    file.write_text("quay.io/a/b:1=quay.io/c/d:1\nquay.io/e/f:1=quay.io/c/d:1\n")
    airferry("image", "mirror", "-f", file).refused("usage", "each destination tag may only be specified once")


READ_FROM_STDIN = {
    "a list of images": ("image", "copy", "--list", "-", "mirror.lan:5000"),
    "a mapping": ("image", "mirror", "-f", "-"),
    "image streams": ("samples", "list", "-"),
    "objects of a cluster": ("cluster", "registries-conf", "-"),
}


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
@pytest.mark.parametrize("words", READ_FROM_STDIN.values(), ids=READ_FROM_STDIN.keys())
def test_bytes_on_stdin_that_are_no_text(words: tuple[str, ...], errors: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfeq\x00"), "utf-8", errors))
    airferry(*words).refused("usage", "on stdin cannot be read: it is not text", hint="UTF-8")
    monkeypatch.setattr("sys.stdin", None)
    airferry(*words).refused("usage", "there is no stdin")


def test_a_reference_without_end_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text(100_000 * "x")
    run = airferry("image", "copy", "--list", file, "mirror.lan:5000").refused("malformed", "100000 characters")
    assert len(run.err) < 1000


AUTH_FILES: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"hunter2-is-my-password", "is not JSON"),
    "cut off": (b'{"auths": {"quay.io": {"auth": "bWU6aHVudGVyMg=="', "is not JSON"),
    "a list": (b'["hunter2"]', "does not hold a JSON object"),
    "auths that are none": (b'{"auths": "hunter2"}', "auths is not an object"),
    "an entry that is none": (b'{"auths": {"quay.io": "hunter2"}}', "the entry for 'quay.io'"),
    "no base64": (b'{"auths": {"quay.io": {"auth": "hunter2!"}}}', "is not base64 of user:password"),
    "no colon": (b'{"auths": {"quay.io": {"auth": "aHVudGVyMg=="}}}', "is not base64 of user:password"),
    "no text": (b'{"auths": {"quay.io": {"auth": "//7/"}}}', "is not base64 of user:password"),
    "a number": (b'{"auths": {"quay.io": {"username": 5}}}', "the entry for 'quay.io'"),
    "helpers that are none": (b'{"credHelpers": ["hunter2"]}', "credHelpers does not map"),
}


@pytest.mark.parametrize("case", AUTH_FILES)
def test_auth_files(quay: Quay, disk: Path, tmp_path: Path, case: str) -> None:
    content, words = AUTH_FILES[case]
    file = tmp_path / "auth.json"
    file.write_bytes(content)
    run = quay.mirror(disk, "-a", file).refused("malformed", str(file), words)
    assert "hunter2" not in run.err
    assert "aHVudGVyMg" not in run.err
    assert look_at(disk) == {}
    assert quay.server.requests == []
    assert "hunter2" not in airferry("secret", "show", file).err
    file.unlink()
    quay.mirror(disk, "-a", file).refused("not-found", f"the auth file {file} does not exist", hint="airferry login")


MANIFESTS: dict[str, tuple[Answer, str, str]] = {
    "a page for people": (Answer(200, body=b"<html>Welcome</html>", content_type="text/html"), "malformed", "JSON"),
    "not JSON": (Answer(200, body=b'{"schemaVersion": 2,'), "malformed", "JSON"),
    "a list": (Answer(200, body=b"[]"), "malformed", "manifest"),
    "no layers and no children": (Answer(200, body=b'{"schemaVersion": 2}'), "malformed", "manifest"),
    "schema 1": (
        Answer(200, body=b'{"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": []}'),
        "unsupported",
        "schema",
    ),
    "a negative size": (
        Answer(
            200,
            body=json.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST, "size": -1},
                    "layers": [],
                }
            ).encode(),
            content_type="application/vnd.oci.image.manifest.v1+json",
        ),
        "malformed",
        "size",
    ),
    "a digest that is none": (
        Answer(
            200,
            body=json.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "../..", "size": 1},
                    "layers": [],
                }
            ).encode(),
            content_type="application/vnd.oci.image.manifest.v1+json",
        ),
        "malformed",
        "digest",
    ),
    "endless": (Answer(200, body=b'{"a": "' + 17_000_000 * b"a" + b'"}'), "registry-failed", "is longer than"),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_manifests(quay: Quay, disk: Path, undisturbed: dict[str, Entry], case: str) -> None:
    answer, code, words = MANIFESTS[case]
    quay.fails(Rule(Endpoint.MANIFEST, answer, times=None))
    quay.mirror(disk).refused(code, words)
    airferry("image", "info", quay.release.pullspec, *quay.flags(trusted=False)).refused(code, words)
    assert look_at(disk) == {}
    quay.heals()
    quay.mirror(disk).done()
    assert look_at(disk) == undisturbed


def _with_first_tag(change: Callable[[dict[str, object]], object]) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        fields = json.loads(content)
        change(fields["spec"]["tags"][0])
        return json.dumps(fields).encode()

    return changed


PAYLOADS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "not JSON": (lambda content: content[:-20], "image-references"),
    "empty": (lambda content: b"", "image-references"),
    "another kind of object": (lambda content: content.replace(b'"ImageStream"', b'"Pod"'), "ImageStream"),
    "no components": (lambda content: json.dumps({**json.loads(content), "spec": {"tags": []}}).encode(), "image-ref"),
    "no text": (lambda content: b"\xff\xfe", "image-references"),
    "a component by tag": (
        _with_first_tag(lambda tag: tag.update({"from": {"kind": "DockerImage", "name": "quay.io/a/b:latest"}})),
        "quay.io/a/b:latest",
    ),
    "a component without an image": (_with_first_tag(lambda tag: tag.pop("from")), "image-references"),
    "a component without a name": (_with_first_tag(lambda tag: tag.pop("name")), "image-references"),
    "a component whose name leads upwards": (_with_first_tag(lambda tag: tag.update(name="../../etc")), "../../etc"),
    "deeply nested": (lambda content: 100_000 * b"[" + 100_000 * b"]", "image-references"),
}


@pytest.mark.parametrize("case", PAYLOADS)
def test_image_references(small: PublishedRelease, tmp_path: Path, disk: Path, home: Path, case: str) -> None:
    change, words = PAYLOADS[case]
    release = publish_release(
        tmp_path / "store", SMALL, payload_files={"image-references": change(image_references(small))}
    )
    with Quay(tmp_path, release) as quay:
        quay.mirror(disk).refused("malformed", words)
        assert look_at(disk) == {}
        read = quay.flags(trusted=False)
        airferry("release", "info", release.pullspec, *read).refused("malformed", words)
        airferry("release", "extract", release.pullspec, *read, "--command", "oc", "--to", home / "tools").refused(
            "malformed", words
        )
    assert look_at(home) == {}


def image_references(release: PublishedRelease) -> bytes:
    """Return the file as the release has it."""
    with_rules = airferry_file(release)
    assert json.loads(with_rules)["kind"] == "ImageStream"
    return with_rules


def airferry_file(release: PublishedRelease) -> bytes:
    folder = release.folder.parent / f"served-{release.folder.name}"
    folder.mkdir(exist_ok=True)
    with Quay(folder, release) as quay:
        command = ("release", "extract", release.pullspec, "--file", "image-references")
        return airferry(*command, *quay.flags(trusted=False)).done().out.encode()


def test_an_image_that_is_no_release(quay: Quay, disk: Path, home: Path) -> None:
    name = f"quay.io/openshift-release-dev/ocp-v4.0-art-dev@{quay.release.components['cli']}"
    for command in (("release", "mirror", name, "--to-dir", disk), ("release", "info", name)):
        airferry(*command, *quay.flags(trusted=command[1] == "mirror")).refused(
            "malformed", "is not an OpenShift release", hint="a release image is named such as"
        )
    assert look_at(disk) == {}


DISK_FILES = {
    "a record that is cut off": ("airferry/releases/*.json", b'{"digest": '),
    "a record of another kind": ("airferry/releases/*.json", b"[]"),
}


@pytest.mark.parametrize("case", DISK_FILES)
def test_records_on_a_disk_that_cannot_be_read_are_named(loaded_disk: Path, mirror: Mirror, case: str) -> None:
    """Without the record nobody knows whether the release was verified, so it is not taken for verified."""
    pattern, content = DISK_FILES[case]
    (file,) = loaded_disk.glob(pattern)
    file.write_bytes(content)
    mirror.load(loaded_disk).refused("malformed", str(file))
    assert mirror.blobs() == {}


CONFIGURATIONS = {
    "registries.conf that is no TOML": ("--registries-conf", "[[registry]\n"),
    "registries.conf with a word for a list": ("--registries-conf", 'registry = "quay.io"\n'),
    "an IDMS that is no YAML": ("--idms-file", "kind: [\n"),
    "an IDMS without mirrors": (
        "--idms-file",
        "kind: ImageDigestMirrorSet\napiVersion: config.openshift.io/v1\nspec: 5\n",
    ),
}


@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_mirror_configuration(tmp_path: Path, disk: Path, case: str) -> None:
    flag, content = CONFIGURATIONS[case]
    file = tmp_path / "given"
    file.write_text(content)
    airferry("release", "mirror", "4.12.0", "--to-dir", disk, flag, file).refused("malformed", str(file))
    file.write_text("kind: Pod\napiVersion: v1\n")
    command = ("release", "mirror", "4.12.0", "--to-dir", disk, "--icsp-file", file)
    airferry(*command).refused("unsupported", f"{file}, document 1 is a Pod", hint="ImageContentSourcePolicy")
    assert look_at(disk) == {}


def test_a_release_whose_manifest_is_right_and_whose_children_are_gone(tmp_path: Path, disk: Path) -> None:
    release = publish_release(tmp_path / "store", replace(SMALL, multi=True))
    with Quay(tmp_path, release) as quay:
        children = json.loads(LabStore(release.folder).read(release.digest))["manifests"]
        for child in children:
            quay.call(quay.store.forget_manifest, RELEASE_REPOSITORY, child["digest"])
        command = ("release", "mirror", release.pullspec, "--to-dir", disk, *quay.flags())
        airferry(*command).refused("not-found", children[0]["digest"])
    assert look_at(disk) == {}
