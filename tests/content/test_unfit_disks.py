"""Disks that cannot take the work are recognised, and said to be so in words an operator can act on."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from airferry.content.errors import InUseError, NoSpaceError, ReadOnlyError, UnfitFilesystemError
from airferry.content.filesystem import LinkCalls, check_fitness, check_space, free_bytes, read_error, write_error
from airferry.content.layout import LayoutPlace
from airferry.content.memory import MemoryPlace
from airferry.content.tree import TreePlace
from airferry.errors import UnsupportedError
from machine import may_mount, mounting

from .test_resuming import BLOB, CONTENT, PATH, Offsets, part_of

MIB = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB of its own."""
    folder = tmp_path / "disk"
    with may_mount(folder):
        mounting("-t", "tmpfs", "-o", "size=4m", "airferry-test", folder)
        yield folder


async def test_a_disk_too_small_for_the_plan_is_refused_before_the_first_byte(tmp_path: Path) -> None:
    tree = TreePlace(tmp_path)
    with pytest.raises(NoSpaceError, match="bytes free") as caught:
        await tree.reserve(1 << 60)
    assert caught.value.hint
    await tree.close()
    assert list(tmp_path.iterdir()) == []


async def test_what_an_earlier_run_kept_needs_no_room_again(tmp_path: Path) -> None:
    free = free_bytes(tmp_path)
    part_of(tmp_path).parent.mkdir(parents=True)
    with part_of(tmp_path).open("wb") as part:
        part.truncate(free)
    tree = TreePlace(tmp_path)
    await tree.reserve(free)
    await tree.close()


def test_a_disk_that_the_content_alone_would_fill_is_too_small(tmp_path: Path) -> None:
    free = free_bytes(tmp_path)
    with pytest.raises(NoSpaceError):
        check_space(tmp_path, free)
    check_space(tmp_path, free // 2)


def test_nothing_to_write_needs_no_room(tmp_path: Path) -> None:
    check_space(tmp_path, 0)


async def test_a_disk_that_fills_up_keeps_what_came(small_disk: Path) -> None:
    tree = TreePlace(small_disk)
    with pytest.raises(NoSpaceError, match="no room left"):
        await tree.write_blob(PATH, BLOB, Offsets())
    await tree.close()
    assert part_of(small_disk).stat().st_size >= 2 * MIB
    assert list((small_disk).rglob("sha256:*")) == []

    mounting("-o", "remount,size=16m", small_disk)
    again, fetch = TreePlace(small_disk), Offsets()
    await again.write_blob(PATH, BLOB, fetch)
    await again.close()
    assert fetch.asked[0] >= 2 * MIB
    assert (small_disk / "v2" / PATH / "blobs" / BLOB.digest).read_bytes() == CONTENT


async def test_a_read_only_disk_is_said_to_be_one(small_disk: Path) -> None:
    mounting("-o", "remount,ro", small_disk)
    for place in (TreePlace(small_disk), LayoutPlace(small_disk)):
        with pytest.raises(ReadOnlyError, match=str(small_disk)) as caught:
            await place.reserve(1)
        assert caught.value.hint
        await place.close()


@pytest.mark.parametrize("place", [TreePlace, LayoutPlace])
async def test_two_runs_into_one_folder_do_not_meet(place: type[TreePlace] | type[LayoutPlace], tmp_path: Path) -> None:
    first, second = place(tmp_path), place(tmp_path)
    await first.reserve(1)
    with pytest.raises(InUseError, match=f"process {os.getpid()}"):
        await second.reserve(1)
    await first.close()
    await second.reserve(1)
    await second.close()
    assert not (tmp_path / ".airferry").exists()


async def test_the_one_that_was_refused_does_not_break_the_lock(tmp_path: Path) -> None:
    first, second, third = TreePlace(tmp_path), TreePlace(tmp_path), TreePlace(tmp_path)
    await first.reserve(1)
    with pytest.raises(InUseError):
        await second.reserve(1)
    await second.close()
    with pytest.raises(InUseError):
        await third.reserve(1)
    await first.close()


def _refuses(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _create(path: Path) -> None:
    if ":" in path.name:
        raise _refuses(errno.EINVAL)


def _no_link(existing: Path, new: Path) -> None:
    raise _refuses(errno.EPERM)


def _no_symlink(target: str, new: Path) -> None:
    raise _refuses(errno.EPERM)


@pytest.mark.parametrize(
    ("calls", "lack"),
    [
        pytest.param(LinkCalls(create=_create), "colons in names", id="FAT, colon"),
        pytest.param(LinkCalls(link=_no_link), "hard links", id="no hard links"),
        pytest.param(LinkCalls(symlink=_no_symlink), "symbolic links", id="no symbolic links"),
    ],
)
def test_a_file_system_without_links_is_refused_by_name(calls: LinkCalls, lack: str, tmp_path: Path) -> None:
    with pytest.raises(UnfitFilesystemError, match=lack) as caught:
        check_fitness(tmp_path, calls)
    hint = caught.value.hint or ""
    assert all(word in hint for word in ("FAT", "exFAT", "ext4", "xfs"))
    assert list(tmp_path.iterdir()) == []


async def test_a_tree_is_not_begun_on_an_unfit_file_system(tmp_path: Path) -> None:
    tree = TreePlace(tmp_path, calls=LinkCalls(symlink=_no_symlink))
    with pytest.raises(UnfitFilesystemError):
        await tree.reserve(1)
    with pytest.raises(UnfitFilesystemError):
        await tree.write_blob(PATH, BLOB, Offsets())
    await tree.close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_met_by_the_probe_is_not_called_unfit(tmp_path: Path) -> None:
    def full(path: Path) -> None:
        raise _refuses(errno.ENOSPC)

    with pytest.raises(NoSpaceError):
        check_fitness(tmp_path, LinkCalls(create=full))


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "no-space"),
        (errno.EDQUOT, "no-space"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "read-only"),
        (errno.EINVAL, "unfit-filesystem"),
        (errno.ENAMETOOLONG, "unfit-filesystem"),
    ],
)
def test_what_a_failed_write_means(number: int, code: str) -> None:
    error = write_error(_refuses(number), Path("/disk/file"))
    assert error.code == code
    assert "/disk/file" in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOENT, "not-found"), (errno.EACCES, "denied"), (errno.EIO, "damaged")]
)
def test_what_a_failed_read_means(number: int, code: str) -> None:
    error = read_error(_refuses(number), Path("/disk/file"))
    assert error.code == code
    assert "/disk/file" in error.message


async def test_a_tag_that_oc_takes_for_its_leavings_is_refused(tmp_path: Path) -> None:
    tree = TreePlace(tmp_path)
    with pytest.raises(UnsupportedError, match=r"v1\.download"):
        await tree.write_tag(PATH, "v1.download", MemoryPlace().add_image(PATH))
    await tree.close()
