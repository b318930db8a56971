"""What goes and what stays: nothing wanted loses a part, and all else goes."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import UsageError
from airferry.oci import Descriptor, Digest, Manifest, Place, PlaceKind, Repository, mediatype
from airferry.plan.lists import Template, parse_list
from airferry.plan.nesting import flattened_path
from airferry.plan.pruning import (
    PIN,
    Removal,
    RepositoryRemoval,
    Shelf,
    StoredFile,
    freed_bytes,
    kept_of,
    plan_removal,
    spare_what_moved,
)
from airferry.plan.wanted_sets import all_but, under_shallow_names, wanted_digests, wanted_list, wanted_name

from .worlds import blob_of, image_of, list_of

MIRROR = Place(PlaceKind.REGISTRY, "mirror.lan:8443")
DISK = Place(PlaceKind.TREE, "/media/usb")
APPS = Repository(MIRROR, "apps/web")
OTHER = Repository(MIRROR, "apps/other")


def attached_to(subject: Digest, number: int) -> Manifest:
    blob = blob_of(number)
    fields = {
        "schemaVersion": 2,
        "config": {"mediaType": mediatype.OCI_CONFIG, "digest": blob.digest, "size": blob.size_bytes},
        "layers": [],
        "subject": {"mediaType": mediatype.OCI_MANIFEST, "digest": subject, "size": 1},
    }
    return Manifest.parse(json.dumps(fields).encode())


def shelf(repository: Repository, tags: dict[str, Manifest], *others: Manifest, **more: object) -> Shelf:
    manifests = {manifest.digest: manifest for manifest in (*tags.values(), *others)}
    return Shelf(repository, {tag: made.digest for tag, made in tags.items()}, manifests, **more)  # type: ignore[arg-type]


def with_tag(here: Shelf, tag: str, digest: Digest) -> Shelf:
    return replace(here, tags={**here.tags, tag: digest})


def sig(manifest: Manifest, suffix: str = ".sig") -> str:
    return manifest.digest.replace(":", "-") + suffix


OLD, NEW, CHILD = (image_of(blob_of(number), [blob_of(number + 10), blob_of(50)]) for number in (1, 2, 3))
LIST = list_of(CHILD, OLD)


class TestReach:
    def test_a_list_keeps_its_children_and_goes_before_them(self) -> None:
        here = shelf(APPS, {"list": LIST, "old": OLD, "new": NEW}, CHILD)
        kept = plan_removal([here], {APPS: {LIST.digest}})
        assert went(kept) == {NEW.digest}
        gone = plan_removal([here], {APPS: {NEW.digest}})
        order = [manifest.digest for manifest in gone.repositories[0].manifests]
        assert order.index(LIST.digest) < order.index(CHILD.digest)
        assert {OLD.digest, LIST.digest, CHILD.digest} == set(order)

    def test_what_is_attached_stays_and_goes_with_its_image(self) -> None:
        signature, referrer, sbom = image_of(blob_of(7)), attached_to(CHILD.digest, 8), attached_to(OLD.digest, 9)
        of_referrer = attached_to(referrer.digest, 10)
        fallback = list_of(referrer)
        tags = {"list": list_of(CHILD), "old": OLD, sig(CHILD): signature, sig(CHILD, ""): fallback}
        here = shelf(APPS, tags, CHILD, referrer, of_referrer, sbom)
        gone = went(plan_removal([here], {APPS: {here.tags["list"]}}))
        assert gone == {OLD.digest, sbom.digest}
        assert went(plan_removal([here], {APPS: {OLD.digest}})) == set(here.manifests) - {OLD.digest, sbom.digest}

    def test_the_signature_of_a_child_that_was_left_out_of_a_list_stays_with_the_list(self) -> None:
        here = shelf(APPS, {"list": LIST, sig(CHILD): image_of(blob_of(7)), "new": NEW}, OLD)
        assert went(plan_removal([here], {APPS: {LIST.digest}})) == {NEW.digest}

    def test_an_attachment_alone_does_not_keep_its_image(self) -> None:
        signature = image_of(blob_of(7))
        here = shelf(APPS, {"old": OLD, "new": NEW, sig(OLD): signature})
        assert went(plan_removal([here], {APPS: {NEW.digest, signature.digest}})) == {OLD.digest}
        (one,) = plan_removal([here], {APPS: {NEW.digest}}).repositories
        assert {manifest.reason for manifest in one.manifests if manifest.digest == signature.digest} == {
            f"attached to {OLD.digest}, which goes"
        }

    def test_a_tag_of_what_stays_stays(self) -> None:
        here = shelf(APPS, {"old": OLD, "also": OLD, "new": NEW})
        (one,) = plan_removal([here], {APPS: {OLD.digest}}).repositories
        assert one.tags == (("new", NEW.digest),)

    def test_a_pin_keeps_whatever_is_wanted(self) -> None:
        here = shelf(APPS, {"old": OLD, f"{PIN}-prod": LIST, "new": NEW}, CHILD)
        assert went(plan_removal([here], {APPS: {NEW.digest}})) == set()

    def test_a_release_keeps_its_components_wherever_they_are(self) -> None:
        here = shelf(APPS, {"4.12.0-x86_64": OLD, "4.12.0-x86_64-etcd": NEW, "4.12.0-aarch64-etcd": CHILD})
        there = shelf(OTHER, {"4.12.0-x86_64-cli": NEW, "4.12.10-x86_64": CHILD, "4.12.10-x86_64-cli": OLD})
        removal = plan_removal([here, there], {APPS: {OLD.digest}})
        assert {tag for one in removal.repositories for tag, _ in one.tags} == {
            "4.12.0-aarch64-etcd",
            "4.12.10-x86_64",
            "4.12.10-x86_64-cli",
        }

    def test_where_nothing_is_wanted_nothing_goes_unless_that_is_said(self) -> None:
        shelves = [shelf(APPS, {"old": OLD, "new": NEW}), shelf(OTHER, {"old": OLD})]
        removal = plan_removal(shelves, {APPS: {NEW.digest}})
        assert [str(repository) for repository, _ in removal.untouched] == [str(OTHER)]
        emptied = plan_removal(shelves, {APPS: {NEW.digest}}, may_empty={OTHER})
        assert [one.repository for one in emptied.repositories] == [OTHER, APPS]

    def test_a_repository_with_something_unknown_is_left_alone(self) -> None:
        unknown = Digest.of(b"schema 1")
        removal = plan_removal([shelf(APPS, {"old": OLD, "new": NEW}, opaque={unknown})], {APPS: {NEW.digest}})
        assert not removal.repositories and "is not known" in removal.untouched[0][1]

    def test_what_a_tag_moved_to_meanwhile_is_spared(self) -> None:
        here = shelf(APPS, {"list": LIST, "old": OLD, "new": NEW}, CHILD)
        (one,) = plan_removal([here], {APPS: {NEW.digest}}).repositories
        assert spare_what_moved(one, here, here) == one
        moved = spare_what_moved(one, here, with_tag(here, "prod", LIST.digest))
        assert not moved.manifests and not moved.tags
        elsewhere = spare_what_moved(one, here, with_tag(here, "old", NEW.digest))
        assert ("old", OLD.digest) not in elsewhere.tags and OLD.digest in ids(elsewhere)
        unknown = replace(with_tag(here, "prod", NEW.digest), opaque={NEW.digest})
        assert spare_what_moved(one, here, unknown).is_empty


def ids(removal: RepositoryRemoval) -> set[Digest]:
    return {manifest.digest for manifest in removal.manifests}


def went(removal: Removal) -> set[Digest]:
    return {digest for one in removal.repositories for digest in ids(one)}


class TestBytes:
    def test_in_a_registry_only_what_no_manifest_that_stays_refers_to_counts(self) -> None:
        shelves = [shelf(APPS, {"old": OLD, "new": NEW}), shelf(OTHER, {"child": CHILD})]
        removal = plan_removal(shelves, {APPS: {NEW.digest}, OTHER: {CHILD.digest}})
        own = blob_of(1).size_bytes + blob_of(11).size_bytes
        assert removal.freed_bytes == OLD.size_bytes + own  # all three share blob 50

    def test_on_a_disk_a_file_counts_when_its_last_name_goes(self) -> None:
        here, there = Repository(DISK, "a"), Repository(DISK, "b")
        blob = blob_of(60).digest

        def files(links: int) -> dict[Digest, tuple[StoredFile, ...]]:
            return {blob: (StoredFile("1:7", 500, links),)}

        def freed(links: int, *wanted: Repository) -> int:
            shelves = [shelf(here, {"x": OLD}, files=files(links)), shelf(there, {"x": OLD}, files=files(links))]
            return plan_removal(shelves, {repository: {OLD.digest} for repository in wanted}).freed_bytes

        assert freed(2, here, there) == 500
        assert freed(2, here) == 0, "the other repository's name keeps the bytes"
        assert freed(3, here, there) == 0, "a name outside of the tree does, too"


# Any world

NUMBERS = st.integers(0, 5)


@st.composite
def shelves(draw: st.DrawFn) -> Shelf:
    """A repository with images, lists of lists, attachments of attachments, and tags in any of them."""
    images = [image_of(blob_of(n), [blob_of(n % 3 + 20), blob_of(30 + n)]) for n in draw(st.sets(NUMBERS, min_size=1))]
    for _ in range(draw(st.integers(0, 3))):
        images.append(list_of(*draw(st.lists(st.sampled_from(images), min_size=1, max_size=3))))
    for number in range(draw(st.integers(0, 4))):
        images.append(attached_to(draw(st.sampled_from(images)).digest, 40 + number))
    tags = {}
    for name in draw(st.sets(st.sampled_from(["a", "b", "c", f"{PIN}-x"]))):
        tags[name] = draw(st.sampled_from(images))
    for subject in draw(st.lists(st.sampled_from(images), max_size=2)):
        tags[sig(subject)] = draw(st.sampled_from(images))
    missing = draw(st.sets(st.sampled_from(images), max_size=1))
    kept = [image for image in images if image not in missing]
    blobs = {part.digest: part.size_bytes for image in images for part in parts(image)} | {blob_of(99).digest: 109}
    on_disk = {**blobs, **{image.digest: image.size_bytes for image in kept}}
    files = {digest: (StoredFile(digest, size),) for digest, size in on_disk.items()} if draw(st.booleans()) else {}
    manifests = {image.digest: image for image in kept}
    return Shelf(APPS, {tag: image.digest for tag, image in tags.items()}, manifests, frozenset(), files)


def parts(manifest: Manifest) -> Iterator[Descriptor]:
    yield from (*((manifest.config,) if manifest.config else ()), *manifest.layers)


@st.composite
def wanted_shelves(draw: st.DrawFn) -> tuple[Shelf, frozenset[Digest]]:
    here = draw(shelves())
    return here, frozenset(draw(st.sets(st.sampled_from(sorted(here.manifests))))) if here.manifests else frozenset()


def reached(here: Shelf, roots: set[Digest]) -> set[Digest]:
    """Everything below ``roots`` and all attached to it, found the slow way.

    What is missing leads on all the same: what is attached to it may be there.
    """
    found = set(roots)
    while True:
        more = {child.digest for digest in found & here.manifests.keys() for child in here.manifests[digest].children}
        more |= {made.digest for made in here.manifests.values() if made.subject and made.subject.digest in found}
        more |= {digest for tag, digest in here.tags.items() if tag.removesuffix(".sig").replace("-", ":", 1) in found}
        if more <= found:
            return found & here.manifests.keys()
        found |= more


def after(here: Shelf, removal: Removal) -> Shelf:
    """The repository once the removal is done."""
    one = next(iter(removal.repositories), RepositoryRemoval(APPS))
    gone = ids(one) | set(one.blobs)
    return Shelf(
        APPS,
        {tag: digest for tag, digest in here.tags.items() if (tag, digest) not in one.tags},
        {digest: made for digest, made in here.manifests.items() if digest not in gone},
        frozenset(),
        {digest: files for digest, files in here.files.items() if digest not in gone},
    )


@given(wanted_shelves())
def test_nothing_that_a_wanted_image_leads_to_goes_and_all_else_does(world: tuple[Shelf, frozenset[Digest]]) -> None:
    here, roots = world
    pins = {digest for tag, digest in here.tags.items() if tag.startswith(PIN)}
    staying = reached(here, {*roots, *pins})
    removal = plan_removal([here], {APPS: roots}, may_empty={APPS})
    assert went(removal) == here.manifests.keys() - staying
    blobs = {part.digest for digest in staying for part in parts(here.manifests[digest])}
    left = after(here, removal)
    assert left.files.keys() == here.files.keys() & (staying | blobs)
    assert all(digest in staying or digest not in here.manifests for digest in left.tags.values())


@given(wanted_shelves())
def test_a_second_run_finds_nothing(world: tuple[Shelf, frozenset[Digest]]) -> None:
    here, roots = world
    left = after(here, plan_removal([here], {APPS: roots}, may_empty={APPS}))
    again = plan_removal([left], {APPS: roots}, may_empty={APPS})
    assert (again.repositories, again.freed_bytes) == ((), 0)


@given(wanted_shelves(), st.data())
def test_cut_off_anywhere_it_loses_nothing_wanted_and_the_next_run_finishes(
    world: tuple[Shelf, frozenset[Digest]], data: st.DataObject
) -> None:
    here, roots = world
    removal = plan_removal([here], {APPS: roots}, may_empty={APPS})
    if not removal.repositories:
        return
    (one,) = removal.repositories
    steps = [*one.tags, *(manifest.digest for manifest in one.manifests), *one.blobs]
    gone = set(steps[: data.draw(st.integers(0, len(steps)))])
    cut = Shelf(
        APPS,
        {tag: digest for tag, digest in here.tags.items() if (tag, digest) not in gone},
        {digest: made for digest, made in here.manifests.items() if digest not in gone},
        frozenset(),
        {digest: files for digest, files in here.files.items() if digest not in gone},
    )
    left = after(here, removal)
    finished = after(cut, plan_removal([cut], {APPS: roots}, may_empty={APPS}))
    assert finished.manifests.keys() == left.manifests.keys()
    assert finished.files.keys() == left.files.keys()
    # A list that is left is one of what goes: nobody wanted it, and it is gone in the end.
    for digest in cut.manifests:
        parents = [made for made in here.manifests.values() if digest in {child.digest for child in made.children}]
        assert all(made.digest not in gone or digest not in gone for made in parents)


@given(wanted_shelves(), st.data())
def test_what_any_tag_points_at_by_then_is_spared(world: tuple[Shelf, frozenset[Digest]], data: st.DataObject) -> None:
    here, roots = world
    removal = plan_removal([here], {APPS: roots}, may_empty={APPS})
    if not removal.repositories or not here.manifests:
        return
    digest = data.draw(st.sampled_from(sorted(here.manifests)))
    safe = spare_what_moved(removal.repositories[0], here, with_tag(here, "moved", digest))
    assert not ids(safe) & reached(here, {digest})
    assert ids(safe) <= ids(removal.repositories[0])


@given(wanted_shelves())
def test_freed_bytes_are_what_is_there_before_less_what_is_there_after(world: tuple[Shelf, frozenset[Digest]]) -> None:
    here, roots = world
    removal = plan_removal([here], {APPS: roots}, may_empty={APPS})
    left = after(here, removal)

    def size(held: Shelf) -> int:
        if here.files:
            return sum(files[0].size_bytes for files in held.files.values())
        content = {made.digest: made.size_bytes for made in held.manifests.values()}
        return sum({**content, **{p.digest: p.size_bytes for m in held.manifests.values() for p in parts(m)}}.values())

    assert removal.freed_bytes == size(here) - size(left) == freed_bytes(removal.repositories, [here])


class TestWanted:
    HERE = shelf(APPS, {"v1.0": OLD, "v1.1": NEW, "latest": NEW, sig(OLD): CHILD}, LIST)

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("mirror.lan:8443/apps/web:v1.*", {OLD.digest, NEW.digest}),
            ("mirror.lan:8443/apps/*:v1.0", {OLD.digest}),
            ("docker://mirror.lan:8443/*:latest", {NEW.digest}),
            ("mirror.lan:8443/apps/web:*", {OLD.digest, NEW.digest}),
            ("mirror.lan:8443/apps/web", {OLD.digest, NEW.digest, CHILD.digest, LIST.digest}),
            (f"mirror.lan:8443/apps/web@{LIST.digest}", {LIST.digest}),
            (f"mirror.lan:8443/apps/web:{sig(OLD)}", {CHILD.digest}),
            ("mirror.lan:8443/apps/we:v1.0", set()),
            ("mirror.lan:8443/apps:v1.0", set()),
        ],
    )
    def test_names_and_patterns(self, name: str, expected: set[Digest]) -> None:
        assert wanted_name(name, MIRROR).of(self.HERE) == expected

    @pytest.mark.parametrize(
        "name", ["mirror.lan/apps/web:v1", "apps/web:v1", "mirror.lan:8443/apps/web:v[12]", "mirror.lan:8443/:x"]
    )
    def test_names_that_are_not_in_the_place_are_refused(self, name: str) -> None:
        with pytest.raises(UsageError):
            wanted_name(name, MIRROR)

    @pytest.mark.parametrize(
        ("text", "to", "expected"),
        [
            ("quay.io/apps/web:v1.0\n", "mirror.lan:8443", {OLD.digest}),
            ("quay.io/web:v1.*\n", "mirror.lan:8443/apps", {OLD.digest, NEW.digest}),
            ("quay.io/web:1.*\n", "mirror.lan:8443/apps/{repository}:v{tag}", {OLD.digest, NEW.digest}),
            (f"quay.io/web@{LIST.digest}\n", "mirror.lan:8443/apps", {LIST.digest}),
            ("mirror.lan:8443/apps/web:latest\n", None, {NEW.digest}),
            ("quay.io/apps/web:v1.0\n", None, set()),
            ("quay.io:\n  images-by-semver: {apps/web: '>=1.1'}\n", "mirror.lan:8443", {NEW.digest}),
            ("quay.io/x/y:1=mirror.lan:8443/apps/web:v1.0\n", None, {OLD.digest}),
            ("quay.io/x/y:v*=mirror.lan:8443/apps/web\n", None, {OLD.digest, NEW.digest}),
            (
                "sync:\n- {type: registry, source: quay.io, target: 'mirror.lan:8443/apps', tags: {allow: [latest]}}\n",
                None,
                {NEW.digest},
            ),
        ],
    )
    def test_lists_name_what_they_were_mirrored_to(self, text: str, to: str | None, expected: set[Digest]) -> None:
        template = Template.parse(to) if to else None
        found = wanted_list("list", parse_list("list", text, has_destination=True), template)
        assert found.of(self.HERE) == expected

    def test_a_repository_is_compared_with_no_entry_but_its_own(self) -> None:
        text = "".join(f"quay.io/org/app{number}:1\n" for number in range(500))
        found = wanted_list("list", parse_list("list", text, has_destination=True), Template.parse("mirror.lan:8443"))
        assert {entry.path for entry in found.entries} == {f"org/app{number}" for number in range(500)}
        here = shelf(Repository(MIRROR, "org/app7"), {"1": NEW, "2": OLD})
        assert found.of(here) == {NEW.digest} and found.may_be_in(here.repository)
        assert not found.may_be_in(Repository(MIRROR, "org/other"))

    @pytest.mark.parametrize("dashes", [1, 3, 16, 17, 40])
    def test_a_listed_image_is_known_by_its_joined_name_however_many_dashes_it_has(self, dashes: int) -> None:
        path = "org/" + "-".join(["a"] * dashes) + "/b-c"
        list_ = parse_list("list", f"quay.io/{path}:1\n", has_destination=True)
        found = under_shallow_names(wanted_list("list", list_, Template.parse("mirror.lan:8443")), 2)
        here = shelf(Repository(MIRROR, flattened_path(path, 2)), {"1": NEW, "2": OLD})
        assert found.of(here) == {NEW.digest} and found.may_be_in(here.repository)
        assert [entry.of(here) for entry in found.entries] == [{NEW.digest}]

    def test_digests_are_wanted_wherever_they_are(self) -> None:
        found = wanted_digests("release", frozenset({OLD.digest, CHILD.digest, Digest.of(b"not here")}))
        assert found.of(self.HERE) == {OLD.digest, CHILD.digest}

    def test_all_but_some_images_keeps_what_only_these_do_not_have(self) -> None:
        found = all_but("rest", frozenset({LIST.digest, NEW.digest}))
        here = shelf(APPS, {"list": LIST, "new": NEW}, CHILD, OLD, image_of(blob_of(70)))
        assert found.of(here) == {image_of(blob_of(70)).digest}
        assert kept_of(here, found.of(here)) == found.of(here)
