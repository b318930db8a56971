"""Tools as files: written under a temporary name, bound to the release, checked, then named; and archives of them."""

import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from airferry.content.filesystem import temporary_in, write_all, writing
from airferry.errors import AirferryError, MalformedError, UnsupportedError
from airferry.openshift.release.installer import Tool
from airferry.openshift.release.macho import Resigned, resign
from airferry.openshift.release.patching import Marker, PatchCheck, Patcher
from airferry.openshift.release.tool_texts import readme_text

_BLOCK_BYTES = 1024 * 1024
_EXECUTABLE = 0o755


@dataclass(frozen=True, slots=True)
class ExtractedTool:
    """A tool that lies in ``file``, bound and checked; ``mtime`` is that of the file in the image.

    ``signature`` is what became of its code signature, None where the system has none.
    """

    tool: Tool
    file: Path
    mtime: int
    signature: Resigned | None = None


class UnboundToolError(AirferryError):
    """A tool was written, and what was written into it is not there: our fault."""

    code = "internal"


class BoundToolWriter:
    """Receives a tool's bytes, writes the release into them, and names the file only when that was checked.

    A context manager: what was not finished is removed.
    """

    def __init__(self, tool: Tool, values: Mapping[Marker, str], folder: Path) -> None:
        self._tool = tool
        self._values = values
        self._folder = folder
        with writing(folder):
            self._temporary = temporary_in(folder)
        self._patcher = Patcher(values)
        self._handle = -1
        self._named: ExtractedTool | None = None

    def __enter__(self) -> "BoundToolWriter":
        with writing(self._folder):
            self._handle = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        self._temporary.unlink(missing_ok=True)

    def feed(self, chunk: memoryview) -> None:
        """Write the next bytes of the tool."""
        with writing(self._temporary):
            write_all(self._handle, self._patcher.feed(bytes(chunk)))

    def finish(self, mtime: int) -> tuple[Marker, ...]:
        """Check the file and give it its name; return the markers that the tool does not have.

        A tool that cannot do without a missing marker keeps no name: the caller raises, and the file goes. A tool for
        macOS is signed again; raises MalformedError or UnsupportedError when that cannot be done.
        """
        with writing(self._temporary):
            write_all(self._handle, self._patcher.finish())
            signature = self._sign() if self._tool.os == "darwin" else None
            os.fchmod(self._handle, _EXECUTABLE)
            os.fsync(self._handle)
        missing = self._patcher.missing
        written = {marker: value for marker, value in self._values.items() if marker not in missing}
        self._check(written)
        if missing and self._tool.needs_markers:
            return missing
        target = self._folder / self._tool.command
        with writing(target):
            os.utime(self._temporary, (mtime, mtime))
            self._temporary.replace(target)
        self._named = ExtractedTool(self._tool, target, mtime, signature)
        return missing

    @property
    def extracted(self) -> ExtractedTool:
        """The named file, once finished."""
        assert self._named is not None, "finish() was called and found what is needed"
        return self._named

    def _sign(self) -> Resigned:
        def write_at(offset: int, content: bytes) -> None:
            os.lseek(self._handle, offset, os.SEEK_SET)
            write_all(self._handle, content)

        try:
            return resign(lambda offset, size_bytes: os.pread(self._handle, size_bytes, offset), write_at)
        except (MalformedError, UnsupportedError) as error:
            message = f"{self._tool.command} for macOS cannot be signed again: {error.message}"
            raise type(error)(message, hint=error.hint) from error

    def _check(self, written: Mapping[Marker, str]) -> None:
        check = PatchCheck(written)
        with self._temporary.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                check.feed(block)
        if check.unwritten:
            titles = ", ".join(marker.title for marker in check.unwritten)
            raise UnboundToolError(f"{self._tool.command} was written but does not hold its {titles}")


def archive_tool(extracted: ExtractedTool, version: str, folder: Path) -> Path:
    """Put the tool and its README into the archive that ``--tools`` makes, remove the bare file, return the archive.

    The same tool gives the same bytes.
    """
    tool = extracted.tool
    target = folder / tool.archive_name(version)
    temporary = temporary_in(folder)
    readme = readme_text(tool, version).encode()
    try:
        with writing(target):
            (_write_zip if tool.is_zip else _write_tar)(temporary, extracted, readme)
            temporary.chmod(_EXECUTABLE)
            os.utime(temporary, (extracted.mtime, extracted.mtime))
            temporary.replace(target)
            extracted.file.unlink()
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _write_tar(archive: Path, extracted: ExtractedTool, readme: bytes) -> None:
    tool = extracted.tool
    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=3, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        tar.addfile(_member("README.md", len(readme), 0o644, extracted.mtime), io.BytesIO(readme))
        size = extracted.file.stat().st_size
        with extracted.file.open("rb") as content:
            tar.addfile(_member(tool.inner_name, size, _EXECUTABLE, extracted.mtime), content)
        if tool.has_kubectl:
            link = _member("kubectl", 0, _EXECUTABLE, extracted.mtime)
            link.type, link.linkname = tarfile.LNKTYPE, tool.inner_name
            tar.addfile(link)


def _member(name: str, size_bytes: int, mode: int, mtime: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size_bytes, mode, mtime
    return member


def _write_zip(archive: Path, extracted: ExtractedTool, readme: bytes) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(_zip_entry("README.md", 0o644), readme)
        with (
            extracted.file.open("rb") as content,
            packed.open(_zip_entry(extracted.tool.inner_name, _EXECUTABLE), "w", force_zip64=True) as target,
        ):
            while block := content.read(_BLOCK_BYTES):
                target.write(block)


def _zip_entry(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.external_attr = (0o100000 | mode) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry
