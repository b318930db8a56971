"""What ``release info`` prints about one release: the sections of ``oc adm release info``, byte for byte."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from airferry.oci import Descriptor, Digest, Reference
from airferry.openshift.release.columns import align
from airferry.openshift.release.payload import IMAGE_REFERENCES, RELEASE_METADATA, Component, ReleasePayload
from airferry.openshift.release.versions import reported_versions
from airferry.openshift.semver import version_order
from airferry.quantities import print_decimal_size

_COMMIT: Final = "io.openshift.build.commit.id"
_REPOSITORY: Final = "io.openshift.build.source-location"
_MIB: Final = 1024 * 1024
_NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)
"""What Go prints for an image that does not say when it was made."""


class ImageTable(StrEnum):
    """What the table of images shows."""

    DIGESTS = "digests"
    PULLSPECS = "pullspecs"
    COMMITS = "commits"
    COMMIT_URLS = "commit-urls"
    SIZES = "sizes"


@dataclass(frozen=True, slots=True)
class ImageDetails:
    """A component image as its manifest and config say; ``list_digest`` is None unless it came from a list."""

    digest: Digest
    media_type: str
    layers: tuple[Descriptor, ...]
    config: Mapping[str, Any]
    list_digest: Digest | None = None

    @property
    def created(self) -> datetime:
        """When it was made, in UTC."""
        return created_at(self.config)


@dataclass(frozen=True, slots=True)
class ReleaseImage:
    """Everything that describing a release needs.

    ``asked`` is the reference as the user gave it; ``digest`` that of the platform's manifest, ``list_digest``
    that of the list it was chosen from. ``config`` is the decoded image config. ``files`` holds every file of
    release-manifests/ by name, the two metadata files included; ``folder_entries`` counts the tar's entries for
    the folder itself, which ``oc`` counts as files (real releases have one). ``images`` is None unless details
    of the components were read; a component that is missing there could not be read.
    """

    asked: Reference
    payload: ReleasePayload
    digest: Digest
    config: Mapping[str, Any]
    layers: tuple[Descriptor, ...]
    files: Mapping[str, bytes]
    list_digest: Digest | None = None
    folder_entries: int = 1
    images: Mapping[str, ImageDetails] | None = None

    @property
    def outer_digest(self) -> Digest:
        """The digest to pull by: the list's, if there is one."""
        return self.list_digest or self.digest

    @property
    def platform(self) -> str:
        """As printed and as written into installers: ``linux/amd64``, or ``multi (linux/amd64)``."""
        own = f"{self.config.get('os', '')}/{self.config.get('architecture', '')}"
        return f"multi ({own})" if self.list_digest is not None else own

    @property
    def created(self) -> datetime:
        """When the release image was made, in UTC."""
        return created_at(self.config)

    @property
    def manifests(self) -> tuple[str, ...]:
        """The names of the manifests that a cluster applies, sorted."""
        return tuple(sorted(name for name in self.files if name.endswith((".yaml", ".yml", ".json"))))

    @property
    def metadata_files(self) -> int:
        """How many other files there are, as ``oc`` counts: the folder's own entry is one."""
        known = {*self.manifests, IMAGE_REFERENCES, RELEASE_METADATA}
        return len(self.files.keys() - known) + self.folder_entries


def created_at(config: Mapping[str, Any]) -> datetime:
    """Return the creation time in an image config, in UTC; the year 1 when it says none or no valid one."""
    value = config.get("created")
    if not isinstance(value, str):
        return _NEVER
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return _NEVER
    return parsed.replace(tzinfo=parsed.tzinfo or UTC).astimezone(UTC)


def print_time(moment: datetime) -> str:
    """Return a time as RFC 3339 in UTC, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def print_age(moment: datetime, now: datetime) -> str:
    """Return how long ago ``moment`` was, in the largest of s, m, h, d and y that fits, as kubectl does."""
    age = now - moment
    if age < timedelta(seconds=-1):
        return "<invalid>"
    seconds = max(0, int(age.total_seconds()))
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m"
    if seconds < 86400:
        return f"{seconds // 3600}h"
    days = seconds // 86400
    return f"{days}d" if days < 365 else f"{days // 365}y"


def describe_release(release: ReleaseImage, table: ImageTable = ImageTable.DIGESTS, *, now: datetime) -> str:
    """Return the text about a release. ``now`` is for ages; SIZES needs ``release.images``."""
    pull_from = release.asked.by_digest(release.outer_digest)
    lines = [*_heading(release), "", f"Pull From: {pull_from}"]
    if release.payload.document is not None:
        lines.extend(("", *_metadata(release.payload)))
    reported = reported_versions(release.payload)
    if reported.versions:
        lines.extend(("", "Component Versions:"))
        lines.extend(f"  {item.name}\t{item.version}\t{item.display_name}" for item in reported.versions)
    lines.extend(("", "Images:", *_images(release, table, now)))
    if reported.warnings:
        lines.extend(("", "Warnings:", *(f"* {warning}" for warning in reported.warnings)))
    return align([*lines, ""])


def describe_contents(release: ReleaseImage) -> str:
    """Return every metadata file and manifest, each under a line with its name (``--contents``)."""
    names = [name for name in (IMAGE_REFERENCES, RELEASE_METADATA) if name in release.files]
    parts: list[str] = []
    for name in (*names, *release.manifests):
        text = release.files[name].decode(errors="replace")
        parts.append(f"# {name}\n{text}" + ("" if text.endswith("\n") else "\n"))
    return "".join(parts)


def describe_images(release: ReleaseImage) -> str:
    """Return the line of ``--verify``: digest, creation time and name of a release whose images could all be read.

    It says nothing about signatures.
    """
    return f"{release.outer_digest} {print_time(release.created)} {release.payload.version}\n"


def _heading(release: ReleaseImage) -> Iterator[str]:
    yield f"Name:\t{release.payload.version}"
    yield f"Digest:\t{release.outer_digest}"
    yield f"Created:\t{print_time(release.created)}"
    yield f"OS/Arch:\t{release.platform}"
    yield f"Manifests:\t{len(release.manifests)}"
    if release.metadata_files:
        yield f"Metadata files:\t{release.metadata_files}"


def _metadata(payload: ReleasePayload) -> Iterator[str]:
    document = payload.document or {}
    yield "Release Metadata:"
    yield f"  Version:\t{document.get('version', '')}"
    yield f"  Upgrades:\t{', '.join(sorted(payload.previous, key=version_order)) or '<none>'}"
    entries = [(key, value) for key, value in sorted(payload.metadata.items()) if isinstance(value, str) and value]
    if entries:
        yield "  Metadata:"
        yield from (f"    {key}:\t{value}" for key, value in entries)


def _images(release: ReleaseImage, table: ImageTable, now: datetime) -> Iterator[str]:
    components = release.payload.components
    match table:
        case ImageTable.DIGESTS:
            yield "  NAME\tDIGEST"
            yield from (f"  {item.name}\t{item.image.digest}" for item in components)
        case ImageTable.PULLSPECS:
            yield "  NAME\tPULL SPEC"
            yield from (f"  {item.name}\t{item.image}" for item in components)
        case ImageTable.COMMITS:
            yield "  NAME\tREPO\tCOMMIT\t"
            yield from ("  " + "\t".join((item.name, *_commit(item))) for item in components)
        case ImageTable.COMMIT_URLS:
            yield "  NAME\tURL\t"
            yield from (f"  {item.name}\t{commit_url(item)}" for item in components)
        case ImageTable.SIZES:
            yield from _sizes(components, release.images or {}, now)


def _commit(component: Component) -> tuple[str, str]:
    return component.annotations.get(_REPOSITORY, ""), component.annotations.get(_COMMIT, "")


def commit_url(component: Component) -> str:
    """Return where the source of a component can be read: a GitHub URL, or repository and commit; may be ""."""
    repository, commit = _commit(component)
    if repository.startswith("https://github.com/") and commit:
        return f"{repository.removesuffix('/').removesuffix('.git')}/commit/{commit}"
    return f"{repository} {commit}".strip()


def _sizes(components: Sequence[Component], images: Mapping[str, ImageDetails], now: datetime) -> Iterator[str]:
    shown = [(item.name, images[item.name]) for item in components if item.name in images]
    uses = Counter(layer.digest for _, image in shown for layer in image.layers)
    bases = {base: index for index, base in enumerate(dict.fromkeys(_base(image) for _, image in shown))}
    yield "  NAME\t AGE\t LAYERS\t SIZE MB\t UNIQUE MB" + ("\t BASE" if len(bases) > 1 else "")
    for name, image in shown:
        size = sum(layer.size_bytes for layer in image.layers)
        unique = sum(layer.size_bytes for layer in image.layers if uses[layer.digest] == 1)
        row = f"  {name}\t{print_age(image.created, now):>4}\t{len(image.layers):>7}"
        row += f"\t{size / _MIB:8.1f}\t{unique / _MIB:10.1f}"
        yield row + (f"\t {_base_name(bases[_base(image)])}" if len(bases) > 1 else "")
    sizes = {layer.digest: layer.size_bytes for _, image in shown for layer in image.layers}
    text = f"{print_decimal_size(sum(sizes.values()))} across {len(sizes)} layers"
    yield from ("", f"  {text}, {len(bases)} different base images" if len(bases) > 1 else f"  {text}")


def _base(image: ImageDetails) -> Digest | None:
    """Return the lowest layer, which tells what an image was built on."""
    return image.layers[0].digest if image.layers else None


def _base_name(index: int) -> str:
    """Return A, B, C …, each one blank further right, as ``oc`` sets them."""
    return " " * index + (chr(ord("A") + index) if index < 26 else str(index + 1))
