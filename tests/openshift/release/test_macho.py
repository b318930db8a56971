"""A macOS program whose bytes were replaced gets a signature that matches again."""

import hashlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airferry.errors import MalformedError, UnsupportedError
from airferry.openshift.release.macho import Resigned, resign, signing_remark, stale_pages

from .mac_programs import AD_HOC, CERTIFICATES, EMPTY_REQUIREMENTS, HARDENED, REQUIREMENTS, InMemory, MacProgram

SHAPES = {
    "as Go's and Apple's linkers sign": MacProgram(),
    "pages of arm64": MacProgram(page_shift=14),
    "SHA-1 and SHA-256, as codesign once did": MacProgram(hash_types=(1, 2)),
    "SHA-384 beside": MacProgram(hash_types=(2, 4)),
    "one hash over everything": MacProgram(page_shift=0),
    "a last page that is full": MacProgram(code=bytes(3 * 4096 - 48)),
    "a program of less than a page": MacProgram(code=b"ret"),
    "an old code directory": MacProgram(version=0x20001),
    "signed by an identity": MacProgram(by_identity=True, hash_types=(1, 2)),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_a_signature_that_was_right_is_found_right(shape: MacProgram) -> None:
    assert stale_pages(InMemory(shape.build()).read_at) == ()


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_a_changed_byte_makes_its_page_stale_and_signing_again_heals_it(shape: MacProgram) -> None:
    file = InMemory(shape.build())
    at = 48 + len(shape.code) - 1
    file.content[at] ^= 1
    assert stale_pages(file.read_at) == (at >> shape.page_shift << shape.page_shift if shape.page_shift else 0,)
    resign(file.read_at, file.write_at)
    assert stale_pages(file.read_at) == ()


@given(st.lists(st.tuples(st.integers(0, 20_000), st.binary(min_size=1, max_size=300)), max_size=4))
@settings(max_examples=60, deadline=None)
def test_whatever_is_replaced_the_result_is_what_a_linker_would_have_signed(changes: list[tuple[int, bytes]]) -> None:
    code = bytearray(MacProgram().code)
    file = InMemory(MacProgram().build())
    for at, part in changes:
        part = part[: len(code) - at]
        code[at : at + len(part)] = part
        file.content[48 + at : 48 + at + len(part)] = part
    assert resign(file.read_at, file.write_at) is Resigned.RENEWED
    assert bytes(file.content) == MacProgram(code=bytes(code)).build()


def test_only_the_signature_is_written_and_nothing_moves() -> None:
    original = MacProgram(by_identity=True).build()
    file = InMemory(original)
    resign(file.read_at, file.write_at)
    [(offset, size)] = file.written
    assert offset + size == len(file.content) == len(original)
    assert file.content[:offset] == original[:offset]


def test_a_signature_by_an_identity_becomes_what_codesign_makes_without_one() -> None:
    file = InMemory(MacProgram(by_identity=True).build())
    file.content[5000] ^= 1
    assert resign(file.read_at, file.write_at) is Resigned.MADE_AD_HOC
    signature = bytes(file.content)[file.written[0][0] :]
    directory = signature.index(bytes.fromhex("fade0c02"))
    flags, first = struct.unpack_from(">II", signature, directory + 12)
    assert flags == HARDENED | AD_HOC
    assert struct.unpack_from(">I", signature, directory + 48) == (0,), "no team"
    assert REQUIREMENTS not in signature and CERTIFICATES not in signature
    assert bytes.fromhex("fade0b01 00000008") in signature, "an empty CMS blob"
    of_requirements = signature[directory + first - 64 : directory + first - 32]
    assert of_requirements == hashlib.sha256(EMPTY_REQUIREMENTS).digest()


def test_a_second_time_there_is_no_identity_left_to_drop() -> None:
    file = InMemory(MacProgram(by_identity=True).build())
    resign(file.read_at, file.write_at)
    once = bytes(file.content)
    assert resign(file.read_at, file.write_at) is Resigned.RENEWED
    assert bytes(file.content) == once


def without_signature() -> bytes:
    return struct.pack("<IIIIIIII", 0xFEEDFACF, 0x0100000C, 0, 2, 1, 16, 0, 0) + struct.pack("<IIQ", 0x1B, 16, 7)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"#!/bin/sh\necho\n" + bytes(100), Resigned.NOT_MACH_O),
        (b"", Resigned.NOT_MACH_O),
        (b"\x7fELF" + bytes(100), Resigned.NOT_MACH_O),
        (without_signature(), Resigned.UNSIGNED),
    ],
    ids=["a script", "an empty file", "a Linux program", "a program that was never signed"],
)
def test_what_has_no_signature_is_left_as_it_is(content: bytes, expected: Resigned) -> None:
    file = InMemory(content)
    assert resign(file.read_at, file.write_at) is expected
    assert file.written == []
    assert stale_pages(file.read_at) == ()


def with_bytes(at: int, part: str, shape: MacProgram | None = None) -> bytes:
    program = bytearray((shape or MacProgram()).build())
    raw = bytes.fromhex(part)
    program[at : at + len(raw)] = raw
    return bytes(program)


SIGNATURE_AT = 48 + 256 * 80
DIRECTORY_AT = SIGNATURE_AT + 20
BROKEN = {
    "a fat program": (bytes.fromhex("cafebabe 00000002") + bytes(60), UnsupportedError, "--command-os"),
    "a 32-bit program": (bytes.fromhex("cefaedfe") + bytes(60), UnsupportedError, "32-bit"),
    "scattered pages": (MacProgram(scatter=88).build(), UnsupportedError, "scattered"),
    "an unknown hash": (with_bytes(DIRECTORY_AT + 37, "09"), UnsupportedError, "hash type 9"),
    "code beyond the signature": (MacProgram(limit_beyond=1 << 20).build(), MalformedError, "does not fit"),
    "too few hashes": (with_bytes(DIRECTORY_AT + 28, "00000001"), MalformedError, "does not fit"),
    "hashes outside": (with_bytes(DIRECTORY_AT + 16, "00ffffff"), MalformedError, "does not fit"),
    "a directory beyond the end": (with_bytes(SIGNATURE_AT + 16, "00ffffff"), MalformedError, "cut short"),
    "a directory that is none": (with_bytes(DIRECTORY_AT, "00000000"), MalformedError, "damaged"),
    "no directory": (with_bytes(SIGNATURE_AT + 12, "00000005"), MalformedError, "no code directory"),
    "thousands of parts": (with_bytes(SIGNATURE_AT + 8, "0000ffff"), MalformedError, "65535 parts"),
    "no signature where one is named": (with_bytes(SIGNATURE_AT, "00000000"), MalformedError, "not an embedded"),
    "a file that was cut off": (MacProgram().build()[:-200], MalformedError, "ends before"),
    "load commands without end": (with_bytes(36, "00000000"), MalformedError, "load commands"),
}


@pytest.mark.parametrize(("content", "error", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_what_cannot_be_signed_is_refused_before_anything_is_written(
    content: bytes, error: type[Exception], words: str
) -> None:
    file = InMemory(content)
    with pytest.raises(error) as caught:
        resign(file.read_at, file.write_at)
    assert words in f"{caught.value} {getattr(caught.value, 'hint', '')}"
    assert file.written == []


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damage_anywhere_in_the_bookkeeping_never_ends_in_another_error(data: st.DataObject) -> None:
    program = bytearray(MacProgram(by_identity=True, hash_types=(1, 2)).build())
    signature = 48 + 256 * 80
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(st.integers(0, 47), st.integers(signature, signature + 200)))
        program[at] = data.draw(st.integers(0, 255))
    file = InMemory(bytes(program))
    try:
        resign(file.read_at, file.write_at)
    except (MalformedError, UnsupportedError):
        assert file.written == []
    assert len(file.content) == len(program)


@pytest.mark.parametrize(
    ("architecture", "became", "words"),
    [
        ("arm64", Resigned.UNSIGNED, "codesign --sign - oc"),
        ("amd64", Resigned.UNSIGNED, None),
        ("amd64", Resigned.MADE_AD_HOC, "signed by an identity"),
        ("arm64", Resigned.RENEWED, None),
        ("arm64", Resigned.NOT_MACH_O, None),
        (None, None, None),
    ],
)
def test_the_user_hears_of_it_when_something_is_left_to_do_or_lost(architecture, became, words) -> None:
    remark = signing_remark("oc", architecture, became)
    assert remark is None if words is None else words in remark
