"""Layers made to harm whoever unpacks them do not."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
import zstandard

from airferry.content.errors import NotFoundError, UnsafeArchiveError
from airferry.content.unpack import UnpackLimits, read_files
from airferry.content.unpack_select import PathMapping
from airferry.content.unpack_tree import Extraction, ExtractOptions, extract_tree
from airferry.errors import MalformedError
from airferry.oci import ContentMismatchError

from .layers import PATH, folder, gzipped, hardlink, image, member, symlink, tar
from .trees import DATA

MIB = 1024 * 1024


class Ground:
    """A folder to extract into, beside a folder that must stay as it is."""

    def __init__(self, root: Path) -> None:
        self.inside = root / "inside"
        self.outside = root / "outside"
        self.inside.mkdir()
        self.outside.mkdir()
        (self.outside / "victim").write_bytes(b"unharmed")

    async def extract(self, *layers: bytes, **options: object) -> Extraction:
        place, manifest = image(layers)
        mapping = PathMapping("", None, self.inside)
        return await extract_tree(
            place,
            PATH,
            manifest,
            [mapping],
            manifest.layers,
            ExtractOptions(**options),  # type: ignore[arg-type]
        )

    def files(self) -> dict[str, str]:
        found = {}
        for file in sorted(self.inside.rglob("*")):
            name = file.relative_to(self.inside).as_posix()
            if file.is_symlink():
                found[name] = f"-> {file.readlink()}"
            else:
                found[name] = "folder" if file.is_dir() else file.read_text()
        return found


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


@pytest.fixture(autouse=True)
def nothing_outside_was_touched(ground: Ground, tmp_path: Path) -> object:
    yield
    assert sorted(file.name for file in tmp_path.iterdir()) == ["inside", "outside"]
    assert [file.name for file in ground.outside.iterdir()] == ["victim"]
    assert (ground.outside / "victim").read_bytes() == b"unharmed"
    assert not list(ground.inside.glob(".airferry*"))


@pytest.mark.parametrize("name", ["../outside/victim", "a/../../outside/victim", "./../x", "a/b/../../../x"])
async def test_a_name_that_climbs_out_is_refused(name: str, ground: Ground) -> None:
    with pytest.raises(UnsafeArchiveError, match="outside of the image"):
        await ground.extract(tar(member("first", b"1"), member(name, b"evil")))
    assert ground.files() == {}


async def test_an_absolute_name_lies_in_the_destination(ground: Ground) -> None:
    await ground.extract(tar(member("/tmp/a", b"1"), member(f"{ground.outside}/victim", b"evil")))
    assert ground.files()["tmp/a"] == "1"
    assert ground.files()[f"{ground.outside}/victim".lstrip("/")] == "evil"


async def test_real_absolute_names_lie_in_the_destination(ground: Ground) -> None:
    await ground.extract((DATA / "layouts" / "tars" / "absolute_path.tar").read_bytes())
    assert set(ground.files()) == {"tmp", "tmp/subdir", "tmp/subdir/a.txt", "tmp/subdir/b.txt"}


@pytest.mark.parametrize("target", ["../outside", "../../../../../../etc"])
async def test_a_link_out_is_refused(target: str, ground: Ground) -> None:
    with pytest.raises(UnsafeArchiveError):
        await ground.extract(tar(symlink("d", target), member("d/victim", b"evil")))


async def test_an_absolute_link_stays_inside(ground: Ground) -> None:
    await ground.extract(tar(folder("a"), symlink("a/link", str(ground.outside))))
    assert ground.files()["a/link"] == f"-> ..{ground.outside}"
    assert not (ground.inside / "a" / "link").exists()


async def test_a_file_is_never_written_through_a_link_of_its_own_layer(ground: Ground) -> None:
    with pytest.raises(UnsafeArchiveError):
        await ground.extract(tar(symlink("d", str(ground.outside)), member("d/victim", b"evil")))
    assert "d" in ground.files()
    assert (ground.inside / "d").is_dir()


async def test_a_file_is_never_written_through_a_link_of_another_layer(ground: Ground) -> None:
    for lower, upper in (
        (tar(symlink("d", str(ground.outside))), tar(member("d/victim", b"evil"))),
        (tar(member("d/victim", b"evil")), tar(symlink("d", str(ground.outside)))),
    ):
        try:
            await ground.extract(lower, upper, confirm=True)
        except UnsafeArchiveError as error:
            assert error.hint


async def test_a_file_is_never_written_through_a_link_that_was_there(ground: Ground) -> None:
    (ground.inside / "d").symlink_to(ground.outside)
    with pytest.raises(UnsafeArchiveError, match="through"):
        await ground.extract(tar(member("d/victim", b"evil")), confirm=True)
    (ground.inside / "victim").symlink_to(ground.outside / "victim")
    await ground.extract(tar(member("victim", b"inside")), confirm=True)
    assert not (ground.inside / "victim").is_symlink()


@pytest.mark.parametrize("target", ["../outside/victim", "../../etc/passwd"])
async def test_a_hard_link_out_is_refused(target: str, ground: Ground) -> None:
    with pytest.raises(UnsafeArchiveError):
        await ground.extract(tar(hardlink("a", target)))


async def test_an_absolute_hard_link_means_the_images_own_file(ground: Ground) -> None:
    extraction = await ground.extract(tar(hardlink("a", str(ground.outside / "victim"))))
    assert ground.files() == {}
    assert "a: left out" in extraction.notes[0]


async def test_devices_and_fifos_are_left_out_with_a_note(ground: Ground) -> None:
    extraction = await ground.extract(
        tar(
            member("dev/sda", type=tarfile.BLKTYPE),
            member("dev/mem", type=tarfile.CHRTYPE),
            member("pipe", type=tarfile.FIFOTYPE),
            member("ok", b"1"),
        )
    )
    assert ground.files() == {"ok": "1"}
    assert len(extraction.notes) == 3


async def test_modes_of_others_do_not_come_along(ground: Ground) -> None:
    await ground.extract(
        tar(member("setuid", b"", mode=0o6755), member("secret", b"", mode=0o600), member("open", b"", mode=0o777))
    )
    modes = {file.name: file.stat().st_mode & 0o7777 for file in ground.inside.iterdir()}
    assert modes == {"setuid": 0o755, "secret": 0o644, "open": 0o755}


def bomb(pack: object) -> bytes:
    info = tarfile.TarInfo("zeros")
    info.size = 400 * MIB
    out = io.BytesIO()
    with pack(out) as packed:  # type: ignore[operator]
        packed.write(info.tobuf())
        for _ in range(400):
            packed.write(bytes(MIB))
        packed.write(bytes(1024))
    return out.getvalue()


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(lambda out: gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1), id="gzip"),
        pytest.param(lambda out: zstandard.ZstdCompressor().stream_writer(out, closefd=False), id="zstd"),
    ],
)
async def test_a_bomb_is_stopped(pack: object, ground: Ground) -> None:
    layer = bomb(pack)
    assert len(layer) < 3 * MIB
    place, manifest = image([layer])
    with pytest.raises(UnsafeArchiveError, match="unpacks to more") as caught:
        await read_files(place, PATH, manifest, ["zzz"], limits=UnpackLimits(ratio=100))
    assert caught.value.hint
    with pytest.raises(UnsafeArchiveError, match="too large"):
        await read_files(place, PATH, manifest, ["zeros"])
    with pytest.raises(UnsafeArchiveError, match="unpacks to more"):
        await ground.extract(layer, limits=UnpackLimits(layer_bytes=50 * MIB))
    assert ground.files() == {}


async def test_more_entries_than_is_reasonable_are_refused(ground: Ground) -> None:
    layer = tar(*(member(f"f{number}") for number in range(2000)))
    place, manifest = image([gzipped(layer) + gzipped(b"\0" * 512)])
    with pytest.raises(UnsafeArchiveError, match="entries"):
        await read_files(place, PATH, manifest, ["zzz"], limits=UnpackLimits(entries=1000))


def _header(name: bytes, size: bytes, kind: bytes = b"0", *, extended: bool = False) -> bytes:
    header = bytearray(512)
    header[: len(name)] = name
    header[100:108] = b"0000644\0"
    header[124 : 124 + len(size)] = size
    header[136:148] = b"00000000000\0"
    header[156:157] = kind
    header[257:265] = b"ustar\x0000"
    header[482] = extended
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    return bytes(header)


async def test_a_sparse_file_that_claims_to_be_huge_is_left_out(ground: Ground) -> None:
    sparse = _header(b"huge", b"00000001000\0", b"S", extended=True) + bytes(512) + b"x" * 512
    pax = member("pax", b"1.0", pax_headers={"GNU.sparse.realsize": str(1 << 50), "GNU.sparse.major": "1"})
    extraction = await ground.extract(sparse + tar(pax, member("ok", b"1")))
    assert ground.files() == {"ok": "1"}
    assert [note.split(":")[0] for note in extraction.notes] == ["huge", "pax"]


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(_header(b"a", b"\xff" * 12), id="negative size"),
        pytest.param(_header(b"a", b"zzzzzzzzzzz\0"), id="size that is no number"),
        pytest.param(_header(b"a", b"77777777777\0") + b"1", id="eight GiB claimed, one byte there"),
        pytest.param(_header(b"a", b"\x80" + b"\xff" * 11), id="size beyond all disks"),
        pytest.param(_header(b"x", b"00010000000\0", b"x") + b"9" * 512, id="pax header of two MiB"),
        pytest.param(_header(b"x", b"00000000020\0", b"x") + b"99999 path=a\n".ljust(512, b"\0"), id="broken pax"),
        pytest.param(_header(b"a", b"00000000000\0")[:-1] + b"1", id="wrong check sum"),
        pytest.param(_header(b"L", b"00000000004\0", b"L") + b"name"[:2], id="long name that breaks off"),
    ],
)
async def test_headers_that_lie_are_refused(layer: bytes, ground: Ground) -> None:
    with pytest.raises((UnsafeArchiveError, MalformedError)):
        await ground.extract(layer)
    assert ground.files() == {}


async def test_nothing_of_a_damaged_layer_gets_a_name(ground: Ground) -> None:
    layer = gzipped(tar(member("a", b"1"), member("b", os.urandom(5000))))
    place, manifest = image([layer])
    place.corrupt(PATH, manifest.layers[0].digest, layer[:-30] + bytes(30))
    with pytest.raises(ContentMismatchError):
        await extract_tree(place, PATH, manifest, [PathMapping("", None, ground.inside)], manifest.layers)
    assert ground.files() == {}


async def test_a_destination_that_is_not_there_is_not_made(ground: Ground) -> None:
    place, manifest = image([tar(member("a", b"1"))])
    with pytest.raises(NotFoundError, match="destination path does not exist"):
        await extract_tree(place, PATH, manifest, [PathMapping("", None, ground.inside / "x")], manifest.layers)
