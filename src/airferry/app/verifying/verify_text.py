"""The answer of ``verify`` as text, as data and as JUnit XML."""

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from airferry.app.verifying.verify import VerifyReport
from airferry.app.verifying.verify_catalog import operator_lines
from airferry.content.errors import NotFoundError, ReadOnlyError
from airferry.content.filesystem import READABLE, replace_file, sync_folder, writing
from airferry.openshift.cluster.verdict import Judgement, Verdict, count_signatures
from airferry.openshift.cluster.wanted import WantedKind

_SHOWN: Final = 3
"""How many images of a group are named in the text."""


def print_report(report: VerifyReport) -> str:
    """Return the table of counts, then what is not a yes, with reason and fix; what fails alike is told once."""
    lines = [_title(report), ""]
    for verdict in Verdict:
        lines.append(f"  {verdict.value:<11}  {report.count(verdict):>5}")
    signatures = {state: count for state, count in count_signatures(report.judgements).items() if count}
    if signatures:
        told = ", ".join(f"{count} {state}" for state, count in signatures.items())
        lines += ["", f"signatures that the release demands: {told}"]
    if report.installer is not None:
        installer = report.installer
        told = "belongs to the release" if installer.belongs else f"no: {installer.reason}"
        lines += ["", f"installer {installer.file}: {told}"]
        lines += [f"    fix: {installer.fix}"] if installer.fix else []
    lines += operator_lines(report.operators)
    for group in _alike(_open(report)):
        lines += ["", *_paragraph(group)]
    lines += ["", *(f"not compiled: {sentence}" for sentence in report.uncompiled)] if report.uncompiled else []
    is_asked = any(item.findings.blobs for item in report.judgements)
    hashes = (
        [] if report.deep or not is_asked else ["hashes of layers were not checked: --deep fetches and hashes them all"]
    )
    return "\n".join([*lines, "", *hashes, _last_line(report)])


def _alike(items: Iterable[Judgement]) -> Iterable[Sequence[Judgement]]:
    """Group what fails alike and is mended by one thing, each group where its first is; the release stands alone."""
    groups: dict[tuple[str, ...], list[Judgement]] = {}
    for item in items:
        reference = item.wanted.reference
        # A fix may name the image or its repository: the same has then to be done for each.
        fix = item.fix.replace(str(reference), "").replace(str(reference.repository), "")
        own = item.wanted.name if item.wanted.kind is WantedKind.RELEASE else ""
        key = (item.verdict, item.code, str(reference.repository.place), fix, own)
        groups.setdefault(key, []).append(item)
    return groups.values()


def _paragraph(group: Sequence[Judgement]) -> list[str]:
    first = group[0]
    fix = f"    fix: {first.fix}" + ("" if len({item.fix for item in group}) == 1 else ", and so for the others")
    if len(group) == 1:
        named = [f"{first.verdict.value}: {first.wanted.name}", f"    {first.wanted.reference}"]
        return [*named, f"    {first.code}: {first.reason}", fix]
    repositories = {str(item.wanted.reference.repository) for item in group}
    where = repositories.pop() if len(repositories) == 1 else str(first.wanted.reference.repository.place)
    head = f"{first.verdict.value}: {len(group)} images of {where}"
    more = f" and {len(group) - _SHOWN} more (-o json names all)" if len(group) > _SHOWN else ""
    shown = group[:_SHOWN]
    if len({item.reason for item in group}) == 1:
        names = ", ".join(item.wanted.name for item in shown)
        return [head, f"    {names}{more}", f"    {first.code}: {first.reason}", fix]
    reasons = [f"    {item.wanted.name}: {item.reason}" for item in shown]
    return [head, f"    {first.code}", *reasons, *([f"   {more}"] if more else []), fix]


def report_document(report: VerifyReport) -> dict[str, Any]:
    """Return the answer as data: the fields are stable."""
    release, installer = report.release, report.installer
    return {
        "answer": {0: "yes", 1: "no", 3: "cannot tell"}[int(report.exit_code)],
        "release": None
        if release is None
        else {
            "version": release.version,
            "architecture": release.architecture,
            "digest": str(release.by_digest.digest) if release.by_digest is not None else None,
        },
        "deep": report.deep,
        "platforms": [str(platform) for platform in report.platforms],
        "counts": {verdict.value: report.count(verdict) for verdict in Verdict},
        "signatures": count_signatures(report.judgements),
        "installer": None
        if installer is None
        else {
            "file": str(installer.file),
            "image": installer.baked.image,
            "version": installer.baked.version,
            "belongs": installer.belongs,
            "reason": installer.reason,
            "fix": installer.fix,
        },
        "operators": [item.to_json() for item in report.operators],
        "uncompiled": list(report.uncompiled),
        "seenFrom": "this host" if report.disk is None else str(report.disk),
        "images": [_image(item) for item in report.judgements],
    }


def print_junit(report: VerifyReport) -> str:
    """Return the answer as JUnit XML: a case for each image, a failure for a no, an error for what cannot be told."""
    cases = [_case(item) for item in report.judgements]
    failures, errors = report.count(Verdict.NO), report.count(Verdict.UNKNOWN)
    if report.installer is not None:
        installer = report.installer
        body = "" if installer.belongs else _element("failure", installer.reason, "installer", installer.fix)
        failures += not installer.belongs
        cases.append(f'  <testcase classname="installer" name={quoteattr(str(installer.file))}>{body}</testcase>')
    for sentence in report.uncompiled:
        errors += 1
        body = _element("error", sentence, "not-compiled", "")
        cases.append(f'  <testcase classname="release" name="compile">{body}</testcase>')
    head = f'<testsuite name="airferry verify" tests="{len(cases)}" failures="{failures}" errors="{errors}">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *cases, "</testsuite>", ""])


def check_junit(file: Path) -> None:
    """Raise NotFoundError or ReadOnlyError when the answer could not be written to ``file`` after all the work."""
    folder = file.parent
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        hint = None if folder.exists() else f"make it: mkdir -p {shlex.quote(str(folder))}"
        raise NotFoundError(f"--junit={file}: {folder} {what}", hint=hint)
    if not os.access(file if file.exists() else folder, os.W_OK):
        raise ReadOnlyError(f"--junit={file} cannot be written", hint="check the mount and the folder's owner")


def write_junit(file: Path, text: str) -> None:
    """Write the XML, whole or not at all. Raises ReadOnlyError, NoSpaceError."""
    with writing(file):
        if file.exists() and not file.is_file():
            file.write_text(text, encoding="utf-8")  # a device or a pipe, such as /dev/stdout, stays what it is
            return
        replace_file(file.resolve(), text.encode(), READABLE.file)
        sync_folder(file.resolve().parent)


def _title(report: VerifyReport) -> str:
    total = len(report.judgements)
    release = report.release
    kinds = [item.wanted.kind for item in report.judgements]
    extra, samples = kinds.count(WantedKind.EXTRA), kinds.count(WantedKind.SAMPLE)
    imported = f", {samples} of them samples" if samples else ""
    if release is None:
        return f"{_images(total)}{imported}"
    word = (f", {extra} of them extra" if extra else "") + imported
    digest = f", {release.by_digest.digest}" if release.by_digest is not None else ""
    return f"release {release.version or 'of unknown version'} ({release.architecture}{digest}): {_images(total)}{word}"


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"


def _last_line(report: VerifyReport) -> str:
    return "as seen from this host\n" if report.disk is None else f"as seen on the disk {report.disk}\n"


def _open(report: VerifyReport) -> Iterable[Judgement]:
    for verdict in (Verdict.NO, Verdict.UNKNOWN):
        yield from (item for item in report.judgements if item.verdict is verdict)


def _image(item: Judgement) -> dict[str, Any]:
    return {
        "name": item.wanted.name,
        "kind": str(item.wanted.kind),
        "image": str(item.wanted.reference),
        "answer": item.verdict.value,
        "place": item.place,
        "code": str(item.code),
        "reason": item.reason,
        "fix": item.fix,
        "signature": str(item.findings.signed),
        "note": item.findings.note,
        "tried": [
            {
                "place": str(attempt.source.reference.repository),
                "answered": attempt.answered,
                "manifest": str(attempt.manifest) if attempt.manifest is not None else None,
                "credential": attempt.credential,
                "failures": [
                    {"code": str(failure.trouble), "message": failure.message} for failure in attempt.failures
                ],
            }
            for attempt in item.findings.attempts
        ],
    }


def _case(item: Judgement) -> str:
    opening = f"  <testcase classname={quoteattr(str(item.wanted.kind))} name={quoteattr(item.wanted.name)}>"
    body = ""
    if item.verdict is not Verdict.YES:
        kind = "failure" if item.verdict is Verdict.NO else "error"
        body = _element(kind, f"{item.wanted.reference}: {item.reason}", item.code, item.fix)
    return f"{opening}{body}</testcase>"


def _element(kind: str, message: str, code: str, fix: str) -> str:
    return f"<{kind} type={_attribute(code)} message={_attribute(message)}>{escape(_printable(fix))}</{kind}>"


def _attribute(text: str) -> str:
    return quoteattr(_printable(text))


def _printable(text: str) -> str:
    """XML has no way to write most control characters, and registries' words may hold any."""
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)
