"""The explanation of a pull, for people and for programs."""

from collections.abc import Sequence
from typing import Any

from airferry.app.cluster.node_rules import traps_document
from airferry.app.cluster.pull_explanation import ExplainedPlace, Explanation
from airferry.oci import Reference
from airferry.oci.pull_findings import Attempt
from airferry.openshift.cluster.traps import Trap, table
from airferry.openshift.cluster.verdict import Verdict


def print_explanation(explanation: Explanation) -> str:
    """Return an explanation for people."""
    rule = explanation.rule
    lines = [
        _shown(explanation.reference),
        f"Table: {table(rule) if rule is not None else 'none matches, so only the registry of its name is asked'}",
        f"policy.json demands {explanation.demand}",
    ]
    for number, place in enumerate(explanation.places, 1):
        source = place.source
        lines.append(f"{number}. {_shown(source.reference)} ({'mirror' if source.is_mirror else 'source'})")
        if source.barred is not None:
            lines.append(f"   barred: {source.barred}")
            continue
        lines += [f"   credential: {_credential_words(place, explanation)}", f"   trusts: {place.trust}"]
        if place.attempt is not None:
            lines.append(f"   answer: {_answer(place.attempt)}")
    return "\n".join([*lines, *_verdict(explanation)]) + "\n"


def _credential_words(place: ExplainedPlace, explanation: Explanation) -> str:
    if explanation.secret is None:
        return "not known; name the pull secret with -a"
    return f"{place.credential} in {explanation.secret}" if place.credential else "none, so it is asked anonymously"


def _answer(attempt: Attempt) -> str:
    failures = "; ".join(failure.message for failure in attempt.failures)
    if not attempt.answered:
        return failures
    has = f"has it: {attempt.manifest}" if attempt.manifest is not None else "answers"
    return f"{has}, but {failures}" if failures else f"{has}, with every layer"


def _verdict(explanation: Explanation) -> list[str]:
    if explanation.barred is not None:
        return [f"A node pulls from nowhere: {explanation.barred}"]
    taken, judgement = explanation.taken, explanation.judgement
    if judgement is None:
        return [f"A node asks first {taken}" if taken else "A node pulls from nowhere: every place is barred"]
    if taken is not None and judgement.verdict is Verdict.YES:
        return [f"A node takes it from {taken}"]
    if taken is None and all(place.source.barred is not None for place in explanation.places):
        first = "A node pulls from nowhere: every place is barred"
    elif taken is None:
        first = "A node pulls from nowhere: none has it"
    else:
        first = f"A node asks {taken}, and does not get it"
    if judgement.verdict is Verdict.UNKNOWN:
        first = "Whether a node gets it cannot be told"
    return [first, f"  {judgement.code}: {judgement.reason}", f"  fix: {judgement.fix}"]


def _shown(reference: Reference) -> str:
    """As a node names it, tag and digest."""
    tag = f":{reference.tag}" if reference.tag else ""
    return f"{reference.repository}{tag}{f'@{reference.digest}' if reference.digest else ''}"


def explanation_document(explanation: Explanation, traps: Sequence[Trap]) -> dict[str, Any]:
    """Return an explanation for programs, with the traps that concern it."""
    judgement = explanation.judgement
    return {
        "reference": _shown(explanation.reference),
        "table": explanation.rule.prefix if explanation.rule is not None else None,
        "policy": explanation.demand,
        "places": [_place_document(place) for place in explanation.places],
        "taken": explanation.taken,
        "barred": explanation.barred,
        "verdict": None
        if judgement is None
        else {
            "answer": judgement.verdict.value,
            "code": judgement.code,
            "reason": judgement.reason,
            "fix": judgement.fix,
        },
        "warnings": traps_document(traps),
    }


def _place_document(place: ExplainedPlace) -> dict[str, Any]:
    attempt, source = place.attempt, place.source
    answer = None
    if attempt is not None and source.barred is None:
        code = attempt.failures[0].trouble.value if attempt.failures else None
        answer = {"has": attempt.answered, "code": code, "text": _answer(attempt)}
    return {
        "reference": _shown(source.reference),
        "mirror": source.is_mirror,
        "insecure": source.insecure,
        "barred": source.barred,
        "credential": place.credential,
        "trusts": place.trust,
        "answer": answer,
    }
