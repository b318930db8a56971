"""Our archives are those of everybody, byte for byte where a digest depends on it."""

import hashlib
import io
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from airferry.openshift.catalog.building.tar_stream import TarFile, tar_stream

_PARTS = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=120)
_PATHS = st.lists(_PARTS.filter(lambda part: part not in (".", "..")), min_size=1, max_size=4).map("/".join)


@given(
    st.lists(
        st.tuples(_PATHS, st.none() | st.binary(max_size=1200), st.sampled_from((0o644, 0o755, 0o1777))), max_size=4
    ),
    st.integers(0, 8**11 - 1),
)
def test_pythons_tarfile_reads_what_was_written(entries: list[tuple[str, bytes | None, int]], mtime_s: int) -> None:
    files = [TarFile(path, content, mode) for path, content, mode in entries]
    read = []
    with tarfile.open(fileobj=io.BytesIO(b"".join(tar_stream(files, mtime_s=mtime_s)))) as archive:
        for member in archive.getmembers():
            opened = archive.extractfile(member) if member.isfile() else None
            read.append((member.name, opened.read() if opened else None, member.mode))
            assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
            assert member.mtime == mtime_s
    assert read == [(path, content, mode) for path, content, mode in entries]


def test_a_header_is_what_gos_writer_makes_of_it() -> None:
    """Source: Go's archive/tar, for an entry that fits ustar: numbers of no device are written too."""
    archive = b"".join(tar_stream([TarFile(".", None, 0o755), TarFile("a.json", b"{}")]))
    assert len(archive) == 512 * 5
    assert archive[:512].rstrip(b"\0").startswith(b".\0")
    assert archive[100:157] == b"0000755\x000000000\x000000000\x0000000000000\x0000000000000\x00007263\x00 5"
    assert archive[257:265] == b"ustar\x0000"
    assert archive[329:345] == b"0000000\x000000000\x00"
    assert hashlib.sha256(archive).hexdigest() == "2a03c7c67995bcd6fdff61097c9ecf78f92f1f54f19c0bef18a4677c21e91db1"
