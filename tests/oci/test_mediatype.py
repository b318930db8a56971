"""What a media type says about the content behind it."""

import pytest

from airferry.oci import mediatype

KINDS = {
    # type: (manifest of any kind, index, image config, foreign layer)
    mediatype.OCI_MANIFEST: (True, False, False, False),
    mediatype.OCI_INDEX: (True, True, False, False),
    mediatype.DOCKER_MANIFEST: (True, False, False, False),
    mediatype.DOCKER_LIST: (True, True, False, False),
    mediatype.DOCKER_SCHEMA1: (True, False, False, False),
    mediatype.DOCKER_SCHEMA1_SIGNED: (True, False, False, False),
    mediatype.OCI_CONFIG: (False, False, True, False),
    mediatype.DOCKER_CONFIG: (False, False, True, False),
    mediatype.OCI_EMPTY: (False, False, False, False),
    mediatype.OCI_LAYER_GZIP: (False, False, False, False),
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": (False, False, False, True),
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": (False, False, False, True),
    "application/octet-stream": (False, False, False, False),
    "": (False, False, False, False),
}


@pytest.mark.parametrize("media_type", KINDS)
def test_a_media_type_says_what_the_content_is(media_type: str) -> None:
    assert KINDS[media_type] == (
        mediatype.is_manifest(media_type),
        mediatype.is_index(media_type),
        mediatype.is_image_config(media_type),
        mediatype.is_foreign_layer(media_type),
    )


@pytest.mark.parametrize(
    "header",
    [
        "application/vnd.oci.image.index.v1+json",
        "Application/VND.oci.image.index.v1+JSON",
        " application/vnd.oci.image.index.v1+json ; charset=utf-8",
    ],
)
def test_parameters_and_case_of_a_content_type_do_not_matter(header: str) -> None:
    assert mediatype.without_parameters(header) == mediatype.OCI_INDEX


def test_we_ask_for_every_kind_of_manifest_lists_first() -> None:
    asked = mediatype.ACCEPT_MANIFESTS.split(", ")
    assert set(asked) == {*mediatype.MANIFEST_TYPES, *mediatype.INDEX_TYPES, *mediatype.SCHEMA1_TYPES}
    assert set(asked[:2]) == set(mediatype.INDEX_TYPES)
