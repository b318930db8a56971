"""The answer of ``verify`` as text, as data and as JUnit XML."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from airferry.app.verify import VerifyReport
from airferry.app.verify_catalog import operator_lines
from airferry.content.filesystem import writing
from airferry.openshift.cluster.verdict import Judgement, Verdict, count_signatures
from airferry.openshift.cluster.wanted import WantedKind


def print_report(report: VerifyReport) -> str:
    """Return the table of counts, then every image that is not a yes, with reason and fix."""
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
    for item in _open(report):
        lines += ["", f"{item.verdict.value}: {item.wanted.name}", f"    {item.wanted.reference}"]
        lines += [f"    {item.code}: {item.reason}", f"    fix: {item.fix}"]
    lines += ["", *(f"not compiled: {sentence}" for sentence in report.uncompiled)] if report.uncompiled else []
    return "\n".join([*lines, "", _last_line(report)])


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


def write_junit(file: Path, text: str) -> None:
    """Write the XML. Raises ReadOnlyError, NoSpaceError."""
    with writing(file):
        file.write_text(text, encoding="utf-8")


def _title(report: VerifyReport) -> str:
    total = len(report.judgements)
    release = report.release
    if release is None:
        return f"{total} images"
    extra = sum(item.wanted.kind is WantedKind.EXTRA for item in report.judgements)
    word = f", {extra} of them extra" if extra else ""
    digest = f", {release.by_digest.digest}" if release.by_digest is not None else ""
    return f"release {release.version or 'of unknown version'} ({release.architecture}{digest}): {total} images{word}"


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
