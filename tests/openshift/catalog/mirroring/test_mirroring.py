"""Where a catalog's images go, and the files about it: as ``oc adm catalog mirror`` was seen to do it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.app.catalogs.catalog_mirror_files import MirrorStyles, mapping_text, mirror_set_files
from airferry.app.catalogs.catalog_records import CatalogRecord, ImageOnDisk
from airferry.app.catalogs.catalog_source import CatalogToMirror, IndexImage
from airferry.errors import MalformedError, UsageError
from airferry.oci import Digest, Place, PlaceKind, Reference, Repository
from airferry.openshift.catalog.images import ImageUse, catalog_images, parse_image
from airferry.openshift.catalog.mirroring.catalog_objects import (
    catalog_objects,
    check_object_name,
    object_name,
    print_catalog_source,
)
from airferry.openshift.catalog.mirroring.mirror_names import check_max_components, fnv_tag, mirror_names, mirrored_path
from airferry.openshift.catalog.model import Bundle, Catalog, Package, RelatedImage

RECORDED = Path(__file__).parents[3] / "data" / "oc_catalog" / "manifests.txt"
MIRROR = Place(PlaceKind.REGISTRY, "127.0.0.1:5101")
OLM = Repository(MIRROR, "olm")


def recorded() -> dict[str, str]:
    """Return the files that oc wrote, by name."""
    parts = re.split(r"^== \S+/(\S+)\n", RECORDED.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def recorded_sources() -> list[Reference]:
    return [Reference.parse(line.partition("=")[0]) for line in recorded()["mapping.txt"].splitlines()]


def entries(text: str) -> set[tuple[str, str]]:
    """Return (source, mirror) of every entry of a mirror set."""
    return {(source, mirror) for mirror, source in re.findall(r"- mirrors:\n    - (\S+)\n    source: (\S+)", text)}


class TestAsOcDoesIt:
    names = mirror_names([(source, OLM) for source in recorded_sources()])

    def test_mapping_txt_has_the_same_lines(self) -> None:
        assert sorted(recorded()["mapping.txt"].splitlines()) == mapping_text(self.names.destinations).splitlines()

    def test_the_catalog_source_is_the_same_to_the_byte(self) -> None:
        index = next(source for source in recorded_sources() if source.tag == "v1")
        made = catalog_objects("fbc", self.names.destinations[index], extracted_from=None)
        assert made["catalogSource.yaml"] == recorded()["catalogSource.yaml"]

    @pytest.mark.parametrize("file", ["imageDigestMirrorSet.yaml", "imageContentSourcePolicy.yaml"])
    def test_mirror_sets_have_all_its_entries_and_more_for_what_is_pulled_by_tag(
        self, file: str, tmp_path: Path
    ) -> None:
        pulled = {source: to for source, to in self.names.destinations.items() if source.tag != "v1"}
        made = mirror_set_files("fbc", pulled, MirrorStyles(), tmp_path)
        tagged = {("127.0.0.1:5100/lab/tags", "127.0.0.1:5101/olm/lab-tags")}
        assert entries(made[file]) == entries(recorded()[file]) | tagged
        assert entries(made["imageTagMirrorSet.yaml"]) == tagged
        head = recorded()[file].partition("  - mirrors")[0]
        assert made[file].startswith(head)

    @pytest.mark.parametrize(
        ("below", "most", "path"),
        [
            ("olm", 2, "olm/deep-path-to-app"),
            ("olm", 3, "olm/deep/path-to-app"),
            ("olm/x", 0, "olm/x/deep/path/to/app"),
            ("", 2, "deep/path-to-app"),
            ("olm/x", 2, "olm/x-deep-path-to-app"),
        ],
    )
    def test_paths_have_as_many_parts_as_allowed(self, below: str, most: int, path: str) -> None:
        assert mirrored_path(below, "deep/path/to/app", most) == path

    def test_an_index_in_sqlite_is_told_in_its_words(self) -> None:
        index = next(source for source in recorded_sources() if source.tag == "v1")
        told = "src image has index label for database path: /database/index.db"
        assert IndexImage(index, index, database="/database/index.db").label_line == told
        assert IndexImage(index, index).label_line == ""

    @pytest.mark.parametrize("number", [1, -1])
    def test_one_part_is_refused_in_its_words(self, number: int) -> None:
        with pytest.raises(UsageError, match=r"maxPathComponents must be 0 \(no limit\) or greater than 1"):
            check_max_components(number)

    def test_a_tag_has_no_zeros_in_front(self) -> None:
        # Published vector of FNV-1a: the hash of "" is 811c9dc5; a short one is found by trying.
        lengths = {len(fnv_tag(Reference.parse(f"m.example/a@sha256:{number:064x}"))) for number in range(300)}
        assert lengths >= {7, 8} and max(lengths) == 8


class TestCollisions:
    def test_two_digests_with_one_tag_get_two_tags(self) -> None:
        first, second = (
            Reference.parse("q.example/a/b:v1@sha256:" + "1" * 64),
            Reference.parse("q.example/a/b:v1@sha256:" + "2" * 64),
        )
        names = mirror_names([(second, OLM), (first, OLM)])
        assert str(names.destinations[first]) == "127.0.0.1:5101/olm/a-b:v1"
        assert str(names.destinations[second]) == f"127.0.0.1:5101/olm/a-b:{fnv_tag(second)}"
        assert not names.refused
        assert names.notes == (
            f"{second} has the tag {fnv_tag(second)}, because 127.0.0.1:5101/olm/a-b:v1 is the copy of {first}",
        )

    def test_two_tags_of_two_registries_cannot_both_be_there(self) -> None:
        sources = [Reference.parse(f"{host}/a/b:v1") for host in ("z.example", "q.example")]
        names = mirror_names([(source, OLM) for source in sources])
        assert list(names.destinations) == [sources[1]]
        assert "q.example/a/b:v1" in names.refused[sources[0]].message

    def test_a_source_by_tag_keeps_its_tag_before_one_by_digest(self) -> None:
        by_tag, both = Reference.parse("q.example/a/b:v1"), Reference.parse("a.example/a/b:v1@sha256:" + "1" * 64)
        names = mirror_names([(both, OLM), (by_tag, OLM)])
        assert names.destinations[by_tag].tag == "v1"
        assert names.destinations[both].tag == fnv_tag(both)

    @given(
        st.lists(
            st.tuples(st.sampled_from("pq"), st.sampled_from(["a/b-c", "a-b/c", "a/b"]), st.sampled_from("123vw")),
            max_size=12,
        ),
        st.randoms(),
    )
    def test_no_tag_is_ever_given_twice_and_order_makes_no_difference(self, parts, random) -> None:
        sources = [
            Reference.parse(f"{host}.example/{path}{f'@sha256:{word * 64}' if word.isdigit() else f':{word}'}")
            for host, path, word in parts
        ]
        names = mirror_names([(source, OLM) for source in sources])
        places = [str(to) for to in names.destinations.values()]
        assert len(places) == len(set(places))
        assert names.destinations.keys() | names.refused.keys() == set(sources)
        assert all(source.digest is None for source in names.refused)
        random.shuffle(sources)
        assert mirror_names([(source, OLM) for source in sources]).destinations == names.destinations

    def test_a_name_that_is_too_long_is_refused_by_itself(self) -> None:
        long, short = (Reference.parse(f"q.example/{'a' * length}/b:1") for length in (250, 3))
        names = mirror_names([(long, OLM), (short, OLM)])
        assert isinstance(names.refused[long], MalformedError) and short in names.destinations


class TestImages:
    def test_an_image_of_two_bundles_is_one_with_two_users(self) -> None:
        shared = RelatedImage("proxy", "q.example/proxy@sha256:" + "1" * 64)
        own = "q.example/bundle@sha256:" + "2" * 64
        bundles = {
            name: Bundle(name, "p", own, related=(shared, RelatedImage("", own), RelatedImage("x", "Not A Ref")))
            for name in ("p.v2", "p.v1")
        }
        images = catalog_images(Catalog({"p": Package("p", bundles=bundles)}))
        assert [str(image) for image in images.uses] == [own, shared.image]
        assert images.uses[Reference.parse(shared.image)] == (
            ImageUse("p", "p.v1", "proxy"),
            ImageUse("p", "p.v2", "proxy"),
        )
        assert images.uses[Reference.parse(own)] == (ImageUse("p", "p.v1"), ImageUse("p", "p.v2"))
        (wrong,) = images.unreadable
        assert wrong.text == "Not A Ref" and len(wrong.uses) == 2

    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            ("busybox", "docker.io/library/busybox:latest"),
            ("org/app:1", "docker.io/org/app:1"),
            ("docker.io/app@sha256:" + "0" * 64, "docker.io/library/app@sha256:" + "0" * 64),
            ("docker://q.example/a:1", "q.example/a:1"),
            ("q.example/a", "q.example/a:latest"),
        ],
    )
    def test_short_names_mean_what_they_mean_to_oc(self, text: str, meant: str) -> None:
        assert str(parse_image(text)) == meant

    @pytest.mark.parametrize("text", ["file://etc:1", "oci:///etc:1", "Not A Ref", "", "q.example/A:1", "a b/c"])
    def test_a_catalog_cannot_name_folders_of_this_machine(self, text: str) -> None:
        with pytest.raises(MalformedError):
            parse_image(text)


class TestNames:
    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("redhat/redhat-operator-index", "redhat-operator-index"),
            ("index/catalog/fbc", "fbc"),
            ("a/my_index.v2", "my-index-v2"),
            ("a/4stable", "catalog-4stable"),
            ("a/" + "x" * 80, "x" * 63),
        ],
    )
    def test_a_catalog_source_has_a_name_without_a_tag_that_the_dns_takes(self, path: str, name: str) -> None:
        assert object_name(path) == check_object_name(name) == name

    @pytest.mark.parametrize("name", ["", "A", "a.b", "-a", "a-", "4a", "a" * 64, "a\n"])
    def test_a_name_that_olm_would_not_take_is_refused(self, name: str) -> None:
        with pytest.raises(UsageError):
            check_object_name(name)

    def test_a_catalog_without_a_cache_is_served_by_olm(self) -> None:
        text = print_catalog_source("c", Reference.parse("m.example/c:1"), extracted_from="/configs")
        assert "  grpcPodConfig:\n    extractContent:\n      catalogDir: /configs\n  image: m.example/c:1\n" in text


class TestOnADisk:
    """Where images of a catalog lie on a disk, whose names lack the registries that they come from."""

    disk = Repository(Place(PlaceKind.TREE, "/d"), "olm/a/index")
    index = IndexImage(Reference(disk, "v1"), Reference.parse("q.example/a/index:v1"))
    by_tag, other = Reference.parse("q.example/a/b:v1"), Reference.parse("z.example/a/b:v1")
    by_digest = Reference.parse("z.example/a/b@sha256:" + "1" * 64)

    def test_what_the_record_names_is_where_it_says_and_nothing_else_is_there_by_tag(self) -> None:
        digest = Digest("sha256:" + "2" * 64)
        images = {str(self.by_tag): ImageOnDisk("olm/a/index/a/b", digest)}
        record = CatalogRecord("q.example/a/index:v1", self.disk.path, "v1", digest, images)
        wanted = CatalogToMirror(Catalog({}), self.index, self.disk, record)
        assert str(wanted.locate(self.by_tag)) == f"file://olm/a/index/a/b@{digest}"
        assert wanted.locate(self.other) is None
        assert str(wanted.locate(self.by_digest)) == "file://olm/a/index/a/b@sha256:" + "1" * 64

    def test_without_a_record_everything_is_where_oc_puts_it(self) -> None:
        wanted = CatalogToMirror(Catalog({}), self.index, self.disk)
        assert str(wanted.locate(self.other)) == "file://olm/a/index/a/b:v1"

    def test_an_index_that_was_built_here_changes_nothing_about_where_images_are(self) -> None:
        built = IndexImage(Reference.parse("oci:///tmp/built:x"), self.index.named, serves_itself=False)
        assert str(CatalogToMirror(Catalog({}), built, self.disk).locate(self.by_digest)).startswith("file://olm/a/")
        assert CatalogToMirror(Catalog({}), built).locate(self.by_tag) == self.by_tag
