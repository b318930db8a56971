"""What is accepted as a digest, and how a stream is held to one."""

import hashlib
import pickle
import re
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import MalformedError
from airferry.oci import ContentMismatchError, Digest, Verifier
from airferry.oci.digest import check_content, is_digest

SHA256 = "sha256:" + "ab" * 32
SHA512 = "sha512:" + "ab" * 64

NOT_DIGESTS = {
    "nothing": "",
    "only hexadecimal": "ab" * 32,
    "an algorithm alone": "sha256:",
    "one digit short": SHA256[:-1],
    "one digit long": SHA256 + "0",
    "upper case": SHA256.upper(),
    "upper-case digits": "sha256:" + "AB" * 32,
    "md5": "md5:" + "ab" * 16,
    "the length of sha256 under sha512": "sha512:" + "ab" * 32,
    "a path": "sha256:../../../../etc/passwd",
    "a line break at the end": SHA256 + "\n",
    "a blank before": " " + SHA256,
    "digits of another script": "sha256:" + "١" * 64,
    "a form used as a file name": SHA256.replace(":", "-"),
    "an unregistered extension": "sha256+b64:" + "ab" * 32,
    "far too long": "sha256:" + "a" * 1_000_000,
}


@pytest.mark.parametrize("text", [SHA256, SHA512])
def test_what_is_spelled_well_is_a_digest(text: str) -> None:
    digest = Digest.parse(text)
    assert (str(digest), f"{digest.algorithm}:{digest.hex}", digest.short) == (text, text, "ab" * 6)
    assert is_digest(text)


@pytest.mark.parametrize("text", NOT_DIGESTS.values(), ids=NOT_DIGESTS)
def test_anything_else_is_refused_in_one_short_sentence(text: str) -> None:
    assert not is_digest(text)
    with pytest.raises(MalformedError) as refusal:
        Digest.parse(text)
    assert len(refusal.value.message) < 300
    assert refusal.value.hint


@given(st.binary(max_size=200), st.sampled_from(["sha256", "sha512"]))
def test_the_digest_of_content_is_one_that_parses(content: bytes, algorithm: str) -> None:
    digest = Digest.of(content, algorithm)
    assert Digest.parse(str(digest)) == digest
    assert digest.hex == hashlib.new(algorithm, content).hexdigest()
    assert pickle.loads(pickle.dumps(digest)) == digest


@given(st.binary(max_size=500), st.integers(1, 50), st.booleans())
def test_the_right_stream_passes_however_it_is_cut(content: bytes, chunk: int, size_known: bool) -> None:
    verifier = Verifier(Digest.of(content), len(content) if size_known else None)
    for start in range(0, len(content), chunk):
        verifier.update(memoryview(content)[start : start + chunk])
    verifier.finish()
    assert verifier.seen_bytes == len(content)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_one_flipped_bit_is_found(content: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(content) - 1))
    flipped = bytearray(content)
    flipped[position] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ContentMismatchError, match="has the digest sha256:"):
        check_content(bytes(flipped), Digest.of(content), len(content))


def test_a_stream_that_ends_early_is_found_even_at_a_chunk_border() -> None:
    verifier = Verifier(Digest.of(b"promised"), 8)
    verifier.update(b"prom")
    with pytest.raises(ContentMismatchError, match="ends after 4 of its promised 8 bytes"):
        verifier.finish()


def test_a_stream_that_gives_nothing_is_found() -> None:
    with pytest.raises(ContentMismatchError, match="ends after 0 of"):
        Verifier(Digest.of(b"promised"), 8).finish()


def test_a_stream_that_never_ends_is_cut_off_at_the_first_byte_too_many() -> None:
    verifier = Verifier(Digest.of(b"x" * 100), 100)
    fed = 0
    with pytest.raises(ContentMismatchError, match="goes on after its promised 100 bytes"):
        for chunk in repeat(b"x" * 30):
            fed += len(chunk)
            verifier.update(chunk)
    assert fed == 120


def test_without_a_promised_size_only_the_digest_counts() -> None:
    check_content(b"anything", Digest.of(b"anything"))
    with pytest.raises(ContentMismatchError, match="has the digest"):
        check_content(b"anything else", Digest.of(b"anything"))


def test_a_promised_size_is_held_to_even_when_the_digest_is_right() -> None:
    with pytest.raises(ContentMismatchError):
        check_content(b"content", Digest.of(b"content"), 8)
    with pytest.raises(ContentMismatchError):
        check_content(b"content", Digest.of(b"content"), 6)


def test_empty_content_is_content() -> None:
    check_content(b"", Digest.of(b""), 0)


def test_a_mismatch_names_both_digests_in_full() -> None:
    with pytest.raises(ContentMismatchError) as mismatch:
        check_content(b"one", Digest.of(b"two"))
    assert set(re.findall(r"sha256:[0-9a-f]{64}", mismatch.value.message)) == {Digest.of(b"one"), Digest.of(b"two")}
