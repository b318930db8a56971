"""Signature ConfigMaps, written as oc writes them and read back."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import MalformedError
from airferry.oci import Digest
from airferry.openshift.release.config_map import (
    config_map_name,
    is_signature_file,
    print_config_map,
    read_signatures,
    signature_file_name,
)

from .samples import DATA, oc_release

FILE = DATA / "oc-4.99" / "4.99.2" / "signature-sha256-1be9173bc4406308.json"


def test_the_file_of_oc_is_read_and_written_back_byte_for_byte():
    digest = oc_release("4.99.2").digest
    signatures = read_signatures(FILE.read_bytes(), digest)
    assert len(signatures) == 1
    assert print_config_map(digest, signatures) == FILE.read_bytes()
    assert signature_file_name(digest) == FILE.name
    assert is_signature_file(FILE.name)


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_what_is_written_is_read(signatures):
    digest = Digest.of(b"x")
    assert read_signatures(print_config_map(digest, signatures), digest) == tuple(signatures)


def test_signatures_of_other_releases_in_the_same_map_are_left_out():
    ours, other = Digest.of(b"ours"), Digest.of(b"other")
    entries = {
        f"{config_map_name(digest)}-{number}": base64.b64encode(text).decode()
        for digest, number, text in ((ours, 2, b"two"), (other, 1, b"not ours"), (ours, 10, b"ten"), (ours, 1, b"one"))
    }
    raw = json.dumps({"kind": "ConfigMap", "binaryData": {**entries, "readme": "x"}}).encode()
    assert read_signatures(raw, ours) == (b"one", b"two", b"ten")
    assert read_signatures(raw, Digest.of(b"third")) == ()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"kind": "Secret"}',
        b'{"kind": "ConfigMap", "binaryData": []}',
        json.dumps({"kind": "ConfigMap", "binaryData": {config_map_name(Digest.of(b"x")): "%%%"}}).encode(),
        json.dumps({"kind": "ConfigMap", "binaryData": {config_map_name(Digest.of(b"x")) + "-1": 5}}).encode(),
    ],
)
def test_a_file_that_is_no_signature_map_is_refused(raw):
    with pytest.raises(MalformedError, match="signature file"):
        read_signatures(raw, Digest.of(b"x"))


@pytest.mark.parametrize(
    "name", ["signature-sha256-1be9.json", "x-signature-sha256-1be9173bc4406308.json", "ledger.json"]
)
def test_other_files_beside_it_are_not_taken_for_one(name):
    assert not is_signature_file(name)
