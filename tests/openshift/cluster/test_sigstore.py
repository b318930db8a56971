"""A signature as nodes judge it: by the key, for the digest, under the name that was pulled."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from airferry.oci import Digest, Reference
from airferry.openshift.cluster.sigstore import objection, signature_tag

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
DIGEST = Digest.of(b"image")
IMAGE = Reference.parse(f"quay.io/ocp/release@{DIGEST}")
KIND = "cosign container image signature"


def claim(name: str = "quay.io/ocp/release", digest: str = DIGEST, kind: str = KIND) -> bytes:
    critical = {"identity": {"docker-reference": name}, "image": {"docker-manifest-digest": digest}, "type": kind}
    return json.dumps({"critical": critical, "optional": None}).encode()


def judged(content: bytes, image: Reference = IMAGE, key: ec.EllipticCurvePrivateKey = KEY) -> str | None:
    signature = base64.b64encode(key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()
    return objection(content, signature, PEM, DIGEST, image)


def test_the_policys_key_over_the_digest_and_the_name_is_accepted() -> None:
    assert judged(claim()) is None
    assert judged(claim("quay.io/ocp/release:4.12.0-x86_64")) is None, "pulls by digest want the repository alone"
    assert signature_tag(DIGEST) == f"sha256-{DIGEST.hex}.sig"


def test_a_pull_by_tag_wants_the_very_name() -> None:
    tagged = Reference.parse("quay.io/ocp/release:4.12.0-x86_64")
    assert judged(claim("quay.io/ocp/release:4.12.0-x86_64"), tagged) is None
    assert "it signs the name quay.io/ocp/release," in (judged(claim(), tagged) or "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (claim("mirror.lan/ocp/release"), "it signs the name mirror.lan/ocp/release"),
        (claim(digest=Digest.of(b"other")), "it signs sha256:"),
        (claim(kind="atomic container signature"), "'atomic container signature'"),
        (b"[]", "not a claim"),
        (b"\xff", "not a claim"),
        (b'{"critical":{"type":1,"image":[],"identity":{}}}', "not a claim"),
    ],
)
def test_another_claim_is_not(content: bytes, words: str) -> None:
    assert words in (judged(content) or "")


def test_another_key_or_no_signature_is_not() -> None:
    assert "not by the policy's key" in (judged(claim(), key=ec.generate_private_key(ec.SECP256R1())) or "")
    assert objection(claim(), "!", PEM, DIGEST, IMAGE) == "the signature is not base64"
    assert "not by the policy's key" in (objection(claim(), "AAAA", b"no key", DIGEST, IMAGE) or "")
