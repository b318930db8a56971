"""Real manifests of the field, and rules of uploads, without a server."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import AirferryError
from airferry.oci import Digest
from airferry.registry.acceptance import accept_manifest
from airferry.registry.errors import ManifestInvalidError, NotFoundError
from airferry.registry.upload import accept_chunk, check_progress, print_progress, upload_key

REAL = Path(__file__).parent.parent / "data" / "manifests"
REFUSED = {
    "non-json.manifest.json",
    "unknown-version.manifest.json",
    "v2s1.manifest.json",
    "v2s1-unsigned.manifest.json",
    "v2s1-invalid-signatures.manifest.json",
    "ociv1.artifact.json",  # its config has no digest
    "v2s2nomime.manifest.json",  # it says nothing of itself, and here its Content-Type is not said either
    "ociv1nomime.manifest.json",
    "ociv1nomime.image.index.json",
}


@pytest.mark.parametrize("file", sorted(REAL.glob("*.json")), ids=lambda file: file.name)
def test_real_manifests_are_accepted_as_they_are_or_refused_for_a_reason(file: Path) -> None:
    raw = file.read_bytes()
    if file.name in REFUSED:
        with pytest.raises(ManifestInvalidError):
            accept_manifest(raw, None, None)
        return
    pushed = accept_manifest(raw, None, None)
    assert (pushed.raw, pushed.digest) == (raw, Digest.of(raw))
    assert pushed.media_type.encode() in raw


@given(st.binary(max_size=300))
def test_any_bytes_are_a_manifest_or_refused(raw: bytes) -> None:
    for content_type in (None, "application/json", "application/vnd.oci.image.index.v1+json"):
        with contextlib.suppress(ManifestInvalidError):
            accept_manifest(raw, content_type, None)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = st.sampled_from(["config", "layers", "manifests", "blobs", "subject", "annotations", "artifactType"])


@given(st.dictionaries(_FIELDS, _JSON), st.sampled_from(["a/b", "application/vnd.oci.image.manifest.v1+json"]))
def test_any_fields_are_a_manifest_or_refused(fields: dict[str, object], kind: str) -> None:
    import msgspec

    with contextlib.suppress(ManifestInvalidError):
        accept_manifest(msgspec.json.encode({"mediaType": kind, **fields}), kind, None)


@given(st.integers(0, 2**62), st.text(max_size=30), st.none() | st.integers(0, 2**62))
def test_a_chunk_begins_where_the_upload_ends_or_is_refused(received: int, said: str, length: int | None) -> None:
    try:
        promise = accept_chunk(received, said, length)
    except AirferryError:
        return
    assert promise.start == received
    assert length is None or promise.size_bytes == length


@given(st.integers(0, 10**12), st.integers(1, 10**12))
def test_what_we_print_as_progress_is_where_the_next_chunk_begins(received: int, size: int) -> None:
    last = received + size - 1
    promise = accept_chunk(received, f"{received}-{last}", size)
    check_progress(promise, size, ended=True)
    assert print_progress(received + size) == f"0-{last}"


@given(st.text(max_size=80))
def test_an_upload_id_is_ours_or_names_no_file(text: str) -> None:
    try:
        key = upload_key("a", text)
    except NotFoundError:
        return
    assert "/" not in key and ".." not in key


def test_an_upload_id_names_another_file_in_another_repository() -> None:
    upload_id = "00000000-0000-4000-8000-000000000000"
    assert upload_key("a", upload_id) != upload_key("b", upload_id)
