"""Tools for macOS, whose signature must match what was written into them."""

from pathlib import Path

import pytest

from airferry.app.releases.tool_files import BoundToolWriter
from airferry.errors import UnsupportedError
from airferry.openshift.release.installer import TOOLS, Tool, patch_values
from airferry.openshift.release.macho import Resigned, stale_pages
from airferry.openshift.release.patching import RELEASE_VERSION
from openshift.release.mac_programs import InMemory, MacProgram

CODE = bytes(50_000) + RELEASE_VERSION.pattern + bytes(50_000)


def oc_for(os: str, architecture: str) -> Tool:
    return next(tool for tool in TOOLS if (tool.command, tool.os, tool.architecture) == ("oc", os, architecture))


def write(tool: Tool, program: bytes, folder: Path) -> tuple[bytes, Resigned | None]:
    values = patch_values(tool, pullspec="r@sha256:0", version="4.12.0", platform="linux/amd64")
    with BoundToolWriter(tool, values, folder) as writer:
        for start in range(0, len(program), 7000):
            writer.feed(memoryview(program)[start : start + 7000])
        assert writer.finish(1_700_000_000) == ()
    return writer.extracted.file.read_bytes(), writer.extracted.signature


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
@pytest.mark.parametrize("by_identity", [False, True], ids=["ad hoc", "by an identity"])
def test_a_tool_for_macos_is_signed_again_after_the_release_was_written_into_it(
    tmp_path: Path, architecture: str, by_identity: bool
) -> None:
    program = MacProgram(code=CODE, by_identity=by_identity).build()
    written, signature = write(oc_for("darwin", architecture), program, tmp_path)
    assert b"4.12.0\0" in written and written != program
    assert stale_pages(InMemory(written).read_at) == ()
    assert signature is (Resigned.MADE_AD_HOC if by_identity else Resigned.RENEWED)


def test_a_tool_for_linux_is_not_looked_at(tmp_path: Path) -> None:
    program = MacProgram(code=CODE).build()
    written, signature = write(oc_for("linux", "arm64"), program, tmp_path)
    assert stale_pages(InMemory(written).read_at) != ()
    assert signature is None


def test_a_program_that_cannot_be_signed_gets_no_name(tmp_path: Path) -> None:
    fat = bytes.fromhex("cafebabe 00000002") + CODE
    with pytest.raises(UnsupportedError, match="oc for macOS cannot be signed again: the program is a fat one"):
        write(oc_for("darwin", "arm64"), fat, tmp_path)
    assert list(tmp_path.iterdir()) == []
