"""The tar reader sees what Python's own tarfile sees, however the bytes are cut."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airferry.content.unpack_tar import EntryKind, TarEntry, TarReader
from airferry.errors import AirferryError

from .layers import member, tar

KINDS = {
    tarfile.REGTYPE: EntryKind.FILE,
    tarfile.DIRTYPE: EntryKind.FOLDER,
    tarfile.SYMTYPE: EntryKind.SYMLINK,
    tarfile.LNKTYPE: EntryKind.HARDLINK,
    tarfile.CHRTYPE: EntryKind.DEVICE,
    tarfile.FIFOTYPE: EntryKind.FIFO,
}
NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=150)


@st.composite
def members(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    content = draw(st.binary(max_size=1500)) if kind == tarfile.REGTYPE else b""
    link = draw(NAMES) if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    mode, mtime = draw(st.integers(0, 0o7777)), draw(st.integers(0, 2**40))
    return member(draw(NAMES), content, type=kind, linkname=link, mode=mode, mtime=mtime)


def read(archive: bytes, cuts: int) -> list[tuple[TarEntry, bytes]]:
    reader, found = TarReader(), list[tuple[TarEntry, bytes]]()
    for start in range(0, len(archive), cuts):
        for item in reader.feed(archive[start : start + cuts]):
            if isinstance(item, TarEntry):
                found.append((item, b""))
            else:
                found[-1] = (found[-1][0], found[-1][1] + bytes(item))
    reader.finish()
    return found


@given(
    st.lists(members(), max_size=5),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
    st.integers(1, 4000),
)
@settings(max_examples=120, deadline=None)
def test_it_reads_what_tarfile_writes(items: list[tuple[tarfile.TarInfo, bytes]], format: int, cuts: int) -> None:
    found = read(tar(*items, format=format), cuts)
    assert [
        (entry.name.rstrip("/"), entry.kind, entry.mode, entry.mtime, entry.link, content) for entry, content in found
    ] == [
        (info.name.rstrip("/"), KINDS[info.type], info.mode, info.mtime, info.linkname, content)
        for info, content in items
    ]


@given(st.lists(members(), min_size=1, max_size=3), st.data())
@settings(max_examples=150, deadline=None)
def test_damage_is_an_error_of_ours_or_none(items: list[tuple[tarfile.TarInfo, bytes]], data: st.DataObject) -> None:
    archive = bytearray(tar(*items))
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(archive)))
    try:
        read(bytes(archive[:cut]), 1000)
    except AirferryError as error:
        assert error.message


def test_what_follows_the_end_is_ignored() -> None:
    assert [entry.name for entry, _ in read(tar(member("a")) + b"garbage" * 100, 512)] == ["a"]


def test_a_folder_of_before_posix_is_one() -> None:
    archive = bytearray(tar(member("old/"), format=tarfile.USTAR_FORMAT))
    archive[156:157] = b"\0"
    archive[148:156] = b" " * 8
    archive[148:156] = f"{sum(archive[:512]):06o}\0 ".encode()
    assert read(bytes(archive), 512)[0][0].kind is EntryKind.FOLDER


@pytest.mark.parametrize("size", [8**11, 8**11 + 1, 2**40])
def test_sizes_beyond_eight_gib_are_read(size: int) -> None:
    info = tarfile.TarInfo("large")
    info.size = size
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        reader = TarReader()
        (entry,) = reader.feed(info.tobuf(format))
        assert isinstance(entry, TarEntry)
        assert entry.size_bytes == size


def test_it_reads_an_archive_of_tarfile_itself() -> None:
    buffer = io.BytesIO(tar(member("a", b"1"), member("b", b"22")))
    with tarfile.open(fileobj=buffer) as archive:
        assert [item.name for item in archive] == [entry.name for entry, _ in read(buffer.getvalue(), 7)]
