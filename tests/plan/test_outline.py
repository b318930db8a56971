"""The plan as text, held against what ``oc image mirror`` printed for the same input."""

from airferry.oci import Descriptor, Digest, Place, PlaceKind, Repository, mediatype
from airferry.plan import CopyRequest, plan_copies
from airferry.plan.outline import outline

from .worlds import DISK, blob_of, image_of, list_of, request, survey_of

LAYER = Descriptor(
    mediatype.OCI_LAYER_GZIP,
    Digest.parse("sha256:483b254f5046268fdee0c8d6238f15eb876dbd9e7e6e72b030bd835b239f95d4"),
    108,
)
CONFIG = Descriptor(
    mediatype.OCI_CONFIG,
    Digest.parse("sha256:ca6a543b122575af21240c28b48a3135b39ab5af9433857a8688de154d29142a"),
    325,
)
REDIS = image_of(CONFIG, [LAYER])
UPSTREAM = Repository(Place(PlaceKind.REGISTRY, "127.0.0.1:5100"), "lab/tags")
MIRROR = Place(PlaceKind.REGISTRY, "127.0.0.1:5101")


def outline_of(*requests: CopyRequest, manifests: list, **more: object) -> str:  # type: ignore[type-arg]
    survey = survey_of(*requests, manifests=manifests, **more)
    return outline(plan_copies(requests, survey, can_mount={MIRROR}), survey, requests)


def test_one_image_into_two_repositories_looks_as_in_oc() -> None:
    one = request(REDIS, Repository(MIRROR, "a/one"), "x", source=UPSTREAM)
    two = request(REDIS, Repository(MIRROR, "b/two"), "redis-1", source=UPSTREAM)
    assert (
        outline_of(one, two, manifests=[REDIS])
        == f"""\
127.0.0.1:5101/
  a/one
    blobs:
      127.0.0.1:5100/lab/tags sha256:483b254f5046268fdee0c8d6238f15eb876dbd9e7e6e72b030bd835b239f95d4 108B
      127.0.0.1:5100/lab/tags sha256:ca6a543b122575af21240c28b48a3135b39ab5af9433857a8688de154d29142a 325B
    manifests:
      {REDIS.digest} -> x
  b/two
    blobs:
      127.0.0.1:5100/lab/tags sha256:483b254f5046268fdee0c8d6238f15eb876dbd9e7e6e72b030bd835b239f95d4 108B
      127.0.0.1:5100/lab/tags sha256:ca6a543b122575af21240c28b48a3135b39ab5af9433857a8688de154d29142a 325B
    manifests:
      {REDIS.digest} -> redis-1
  stats: shared=2 unique=0 size=433B ratio=0.00

phase 0:
  127.0.0.1:5101 a/one blobs=2 mounts=0 manifests=1 shared=2
  127.0.0.1:5101 b/two blobs=2 mounts=2 manifests=1 shared=2
"""
    )


def test_a_list_into_a_folder_names_its_children_by_digest() -> None:
    arm = image_of(blob_of(1, 29 * 1024))
    both = list_of(REDIS, arm)
    asked = request(both, Repository(DISK, "my/deep/repo"), "tag", source=UPSTREAM)
    lines = outline_of(asked, manifests=[both, REDIS, arm]).splitlines()
    assert lines[:3] == ["<dir>", "  my/deep/repo", "    blobs:"]
    assert lines[6:10] == [
        "    manifests:",
        *(f"      {digest}" for digest in sorted([REDIS.digest, arm.digest])),
        f"      {both.digest} -> tag",
    ]
    assert lines[10:] == [
        "  stats: shared=0 unique=3 size=29.42KiB ratio=1.00",
        "",
        "phase 0:",
        "   my/deep/repo blobs=3 mounts=0 manifests=3 shared=0",
    ]


def test_a_blob_that_two_sources_have_is_shared_as_a_release_shares_its_base() -> None:
    components = Repository(UPSTREAM.place, "lab/art")
    base, own = blob_of(1, 1000), blob_of(2, 3000)
    release, component = image_of(base), image_of(base, [own])
    into = Repository(MIRROR, "ocp/release")
    asked = [request(release, into, "r", source=UPSTREAM), request(component, into, "c", source=components)]
    text = outline_of(*asked, manifests=[release, component])
    assert "  stats: shared=1 unique=1 size=3.906KiB ratio=0.75\n" in text
    assert "  127.0.0.1:5101 ocp/release blobs=2 mounts=0 manifests=2 shared=1\n" in text


def test_what_is_there_already_is_not_listed_as_moving() -> None:
    into = Repository(MIRROR, "a/one")
    asked = request(REDIS, into, "x", source=UPSTREAM)
    present = {into: {REDIS.digest, CONFIG.digest, LAYER.digest}}
    text = outline_of(asked, manifests=[REDIS], present=present, tags={(into, "x"): REDIS.digest})
    assert "blobs:" not in text
    assert "  stats: shared=0 unique=0 size=0B\n" in text
    assert f"      {REDIS.digest} -> x\n" in text


def test_an_image_that_is_missing_is_not_listed() -> None:
    asked = request(REDIS, Repository(MIRROR, "a/one"), "x", source=UPSTREAM)
    survey = survey_of(manifests=[])
    assert outline(plan_copies([asked], survey), survey, (asked,)) == "\nphase 0:\n"
