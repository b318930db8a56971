"""When a release is trusted, and what is said when it is not."""

import json
from datetime import UTC, datetime

import pysequoia
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airferry.errors import MalformedError
from airferry.oci import Digest
from airferry.openshift.release.errors import UntrustedReleaseError
from airferry.openshift.release.framing import join_pieces
from airferry.openshift.release.keys import REDHAT_BETA_2, REDHAT_RELEASE, SHIPPED_KEYS
from airferry.openshift.release.openpgp import Opening, read_keys
from airferry.openshift.release.signature import (
    DEFAULT_STORES,
    MAX_SIGNATURE_BYTES,
    Candidate,
    judge_release,
    signature_paths,
    verify_signature,
)

from .samples import DATA
from .signing import DIGEST, Signer, claim

NOW = datetime.now(UTC)
REAL = (DATA / "signatures" / "ocp-4.15.0-x86_64").read_bytes()
REAL_DIGEST = Digest.parse("sha256:0da6316466d60a3a4535d5fed3589feb0391989982fba59d47d4c729912d6363")
CI = (DATA / "signatures" / "ci-4.0.0-0.ci-2019-04-19").read_bytes()
CI_DIGEST = Digest.parse("sha256:edd9824f0404f1a139688017e7001370e2f3fbc088b94da84506653b473fe140")
RED_HAT = "567E347AD0044ADE55BA8A5F199E2F91FD431D51"
SHIPPED = read_keys(SHIPPED_KEYS)


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer.make()


def key(name: str) -> bytes:
    return (DATA / "keys" / name).read_bytes()


def test_the_real_signature_of_4_15_0_verifies_with_the_shipped_keys():
    verdict = verify_signature(REAL, SHIPPED_KEYS, REAL_DIGEST, now=NOW)
    assert verdict.trusted
    assert verdict.signer == RED_HAT
    assert verdict.claim == "quay.io/openshift-release-dev/ocp-release:4.15.0-x86_64"


def test_the_shipped_keys_are_the_two_of_red_hat():
    assert SHIPPED.fingerprints == (RED_HAT, "B08B659EE86AF623BC90E8DB938A80CAF21541EB")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(REAL) * 8 - 1))
def test_a_real_signature_with_any_bit_changed_is_never_trusted_for_anything_else(bit):
    changed = bytearray(REAL)
    changed[bit // 8] ^= 1 << bit % 8
    # Some bits, such as the file name beside the content, are not signed; then it still says the same.
    verdict = verify_signature(bytes(changed), SHIPPED, REAL_DIGEST, now=NOW)
    assert not verdict.trusted or verdict.claim.endswith(":4.15.0-x86_64")
    assert not verify_signature(bytes(changed), SHIPPED, DIGEST, now=NOW).trusted


@pytest.mark.parametrize("position", [5, 100, 400, 600, 890])
def test_a_tampered_real_signature_is_refused(position):
    changed = bytearray(REAL)
    changed[position] ^= 1
    verdict = verify_signature(bytes(changed), SHIPPED, REAL_DIGEST, now=NOW)
    assert not verdict.trusted
    assert verdict.opening in (Opening.ALTERED, Opening.NOT_OPENPGP)


def test_a_real_signature_does_not_serve_another_release():
    verdict = verify_signature(REAL, SHIPPED, DIGEST, now=NOW)
    assert not verdict.trusted
    assert verdict.reason == f"signed by {RED_HAT}, but it signs {REAL_DIGEST}"


def test_an_expired_key_is_named_with_its_date():
    verdict = verify_signature(CI, [key("verifier-public-key-openshift-ci")], CI_DIGEST, now=NOW)
    assert verdict.opening is Opening.EXPIRED_KEY
    assert verdict.reason == "the key D04761B116203B0C0859B61628B76E05B923888E expired on 2021-04-21"
    assert not verdict.trusted


def test_an_unknown_key_is_named_by_its_id():
    verdict = verify_signature(CI, SHIPPED, CI_DIGEST, now=NOW)
    assert verdict.opening is Opening.UNKNOWN_KEY
    assert verdict.reason == "the key 28B76E05B923888E is not one we trust"


def test_a_key_bound_by_sha1_is_called_weak():
    verdict = verify_signature(REAL, [key("redhat-sha1-bound.txt")], REAL_DIGEST, now=NOW)
    assert verdict.opening is Opening.WEAK_KEY
    assert "SHA-1" in verdict.reason


def test_a_revoked_key_is_called_revoked(signer):
    revocation = signer.certificate.revoke(signer.secret.certifier())
    revoked = bytes(signer.certificate) + bytes(revocation)
    verdict = verify_signature(signer.sign_release(DIGEST), [revoked], DIGEST, now=NOW)
    assert verdict.opening is Opening.REVOKED_KEY


def test_a_key_of_ones_own_is_trusted_when_given(signer):
    message = signer.sign_release(DIGEST)
    assert verify_signature(message, [signer.public], DIGEST, now=NOW).trusted
    assert verify_signature(message, [bytes(signer.certificate)], DIGEST, now=NOW).trusted
    assert verify_signature(message, [REDHAT_RELEASE, signer.public], DIGEST, now=NOW).trusted
    refused = verify_signature(message, [REDHAT_RELEASE, REDHAT_BETA_2], DIGEST, now=NOW)
    assert refused.opening is Opening.UNKNOWN_KEY


def test_a_message_whose_packets_come_in_pieces_verifies(signer):
    whole = signer.sign_release(DIGEST)
    pieces = in_pieces(whole)
    assert pieces != whole
    with pytest.raises(RuntimeError):
        pysequoia.verify(pieces, lambda _: [signer.certificate])
    assert verify_signature(pieces, [signer.public], DIGEST, now=NOW).trusted


def in_pieces(message: bytes) -> bytes:
    """Write the literal packet as Go does: a first piece of two bytes, then the rest."""
    start = 2 + message[1]
    assert message[start] == 0xCB, "one-pass signature, then literal data"
    first = message[start + 1]
    length, header = (first, 2) if first < 192 else ((first - 192 << 8) + message[start + 2] + 192, 3)
    body = message[start + header : start + header + length]
    rest = len(body) - 2
    tail = bytes([rest]) if rest < 192 else bytes([(rest - 192 >> 8) + 192, (rest - 192) & 0xFF])
    return message[:start] + b"\xcb\xe1" + body[:2] + tail + body[2:] + message[start + header + length :]


@given(st.binary(max_size=60))
def test_joining_pieces_of_anything_at_all_does_no_harm(message):
    joined = join_pieces(message)
    assert joined is None or len(joined) >= len(message) // 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"type": "something else"}, "not a container signature"),
        ({"identity": {"docker-reference": ""}}, "names no image reference"),
        ({"identity": {}}, "not a container signature"),
        ({"image": {"docker-manifest-digest": str(Digest.of(b"y"))}}, "it signs sha256:"),
        ({"image": {"docker-manifest-digest": DIGEST, "extra": 1}}, "not a container signature"),
        ({"extra": 1}, "not a container signature"),
    ],
)
def test_a_good_signature_of_a_wrong_claim_is_refused(signer, changes, says):
    verdict = verify_signature(signer.sign_release(DIGEST, **changes), [signer.public], DIGEST, now=NOW)
    assert not verdict.trusted
    assert says in verdict.reason


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"not json",
        json.dumps({**claim(DIGEST), "more": 1}).encode(),
        json.dumps({**claim(DIGEST), "optional": {"surprise": 1}}).encode(),
        json.dumps(claim(DIGEST)).encode() + b"x",
    ],
)
def test_a_good_signature_of_something_else_is_refused(signer, content):
    verdict = verify_signature(signer.sign(content), [signer.public], DIGEST, now=NOW)
    assert not verdict.trusted
    assert "not a container signature" in verdict.reason


def test_optional_may_be_absent(signer):
    content = json.dumps({"critical": claim(DIGEST)["critical"]}).encode()
    assert verify_signature(signer.sign(content), [signer.public], DIGEST, now=NOW).trusted


@pytest.mark.parametrize(
    "message",
    [b"", b"<html>404</html>", REAL[:500], b"\xc4\x0d", bytes(200), b"\x99" * 300],
)
def test_what_is_no_signature_is_refused_without_an_error(message):
    verdict = verify_signature(message, SHIPPED, REAL_DIGEST, now=NOW)
    assert not verdict.trusted
    assert verdict.reason
    assert "backtrace" not in verdict.reason


def test_armor_and_clear_text_are_refused_since_clusters_cannot_read_them(signer):
    content = json.dumps(claim(DIGEST)).encode()
    for mode in (pysequoia.SignatureMode.INLINE, pysequoia.SignatureMode.CLEAR):
        armored = pysequoia.sign(signer.secret.signer(), content, mode=mode)
        assert not verify_signature(armored, [signer.public], DIGEST, now=NOW).trusted


def test_what_is_larger_than_clusters_read_is_not_opened():
    verdict = verify_signature(bytes(MAX_SIGNATURE_BYTES + 1), SHIPPED, DIGEST, now=NOW)
    assert verdict.opening is None
    assert "over the limit" in verdict.reason


@pytest.mark.parametrize("text", [b"", b"nonsense", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", REAL])
def test_a_key_that_cannot_be_read_is_an_error(text):
    with pytest.raises(MalformedError, match="verification key 2"):
        verify_signature(REAL, [REDHAT_RELEASE, text], REAL_DIGEST, now=NOW)


def test_one_good_signature_among_bad_ones_is_enough(signer):
    good = signer.sign_release(DIGEST)
    candidates = [
        Candidate(b"junk", "store/signature-1"),
        Candidate(good, "store/signature-2"),
        Candidate(REAL, "store/signature-3"),
        Candidate(good, "other/signature-1"),
    ]
    trust = judge_release(candidates, [signer.public], DIGEST, now=NOW)
    assert trust.is_trusted
    assert trust.signatures == (good,)
    trust.require()
    assert [verdict.trusted for _, verdict in trust.verdicts] == [False, True, False, True]


def test_an_untrusted_release_is_refused_with_each_reason():
    candidates = [Candidate(CI, "store/signature-1"), Candidate(REAL, "store/signature-2")]
    trust = judge_release(candidates, SHIPPED, DIGEST, now=NOW)
    with pytest.raises(UntrustedReleaseError) as caught:
        trust.require()
    assert "store/signature-1: the key 28B76E05B923888E is not one we trust" in caught.value.message
    assert f"store/signature-2: signed by {RED_HAT}, but it signs {REAL_DIGEST}" in caught.value.message
    assert caught.value.hint is not None
    assert "--allow-unverified" in caught.value.hint


def test_a_release_without_signatures_is_refused():
    with pytest.raises(UntrustedReleaseError, match="no signature was found"):
        judge_release([], SHIPPED, DIGEST, now=NOW).require()


def test_a_signature_made_before_its_key_expired_is_refused_after_that():
    keys = [key("verifier-public-key-openshift-ci")]
    assert verify_signature(CI, keys, CI_DIGEST, now=datetime(2021, 4, 20, tzinfo=UTC)).trusted
    assert not verify_signature(CI, keys, CI_DIGEST, now=datetime(2021, 4, 22, tzinfo=UTC)).trusted


def test_stores_are_asked_for_numbered_signatures():
    paths = signature_paths(DIGEST)
    assert paths[0] == f"sha256={DIGEST.hex}/signature-1"
    assert len(paths) == 9
    assert all(store.startswith("https://") and not store.endswith("/") for store in DEFAULT_STORES)
