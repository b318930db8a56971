"""A missing image has consequences: versions, heads, channels and operators that cannot be used."""

from dataclasses import replace

from airferry.oci import Reference
from airferry.openshift.catalog.consequences import ImageUses, consequences
from airferry.openshift.catalog.model import RelatedImage

from .catalogs import DIGEST, catalog, package

SHARED = f"quay.io/shared/proxy@{DIGEST}"


def sharing(name: str, channels: dict[str, str], *versions: str):  # type: ignore[no-untyped-def]
    """Return a package whose bundles of these versions need the shared image as well."""
    whole = package(name, channels)
    more = {f"{name}.v{version}" for version in versions}
    return replace(
        whole,
        bundles={
            key: replace(item, related=(*item.related, RelatedImage("proxy", SHARED))) if key in more else item
            for key, item in whole.bundles.items()
        },
    )


CATALOG = catalog(
    sharing("etcd", {"stable": "2.0.0 > 1.0.0, 1.0.0", "old": "1.0.0"}, "2.0.0"),
    sharing("quay", {"stable": "3.0.0"}, "3.0.0"),
)


def test_a_shared_image_hits_every_version_that_needs_it() -> None:
    lost = consequences(CATALOG, [SHARED])
    assert [(item.name, item.channels, item.head_of, item.images) for item in lost.bundles] == [
        ("etcd.v2.0.0", ("stable",), ("stable",), (SHARED,)),
        ("quay.v3.0.0", ("stable",), ("stable",), (SHARED,)),
    ]
    assert lost.headless_channels == (("etcd", "stable"), ("quay", "stable"))
    assert lost.empty_channels == (("quay", "stable"),)
    assert lost.packages == ("quay",)


def test_an_older_version_leaves_the_head() -> None:
    image = CATALOG.packages["etcd"].bundles["etcd.v1.0.0"].image
    lost = consequences(CATALOG, [image])
    assert lost.headless_channels == lost.empty_channels == (("etcd", "old"),)
    assert lost.packages == ()


def test_an_image_that_nobody_needs_has_no_consequence() -> None:
    uses = ImageUses(CATALOG)
    assert uses.consequence("quay.io/other/image:v1") == ""
    assert uses.consequences(["quay.io/other/image:v1", "no reference"]).bundles == ()


def test_the_sentence_names_versions_and_channels() -> None:
    uses = ImageUses(CATALOG)
    assert uses.consequence(Reference.parse(SHARED)) == (
        "etcd 2.0.0 is unusable, and OLM would install it from the channel stable; "
        "quay 3.0.0 is unusable, and OLM would install it from the channel stable"
    )
    assert uses.consequence(f"docker://{SHARED}") == uses.consequence(SHARED)


def test_short_names_are_the_same_image_as_long_ones() -> None:
    short = sharing("app", {"stable": "1.0.0"}, "1.0.0")
    related = (RelatedImage("cache", "memcached:1.5"),)
    short = replace(short, bundles={key: replace(item, related=related) for key, item in short.bundles.items()})
    assert consequences(catalog(short), ["docker.io/library/memcached:1.5"]).packages == ("app",)
