"""What was met at each place becomes an answer, a reason and one fix."""

import pytest

from airferry.oci import Digest, Reference
from airferry.oci.pull_findings import Attempt, Failure, PullFindings, Trouble
from airferry.oci.pull_rules import Mirror, PullFrom, PullRule, PullRules
from airferry.oci.pull_sources import PullSource, pull_sources
from airferry.openshift.cluster.remedies import Remedies
from airferry.openshift.cluster.verdict import Verdict, judge
from airferry.openshift.cluster.wanted import Wanted, WantedKind

DIGEST = Digest.of(b"image")
IMAGE = Reference.parse(f"quay.io/ocp/release@{DIGEST}")
TAGGED = Reference.parse("quay.io/ocp/release:4.12.0-x86_64")
DIGESTS = PullRules((PullRule("quay.io/ocp", "quay.io/ocp", (Mirror("m.lan/ocp", pull_from=PullFrom.DIGEST_ONLY),)),))


def wanted(reference: Reference = IMAGE) -> Wanted:
    return Wanted("release image", reference, WantedKind.RELEASE)


def met(*troubles: Trouble | None, answered: bool = False, rules: PullRules = DIGESTS) -> PullFindings:
    """Findings of IMAGE: for each place what was in the way; the last one answered, or none."""
    sources = pull_sources(IMAGE, rules)
    attempts = [
        Attempt(source, answered and number == len(troubles), DIGEST if answered else None, failures(trouble))
        for number, (source, trouble) in enumerate(zip(sources, troubles, strict=False), 1)
    ]
    return PullFindings(tuple(attempts))


def failures(trouble: Trouble | None) -> tuple[Failure, ...]:
    return () if trouble is None else (Failure(trouble, f"it is {trouble}"),)


CASES: dict[str, tuple[PullFindings, Verdict, str, str]] = {
    "all is there": (met(None, answered=True), Verdict.YES, "", ""),
    "a layer is missing where the manifest came from": (
        met(Trouble.NO_BLOB, answered=True),
        Verdict.NO,
        "no-blob",
        "airferry release mirror 4.12.0 --arch amd64 --refresh --to m.lan/ocp/release",
    ),
    "a layer could not be asked for": (
        met(Trouble.UNSETTLED, answered=True),
        Verdict.UNKNOWN,
        "unsettled",
        f"podman pull --authfile /var/lib/kubelet/config.json {IMAGE}",
    ),
    "the mirror lacks it and the source is out of reach": (
        met(Trouble.NO_MANIFEST, Trouble.UNREACHABLE),
        Verdict.NO,
        "no-manifest",
        "airferry release mirror 4.12.0 --arch amd64 --refresh --to m.lan/ocp/release",
    ),
    "the mirror and the source are out of reach": (
        met(Trouble.UNREACHABLE, Trouble.UNREACHABLE),
        Verdict.NO,
        "unreachable",
        "m.lan",
    ),
    "the mirror is busy and the source is out of reach": (
        met(Trouble.UNSETTLED, Trouble.UNREACHABLE),
        Verdict.UNKNOWN,
        "unsettled",
        "run on a node",
    ),
    "the mirror shows a certificate of an unknown CA": (
        met(Trouble.UNKNOWN_CA, Trouble.UNREACHABLE),
        Verdict.NO,
        "unknown-ca",
        "additionalTrustBundle",
    ),
    "the mirror is blocked": (met(Trouble.BLOCKED, Trouble.UNREACHABLE), Verdict.NO, "blocked", "m.lan/ocp/release"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_was_met_settles_the_answer(name: str) -> None:
    findings, verdict, code, fix = CASES[name]
    found = judge(wanted(), findings, DIGESTS, Remedies("4.12.0 --arch amd64"))
    assert (found.verdict, found.code) == (verdict, code)
    assert fix in found.fix and (verdict is Verdict.YES) is (found.fix == "")


def test_what_is_missing_outweighs_what_could_not_be_asked() -> None:
    (attempt,) = met(Trouble.UNSETTLED, answered=True).attempts
    both = Attempt(attempt.source, True, DIGEST, (*failures(Trouble.UNSETTLED), *failures(Trouble.NO_BLOB)))
    found = judge(wanted(), PullFindings((both,)), DIGESTS)
    assert (found.verdict, found.code) == (Verdict.NO, "no-blob") and "(and 1 more)" in found.reason


def test_the_reason_names_every_place_in_the_order_of_trying() -> None:
    reason = judge(wanted(), met(Trouble.NO_MANIFEST, Trouble.UNREACHABLE), DIGESTS).reason
    assert reason == "m.lan/ocp/release: it is no-manifest; quay.io/ocp/release: it is unreachable"


def test_a_tag_that_digest_mirrors_do_not_serve_is_the_rules_fault() -> None:
    findings = PullFindings((Attempt(PullSource(TAGGED), failures=failures(Trouble.UNREACHABLE)),))
    found = judge(wanted(TAGGED), findings, DIGESTS)
    assert found.code == "not-mirrored-by-tag" and "ImageTagMirrorSet for quay.io/ocp" in found.fix
    wide = PullRule("quay.io", "quay.io", (Mirror("m.lan/quay", pull_from=PullFrom.TAG_ONLY),))
    found = judge(wanted(TAGGED), findings, PullRules((*DIGESTS.rules, wide)))
    assert found.code == "hidden-by-narrower-rule" and "hides the mirrors of quay.io" in found.reason
    assert judge(wanted(TAGGED), findings, PullRules()).code == "no-mirror-rule"


def test_a_rule_that_sends_its_pulls_elsewhere_is_not_blamed_for_having_no_mirror() -> None:
    elsewhere, bare = (PullRules((PullRule("quay.io", location),)) for location in ("m.lan/quay", "quay.io"))
    for rules, code in ((elsewhere, "unreachable"), (bare, "no-mirror-rule")):
        found = judge(wanted(), met(Trouble.UNREACHABLE, rules=rules), rules)
        assert found.code == code
    assert "m.lan" in judge(wanted(), met(Trouble.UNREACHABLE, rules=elsewhere), elsewhere).fix
