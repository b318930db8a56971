import json
from dataclasses import replace

import pytest

from airferry.errors import UsageError
from airferry.lab import SMALL, LabStore, publish_release
from airferry.oci import mediatype

from .reading import files, layers, manifest


def test_a_missing_component_is_named_but_gone(tmp_path):
    release = publish_release(tmp_path, replace(SMALL, missing=("etcd",)))
    store = LabStore(tmp_path)
    digest = release.components["etcd"]
    assert digest not in store.repositories[release.component_repository].manifests
    assert digest in files(store, layers(store, release.digest)[-1])["release-manifests/image-references"].decode()


def test_only_a_component_that_exists_can_be_missing(tmp_path):
    with pytest.raises(UsageError, match="no component nobody"):
        publish_release(tmp_path, replace(SMALL, missing=("nobody",)))


def test_references_may_point_at_another_host(tmp_path):
    release = publish_release(tmp_path, replace(SMALL, source_host="registry.lab.test:5000"))
    references = files(LabStore(tmp_path), layers(LabStore(tmp_path), release.digest)[-1])
    assert b"registry.lab.test:5000/openshift-release-dev" in references["release-manifests/image-references"]
    assert b"quay.io" not in references["release-manifests/image-references"]
    assert release.pullspec == "registry.lab.test:5000/openshift-release-dev/ocp-release:4.12.0-x86_64"


def test_lists_are_docker_lists_and_one_oci_index(small, store):
    types = [manifest(store, small.components[name])["mediaType"] for name in small.lists]
    assert types == [mediatype.DOCKER_LIST, mediatype.OCI_INDEX]
    platforms = [
        [child["platform"]["architecture"] for child in manifest(store, small.components[name])["manifests"]]
        for name in small.lists
    ]
    assert platforms == [["amd64", "arm64", "ppc64le", "s390x"], ["amd64", "arm64"]]


def test_a_multi_release_is_a_list_of_release_images_over_lists(tmp_path):
    release = publish_release(tmp_path, replace(SMALL, multi=True))
    store = LabStore(tmp_path)
    assert release.tag == "4.12.0-multi"
    assert set(release.lists) == set(release.components)
    children = manifest(store, release.digest)["manifests"]
    assert [child["platform"]["architecture"] for child in children] == ["amd64", "arm64"]
    tops = {layers(store, child["digest"])[-1] for child in children}
    assert len(tops) == 1, "every architecture carries the same payload"
    metadata = json.loads(files(store, tops.pop())["release-manifests/release-metadata"])
    assert metadata["metadata"]["release.openshift.io/architecture"] == "multi"
    for digest in (release.digest, *(child["digest"] for child in children)):
        assert (tmp_path / "signatures" / digest.replace(":", "=") / "signature-1").exists()


def test_payload_files_may_be_replaced(tmp_path):
    release = publish_release(tmp_path, SMALL, payload_files={"image-references": b"{", "extra.txt": b"x"})
    payload = files(LabStore(tmp_path), layers(LabStore(tmp_path), release.digest)[-1])
    assert payload["release-manifests/image-references"] == b"{"
    assert payload["release-manifests/extra.txt"] == b"x"


def test_a_layer_may_be_replaced_by_hostile_bytes(tmp_path):
    release = publish_release(tmp_path, SMALL, layers={"cli": b"not a tar"})
    store = LabStore(tmp_path)
    assert store.read(layers(store, release.components["cli"])[-1]) == b"not a tar"


def test_a_blob_and_a_manifest_can_be_taken_away(tmp_path):
    release = publish_release(tmp_path, SMALL)
    store = LabStore(tmp_path)
    layer = layers(store, release.digest)[-1]
    store.forget_blob(release.release_repository, layer)
    store.forget_manifest(release.release_repository, release.digest)
    repository = store.repositories[release.release_repository]
    assert layer not in repository.blobs
    assert release.tag not in repository.tags and release.digest not in repository.manifests
