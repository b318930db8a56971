"""``release extract``: the payload's files, or its tools, bound to exactly this release and checked after."""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.releases.release_image import (
    OpenedRelease,
    choose_child,
    components_repository,
    parse_release,
    read_release,
)
from airferry.app.releases.release_records import ImageOnDisk, read_record, refuse_unverified
from airferry.app.releases.release_trust import judge, published_at
from airferry.app.releases.tool_files import BoundToolWriter, ExtractedTool, archive_tool
from airferry.content.errors import NotFoundError, UnsafeArchiveError
from airferry.content.filesystem import PRIVATE, READABLE, make_folders, replace_file, temporary_in, writing
from airferry.content.unpack import FileMissingError, FoundFile, extract_file
from airferry.errors import MalformedError, UsageError
from airferry.oci import Digest, PlaceKind, Reference
from airferry.openshift.release.describe import ImageTable, describe_release, print_time
from airferry.openshift.release.errors import ToolMissingError
from airferry.openshift.release.installer import (
    System,
    Tool,
    check_markers,
    component_image,
    missing_file,
    patch_values,
    select_command,
    select_tools,
)
from airferry.openshift.release.macho import signing_remark
from airferry.openshift.release.naming import OFFICIAL_REPOSITORY
from airferry.openshift.release.tool_texts import (
    CHECKSUMS_NAME,
    RELEASE_TEXT_NAME,
    checksums_text,
    release_text,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractRequest:
    """What is asked for; the fields are the flags of ``release extract``."""

    release: str
    architecture: str
    to: Path = Path()
    disk: Path | None = None
    command: str | None = None
    command_os: str = "linux"
    tools: bool = False
    file: str | None = None
    allow_unverified: bool = False


@dataclass(frozen=True, slots=True)
class Extracted:
    """What came of it: files that were written, text for stdout, and with ``--file`` the file's bytes."""

    files: tuple[Path, ...] = ()
    text: str = ""
    content: bytes | None = None


async def extract_release(asked: ExtractRequest, places: Places, narrator: Narrator) -> Extracted:
    """Extract what is asked for. A tool that cannot be had, or cannot be bound to the release, is an error."""
    if sum((asked.command is not None, asked.tools, asked.file is not None)) > 1:
        raise UsageError("only one of --tools, --command or --file may be specified")
    narrator.phase("reading the release")
    reference = parse_release(asked.release, architecture=asked.architecture, disk=asked.disk)
    release = await read_release(reference, places, architecture=asked.architecture, or_first=False)
    pullspec = await _pullspec(asked, release, places, narrator)
    if asked.file is not None:
        return Extracted(content=_payload_file(release, asked.file))
    if asked.command is None and not asked.tools:
        return await _write_payload(release, asked.to)
    tools, archived = _select(asked, release)
    await asyncio.to_thread(_make_folder, asked.to)
    if not archived:
        extracted = [await _extract_tool(tool, release, pullspec, asked.to, places, narrator) for tool in tools]
        return Extracted(tuple(item.file for item in extracted))
    files = await _archive_tools(tools, release, pullspec, asked.to, places, narrator)
    if asked.tools:
        files += await _write_texts(release, asked.to, files)
    return Extracted(tuple(files))


def _select(asked: ExtractRequest, release: OpenedRelease) -> tuple[Sequence[Tool], bool]:
    """Return the tools, and whether they come as archives."""
    system = System.parse(asked.command_os)
    if asked.tools:
        return select_tools(system, release.architecture), True
    assert asked.command is not None
    tools = select_command(asked.command, system, release.architecture, str(release.asked))
    return tools, system.os is None


async def _pullspec(asked: ExtractRequest, release: OpenedRelease, places: Places, narrator: Narrator) -> str:
    """Return what an installer is bound to: the place it was read from, or for a disk where it was published.

    Raises UnverifiedReleaseError for a release that came to its disk unverified. A disk that airferry has no record on
    (oc's own, say) is judged by the signatures on it, which is worth a warning only: nobody promised it was verified.
    """
    place = release.reference.repository.place
    if place.kind is PlaceKind.REGISTRY:
        return str(release.reference)
    if place.kind is PlaceKind.LAYOUT:
        return f"{OFFICIAL_REPOSITORY}@{release.digest}"
    disk = Path(place.address)
    if not asked.allow_unverified:
        await refuse_unverified(disk, {ImageOnDisk(release.reference.repository.path, release.digest)})
    record = await read_record(disk, release.digest)
    if record is not None:
        return f"{record.published_at}@{release.digest}"
    trust = await judge(release.digest, places, disk=disk)
    if not trust.is_trusted and not asked.allow_unverified:
        narrator.warn(f"nothing on {disk} shows that release {release.payload.version} was ever verified")
    return f"{published_at(trust)}@{release.digest}"


async def _archive_tools(
    tools: Sequence[Tool], release: OpenedRelease, pullspec: str, to: Path, places: Places, narrator: Narrator
) -> list[Path]:
    """Return the archives made of the tools, with a warning for each that only newer releases have."""
    archives: list[Path] = []
    absent: ToolMissingError | None = None
    # Tools for several systems have one name, and none of them may replace a tool that lies in the folder.
    with writing(to):
        workshop = temporary_in(to)
        workshop.mkdir(mode=PRIVATE.folder)
    try:
        for tool in tools:
            try:
                extracted = await _extract_tool(tool, release, pullspec, workshop, places, narrator)
            except ToolMissingError as error:
                if not tool.is_newer:
                    raise
                absent = error
                narrator.warn(f"left out: {error.message}")
                continue
            archives.append(await asyncio.to_thread(archive_tool, extracted, release.payload.version, to))
    finally:
        await asyncio.to_thread(shutil.rmtree, workshop, ignore_errors=True)
    if not archives and absent is not None:
        raise absent
    return archives


async def _extract_tool(
    tool: Tool, release: OpenedRelease, pullspec: str, to: Path, places: Places, narrator: Narrator
) -> ExtractedTool:
    image = component_image(tool, release.payload)
    own = await components_repository(release, places)
    if own is not None:
        image = Reference(own, None, image.digest)
    assert image.digest is not None
    source = places.source(image.repository.place)
    manifest = await source.read_manifest(image.repository.path, image.digest)
    if manifest.is_index:
        child = choose_child(manifest, tool.architecture or release.architecture, or_first=False)
        manifest = await source.read_manifest(image.repository.path, child)
    narrator.phase(f"extracting {tool.command}", size_bytes=manifest.layers[-1].size_bytes if manifest.layers else None)
    values = patch_values(tool, pullspec=pullspec, version=release.payload.version, platform=release.image.platform)
    writer = BoundToolWriter(tool, values, to)
    with writer:
        try:
            found: FoundFile = await extract_file(source, image.repository.path, manifest, tool.path, writer.feed)
        except FileMissingError as error:
            raise missing_file(tool, image) from error
        except (UnsafeArchiveError, MalformedError) as error:
            error.message = f"{image}: {error.message}"
            raise
        warning = check_markers(tool, await asyncio.to_thread(writer.finish, found.mtime))
    extracted = writer.extracted
    for remark in (warning, signing_remark(tool.command, tool.architecture, extracted.signature)):
        if remark is not None:
            narrator.warn(remark)
    narrator.done()
    return extracted


def _payload_file(release: OpenedRelease, name: str) -> bytes:
    content = release.image.files.get(name)
    if content is None:
        raise NotFoundError(
            f"image did not contain {name}", hint="`release info --contents` lists the files of the release"
        )
    return content


async def _write_payload(release: OpenedRelease, to: Path) -> Extracted:
    """Write every file of the payload as it is."""

    def write() -> tuple[Path, ...]:
        with writing(to):
            for name, content in sorted(release.image.files.items()):
                _make_folder((to / name).parent)
                replace_file(to / name, content, READABLE.file, durable=False)
        return tuple(to / name for name in sorted(release.image.files))

    files = await asyncio.to_thread(write)
    by = "" if release.asked.digest is not None else f" from digest {release.digest}"
    return Extracted(files, f"Extracted release payload{by} created at {print_time(release.image.created)}\n")


async def _write_texts(release: OpenedRelease, to: Path, archives: Sequence[Path]) -> list[Path]:
    def write() -> list[Path]:
        text = release_text(describe_release(release.image, ImageTable.PULLSPECS, now=datetime.now(UTC)))
        replace_file(to / RELEASE_TEXT_NAME, text.encode(), READABLE.file)
        names = [RELEASE_TEXT_NAME, *(archive.name for archive in archives)]
        sums = checksums_text({name: _digest_of(to / name) for name in names})
        replace_file(to / CHECKSUMS_NAME, sums.encode(), READABLE.file)
        return [to / RELEASE_TEXT_NAME, to / CHECKSUMS_NAME]

    return await asyncio.to_thread(write)


def _digest_of(file: Path) -> Digest:
    import hashlib

    with file.open("rb") as opened:
        return Digest(f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}")


def _make_folder(folder: Path) -> None:
    with writing(folder):
        make_folders(folder, READABLE.folder)
