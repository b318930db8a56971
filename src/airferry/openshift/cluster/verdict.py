"""From what a pull met to an answer: yes, no or cannot tell; the reason; the one thing that fixes it. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from airferry.oci.pull_findings import Attempt, Failure, PullFindings, Signed, Trouble, bar_failure
from airferry.oci.pull_rules import PullRule, PullRules
from airferry.oci.pull_sources import PullSource, find_rule, match_length, mirrors_for, normalized
from airferry.oci.reference import Reference
from airferry.openshift.cluster.remedies import Remedies
from airferry.openshift.cluster.wanted import Wanted


class Verdict(StrEnum):
    """Whether a node will get an image."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer for one image. ``code`` is stable, for programs; ``reason`` and ``fix`` are sentences.

    All three are "" for a yes. ``place`` is the repository that serves it, or that settled the answer.
    """

    wanted: Wanted
    verdict: Verdict
    findings: PullFindings
    place: str = ""
    code: str = ""
    reason: str = ""
    fix: str = ""


NOT_BY_TAG: Final = "not-mirrored-by-tag"
NOT_BY_DIGEST: Final = "not-mirrored-by-digest"
HIDDEN: Final = "hidden-by-narrower-rule"
NO_RULE: Final = "no-mirror-rule"

_SECTION: Final = "imageDigestSources in an install-config"
_NO_COMMANDS: Final = Remedies()
_MOST_TELLING: Final = (
    Trouble.BAD_RULE,
    Trouble.BAD_MANIFEST,
    Trouble.UNKNOWN_CA,
    Trouble.WRONG_NAME,
    Trouble.WRONG_TIME,
    Trouble.CERTIFICATE,
    Trouble.REFUSED_CREDENTIAL,
    Trouble.NO_CREDENTIAL,
    Trouble.DENIED,
    Trouble.NO_TOKEN,
    Trouble.FAILS,
    Trouble.NO_MANIFEST,
    Trouble.NOT_TLS,
    Trouble.UNREACHABLE,
    Trouble.BLOCKED,
)
"""Of several places that failed, what to name as the reason: what a person can mend comes first."""


def judge(wanted: Wanted, findings: PullFindings, rules: PullRules, remedies: Remedies = _NO_COMMANDS) -> Judgement:
    """Return the answer for one image; ``remedies`` knows the commands that mend it.

    A place that could not be reached counts as one that nodes do not reach either; what may be otherwise in a
    moment (throttling, broken connections) leaves a pull open, unless something else settles it.
    """
    last = findings.attempts[-1]
    if last.answered and not last.failures:
        return Judgement(wanted, Verdict.YES, findings, str(last.source.reference.repository))
    if last.answered:
        settled = [failure for failure in last.failures if failure.trouble is not Trouble.UNSETTLED]
        chosen = settled[0] if settled else last.failures[0]
        more = len(last.failures) - 1
        reason = chosen.message + (f" (and {more} more)" if more else "")
        fix = remedies.fix(wanted, last, chosen) if settled else None
        return _answer(wanted, findings, last, chosen, reason, fix)
    unserved = _unserved(wanted, findings, rules)
    if unserved is not None:
        return unserved
    attempt = _settling(findings)
    failure = attempt.failures[0]
    reason = "; ".join(f"{item.source.reference.repository}: {item.failures[0].message}" for item in findings.attempts)
    is_settled = all(item.failures[0].trouble is not Trouble.UNSETTLED for item in findings.attempts)
    return _answer(
        wanted, findings, attempt, failure, reason, remedies.fix(wanted, attempt, failure) if is_settled else None
    )


def no_mirror(
    wanted: Wanted,
    findings: PullFindings,
    rules: PullRules,
    sources: tuple[PullSource, ...],
    remedies: Remedies = _NO_COMMANDS,
) -> Judgement:
    """Return the answer for an image of a disk that no mirror of ``rules`` would serve, whatever is on the disk."""
    attempts = tuple(
        Attempt(item, failures=(bar_failure(item, item.barred),))
        if item.barred is not None
        else Attempt(item, failures=(Failure(Trouble.UNREACHABLE, "it is not a mirror"),))
        for item in sources
    )
    return judge(wanted, PullFindings(attempts, findings.signed, findings.blobs, findings.note), rules, remedies)


def count_signatures(judgements: tuple[Judgement, ...]) -> dict[str, int]:
    """Return how many images there are of each state of signature, without those that need none."""
    states = [item.findings.signed for item in judgements]
    return {str(state): states.count(state) for state in Signed if state is not Signed.NOT_DEMANDED}


def _settling(findings: PullFindings) -> Attempt:
    """The mirrors first: that the source is out of reach is what mirrors are for."""

    def rank(attempt: Attempt) -> tuple[bool, int]:
        trouble = attempt.failures[0].trouble
        position = _MOST_TELLING.index(trouble) if trouble in _MOST_TELLING else -1
        return not attempt.source.is_mirror, position

    return min(findings.attempts, key=rank)


def _answer(
    wanted: Wanted, findings: PullFindings, attempt: Attempt, failure: Failure, reason: str, fix: str | None
) -> Judgement:
    """Return a no with what mends it; with a fix of None the answer is open."""
    place = str(attempt.source.reference.repository)
    if fix is None:
        fix = f"run on a node: podman pull --authfile /var/lib/kubelet/config.json {wanted.reference}"
        return Judgement(wanted, Verdict.UNKNOWN, findings, place, Trouble.UNSETTLED, reason, fix)
    return Judgement(wanted, Verdict.NO, findings, place, failure.trouble, reason, fix)


def _unserved(wanted: Wanted, findings: PullFindings, rules: PullRules) -> Judgement | None:
    """Return the answer where no mirror is asked at all, for which the rules and no place are to blame."""
    if any(attempt.source.is_mirror for attempt in findings.attempts):
        return None
    last = findings.attempts[-1]
    failure = last.failures[0]
    if failure.trouble not in (Trouble.UNREACHABLE, Trouble.NOT_TLS, Trouble.BLOCKED, Trouble.NO_MANIFEST):
        return None
    reference = wanted.reference
    name = str(normalized(reference.repository))
    own = find_rule(name, rules)
    kind = "digest" if reference.digest is not None else "tag"
    told = f"{last.source.reference.repository}: {failure.message}"
    hidden = [rule for rule in rules.rules if rule is not own and _serves(rule, reference, name)]
    by_digest = reference.digest is not None or wanted.is_sought
    objects = f"an ImageDigestMirrorSet ({_SECTION})" if by_digest else "an ImageTagMirrorSet"
    place = str(last.source.reference.repository)
    if own is not None and hidden:
        widest = max(hidden, key=lambda rule: len(rule.prefix))
        reason = (
            f"the rule for {own.prefix} alone counts and has no mirror for pulls by {kind}; "
            f"it hides the mirrors of {widest.prefix}; {told}"
        )
        return Judgement(wanted, Verdict.NO, findings, place, HIDDEN, reason, f"add {objects} for {own.prefix}, too")
    if own is not None and own.mirrors:
        reason = f"the mirrors of {own.prefix} do not serve pulls by {kind}; {told}"
        code = NOT_BY_DIGEST if reference.digest is not None else NOT_BY_TAG
        fix = f"add {objects} for {own.prefix}, or pull by {'tag' if reference.digest is not None else 'digest'}"
        return Judgement(wanted, Verdict.NO, findings, place, code, reason, fix)
    if failure.trouble in (Trouble.NO_MANIFEST, Trouble.BLOCKED) or is_at_mirror(reference, rules):
        return None
    if own is not None and own.location not in ("", own.prefix):
        return None  # the rule sends its pulls elsewhere: that place is what a mirror would be
    reason = f"no mirror rule covers {name}; {told}"
    if own is not None:
        reason = f"the rule for {own.prefix} names no mirror; {told}"
    return Judgement(wanted, Verdict.NO, findings, place, NO_RULE, reason, f"add {objects} for {name}")


def is_at_mirror(reference: Reference, rules: PullRules) -> bool:
    """Whether ``reference`` names a registry that mirrors others: it needs no rule to be pulled from there."""
    places = {mirror.location.partition("/")[0] for rule in rules.rules for mirror in rule.mirrors}
    return reference.repository.place.address in places


def _serves(rule: PullRule, reference: Reference, name: str) -> bool:
    is_meant = match_length(name, rule.prefix) is not None
    return is_meant and bool(mirrors_for(rule, by_digest=reference.digest is not None))
