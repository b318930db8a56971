import gzip
import hashlib
import io
import json
import tarfile
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airferry.errors import MalformedError, UsageError
from airferry.lab import DEMO, R190, S74, SMALL, LabStore, PublishedRelease, Shape, publish_release
from airferry.lab.components import shipped_components
from airferry.lab.layer import File, Noise, Symlink, noise, write_layer
from airferry.lab.recipe import plan_release
from airferry.oci import Manifest

from .reading import files, layers, manifest


def every_manifest(store: LabStore) -> set[str]:
    return {digest for repository in store.repositories.values() for digest in repository.manifests}


def every_blob(store: LabStore) -> set[str]:
    return {digest for repository in store.repositories.values() for digest in repository.blobs}


def _own_layer(release: PublishedRelease, name: str) -> str:
    store, digest = LabStore(release.folder), release.components[name]
    listed = manifest(store, digest).get("manifests")
    return layers(store, listed[0]["digest"] if listed else digest)[-1]


def test_the_demo_release_has_the_shape_of_a_real_one(folder):
    release = publish_release(folder, DEMO)
    store = LabStore(folder)
    assert release.image_count == 184
    assert len(set(release.components.values())) == 183
    total_bytes = sum(store.sizes().values())
    assert 200 * 2**20 < total_bytes <= 220 * 2**20
    counts = Counter(
        len(manifest(store, digest)["layers"])
        for name, digest in release.components.items()
        if name not in release.lists
    )
    assert counts.most_common(1)[0][0] == 5
    assert set(counts) == {1, 3, 4, 5}
    assert len(release.lists) == 6
    users = Counter(
        layers(store, digest)[0] for name, digest in release.components.items() if name not in release.lists
    )
    bases = [count for _, count in users.most_common(3)]
    assert len(bases) == 3 and all(count > 1 for count in bases), "three shared bases"
    # 333 blobs for 163 manifests in the published log of 4.10.3; a list brings a few more.
    assert 1.9 < len(every_blob(store)) / len(every_manifest(store)) < 2.3


@pytest.mark.parametrize(
    ("shape", "images", "blobs", "most_bytes"),
    [(R190, 190, range(320, 341), 2**30), (S74, 74, range(148, 149), 2_200_000)],
    ids=["R190", "S74"],
)
def test_benchmark_releases_have_the_agreed_size(folder, shape, images, blobs, most_bytes):
    release = publish_release(folder, shape if shape is S74 else replace(shape, budget_bytes=40 * 2**20))
    store = LabStore(folder)
    assert release.image_count == images
    assert len(every_blob(store)) in blobs
    assert sum(store.sizes().values()) <= most_bytes
    assert not release.attachments and not release.referrers


def test_benchmark_budgets_are_nearly_used_up():
    for shape in (R190, S74):
        planned = sum(plan_release(shape).noise_bytes.values())
        assert 0.3 * shape.budget_bytes < planned < shape.budget_bytes


def test_the_small_release_fits_a_mebibyte(small: PublishedRelease, store: LabStore):
    assert small.image_count == 14
    assert sum(store.sizes().values()) <= 2**20


def test_the_same_shape_gives_the_same_digests(tmp_path):
    shape = replace(SMALL, signed=False)
    first, second = (publish_release(tmp_path / name, shape) for name in ("a", "b"))
    assert first.digest == second.digest
    assert LabStore(tmp_path / "a").sizes() == LabStore(tmp_path / "b").sizes()


def test_the_digest_of_the_small_release_never_changes_by_itself(tmp_path):
    # Recorded once. A new Python or zlib must not move it; a change of the lab may, knowingly.
    release = publish_release(tmp_path, replace(SMALL, signed=False))
    recorded = "sha256:304acd1bb789bbdabf2942280836f0695704c449d56f90b13f6b5f2157e447b1"
    assert release.digest == recorded


def test_another_seed_gives_other_images(tmp_path, small: PublishedRelease):
    other = publish_release(tmp_path, replace(SMALL, seed=2))
    assert not set(other.components.values()) & set(small.components.values())


def test_a_signing_key_changes_the_release_image_only(tmp_path, small: PublishedRelease):
    again = publish_release(tmp_path, SMALL)
    assert again.components == small.components
    assert again.digest != small.digest


def test_every_blob_is_what_its_name_says_and_every_manifest_is_well_formed(store: LabStore):
    for digest in store.sizes():
        assert f"sha256:{hashlib.sha256(store.read(digest)).hexdigest()}" == digest
    for repository in store.repositories.values():
        for digest, media_type in repository.manifests.items():
            parsed = Manifest.parse(store.read(digest))
            assert parsed.media_type == media_type
            assert {blob.digest for blob in parsed.blobs} <= repository.blobs
            assert all(len(store.read(blob.digest)) == blob.size_bytes for blob in parsed.blobs)
            assert {child.digest for child in parsed.children} <= set(repository.manifests)


def test_diff_ids_in_configs_are_those_of_the_unpacked_layers(small: PublishedRelease, store: LabStore):
    fields = manifest(store, small.digest)
    config = json.loads(store.read(fields["config"]["digest"]))
    found = [
        f"sha256:{hashlib.sha256(gzip.decompress(store.read(layer['digest']))).hexdigest()}"
        for layer in fields["layers"]
    ]
    assert config["rootfs"]["diff_ids"] == found


def test_image_references_name_the_real_components_in_the_real_form(small: PublishedRelease, store: LabStore):
    payload = files(store, layers(store, small.digest)[-1])
    references = json.loads(payload["release-manifests/image-references"])
    assert references["kind"] == "ImageStream"
    assert references["metadata"]["name"] == "4.12.0"
    tags = {tag["name"]: tag for tag in references["spec"]["tags"]}
    assert {name: tag["from"]["name"] for name, tag in tags.items()} == {
        name: f"quay.io/openshift-release-dev/ocp-v4.0-art-dev@{digest}" for name, digest in small.components.items()
    }
    assert tags["hyperkube"]["annotations"] == {
        "io.openshift.build.commit.id": "77bec7ab3573494f228fbaa4967c76e3d2df0fb3",
        "io.openshift.build.commit.ref": "",
        "io.openshift.build.source-location": "https://github.com/openshift/kubernetes",
        "io.openshift.build.version-display-names": "",
        "io.openshift.build.versions": "kubernetes=1.25.4",
    }
    assert json.loads(payload["release-manifests/release-metadata"])["version"] == "4.12.0"
    assert any(name.startswith("release-manifests/0000_50_") for name in payload)


def test_the_release_image_is_the_version_operator_with_one_layer_on_top(small: PublishedRelease, store: LabStore):
    operator = small.components["cluster-version-operator"]
    assert layers(store, small.digest)[:-1] == layers(store, operator)
    config = json.loads(store.read(manifest(store, small.digest)["config"]["digest"]))
    assert config["config"]["Labels"] == {
        "io.openshift.release": "4.12.0",
        "io.openshift.release.base-image-digest": operator,
    }


def test_all_names_of_the_real_release_are_shipped():
    names = [component.name for component in shipped_components()]
    assert len(names) == 183
    assert names == sorted(names)
    assert {"etcd", "machine-os-content", "installer", "cli-artifacts"} <= set(names)


def test_another_version_shares_every_image_that_was_not_rebuilt(tmp_path, small: PublishedRelease):
    newer = publish_release(tmp_path, replace(SMALL, version="4.12.1", rebuilt=("etcd", "pod")))
    changed = {name for name, digest in newer.components.items() if small.components[name] != digest}
    assert changed == {"etcd", "pod"}
    assert newer.tag == "4.12.1-x86_64"


def test_a_component_rebuilt_twice_is_three_images(tmp_path, small: PublishedRelease):
    shapes = [replace(SMALL, version=version, rebuilt=("etcd",)) for version in ("4.12.1", "4.12.2")]
    releases = [small, *(publish_release(tmp_path, shape) for shape in shapes)]
    own_layers = {layers(LabStore(release.folder), release.components["hyperkube"])[-1] for release in releases}
    assert len(own_layers) == 1
    assert len({_own_layer(release, "etcd") for release in releases}) == 3


def test_a_layer_of_several_chunks_is_a_whole_gzip_and_tar():
    target = io.BytesIO()
    source = Noise("several chunks", 3 * 2**20 + 77)
    layer = write_layer(target, (File("a/", mode=0o755), File("a/noise", source, 0o755), Symlink("a/link", "noise")))
    assert layer.size_bytes == len(target.getvalue())
    assert layer.digest == f"sha256:{hashlib.sha256(target.getvalue()).hexdigest()}"
    plain = gzip.decompress(target.getvalue())
    assert layer.diff_id == f"sha256:{hashlib.sha256(plain).hexdigest()}"
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        assert [(item.name, item.mode, item.isdir(), item.linkname) for item in tar] == [
            ("a", 0o755, True, ""),
            ("a/noise", 0o755, False, ""),
            ("a/link", 0o777, False, "noise"),
        ]
        assert tar.extractfile("a/noise").read() == b"".join(noise(source))


def test_a_store_holds_several_releases_and_tells_them_apart_later(tmp_path):
    first = publish_release(tmp_path, SMALL)
    second = publish_release(tmp_path, replace(SMALL, version="4.12.1", rebuilt=("etcd",)))
    assert PublishedRelease.load(tmp_path, "4.12.0-x86_64") == first
    assert PublishedRelease.load(tmp_path, "4.12.1-x86_64") == second
    tags = LabStore(tmp_path).repositories[first.release_repository].tags
    assert tags[first.tag] == first.digest and tags[second.tag] == second.digest
    with pytest.raises(MalformedError, match=r"no lab release 4\.13"):
        PublishedRelease.load(tmp_path, "4.13.0-x86_64")


def test_a_shape_that_cannot_be_is_refused():
    with pytest.raises(UsageError, match="at least 13 components"):
        Shape(components=3)
    with pytest.raises(UsageError, match="at least 12 KiB"):
        Shape(tool_bytes=100)


@settings(max_examples=40, deadline=None)
@given(
    st.builds(
        Shape,
        components=st.integers(13, 240),
        budget_bytes=st.integers(2**20, 2**30),
        own_layers=st.none() | st.integers(10, 240),
        lists=st.integers(0, 7),
        multi=st.booleans(),
        seed=st.integers(0, 5),
        tool_bytes=st.just(16384),
    )
)
def test_every_image_of_any_shape_has_a_layer_of_its_own_or_borrows_one(shape: Shape):
    recipe = plan_release(shape)
    assert len(recipe.images) == shape.components
    owners = {image.own_layer_of for image in recipe.images}
    for image in recipe.images:
        assert (image.own_layer_of, "amd64") in recipe.noise_bytes
        assert image.component.name not in owners or image.own_layer_of == image.component.name
    assert sum(recipe.noise_bytes.values()) <= shape.budget_bytes
