"""The mirrors of an install-config: entries and mirrors added line by line to the section that is there."""

from collections.abc import Sequence
from typing import Any

from airferry.errors import MalformedError, UsageError
from airferry.openshift.cluster.accumulating import accumulate
from airferry.openshift.cluster.mirror_files import parse_mirror_sets
from airferry.openshift.cluster.mirror_sets import (
    TO_INSTALLER_MANIFESTS,
    MirrorEntry,
    MirrorKind,
    MirrorSet,
    SourcePolicy,
    print_fragment,
)
from airferry.openshift.cluster.yaml_lines import Section, YamlLines, replaced


def edit_mirrors(
    document: YamlLines,
    present: MirrorKind | None,
    wanted: MirrorKind,
    new: Sequence[MirrorSet],
    file: str,
    notes: list[str],
) -> str:
    """Return the text with the entries of ``new`` in the section ``wanted``; ``present`` is the one that is there.

    A section of the other name is renamed. Raises MalformedError for what a cluster would refuse.
    """
    earlier = _present_sets(document, present, file)
    entries = accumulate(earlier, new).by_digest
    if wanted is MirrorKind.CONTENT_SOURCES and any(entry.policy is SourcePolicy.NEVER for entry in entries):
        raise UsageError(
            "imageContentSources cannot say NeverContactSource", hint="imageDigestSources can, from OpenShift 4.14 on"
        )
    known = {entry.source: entry for item in earlier for entry in item.entries}
    fresh = [entry for entry in entries if entry.source not in known]
    if present is None:
        if not entries:
            return "\n".join(document.lines)
        notes.append(f"{wanted.value} gets {len(entries)} source{'s' if len(entries) > 1 else ''}")
        lines = print_fragment(wanted, entries).splitlines()
        return "\n".join([*document.lines[: document.end], *lines, *(document.lines[document.end :] or [""])])
    section = document.sections[present.value]
    grown = [
        entry for entry in entries if entry.source in known and set(entry.mirrors) - _listed(earlier, entry.source)
    ]
    if fresh or grown:
        notes.append(f"{wanted.value} gets {', '.join(entry.source for entry in (*fresh, *grown))}")
    if wanted is not present:
        notes.append(f"{present.value} is called {wanted.value}")
    if not fresh and not grown and wanted is present:
        return "\n".join(document.lines)
    grown_lines = _grown_lines(document, section, wanted, fresh, grown)
    lines = grown_lines or []
    if grown_lines is None or _policies(entries) != _policies([*known.values(), *fresh]):
        lines = replaced(document.lines, section.first, section.end, print_fragment(wanted, entries).splitlines())
    head = lines[section.first]
    lines[section.first] = f"{wanted.value}{head[len(present.value) :]}" if head.startswith(present.value) else head
    return "\n".join(lines)


def mirror_warnings(sets: Sequence[MirrorSet], *, is_section_chosen: bool) -> tuple[str, ...]:
    """Return what to say of the sets for pulls by tag, which install-config.yaml has no field for.

    With ``is_section_chosen`` nobody said which section mirrors for pulls by digest go to, and that is said as well.
    """
    found = [
        f"{item.kind.value} {item.name or 'without a name'} ({item.origin}) is left out, since install-config.yaml "
        f"cannot hold mirrors for pulls by tag of {', '.join(entry.source for entry in item.entries)}; "
        f"give it to the installer as a manifest: {TO_INSTALLER_MANIFESTS}"
        for item in sets
        if item.kind.is_for_tags and item.entries
    ]
    if is_section_chosen and any(item.entries for item in sets if not item.kind.is_for_tags):
        found.append(
            "imageDigestSources was chosen, which installers know from 4.14 on, since no release version was given; "
            "for an older one: --release-version X.Y"
        )
    return tuple(found)


def _present_sets(document: YamlLines, present: MirrorKind | None, file: str) -> tuple[MirrorSet, ...]:
    if present is None or not document.values[present.value]:
        return ()
    section = document.sections[present.value]
    try:
        return parse_mirror_sets("\n".join(document.lines[section.first : section.end]), file)
    except MalformedError as error:
        raise MalformedError(
            f"{error.message} (the section begins at line {section.first + 1})", hint=error.hint
        ) from None


def _listed(sets: Sequence[MirrorSet], source: str) -> set[str]:
    return {mirror for item in sets for entry in item.entries if entry.source == source for mirror in entry.mirrors}


def _policies(entries: Sequence[MirrorEntry]) -> dict[str, SourcePolicy | None]:
    return {entry.source: entry.policy for entry in entries if entry.mirrors}


def _grown_lines(
    document: YamlLines, section: Section, kind: MirrorKind, fresh: Sequence[MirrorEntry], grown: Sequence[MirrorEntry]
) -> list[str] | None:
    """Return the lines with what is new put between them; None where the section is not written line by line."""
    sequence = section.node
    if sequence.id != "sequence" or sequence.flow_style or not sequence.value:
        return None
    insertions: list[tuple[int, str]] = []
    for entry in grown:
        found = _insertions(sequence, entry)
        if found is None:
            return None
        insertions += found
    indentation = " " * int(sequence.start_mark.column)
    insertions += [(section.end, indentation + line) for line in print_fragment(kind, fresh).splitlines()[1:]]
    lines = list(document.lines)
    for number in sorted({number for number, _ in insertions}, reverse=True):
        lines[number:number] = [line for before, line in insertions if before == number]
    return lines


def _insertions(sequence: Any, entry: MirrorEntry) -> list[tuple[int, str]] | None:
    """Return each new mirror's line and the line before which it stands, so that the merged order is kept."""
    for item in sequence.value:
        fields = {key.value: value for key, value in item.value} if item.id == "mapping" else {}
        source, mirrors = fields.get("source"), fields.get("mirrors")
        if source is None or source.value != entry.source or item.flow_style:
            continue
        if mirrors is None or mirrors.id != "sequence" or mirrors.flow_style or not mirrors.value:
            return None
        lines = {str(one.value): int(one.start_mark.line) for one in mirrors.value}
        before = int(mirrors.start_mark.line)
        found: list[tuple[int, str]] = []
        for mirror in entry.mirrors:
            if mirror in lines:
                before = lines[mirror] + 1
            else:
                found.append((before, f"{' ' * int(mirrors.start_mark.column)}- {mirror}"))
        return found
    return None
