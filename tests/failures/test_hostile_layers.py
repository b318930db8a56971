"""Layers made to harm whoever extracts them: nothing outside of the folder changes, and no half tool is left."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from airferry.lab import SMALL, PublishedRelease, publish_release
from airferry.lab.payload import COMPONENT_REPOSITORY

from .stage import Entry, Quay, Run, airferry, look_at

MIB = 1024 * 1024
TOOL = "usr/bin/oc"
Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"", **fields: object) -> Member:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def link(name: str, target: str) -> Member:
    return member(name, type=tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> Member:
    return member(name, type=tarfile.LNKTYPE, linkname=target)


def layer(*members: Member) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def bomb() -> bytes:
    """Return 300 MiB of zeros in 300 KiB, as the tool itself."""
    packer = zlib.compressobj(wbits=31)
    info = tarfile.TarInfo(TOOL)
    info.size = 300 * MIB
    parts = [packer.compress(info.tobuf()), *(packer.compress(bytes(MIB)) for _ in range(300))]
    return b"".join((*parts, packer.compress(bytes(1024)), packer.flush()))


REFUSED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "a name that climbs out": (lambda: layer(member("../../evil", b"x"), member(TOOL)), "unsafe-archive", "../../evil"),
    "a link that climbs out": (lambda: layer(link(TOOL, "../../../../etc/passwd")), "unsafe-archive", "etc/passwd"),
    "a hard link that climbs out": (lambda: layer(hard_link(TOOL, "../../etc/passwd")), "unsafe-archive", "etc/passwd"),
    "a bomb": (bomb, "unsafe-archive", "unpacks to more than is allowed"),
    "no tar": (lambda: b"this is no archive at all", "malformed", "the tar breaks off"),
    "no tar inside of gzip": (lambda: gzip.compress(2000 * b"nonsense"), "malformed", "tar"),
    "a gzip that breaks off": (lambda: layer(member(TOOL, 5000 * b"ab"))[:60], "malformed", "breaks off"),
}
NO_TOOL: dict[str, tuple[Callable[[], bytes], str]] = {
    "a device": (lambda: layer(member(TOOL, type=tarfile.CHRTYPE, devmajor=1, devminor=5)), "tool-missing"),
    "a fifo": (lambda: layer(member(TOOL, type=tarfile.FIFOTYPE)), "tool-missing"),
    "a folder": (lambda: layer(member(TOOL, type=tarfile.DIRTYPE)), "tool-missing"),
    "a link to nothing": (lambda: layer(link(TOOL, "gone")), "tool-missing"),
    "links in a circle": (lambda: layer(link(TOOL, "kubectl"), link("usr/bin/kubectl", "oc")), "unsafe-archive"),
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bytes], PublishedRelease]:
    """Publishes the small release with another layer in the component cli."""

    def publish(name: str, content: bytes) -> PublishedRelease:
        folder = tmp_path_factory.mktemp("hostile") / name.replace(" ", "-")
        return publish_release(folder, SMALL, layers={"cli": content})

    return publish


def extract_tool(quay: Quay, to: Path) -> Run:
    command = ("release", "extract", quay.release.pullspec, "--command", "oc", "--to", to)
    return airferry(*command, *quay.flags(trusted=False))


def extract_image(quay: Quay, path: str) -> Run:
    name = f"quay.io/{COMPONENT_REPOSITORY}@{quay.release.components['cli']}"
    return airferry("image", "extract", name, "--path", path, *quay.flags(trusted=False))


def outside(tmp_path: Path, inside: Path) -> dict[str, Entry]:
    """Return everything that no extraction may touch."""
    entries = look_at(tmp_path, without=("upstream.conf", ".local"))
    below = str(inside.relative_to(tmp_path))
    return {path: entry for path, entry in entries.items() if path != below and not path.startswith(f"{below}/")}


@pytest.mark.parametrize("case", REFUSED)
def test_a_hostile_layer_is_refused_by_name(
    tmp_path: Path, published: Callable[[str, bytes], PublishedRelease], case: str
) -> None:
    make, code, words = REFUSED[case]
    release = published(case, make())
    inside = tmp_path / "inside"
    inside.mkdir()
    with Quay(tmp_path, release) as quay:
        before = outside(tmp_path, inside)
        extract_tool(quay, inside).refused(code, f"@{release.components['cli']}: ", words)
        assert look_at(inside) == {}
        extract_image(quay, f"/:{inside}").refused(code, words)
        assert not any(entry.content.startswith("/") for entry in look_at(inside).values() if entry.kind == "link")
        assert outside(tmp_path, inside) == before


@pytest.mark.parametrize("case", NO_TOOL)
def test_what_is_no_file_is_no_tool(
    tmp_path: Path, published: Callable[[str, bytes], PublishedRelease], case: str
) -> None:
    make, code = NO_TOOL[case]
    with Quay(tmp_path, published(case, make())) as quay:
        extract_tool(quay, tmp_path / "inside").refused(code, TOOL)
        assert look_at(tmp_path / "inside") == {}


def test_absolute_names_stay_in_the_folder(tmp_path: Path, published: Callable[[str, bytes], PublishedRelease]) -> None:
    content = layer(
        member("/evil", b"kept inside"),
        member("/etc/airferry-was-here", b"kept inside"),
        link("etc-link", "/etc"),
        member("dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    )
    inside = tmp_path / "inside"
    inside.mkdir()
    with Quay(tmp_path, published("absolute", content)) as quay:
        before = outside(tmp_path, inside)
        run = extract_image(quay, f"/:{inside}").done()
        assert "dev/null: left out, a device" in run.err
        assert outside(tmp_path, inside) == before
    assert (inside / "evil").read_bytes() == b"kept inside"
    assert (inside / "etc" / "airferry-was-here").exists()
    assert not (inside / "etc-link").is_symlink() or (inside / "etc-link").resolve().is_relative_to(inside)
    assert not Path("/evil").exists()
    assert not Path("/etc/airferry-was-here").exists()


@pytest.mark.parametrize("target", ["/", "ABSOLUTE", "../outside"])
def test_nothing_is_written_through_a_link(
    tmp_path: Path, published: Callable[[str, bytes], PublishedRelease], target: str
) -> None:
    victim = tmp_path / "outside"
    victim.mkdir()
    inside = tmp_path / "inside"
    inside.mkdir()
    content = layer(link("door", target.replace("ABSOLUTE", str(victim))), member("door/evil", b"x"))
    with Quay(tmp_path, published("door", content)) as quay:
        before = outside(tmp_path, inside)
        run = extract_image(quay, f"/:{inside}")
        assert run.code == (0 if target == "/" else 1), run.end
        assert outside(tmp_path, inside) == before
    assert not Path("/evil").exists()


def test_a_hostile_layer_is_carried_as_it_is(
    tmp_path: Path, published: Callable[[str, bytes], PublishedRelease], disk: Path
) -> None:
    """Mirroring unpacks nothing but the release image, so what is in layers is nobody's danger on the way."""
    release = published("carried", layer(member("../../evil", b"x")))
    with Quay(tmp_path, release) as quay:
        quay.mirror(disk).done()
    airferry("media", "verify", disk).done()
    run = airferry("release", "extract", "4.12.0", "--from-dir", disk, "--command", "oc", "--to", tmp_path / "tools")
    run.refused("unsafe-archive", "../../evil", hint="do not use the image")
    assert look_at(tmp_path / "tools") == {}
