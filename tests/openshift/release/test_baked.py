"""The release that an installer was made for is found again, whatever was written over its markers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.openshift.release.baked import Baked, find_baked
from airferry.openshift.release.patching import RELEASE_ARCHITECTURE, RELEASE_IMAGE, RELEASE_VERSION, Patcher

BLANK = (
    b"".join(b"\x7fELF noise " + marker.pattern + b"\0XXXX noise" for marker in (RELEASE_VERSION, RELEASE_IMAGE))
    + RELEASE_ARCHITECTURE.pattern
)
PULLSPEC = "mirror.example.com:8443/ocp4/openshift4@sha256:" + "0" * 64


def patched(image: str = PULLSPEC, version: str = "4.12.0", architecture: str = "amd64") -> bytes:
    patcher = Patcher({RELEASE_IMAGE: image, RELEASE_VERSION: version, RELEASE_ARCHITECTURE: architecture})
    return patcher.feed(BLANK) + patcher.finish()


def test_what_was_written_is_found() -> None:
    assert find_baked(patched()) == Baked(PULLSPEC, "4.12.0", "amd64")


@pytest.mark.parametrize("program", [BLANK, b"", b"X" * 1000 + b"\0", b"\0" * 500, BLANK[:-20]])
def test_a_program_without_a_release_says_nothing(program: bytes) -> None:
    assert find_baked(program) == Baked()


@given(
    st.from_regex(r"[a-z][a-z0-9./:@-]{9,250}", fullmatch=True),
    st.from_regex(r"4\.[0-9]{1,2}\.[0-9]{1,3}(-[a-z0-9.]{1,30})?", fullmatch=True),
)
def test_any_pull_spec_and_version_are_found(image: str, version: str) -> None:
    assert find_baked(patched(image, version)) == Baked(image, version, "amd64")
