"""The user's own install-config.yaml, edited: what is asked for is merged in, every other line stays as it is.

Sources: the installer's documentation of ``additionalTrustBundle``, ``imageDigestSources`` and ``pullSecret``, and
the way people edit these by hand, with its accidents (a bundle that is not indented, a section written twice).
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from typing import Any, Final

from airferry.errors import MalformedError, UnsupportedError
from airferry.openshift.cluster.accumulating import accumulate
from airferry.openshift.cluster.install_config_mirrors import edit_mirrors, mirror_warnings
from airferry.openshift.cluster.masking import masked_lines
from airferry.openshift.cluster.mirror_files import parse_mirror_sets
from airferry.openshift.cluster.mirror_sets import MirrorKind, MirrorSet
from airferry.openshift.cluster.pull_secret import copy_credentials
from airferry.openshift.cluster.trust_bundle import (
    PemCertificate,
    is_intact,
    print_bundle,
    read_certificates,
    repair_indentation,
)
from airferry.openshift.cluster.yaml_lines import YamlLines, replaced

BUNDLE: Final = "additionalTrustBundle"
BUNDLE_POLICY: Final = "additionalTrustBundlePolicy"
_OS_IMAGE: Final = re.compile(r"https?://[^\s?#'\"]+\?(?:[^\s#'\"]*&)?sha256=[0-9a-f]{64}(?:&[^\s#'\"]*)?\Z")
_SECTIONS: Final = (MirrorKind.DIGEST_SOURCES, MirrorKind.CONTENT_SOURCES)
_EDITED: Final = (BUNDLE, BUNDLE_POLICY, "pullSecret", *(kind.value for kind in _SECTIONS))
_OS_IMAGES: Final = ("bootstrapOSImage", "clusterOSImage")
_NO_CREDENTIALS: Final = '{"auths":{}}'
_BY_HAND: Final = "put it in by hand; `airferry cluster mirror-sets --kind install-config` prints the mirrors"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallConfigChanges:
    """What is to be in the file afterwards. ``mirror_sets`` for pulls by tag are left out, with a warning.

    ``section`` None keeps the section that is there, and makes imageDigestSources where there is none, with a
    warning. ``pull_secret`` holds the credentials for ``registries``.
    """

    certificates: tuple[PemCertificate, ...] = ()
    bundle_policy: str | None = None
    mirror_sets: tuple[MirrorSet, ...] = ()
    section: MirrorKind | None = None
    pull_secret: str | None = field(default=None, repr=False)
    registries: tuple[str, ...] = ()
    bootstrap_os_image: str | None = None
    cluster_os_image: str | None = None


@dataclass(frozen=True, slots=True)
class EditedInstallConfig:
    """The file as it was and as it is to be, what was done as sentences, and a diff in which secrets are masked.

    ``warnings`` say what was asked for and is not in the file, or was decided without being asked for.
    """

    before: str = field(repr=False)
    after: str = field(repr=False)
    notes: tuple[str, ...]
    diff: str
    warnings: tuple[str, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to write."""
        return self.before != self.after


def edit_install_config(text: str, changes: InstallConfigChanges, file: str) -> EditedInstallConfig:
    """Return ``text`` with the changes. Raises MalformedError with file and line, UnsupportedError.

    What was read back from the outcome has been compared: no other field differs.
    """
    ending = "\r\n" if "\r\n" in text else "\n"
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    plain = text.removeprefix(mark).replace("\r\n", "\n")
    notes: list[str] = []
    repaired = _readable(plain, file, notes)
    values = YamlLines(repaired, file).values
    if "pullSecret" not in values and values.get("kind", "InstallConfig") != "InstallConfig":
        raise MalformedError(
            f"{file} is {values['kind']} of a cluster, not install-config.yaml",
            hint="mirror sets are merged in by --mirror-sets FILE",
        )
    if "pullSecret" not in values:
        raise MalformedError(
            f"{file} has no pullSecret, and installers refuse that",
            hint="""add the line  pullSecret: '{"auths":{}}'  at its top level; -a FILE then fills in the mirror""",
        )
    edited = repaired
    steps: tuple[Callable[[str, InstallConfigChanges, str, list[str]], str], ...] = (
        _edit_bundle,
        _edit_bundle_policy,
        _edit_sources,
        _edit_pull_secret,
        _edit_baremetal,
    )
    for step in steps:
        edited = step(edited, changes, file, notes)
    _prove(repaired, edited, changes, file)
    old = YamlLines(repaired, file)
    old.lines = plain.split("\n")  # what was repaired are lines of the bundle, which hold no secrets
    shown = masked_lines(old), masked_lines(YamlLines(edited, file))
    diff = "".join(f"{line}\n" for line in unified_diff(*shown, f"{file} (now)", f"{file} (edited)", lineterm=""))
    after = mark + edited.replace("\n", ending) if edited != plain else text
    is_chosen = changes.section is None and not any(kind.value in old.values for kind in _SECTIONS)
    warnings = mirror_warnings(changes.mirror_sets, is_section_chosen=is_chosen)
    return EditedInstallConfig(text, after, tuple(notes), diff, warnings)


def _readable(text: str, file: str, notes: list[str]) -> str:
    """Return the text, its bundle indented where that was what made it unreadable."""
    try:
        YamlLines(text, file)
    except MalformedError:
        repaired = repair_indentation(text)
        if repaired == text:
            raise
        YamlLines(repaired, file)
        notes.append(f"the certificates of {BUNDLE} are indented")
        return repaired
    return text


def _edit_bundle(text: str, changes: InstallConfigChanges, file: str, notes: list[str]) -> str:
    document = YamlLines(text, file)
    section, value = document.sections.get(BUNDLE), document.values.get(BUNDLE)
    if value is not None and not isinstance(value, str):
        raise MalformedError(
            f"{file}: {BUNDLE} is not text", hint="write `additionalTrustBundle: |` and indent the PEM"
        )
    there = read_certificates(value, f"{file}, {BUNDLE}") if value and value.strip() else ()
    added = [certificate for certificate in changes.certificates if certificate not in there]
    if added:
        notes.append(f"{BUNDLE} gets {len(added)} certificate{'s' if len(added) > 1 else ''}")
    if section is None:
        return _appended(document, print_bundle(added)) if added else text
    if value and not is_intact(value):
        notes.append(f"the certificates of {BUNDLE} are written line by line again: they had lost their lines")
    elif section.node.style == "|" and there:
        if not added:
            return text
        first = next(line for line in document.lines[section.first + 1 :] if line.strip())
        indentation = first[: len(first) - len(first.lstrip())]
        lines = [indentation + line for certificate in added for line in certificate.lines]
        return "\n".join(replaced(document.lines, section.end, section.end, lines))
    elif not added:
        return text
    return "\n".join(replaced(document.lines, section.first, section.end, print_bundle([*there, *added])))


def _edit_bundle_policy(text: str, changes: InstallConfigChanges, file: str, notes: list[str]) -> str:
    if changes.bundle_policy is None:
        return text
    document = YamlLines(text, file)
    if document.values.get(BUNDLE_POLICY) == changes.bundle_policy:
        return text
    notes.append(f"{BUNDLE_POLICY} is {changes.bundle_policy}")
    return _with_scalar(document, BUNDLE_POLICY, changes.bundle_policy)


def _edit_sources(text: str, changes: InstallConfigChanges, file: str, notes: list[str]) -> str:
    document = YamlLines(text, file)
    present = [kind for kind in _SECTIONS if kind.value in document.values]
    if len(present) > 1:
        lines = " and ".join(str(document.sections[kind.value].first + 1) for kind in present)
        raise MalformedError(
            f"{file} has both imageDigestSources and imageContentSources (lines {lines}), and installers refuse that",
            hint="move the entries of one into the other; imageDigestSources is for 4.14 and later",
        )
    new = [item for item in changes.mirror_sets if not item.kind.is_for_tags]
    if not new and (changes.section is None or not present):
        return text
    wanted = changes.section or (present[0] if present else MirrorKind.DIGEST_SOURCES)
    return edit_mirrors(document, present[0] if present else None, wanted, new, file, notes)


def _edit_pull_secret(text: str, changes: InstallConfigChanges, file: str, notes: list[str]) -> str:
    document = YamlLines(text, file)
    value, section = document.values["pullSecret"], document.sections["pullSecret"]
    was_map = isinstance(value, dict)
    secret = json.dumps(value, separators=(",", ":"), ensure_ascii=False) if was_map else value
    if not isinstance(secret, str) or not secret.strip():
        secret = _NO_CREDENTIALS
    try:
        wanted = copy_credentials(secret, changes.pull_secret or _NO_CREDENTIALS, changes.registries)
    except MalformedError as error:
        raise MalformedError(
            f"{file}, line {section.first + 1}, pullSecret: {error.message}", hint=error.hint
        ) from None
    if was_map:
        notes.append("pullSecret is text in quotes: it was a map, which installers refuse")
    elif wanted == secret:
        return text
    if wanted != secret:
        notes.append(f"pullSecret gets the credentials for {', '.join(changes.registries)}")
    return _with_scalar(document, "pullSecret", wanted)


def _edit_baremetal(text: str, changes: InstallConfigChanges, file: str, notes: list[str]) -> str:
    urls = (changes.bootstrap_os_image, changes.cluster_os_image)
    for name, url in zip(_OS_IMAGES, urls, strict=True):
        if url is None:
            continue
        if _OS_IMAGE.match(url) is None:
            raise MalformedError(
                f"{name}: the URL has no sha256, and installers refuse that",
                hint="write http://HOST/FILE?sha256=DIGEST; the digest is that of the file when it is decompressed",
            )
        document = YamlLines(text, file)
        platform = document.sections.get("platform")
        baremetal = _child(platform.node, "baremetal") if platform is not None else None
        if baremetal is None or baremetal.id != "mapping" or not baremetal.value or baremetal.flow_style:
            raise UnsupportedError(
                f"{file} has no platform.baremetal with fields, where {name} belongs",
                hint="leave the option out for other platforms",
            )
        value = _child(baremetal, name)
        if value is not None and value.value == url:
            continue
        notes.append(f"platform.baremetal.{name} is {url}")
        if value is not None:
            text = "\n".join(_with_value(document.lines, value, url))
            continue
        first = baremetal.value[0][0].start_mark
        text = "\n".join(replaced(document.lines, first.line, first.line, [f"{' ' * first.column}{name}: {url}"]))
    return text


def _child(node: Any, name: str) -> Any:
    pairs = node.value if node is not None and node.id == "mapping" else ()
    return next((value for key, value in pairs if key.value == name), None)


def _appended(document: YamlLines, lines: Sequence[str]) -> str:
    rest = document.lines[document.end :] or [""]
    return "\n".join([*document.lines[: document.end], *lines, *rest])


def _with_scalar(document: YamlLines, key: str, value: str) -> str:
    """Return the text with ``key`` at the top set to ``value``, in the quotes that are there."""
    section = document.sections.get(key)
    if section is None:
        return _appended(document, [f"{key}: {_quoted(value, None)}"])
    node = section.node
    if node.id != "scalar" or node.style in ("|", ">") or node.start_mark.line != node.end_mark.line:
        return "\n".join(replaced(document.lines, section.first, section.end, [f"{key}: {_quoted(value, None)}"]))
    if node.start_mark.index == node.end_mark.index:  # nothing stands behind the colon
        line = document.lines[section.first]
        colon = line.index(":") + 1
        changed = f"{line[:colon]} {_quoted(value, None)}{line[colon:]}"
        return "\n".join(replaced(document.lines, section.first, section.first + 1, [changed]))
    return "\n".join(_with_value(document.lines, node, value))


def _with_value(lines: Sequence[str], node: Any, value: str) -> list[str]:
    start, end = node.start_mark, node.end_mark
    changed = f"{lines[start.line][: start.column]}{_quoted(value, node.style)}{lines[end.line][end.column :]}"
    return replaced(lines, start.line, end.line + 1, [changed])


def _quoted(value: str, style: str | None) -> str:
    if style == '"':
        return json.dumps(value, ensure_ascii=False)
    if style is None and re.fullmatch(r"[A-Za-z][\w./:?&=@%+~-]*", value) and not value.endswith(":"):
        return value
    return "'" + value.replace("'", "''") + "'"


def _prove(before: str, after: str, changes: InstallConfigChanges, file: str) -> None:
    """Read back what was edited. Raises UnsupportedError when it is not what was asked for, or more differs."""
    old, new = (dict(YamlLines(text, file).values) for text in (before, after))
    odd = [key for key in {*old, *new} if _untouched(key, old.get(key)) != _untouched(key, new.get(key))]
    if changes.certificates:
        found = read_certificates(str(new.get(BUNDLE)), file)
        odd += [BUNDLE] * (not set(changes.certificates) <= set(found))
    expected = accumulate((*_sets(old, file), *changes.mirror_sets), ()).by_digest
    if changes.mirror_sets and accumulate(_sets(new, file), ()).by_digest != expected:
        odd.append("the mirrors")
    if odd:
        raise UnsupportedError(
            f"{file} is written in a way that cannot be edited: {', '.join(sorted(odd))}", hint=_BY_HAND
        )


def _sets(values: Mapping[str, Any], file: str) -> tuple[MirrorSet, ...]:
    sections = {kind.value: values[kind.value] for kind in _SECTIONS if values.get(kind.value)}
    return parse_mirror_sets(json.dumps(sections), file) if sections else ()


def _untouched(key: str, value: Any) -> Any:
    """Return what of a field is not for us to change."""
    if key in _EDITED:
        return None
    if key == "platform" and isinstance(value, dict) and isinstance(value.get("baremetal"), dict):
        kept = {name: one for name, one in value["baremetal"].items() if name not in _OS_IMAGES}
        return {**value, "baremetal": kept}
    # A text at the end of a file gains the line's end that it had not.
    return value.rstrip("\n") if isinstance(value, str) else value
