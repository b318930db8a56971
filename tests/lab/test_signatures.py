import json
from dataclasses import replace

import pysequoia
import pytest
from ruamel.yaml import YAML

from airferry.lab import SMALL, LabKey, LabStore, PublishedRelease, publish_release
from airferry.lab.keys import signature_message, write_signature
from airferry.oci import Digest

from .reading import files, layers, manifest


def verified(message: bytes, public_key: str) -> bytes:
    certificate = pysequoia.Cert.from_bytes(public_key.encode())
    return pysequoia.verify(bytes=message, store=lambda _: [certificate]).bytes


def test_the_release_signature_verifies_and_names_the_release(small: PublishedRelease):
    message = (small.signature_store / f"sha256={small.digest.removeprefix('sha256:')}" / "signature-1").read_bytes()
    fields = json.loads(verified(message, small.verification_key.read_text()))
    assert fields["critical"]["type"] == "atomic container signature"
    assert fields["critical"]["image"] == {"docker-manifest-digest": small.digest}
    assert fields["critical"]["identity"]["docker-reference"] == small.pullspec
    assert set(fields) == {"critical", "optional"}


def test_a_signature_of_another_key_does_not_verify(small: PublishedRelease):
    with pytest.raises(RuntimeError):
        verified(LabKey().sign(b"{}"), small.verification_key.read_text())


def test_the_payload_carries_the_key_as_the_cluster_update_keys_do(small: PublishedRelease, store: LabStore):
    payload = files(store, layers(store, small.digest)[-1])
    config_map = YAML(typ="safe").load(payload["release-manifests/0000_90_cluster-update-keys_configmap.yaml"])
    assert config_map["data"]["verifier-public-key-lab"] == small.verification_key.read_text()
    assert config_map["metadata"]["annotations"]["release.openshift.io/verification-config-map"] == ""


def test_an_unsigned_release_has_neither_signature_nor_key(tmp_path):
    release = publish_release(tmp_path, replace(SMALL, signed=False))
    assert release.signature_store is None and release.verification_key is None
    assert not (tmp_path / "signatures").exists()
    payload = files(LabStore(tmp_path), layers(LabStore(tmp_path), release.digest)[-1])
    assert not any("0000_90" in name for name in payload)


def test_further_signatures_are_numbered_on(tmp_path):
    digest = Digest.of(b"release")
    names = [write_signature(tmp_path, digest, LabKey().sign(b"{}")).name for _ in range(2)]
    assert names == ["signature-1", "signature-2"]


def test_a_key_never_shows_its_secret():
    key = LabKey()
    assert "PRIVATE" not in repr(key) + key.public
    assert json.loads(verified(key.sign(signature_message("sha256:x", "r")), key.public))["optional"]


def test_sigstore_attachments_hang_where_cosign_puts_them(small: PublishedRelease, store: LabStore):
    own = small.attachments[small.release_repository]
    plain = small.digest.replace(":", "-")
    assert own == [f"{plain}.sig", f"{plain}.att"]
    release_repository = store.repositories[small.release_repository]
    signature = manifest(store, release_repository.tags[own[0]])
    assert signature["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"]
    claim = json.loads(store.read(signature["layers"][0]["digest"]))
    assert claim["critical"]["image"]["docker-manifest-digest"] == small.digest
    signed = small.attachments[small.component_repository]
    assert len(signed) == 2
    assert {tag.removesuffix(".sig").replace("-", ":") for tag in signed} <= set(small.components.values())
    assert set(store.repositories[small.component_repository].tags) == set(signed), "components have no tags"


def test_one_referrer_points_at_the_release_image(small: PublishedRelease, store: LabStore):
    [referrer] = small.referrers
    assert manifest(store, referrer)["subject"]["digest"] == small.digest
    assert referrer not in store.repositories[small.release_repository].tags.values()
