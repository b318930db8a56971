"""References as administrators write them: what is read, what is printed, what is refused and with which advice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import MalformedError, UnsupportedError
from airferry.oci import Digest, Place, PlaceKind, Reference, Repository
from airferry.oci.reference import is_host, is_repository_path, is_tag, parse_repository

D = "sha256:" + "1" * 64

REGISTRIES = {
    # text: (host, path, tag, digest, printed)
    "quay.io/openshift/release:4.12.0": ("quay.io", "openshift/release", "4.12.0", None, None),
    "docker://quay.io/ocp/rel:1": ("quay.io", "ocp/rel", "1", None, "quay.io/ocp/rel:1"),
    "quay.io/ocp/rel": ("quay.io", "ocp/rel", None, None, None),
    f"quay.io/ocp/rel@{D}": ("quay.io", "ocp/rel", None, D, None),
    f"quay.io/ocp/rel:tag@{D}": ("quay.io", "ocp/rel", "tag", D, f"quay.io/ocp/rel@{D}"),
    "localhost/one": ("localhost", "one", None, None, None),
    "localhost:5000/one:t": ("localhost:5000", "one", "t", None, None),
    "mirror:5000/one": ("mirror:5000", "one", None, None, None),
    "127.0.0.1:5100/a/b/c/d": ("127.0.0.1:5100", "a/b/c/d", None, None, None),
    "[::1]:5000/one:t": ("[::1]:5000", "one", "t", None, None),
    "[2001:db8::1]/one": ("[2001:db8::1]", "one", None, None, None),
    "Mirror.Example.COM/one": ("Mirror.Example.COM", "one", None, None, None),
    "m.lan/a__b/c-d.e---f": ("m.lan", "a__b/c-d.e---f", None, None, None),
    "m.lan/a:_T.a-g": ("m.lan", "a", "_T.a-g", None, None),
    "m.lan/a:" + "t" * 128: ("m.lan", "a", "t" * 128, None, None),
    "m.lan:1/" + "p" * 255: ("m.lan:1", "p" * 255, None, None, None),
    "m.lan:65535/a": ("m.lan:65535", "a", None, None, None),
}


@pytest.mark.parametrize("text", REGISTRIES)
def test_a_reference_into_a_registry(text: str) -> None:
    host, path, tag, digest, printed = REGISTRIES[text]
    reference = Reference.parse(text)
    assert reference.repository == Repository(Place(PlaceKind.REGISTRY, host), path)
    assert (reference.tag, reference.digest) == (tag, digest)
    assert str(reference) == (printed or text)


TREES = {
    "file://openshift/release:4.12.0-x86_64": ("openshift/release", "4.12.0-x86_64", None),
    "file:///openshift/release": ("openshift/release", None, None),
    f"file://one@{D}": ("one", None, D),
    "file://quay.io/one": ("quay.io/one", None, None),
}


@pytest.mark.parametrize("text", TREES)
def test_a_reference_into_a_tree_on_disk(text: str) -> None:
    reference = Reference.parse(text, tree="/media/usb")
    path, tag, digest = TREES[text]
    assert reference.repository == Repository(Place(PlaceKind.TREE, "/media/usb"), path)
    assert (reference.tag, reference.digest) == (tag, digest)
    assert Reference.parse(str(reference), tree="/media/usb") == reference


LAYOUTS = {
    "oci://layout": ("layout", None, None),
    "oci://./layout:v1": ("./layout", "v1", None),
    "oci:///srv/some where/layout": ("/srv/some where/layout", None, None),
    f"oci:///srv/layout@{D}": ("/srv/layout", None, D),
    f"oci:///srv/l:t@{D}": ("/srv/l", "t", D),
    "oci:///home/a@b/layout:t": ("/home/a@b/layout", "t", None),
    f"oci:///home/a@b/layout@{D}": ("/home/a@b/layout", None, D),
    "oci:///srv/10:30/layout": ("/srv/10:30/layout", None, None),
}


@pytest.mark.parametrize("text", LAYOUTS)
def test_a_reference_into_an_oci_layout(text: str) -> None:
    reference = Reference.parse(text)
    folder, tag, digest = LAYOUTS[text]
    assert reference.repository == Repository(Place(PlaceKind.LAYOUT, folder), "")
    assert (reference.tag, reference.digest) == (tag, digest)


BARE_NAMES = {
    "ubi9": "quay.io/ubi9",
    "ubi9:9.4": "quay.io/ubi9:9.4",
    "library/ubi9": "quay.io/library/ubi9",
    f"ubi9@{D}": f"quay.io/ubi9@{D}",
    "docker://ubi9": "quay.io/ubi9",
}


@pytest.mark.parametrize("text", BARE_NAMES)
def test_a_bare_name_is_refused_and_the_full_form_shown(text: str) -> None:
    with pytest.raises(MalformedError, match="no registry host in") as refusal:
        Reference.parse(text)
    assert refusal.value.hint is not None
    assert refusal.value.hint.endswith(f" {BARE_NAMES[text]}")


@pytest.mark.parametrize("text", ["quay.io", "mirror.lan:5000", "localhost:5000", "localhost", "docker://quay.io"])
def test_a_host_alone_lacks_a_repository_and_is_not_taken_for_a_name(text: str) -> None:
    with pytest.raises(MalformedError, match="no repository in") as refusal:
        Reference.parse(text)
    assert refusal.value.hint == "write HOST/REPOSITORY:TAG"


REFUSED = {
    "nothing": ("", "not a reference"),
    "only blanks": ("  ", "not a reference"),
    "a blank before": (" quay.io/a", "not a reference"),
    "a line break after": ("quay.io/a\n", "not a reference"),
    "a zero byte": ("oci://a\x00b", "not a reference"),
    "a blank inside": ("quay.io/a b", "is not valid"),
    "a web address": ("https://quay.io/a", "unknown scheme"),
    "an empty scheme": ("://quay.io/a", "unknown scheme"),
    "upper case in the name": ("quay.io/OpenShift/rel", "must be lower case"),
    "no name after the host": ("quay.io/", "is not valid"),
    "an empty part": ("quay.io/a//b", "is not valid"),
    "a slash at the end": ("quay.io/a/", "is not valid"),
    "dots that climb": ("quay.io/../a", "is not valid"),
    "dots that climb in a tree": ("file://../a", "is not valid"),
    "an absolute path in a tree": ("file:////etc/passwd", "is not valid"),
    "a name of 256 characters": ("quay.io/" + "a" * 256, "is not valid"),
    "three underscores": ("quay.io/a___b", "is not valid"),
    "a dot at the end": ("quay.io/a.", "is not valid"),
    "an empty tag": ("quay.io/a:", "the tag ''"),
    "a tag of 129 characters": ("quay.io/a:" + "t" * 129, "the tag"),
    "a tag that begins with a dash": ("quay.io/a:-t", "the tag '-t'"),
    "two tags": ("quay.io/a:b:c", "the tag 'b:c'"),
    "a digest that is none": ("quay.io/a@sha256:12", "not a digest"),
    "an empty digest": ("quay.io/a@", "not a digest"),
    "two digests": (f"quay.io/a@{D}@{D}", "not a digest"),
    "a tag after the digest": (f"quay.io/a@{D}:t", "not a digest"),
    "a port that is a word": ("quay.io:http/a", "the registry host"),
    "a port out of range": ("quay.io:65536/a", "the registry host"),
    "port zero": ("quay.io:0/a", "the registry host"),
    "IPv6 without brackets": ("2001:db8::1/a", "the registry host"),
    "IPv6 that is none": ("[::::]/a", "the registry host"),
    "brackets around an IPv4 address": ("[127.0.0.1]:5000/a", "the registry host"),
    "a host that ends with a dash": ("quay-.io/a", "the registry host"),
    "a host with a blank": ("quay .io/a", "the registry host"),
    "a layout without a folder": ("oci://", "no folder in"),
    "a layout with nothing but a tag": ("oci://:tag", "no folder in"),
    "an unknown scheme": ("dir:///srv/a", "unknown scheme"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_reference_is_refused(text: str, message: str) -> None:
    with pytest.raises(MalformedError) as refusal:
        Reference.parse(text)
    assert message in refusal.value.message


def test_object_storage_is_refused_with_a_way_out() -> None:
    with pytest.raises(UnsupportedError, match="object storage is not supported yet") as refusal:
        Reference.parse("s3://host/region/bucket/a:t")
    assert refusal.value.hint is not None
    assert "--to-dir" in refusal.value.hint


@pytest.mark.parametrize("text", ["user:geheim@quay.io/a", "docker://user:geheim@mirror.lan:5000/a:t"])
def test_a_password_in_a_reference_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(MalformedError, match="credentials") as refusal:
        Reference.parse(text)
    assert "geheim" not in f"{refusal.value.message}{refusal.value.hint}"


def test_a_very_long_text_is_refused_at_once() -> None:
    for text in ("a" * 100_000, "quay.io/" + "a-" * 100_000, "a." * 100_000 + "!/b", "[" + ":" * 100_000 + "/a"):
        with pytest.raises(MalformedError):
            Reference.parse(text)


part = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
paths = st.lists(part, min_size=1, max_size=4).map("/".join)
labels = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,6}[A-Za-z0-9])?", fullmatch=True)
hosts = st.one_of(
    st.lists(labels, min_size=2, max_size=4).map(".".join),
    st.just("localhost"),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
ports = st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}"))
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
digests = st.one_of(
    st.binary(max_size=8).map(Digest.of), st.binary(max_size=8).map(lambda content: Digest.of(content, "sha512"))
)
folders = st.from_regex(r"[A-Za-z0-9 _.@:/-]{0,12}/[A-Za-z0-9 _.-]{0,8}[A-Za-z0-9]", fullmatch=True).filter(
    lambda folder: folder.strip() == folder
)
repositories = st.one_of(
    st.builds(lambda host, port, path: Repository(Place(PlaceKind.REGISTRY, host + port), path), hosts, ports, paths),
    st.builds(lambda path: Repository(Place(PlaceKind.TREE, "/media/usb"), path), paths),
    st.builds(lambda folder: Repository(Place(PlaceKind.LAYOUT, folder), ""), folders),
)
references = st.one_of(
    st.builds(Reference, repositories),
    st.builds(Reference, repositories, tags),
    st.builds(Reference, repositories, st.none(), digests),
)


@given(references)
def test_what_we_print_is_what_we_read(reference: Reference) -> None:
    assert Reference.parse(str(reference), tree="/media/usb") == reference


@given(references, digests)
def test_an_image_by_digest_stays_in_its_repository(reference: Reference, digest: Digest) -> None:
    by_digest = reference.by_digest(digest)
    assert (by_digest.repository, by_digest.tag, by_digest.digest) == (reference.repository, None, digest)
    assert Reference.parse(str(by_digest), tree="/media/usb") == by_digest


@given(st.lists(references, max_size=6))
def test_references_of_all_kinds_can_be_sorted(several: list[Reference]) -> None:
    ordered = sorted(several)
    assert sorted(several[1:] + several[:1]) == ordered
    assert [r.repository for r in ordered] == sorted(r.repository for r in several)


@given(st.text(max_size=40))
def test_no_text_gives_any_other_error(text: str) -> None:
    try:
        reference = Reference.parse(text, tree="/media/usb")
    except (MalformedError, UnsupportedError) as refusal:
        assert refusal.message
    else:
        assert Reference.parse(str(reference.by_digest(Digest.of(b""))), tree="/media/usb")


def test_a_tag_and_a_digest_print_as_the_digest_but_are_both_kept() -> None:
    reference = Reference.parse(f"quay.io/a:t@{D}")
    assert (str(reference), reference.tag) == (f"quay.io/a@{D}", "t")


def test_a_repository_is_named_without_tag_or_digest() -> None:
    assert str(parse_repository("quay.io/a/b")) == "quay.io/a/b"
    for text in ("quay.io/a:t", f"quay.io/a@{D}"):
        with pytest.raises(MalformedError, match="must name a repository"):
            parse_repository(text)


def test_places_print_as_people_write_them() -> None:
    assert str(Place(PlaceKind.REGISTRY, "quay.io")) == "quay.io"
    assert str(Place(PlaceKind.TREE, "/media/usb")) == "file:///media/usb"
    assert str(Place(PlaceKind.LAYOUT, "layout")) == "oci://layout"


def test_words_of_the_grammar_are_recognised_alone() -> None:
    assert is_tag("4.12.0-x86_64")
    assert not is_tag("4.12.0+build")
    assert is_repository_path("openshift/release")
    assert not is_repository_path("openshift/release:4")
    assert is_host("[::1]:5000")
    assert not is_host("https://quay.io")
