"""Mirror sets: which repositories are also found elsewhere, as the objects and fragments that say so.

Kinds: ImageDigestMirrorSet and ImageTagMirrorSet (config.openshift.io/v1), ImageContentSourcePolicy
(operator.openshift.io/v1alpha1), and install-config's ``imageDigestSources`` and ``imageContentSources``.
Printing is deterministic, sorted by source, and in the shape that ``oc`` prints.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from airferry.errors import MalformedError
from airferry.openshift.cluster.object_names import quoted
from airferry.openshift.cluster.scopes import is_location, is_source


class MirrorKind(StrEnum):
    """How a mirror set is written; the value is the kind of the object or the key of the fragment."""

    IDMS = "ImageDigestMirrorSet"
    ITMS = "ImageTagMirrorSet"
    ICSP = "ImageContentSourcePolicy"
    DIGEST_SOURCES = "imageDigestSources"
    CONTENT_SOURCES = "imageContentSources"

    @property
    def is_for_tags(self) -> bool:
        """Whether its mirrors serve pulls by tag; all others serve pulls by digest."""
        return self is MirrorKind.ITMS

    @property
    def is_section(self) -> bool:
        """Whether it is written as a section of install-config.yaml, and not as an object."""
        return self in (MirrorKind.DIGEST_SOURCES, MirrorKind.CONTENT_SOURCES)


TO_INSTALLER_MANIFESTS: Final = "`openshift-install create manifests --dir DIR`, then put it into DIR/openshift/"
"""What is done, before a cluster is there, with an object that install-config.yaml has no field for."""


class SourcePolicy(StrEnum):
    """Whether the source may be asked when no mirror has the image."""

    ALLOW = "AllowContactingSource"
    NEVER = "NeverContactSource"


@dataclass(frozen=True, slots=True)
class MirrorEntry:
    """One source and its mirrors in the order of asking. ``policy`` None means what ALLOW means: not written."""

    source: str
    mirrors: tuple[str, ...]
    policy: SourcePolicy | None = None


@dataclass(frozen=True, slots=True)
class MirrorSet:
    """One object or fragment. ``name`` is "" for a fragment; ``origin`` says for errors where it was read.

    With ``of_catalog`` it is labelled as what came of mirroring a catalog, as ``oc`` labels it.
    """

    kind: MirrorKind
    entries: tuple[MirrorEntry, ...]
    name: str = ""
    origin: str = ""
    of_catalog: bool = False


API_VERSIONS: Final = {
    MirrorKind.IDMS: "config.openshift.io/v1",
    MirrorKind.ITMS: "config.openshift.io/v1",
    MirrorKind.ICSP: "operator.openshift.io/v1alpha1",
}
ENTRY_FIELDS: Final = {
    MirrorKind.IDMS: "imageDigestMirrors",
    MirrorKind.ITMS: "imageTagMirrors",
    MirrorKind.ICSP: "repositoryDigestMirrors",
}
POLICY_FIELDS: Final = {
    MirrorKind.IDMS: "mirrorSourcePolicy",
    MirrorKind.ITMS: "mirrorSourcePolicy",
    MirrorKind.DIGEST_SOURCES: "sourcePolicy",
}
"""The field that holds an entry's policy; the older kinds have none."""


def release_mirrors(sources: Iterable[str], mirrors: Iterable[str]) -> tuple[MirrorEntry, ...]:
    """Return every source, each once and sorted, with the same mirrors: what ``oc adm release mirror`` lists."""
    places = tuple(dict.fromkeys(mirrors))
    return tuple(MirrorEntry(source, places) for source in sorted(set(sources)))


def check_entry(entry: MirrorEntry, where: str) -> None:
    """Raise MalformedError, beginning with ``where``, unless a cluster would accept the entry."""
    if not is_source(entry.source):
        raise MalformedError(
            f"{where}: source {entry.source!r} is not host[:port][/path] or *.domain",
            hint="a source has no tag, no digest and no scheme; its path is lower case",
        )
    for number, mirror in enumerate(entry.mirrors, 1):
        if not is_location(mirror):
            raise MalformedError(
                f"{where}: mirror {number} {mirror!r} is not host[:port][/path]",
                hint="a mirror has no tag, digest, scheme or wildcard; its path is lower case",
            )
    if entry.policy is SourcePolicy.NEVER and entry.source in entry.mirrors:
        raise MalformedError(f"{where}: the source {entry.source} is never to be contacted, but is its own mirror")


def print_object(
    kind: MirrorKind, entries: Iterable[MirrorEntry], *, name: str = "example", of_catalog: bool = False
) -> str:
    """Return a cluster object as one YAML document, without ``---``. ``kind`` is IDMS, ITMS or ICSP.

    Raises MalformedError when a policy other than the default is asked of ICSP, which has none.
    """
    lines = [
        f"apiVersion: {API_VERSIONS[kind]}",
        f"kind: {kind.value}",
        "metadata:",
        *(("  labels:", '    operators.openshift.org/catalog: "true"') if of_catalog else ()),
        f"  name: {quoted(name)}",
        "spec:",
        f"  {ENTRY_FIELDS[kind]}:",
    ]
    lines.extend("  " + line for line in _entry_lines(kind, entries))
    return "\n".join(lines) + "\n"


def print_fragment(kind: MirrorKind, entries: Iterable[MirrorEntry]) -> str:
    """Return a section of install-config.yaml. ``kind`` is DIGEST_SOURCES (4.14 and later) or CONTENT_SOURCES."""
    return "\n".join((f"{kind.value}:", *_entry_lines(kind, entries))) + "\n"


def print_documents(mirror_sets: Iterable[MirrorSet]) -> str:
    """Return several cluster objects as one file, each document begun with ``---``."""
    return "".join(
        "---\n" + print_object(item.kind, item.entries, name=item.name, of_catalog=item.of_catalog)
        for item in mirror_sets
    )


def _entry_lines(kind: MirrorKind, entries: Iterable[MirrorEntry]) -> list[str]:
    lines: list[str] = []
    for entry in sorted(entries, key=lambda item: item.source):
        lines.append("- mirrors:")
        lines.extend(f"  - {quoted(mirror)}" for mirror in entry.mirrors)
        if entry.policy is not None and (entry.policy is SourcePolicy.NEVER or kind in POLICY_FIELDS):
            if kind not in POLICY_FIELDS:
                raise MalformedError(f"{kind.value} cannot say {entry.policy.value} (source {entry.source})")
            if kind is not MirrorKind.DIGEST_SOURCES:
                lines.append(f"  {POLICY_FIELDS[kind]}: {entry.policy.value}")
        lines.append(f"  source: {quoted(entry.source)}")
        if entry.policy is not None and kind is MirrorKind.DIGEST_SOURCES:
            lines.append(f"  sourcePolicy: {entry.policy.value}")
    return lines
