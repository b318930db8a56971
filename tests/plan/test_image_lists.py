"""Lists in every format: told apart by content, read to the letter, and mistakes named with their line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import AirferryError, MalformedError, UnsupportedError, UsageError
from airferry.oci import Reference
from airferry.plan.lists import ImageList, ListFormat, Wish, parse_list
from airferry.plan.lists.model import chosen

DIGEST = "sha256:" + "7f" * 32

SKOPEO = f"""\
registry.example.com:
    images:
        busybox: []
        redis:
            - 1.10
            - "2.0"
            - {DIGEST}
    images-by-tag-regex:
        nginx: ^1\\.13\\.[12]-alpine-perl$
    images-by-semver:
        alpine: "3.12 - 3.13"
        tools:
            - "~1.2"
            - ">= 3"
    credentials:
        username: john
        password: hunter2
    tls-verify: false
    cert-dir: /home/john/certs
quay.io:
    images:
        coreos/etcd:
            - latest
"""

REGSYNC = f"""\
version: 1
creds:
  - registry: mirror.lan:5000
    user: sync
    pass: hunter2
    tls: disabled
x-anchors:
  wanted: &wanted
    allow: ["v\\\\d+\\\\.\\\\d+"]
    deny: ["v0.*"]
defaults:
  interval: 60m
  parallel: 2
  hooks: {{post: {{type: slack}}}}
sync:
  - source: docker.io/library/busybox:latest
    target: mirror.lan:5000/library/busybox:newest
    type: image
    platform: linux/amd64
  - source: ghcr.io/regclient/regctl
    target: mirror.lan:5000/regctl
    type: repository
    tags: {{<<: *wanted, semverRange: [">=1 <3", ">=9"]}}
    digestTags: true
    referrers: false
  - source: registry.example.com
    target: mirror.lan:5000/all
    type: registry
    repos: {{allow: ["library/.*"], deny: ["library/secret"]}}
  - source: ocidir:///srv/layout:v1
    target: mirror.lan:5000/layout@{DIGEST}
    type: image
"""

HAULER = f"""\
apiVersion: content.hauler.cattle.io/v1
kind: Images
metadata:
  name: images
  annotations:
    hauler.dev/platform: linux/arm64
    hauler.dev/registry: registry.example.com
    hauler.dev/key: cosign.pub
spec:
  images:
    - name: rancher/rancher:v2.8.3
      key: cosign.pub
    - name: gcr.io/distroless/base@{DIGEST}
      platform: linux/amd64
      rewrite: base/image
---
apiVersion: content.hauler.cattle.io/v1alpha1
kind: Images
spec:
  images:
    - name: docker.io/library/busybox:stable
      use-tlog-verify: false
---
apiVersion: content.hauler.cattle.io/v1
kind: Charts
spec: {{charts: [{{name: rancher}}]}}
---
apiVersion: v1
kind: ConfigMap
"""


def read(text: str, form: ListFormat | None = None, *, to: bool = True) -> ImageList:
    return parse_list("list", text, form, has_destination=to)


def sources(found: ImageList) -> list[str]:
    return [str(wish.source) for wish in found.wishes]


def told(found: ImageList) -> str:
    return "\n".join(map(str, found.notes))


def wish_for(found: ImageList, source: str) -> Wish:
    return next(wish for wish in found.wishes if str(wish.source) == source)


class TestPlain:
    def test_a_name_on_each_line_with_comments_and_each_once(self) -> None:
        found = read(f"\ufeff# mine\nquay.io/a/b:1 # one\r\n\ndocker://quay.io/a/b@{DIGEST}\nquay.io/a/b:1\n")
        assert sources(found) == ["quay.io/a/b:1", f"quay.io/a/b@{DIGEST}"]
        assert not found.names_targets

    def test_the_one_line_that_kubectl_prints(self) -> None:
        assert len(read(f"quay.io/a/b:1 quay.io/c/d@{DIGEST} quay.io/a/b:1 localhost:5000/x:2").wishes) == 3

    def test_a_star_in_a_tag_chooses(self) -> None:
        (wish,) = read("quay.io/a/b:4.12*").wishes
        assert chosen(wish.choices, ["4.12.1", "4.13", "4.12"]) == ("4.12", "4.12.1")

    def test_without_a_destination_lines_are_mappings(self) -> None:
        found = read("quay.io/a/b:1 mirror.lan:5000/a/b\nquay.io/a/c:1=mirror.lan:5000/c:2\n", to=False)
        assert [str(mapping.destination) for mapping in found.mappings] == [
            "mirror.lan:5000/a/b",
            "mirror.lan:5000/c:2",
        ]

    def test_two_names_on_many_lines_are_not_guessed_about(self) -> None:
        text = "quay.io/a/b:1 mirror.lan:5000/a/b:1\nquay.io/a/c:1 mirror.lan:5000/a/c:1\n"
        with pytest.raises(UsageError, match="line 1 holds several names"):
            read(text)
        assert len(read(text, ListFormat.PLAIN).wishes) == 4
        assert len(read(text, ListFormat.MAPPING).mappings) == 2

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("quay.io/a/b:1\nubi9:latest\n", "line 2: no registry host"),
            ("quay.io/a/b\n", "line 1: 'quay.io/a/b' has neither tag nor digest"),
            ("quay.io/a/*:1\n", "line 1: only the tag"),
        ],
    )
    def test_mistakes_are_named_with_their_line(self, text: str, words: str) -> None:
        with pytest.raises(MalformedError, match=words.replace("*", r"\*")):
            read(text)

    def test_a_password_in_a_name_is_not_repeated(self) -> None:
        with pytest.raises(MalformedError) as caught:
            read("ann:hunter2@quay.io/a/b:1\n")
        assert "hunter2" not in str(caught.value)


class TestSkopeo:
    def test_images_by_name_stay_as_written(self) -> None:
        """1.10 is no number here."""
        found = read(SKOPEO)
        assert sources(found)[:4] == [
            "registry.example.com/busybox",
            "registry.example.com/redis:1.10",
            "registry.example.com/redis:2.0",
            f"registry.example.com/redis@{DIGEST}",
        ]
        assert sources(found)[-1] == "quay.io/coreos/etcd:latest"

    @pytest.mark.parametrize(
        ("name", "tags", "expected"),
        [
            ("busybox", ["1", "x", f"sha256-{'0' * 64}.sig", f"sha256-{'0' * 64}"], ["1", "x"]),
            ("nginx", ["1.13.1-alpine-perl", "1.13.3-alpine-perl"], ["1.13.1-alpine-perl"]),
            ("alpine", ["3.11", "3.12", "3.13", "3.13.7", "3.14"], ["3.12", "3.13", "3.13.7"]),
            ("tools", ["1.2.9", "1.3", "2", "3.0.1"], ["1.2.9", "3.0.1"]),
        ],
    )
    def test_tags_are_chosen(self, name: str, tags: list[str], expected: list[str]) -> None:
        wish = wish_for(read(SKOPEO), f"registry.example.com/{name}")
        assert chosen(wish.choices, tags) == tuple(expected)

    def test_what_is_not_done_is_told_with_its_line_and_no_secret(self) -> None:
        notes = told(read(SKOPEO))
        assert "line 16, registry.example.com.credentials: credentials in a list are never used" in notes
        assert "airferry login registry.example.com" in notes
        assert "line 18, registry.example.com.tls-verify" in notes and "--src-insecure" in notes
        assert "--src-certificate-authority" in notes
        assert "hunter2" not in notes and "john:" not in notes

    @pytest.mark.parametrize(
        ("text", "where"),
        [
            ("quay.io:\n  images:\n    a/b: 1.0\n", "line 3, quay.io.images.a/b is text, not a list"),
            ("quay.io:\n  images:\n    a/b: [{x: y}]\n", r"quay.io.images.a/b\[0\] is a map of fields, not text"),
            ("quay.io:\n  images-by-tag-regex: {a/b: '('}\n", "line 2, .*not a regular expression"),
            ("quay.io:\n  images-by-semver: {a/b: nope}\n", "line 2, .*not a range of versions"),
            ("quay.io:\n  images: {A/b: [x]}\n", "line 2, .*lower case"),
            ("quay.io:\n  images: {a/b: [x]}\n  images: {}\n", "line 3, quay.io.images is there a second time"),
            ("quay.io:\n  images: {a/b: [x]}\n  tls-verify: maybe\n", "tls-verify is neither true nor false"),
            ("quay.io:\n  images: [\n", "line 3, column 1: not YAML"),
            ("quay.io:\n\timages: {}\n", "not YAML"),
        ],
    )
    def test_mistakes_are_named_with_line_and_path(self, text: str, where: str) -> None:
        with pytest.raises(MalformedError, match=where):
            read(text, ListFormat.SKOPEO)

    def test_a_secret_is_in_no_error(self) -> None:
        with pytest.raises(MalformedError) as caught:
            read("quay.io:\n  images: {a: [b]}\n  credentials: {password: hunter2\n")
        assert "hunter2" not in caught.value.message + str(caught.value.hint)


class TestRegsync:
    @pytest.fixture
    def found(self) -> ImageList:
        return read(REGSYNC.replace(f"@{DIGEST}", ":v1"), to=False)

    def test_images_go_to_their_targets(self, found: ImageList) -> None:
        wish = wish_for(found, "docker.io/library/busybox:latest")
        assert str(wish.target) == "mirror.lan:5000/library/busybox:newest"
        assert wish.platforms == ("linux/amd64",)
        assert wish_for(found, "oci:///srv/layout:v1")

    def test_tags_pass_ranges_then_allow_then_deny(self, found: ImageList) -> None:
        wish = wish_for(found, "ghcr.io/regclient/regctl")
        tags = ["v0.1", "v1.2", "v1.2.3", "v2.0", "v3.0", "v9.1", "latest"]
        assert chosen(wish.choices, tags) == ("v1.2", "v2.0", "v9.1")

    def test_a_registry_is_asked_for_its_repositories(self, found: ImageList) -> None:
        (whole,) = found.registries
        assert (str(whole.source), whole.target) == ("registry.example.com", "mirror.lan:5000/all")
        names = ["library/a", "library/secret", "other/a", "x/library/a"]
        assert whole.repositories.of(names) == ("library/a",)

    def test_what_is_not_done_is_told_and_no_secret(self, found: ImageList) -> None:
        notes = told(found)
        for words in ("defaults.interval", "hooks are not run", "airferry login mirror.lan:5000", "--no-attachments"):
            assert words in notes
        assert "hunter2" not in notes and "x-anchors" not in notes

    @pytest.mark.parametrize(
        ("old", "new", "error", "words"),
        [
            ("version: 1", "version: 2", UnsupportedError, "only version 1"),
            ("type: registry", "type: folder", MalformedError, "none of registry, repository and image"),
            ("busybox:latest", "busybox", MalformedError, "neither tag nor digest"),
            ("docker.io/library/busybox:latest", "'{{ env \"X\" }}'", UnsupportedError, "Go template"),
            ("semverRange:", "newest:", MalformedError, "is not known for tags"),
            ("    type: repository\n", "", MalformedError, r"line 20, sync\[1\] has no type"),
            ("", "", MalformedError, "images are put under tags"),
        ],
    )
    def test_what_would_copy_other_images_is_refused(
        self, old: str, new: str, error: type[AirferryError], words: str
    ) -> None:
        with pytest.raises(error, match=words):
            read(REGSYNC.replace(old, new, 1) if old else REGSYNC, to=False)


class TestHauler:
    def test_images_of_all_documents_with_their_registry_and_platform(self) -> None:
        found = read(HAULER)
        assert [(str(wish.source), wish.platforms) for wish in found.wishes] == [
            ("registry.example.com/rancher/rancher:v2.8.3", ("linux/arm64",)),
            (f"gcr.io/distroless/base@{DIGEST}", ("linux/amd64",)),
            ("docker.io/library/busybox:stable", ()),
        ]

    def test_what_is_not_done_is_told(self) -> None:
        notes = told(read(HAULER))
        for words in ("Charts holds no images", "ConfigMap holds no images", "signatures are carried along", "rewrite"):
            assert words in notes
        assert "use-tlog-verify" not in notes

    def test_a_name_without_a_host_is_not_guessed(self) -> None:
        with pytest.raises(MalformedError, match=r"line 5, spec.images\[0\].name: no registry host"):
            read("apiVersion: content.hauler.cattle.io/v1\nkind: Images\nspec:\n  images:\n    - name: busybox:1\n")


@pytest.mark.parametrize(
    ("text", "form"),
    [(SKOPEO, ListFormat.SKOPEO), (HAULER, ListFormat.HAULER), ("quay.io/a/b:1\n", ListFormat.PLAIN)],
)
def test_formats_are_told_apart_by_what_they_hold(text: str, form: ListFormat) -> None:
    assert sources(read(text)) == sources(read(text, form))


@pytest.mark.parametrize("text", ["kind: ImageSetConfiguration\nmirror: {}\n", "[1, 2]\n---\n- x: 1\n", "{}", "a: b\n"])
def test_what_is_no_list_is_refused_by_name(text: str) -> None:
    with pytest.raises(MalformedError, match="none of the lists that are known"):
        read(text)


@pytest.mark.timeout(20)
def test_aliases_cannot_grow_without_end() -> None:
    levels = [f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]" for number in range(1, 9)]
    with pytest.raises(MalformedError, match="larger than any list"):
        read("\n".join(["a0: &a0 [x, x]", *levels]), ListFormat.SKOPEO)


TEXT = st.text(max_size=60) | st.sampled_from(
    ["quay.io", "a/b:1", "images", "sync", "spec", "name", "kind", "Images", "type", "image", "source", "target",
     DIGEST, "apiVersion", "content.hauler.cattle.io/v1", "allow", "tags", "images-by-semver", "images-by-tag-regex",
     "<<", ">=1"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(value=VALUES, form=st.sampled_from(list(ListFormat)) | st.none(), to=st.booleans())
def test_no_document_is_more_than_refused(value: object, form: ListFormat | None, to: bool) -> None:
    try:
        found = read(json.dumps(value), form, to=to)
    except AirferryError as error:
        assert error.code in ("malformed", "usage", "unsupported")
        return
    assert isinstance(found, ImageList)


@given(text=st.text(max_size=200), form=st.sampled_from(list(ListFormat)) | st.none(), to=st.booleans())
def test_no_text_is_more_than_refused(text: str, form: ListFormat | None, to: bool) -> None:
    try:
        found = read(text, form, to=to)
    except AirferryError:
        return
    assert all(isinstance(wish.source, Reference) for wish in found.wishes)


@given(
    st.lists(
        st.sampled_from(["quay.io/a/b:1", "localhost:5000/x/y:2.0-rc_1", f"gcr.io/z@{DIGEST}", "quay.io/a/b:v*"]),
        min_size=1,
    ),
    st.sampled_from(["\n", " ", "\n\n", " # why\n"]),
)
def test_however_names_are_set_apart_each_is_found_once(names: list[str], between: str) -> None:
    found = read(between.join(names) + "\n", ListFormat.PLAIN)
    expected = names[:1] if between.startswith(" #") and len(names) == 1 else names
    assert [wish.source for wish in found.wishes] == [
        Reference.parse(name.removesuffix(":v*")) for name in dict.fromkeys(expected)
    ]
