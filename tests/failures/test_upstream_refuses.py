"""The upstream says no: for good, for a while, or until somebody does something about it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from airferry.lab import Endpoint, Rule, publish_release
from airferry.lab.faults import NOT_JSON_404, Answer, Effect
from airferry.lab.shape import S74

from .stage import Entry, Quay, airferry, is_sound, ledger, look_at, missing_tags, own_layer

RELEASE, COMPONENTS = "openshift-release-dev/ocp-release", "openshift-release-dev/ocp-v4.0-art-dev"
LATER = "run the same command"

REFUSALS: dict[str, tuple[Endpoint, Effect, str, tuple[str, ...], str]] = {
    "401 to a manifest": (Endpoint.MANIFEST, Answer(401), "unauthorized", ("wants credentials", RELEASE), "login"),
    "401 at the token service": (Endpoint.TOKEN, Answer(401), "unauthorized", ("wants credentials",), "login"),
    "403 to a manifest": (Endpoint.MANIFEST, Answer(403), "denied", ("does not allow anonymous users",), "-a FILE"),
    "403 at the token service": (Endpoint.TOKEN, Answer(403), "denied", ("does not allow",), "-a FILE"),
    "404": (Endpoint.MANIFEST, Answer(404), "not-found", ("has no manifest 4.12.0-x86_64 in", RELEASE), "spelling"),
    "a proxy's 404": (Endpoint.MANIFEST, NOT_JSON_404, "not-found", ("4.12.0-x86_64", RELEASE), "spelling"),
    "404 at the token service": (Endpoint.TOKEN, Answer(404), "registry-failed", ("token service", "404"), LATER),
    "429": (Endpoint.MANIFEST, Answer(429), "throttled", ("429", "4.12.0-x86_64"), LATER),
    "429 with a long Retry-After": (
        Endpoint.MANIFEST,
        Answer(429, {"Retry-After": "3600"}),
        "throttled",
        ("it asks to wait 3600 s",),
        LATER,
    ),
    "429 at the token service": (Endpoint.TOKEN, Answer(429), "throttled", ("429", "token service"), LATER),
    "429 at the CDN": (Endpoint.CDN, Answer(429), "throttled", ("429", "blob"), LATER),
    "500": (Endpoint.MANIFEST, Answer(500), "registry-failed", ("answered 500",), LATER),
    "500 at the token service": (Endpoint.TOKEN, Answer(500), "registry-failed", ("token service", "500"), LATER),
    "503": (Endpoint.MANIFEST, Answer(503), "registry-failed", ("answered 503",), LATER),
    "503 with a long Retry-After": (
        Endpoint.MANIFEST,
        Answer(503, {"Retry-After": "3600"}),
        "registry-failed",
        ("answered 503",),
        LATER,
    ),
    "403 at the CDN": (Endpoint.CDN, Answer(403), "interrupted-transfer", ("redirects to", "403"), LATER),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_refused_is_named_and_leaves_nothing_behind(
    quay: Quay, disk: Path, undisturbed: dict[str, Entry], case: str
) -> None:
    endpoint, effect, code, words, hint = REFUSALS[case]
    quay.fails(Rule(endpoint, effect, times=None))
    quay.mirror(disk).refused(code, quay.host, *words, hint=hint)
    assert look_at(disk) == {}
    quay.heals()
    quay.mirror(disk).done()
    assert look_at(disk) == undisturbed


PASSING: dict[str, tuple[Endpoint, Effect, int]] = {
    "429 for a moment": (Endpoint.MANIFEST, Answer(429), 3),
    "429 with a short Retry-After": (Endpoint.MANIFEST, Answer(429, {"Retry-After": "0"}), 3),
    "429 for blobs": (Endpoint.CDN, Answer(429, {"Retry-After": "0"}), 5),
    "429 at the token service": (Endpoint.TOKEN, Answer(429), 1),
    "500 once": (Endpoint.MANIFEST, Answer(500), 1),
    "500 for many blobs": (Endpoint.BLOB, Answer(500), 8),
    "502 at the CDN": (Endpoint.CDN, Answer(502), 4),
    "503 with a short Retry-After": (Endpoint.BLOB, Answer(503, {"Retry-After": "0"}), 8),
    "a signed URL of the CDN that expired": (Endpoint.CDN, Answer(403), 1),
}


@pytest.mark.parametrize("case", PASSING)
def test_what_passes_by_itself_is_waited_for(quay: Quay, disk: Path, undisturbed: dict[str, Entry], case: str) -> None:
    endpoint, effect, times = PASSING[case]
    # Every second request, so that no single one runs out of tries.
    rules = [Rule(endpoint, effect, skip=2 * number) for number in range(times)]
    quay.fails(*rules)
    quay.mirror(disk, "--retry-times", "20").done()
    assert quay.fired(rules[0]) == 1
    assert look_at(disk) == undisturbed


def test_the_wait_that_a_registry_asks_for_is_kept_to(quay: Quay, disk: Path, undisturbed: dict[str, Entry]) -> None:
    quay.fails(Rule(Endpoint.MANIFEST, Answer(429, {"Retry-After": "1"})))
    waited = quay.mirror(disk, "--patience", "5", "--log-level", "info", "--log-format", "json").done()
    assert '"reason": "429"' in waited.err
    waits = [float(part.split(",")[0].rstrip("}")) for part in waited.err.split('"wait_s": ')[1:]]
    assert 1 <= max(waits) < 1.2
    assert look_at(disk) == undisturbed


GAPS: dict[str, tuple[Endpoint, Effect, str, str]] = {
    "403": (Endpoint.MANIFEST, Answer(403), "denied", "does not allow"),
    "404": (Endpoint.MANIFEST, Answer(404), "not-found", "has no manifest"),
    "500": (Endpoint.MANIFEST, Answer(500), "registry-failed", "answered 500"),
    "403 to a layer": (Endpoint.BLOB, Answer(403), "denied", "does not allow"),
    "404 to a layer": (Endpoint.BLOB, Answer(404), "not-found", "has no blob"),
    "500 to a layer": (Endpoint.BLOB, Answer(500), "registry-failed", "answered 500"),
    "503 to a layer": (Endpoint.BLOB, Answer(503), "registry-failed", "answered 503"),
    "404 at the CDN": (Endpoint.CDN, Answer(404), "interrupted-transfer", "redirects to"),
}


@pytest.mark.parametrize("case", GAPS)
def test_one_refused_component_is_a_gap_and_the_rest_crosses(
    quay: Quay, disk: Path, undisturbed: dict[str, Entry], case: str
) -> None:
    endpoint, effect, code, reason = GAPS[case]
    digest = quay.release.components["etcd"]
    target = digest if endpoint is Endpoint.MANIFEST else own_layer(quay.store, digest)
    quay.fails(Rule(endpoint, effect, containing=target.removeprefix("sha256:"), times=None))
    quay.mirror(disk).left_gaps("warning: etcd: ", quay.host, reason, "pods of etcd cannot start", "4.12.0")
    (gap,) = ledger(disk)
    assert (gap["name"], gap["code"]) == ("etcd", code)
    assert is_sound(disk)
    assert missing_tags(disk, undisturbed) == {"4.12.0-x86_64-etcd"}
    quay.heals()
    quay.mirror(disk).done()
    assert look_at(disk) == undisturbed


def test_a_registry_that_throttles_for_good_ends_the_run_and_not_image_after_image(
    quay: Quay, disk: Path, undisturbed: dict[str, Entry]
) -> None:
    quay.fails(Rule(Endpoint.CDN, Answer(429), skip=12, times=None))
    quay.mirror(disk).refused("throttled", "429", hint=LATER)
    assert is_sound(disk)
    quay.heals()
    quay.mirror(disk).done()
    assert look_at(disk) == undisturbed


def test_wrong_credentials_are_named_by_the_file_they_come_from(quay: Quay, disk: Path, home: Path) -> None:
    auth = home / "pull-secret.json"
    auth.write_text(json.dumps({"auths": {quay.host: {"auth": "bWU6d3Jvbmc="}}}))
    quay.mirror(disk, "-a", auth).refused("unauthorized", f"refused the credentials of {quay.host} in {auth}")
    assert look_at(disk) == {}


def test_a_registry_that_is_not_there_is_named(disk: Path, unused_port: int) -> None:
    name = f"127.0.0.1:{unused_port}/openshift-release-dev/ocp-release:4.12.0-x86_64"
    run = airferry("release", "mirror", name, "--to-dir", disk, "--retry-delay", "0.01", "--insecure")
    run.refused("unreachable", f"127.0.0.1:{unused_port}", hint="check name, port, route")
    run = airferry("release", "mirror", "registry.invalid/a/b:1", "--to-dir", disk, "--retry-delay", "0.01")
    run.refused("unreachable", "registry.invalid cannot be resolved")
    assert look_at(disk) == {}


def test_a_registry_that_fails_with_everything_ends_the_run_and_not_image_after_image(
    tmp_path: Path, disk: Path
) -> None:
    """One failure is a gap; many in a row, and nothing in between, are an outage."""
    with Quay(tmp_path, publish_release(tmp_path / "larger", replace(S74, signed=True))) as quay:
        quay.fails(Rule(Endpoint.MANIFEST, Answer(500), containing="art-dev", times=None))
        quay.mirror(disk, "--retry-times", "0").refused("registry-failed", "answered 500")
        asked = [entry for entry in quay.server.requests if entry.endpoint == "manifest" and "art-dev" in entry.path]
        assert len(asked) < len(quay.release.components)
        quay.heals()
        quay.mirror(disk).done()
        assert is_sound(disk)


def test_many_bad_components_among_good_ones_are_gaps_and_the_rest_crosses(quay: Quay, disk: Path) -> None:
    """Each is retried while the good ones are read, so that all of them are given up one after the other."""
    bad = list(quay.release.components)[:6]
    quay.fails(
        *(
            Rule(Endpoint.MANIFEST, Answer(500), containing=quay.release.components[name][7:], times=None)
            for name in bad
        )
    )
    quay.mirror(disk).left_gaps("6 of 14 images")
    assert sorted(gap["name"] for gap in ledger(disk)) == sorted(bad)
    assert is_sound(disk)


@pytest.mark.parametrize("status", [401, 500])
def test_a_registry_that_does_not_tell_what_is_attached_keeps_nothing_from_crossing(
    quay: Quay, disk: Path, status: int
) -> None:
    quay.fails(Rule(Endpoint.REFERRERS, Answer(status), times=None))
    quay.mirror(disk).left_gaps("attachments of release", "attachments are missing")
    assert ledger(disk) == []
    airferry("media", "verify", disk).done()
