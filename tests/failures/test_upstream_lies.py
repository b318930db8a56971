"""The upstream breaks off, sends wrong bytes, too many or too few, and lets tokens die in the middle."""

import json
from pathlib import Path

import pytest

from airferry.lab import Authentication, Endpoint, Policy, PublishedRelease, Rule
from airferry.lab.faults import BreakOff, Effect, ExpireTokens, FlipByte, Length, Reset, TooFew, TooMany

from .stage import Entry, Mirror, Quay, airferry, is_sound, ledger, look_at, missing_tags, own_layer

KIB = 1024


@pytest.fixture
def layer(quay: Quay) -> str:
    """A layer of 32 KiB or more that only the image of the component cli needs."""
    digest = own_layer(quay.store, quay.release.components["cli"])
    assert quay.store.sizes()[digest] > 16 * KIB
    return digest


def about(layer: str, effect: Effect, *, skip: int = 0, times: int | None = None) -> Rule:
    return Rule(Endpoint.CDN, effect, containing=layer, method="GET", skip=skip, times=times)


def ranges_of(quay: Quay, layer: str) -> list[str | None]:
    entries = [entry for entry in quay.server.requests if entry.endpoint == "cdn" and layer[7:] in entry.path]
    return [entry.range for entry in entries]


def test_a_blob_that_breaks_off_goes_on_where_it_broke(
    quay: Quay, disk: Path, undisturbed: dict[str, Entry], layer: str
) -> None:
    quay.fails(about(layer, BreakOff(10 * KIB), times=1))
    quay.mirror(disk).done()
    assert ranges_of(quay, layer) == [None, f"bytes={10 * KIB}-"]
    assert look_at(disk) == undisturbed


def test_blobs_that_all_break_off_arrive(quay: Quay, disk: Path, undisturbed: dict[str, Entry]) -> None:
    quay.fails(*(Rule(Endpoint.CDN, BreakOff(100), skip=2 * number) for number in range(20)))
    quay.mirror(disk, "--retry-times", "40").done()
    assert look_at(disk) == undisturbed


def test_connections_that_are_reset_are_made_again(quay: Quay, disk: Path, undisturbed: dict[str, Entry]) -> None:
    kinds = (Endpoint.TOKEN, Endpoint.MANIFEST, Endpoint.BLOB, Endpoint.CDN)
    quay.fails(*(Rule(kind, Reset(), skip=3 * number) for kind in kinds for number in range(3)))
    quay.mirror(disk).done()
    assert look_at(disk) == undisturbed


def test_a_part_that_came_is_kept_for_the_next_run(
    tmp_path: Path, medium: PublishedRelease, disk: Path, undisturbed_medium: dict[str, Entry]
) -> None:
    with Quay(tmp_path, medium) as quay:
        large = own_layer(quay.store, medium.components["machine-os-content"])
        came = 2_500 * KIB
        quay.fails(about(large, BreakOff(came), times=1), about(large, BreakOff(0)))
        quay.mirror(disk).left_gaps("machine-os-content: ", "broken off again and again", "bytes")
        assert [gap["code"] for gap in ledger(disk)] == ["interrupted-transfer"]
        kept = (disk / ".airferry" / "partial" / large.replace(":", "-")).stat().st_size
        # A connection that is reset may lose what the kernel had not handed out yet.
        assert came - 2048 * KIB <= kept <= came
        assert is_sound(disk)
        quay.heals()
        quay.mirror(disk).done()
        assert ranges_of(quay, large) == [f"bytes={kept}-"]
    assert look_at(disk) == undisturbed_medium


WRONG: dict[str, tuple[Effect, str, str]] = {
    "a flipped byte": (FlipByte(5000), "content-mismatch", "has the digest"),
    "too many bytes, counted": (TooMany(7), "content-mismatch", "goes on after"),
    "too many bytes without a length": (TooMany(100_000, Length.UNSAID), "content-mismatch", "goes on after"),
    "too few bytes, counted": (TooFew(7), "content-mismatch", "ends after"),
    "too few bytes without a length": (TooFew(7, Length.UNSAID), "interrupted-transfer", "broken off"),
    "fewer bytes than counted": (TooFew(7, Length.TRUE), "interrupted-transfer", "broken off"),
    "nothing at all": (TooFew(1 << 30), "content-mismatch", "ends after 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_bytes_never_get_a_name(
    quay: Quay, disk: Path, undisturbed: dict[str, Entry], layer: str, case: str
) -> None:
    effect, code, word = WRONG[case]
    # What is missing at the end is asked for again, so that must fail as well.
    quay.fails(about(layer, effect, times=1), about(layer, BreakOff(0)))
    quay.mirror(disk).left_gaps("warning: cli: ", layer, word)
    assert [(gap["name"], gap["code"]) for gap in ledger(disk)] == [("cli", code)]
    assert is_sound(disk)
    assert missing_tags(disk, undisturbed) == {"4.12.0-x86_64-cli"}
    quay.heals()
    quay.mirror(disk).done()
    assert look_at(disk) == undisturbed


@pytest.mark.parametrize("case", WRONG)
def test_wrong_bytes_never_reach_a_registry(quay: Quay, mirror: Mirror, tmp_path: Path, layer: str, case: str) -> None:
    effect = WRONG[case][0]
    quay.fails(about(layer, effect, times=1), about(layer, BreakOff(0)))
    command = ("release", "mirror", "4.12.0", "--to", mirror.repository, "--dest-insecure")
    command = (*command, "--manifests-dir", tmp_path / "files", *quay.flags())
    airferry(*command).left_gaps("warning: cli: ", layer)
    assert mirror.is_sound()
    assert layer not in mirror.blobs()
    quay.heals()
    airferry(*command).done()
    assert mirror.is_sound()
    assert set(mirror.blobs()) == set(quay.store.sizes())
    assert not (tmp_path / "files" / "ledger.json").exists()


RELEASE_ITSELF: dict[str, tuple[Endpoint, Effect, str]] = {
    "a wrong manifest": (Endpoint.MANIFEST, FlipByte(40), "the manifest 4.12.0-x86_64 of"),
    "too long a manifest": (Endpoint.MANIFEST, TooMany(9), "the manifest 4.12.0-x86_64 of"),
    "too short a manifest": (Endpoint.MANIFEST, TooFew(9), "the manifest 4.12.0-x86_64 of"),
    "wrong bytes in configuration and layers": (Endpoint.CDN, FlipByte(20), "sha256:"),
    "too few bytes in configuration and layers": (Endpoint.CDN, TooFew(20), "sha256:"),
    "too many bytes in configuration and layers": (Endpoint.CDN, TooMany(20), "sha256:"),
}


@pytest.mark.parametrize("case", RELEASE_ITSELF)
def test_a_release_image_with_wrong_bytes_is_not_believed(
    quay: Quay, disk: Path, undisturbed: dict[str, Entry], case: str
) -> None:
    endpoint, effect, word = RELEASE_ITSELF[case]
    quay.fails(Rule(endpoint, effect, times=None))
    quay.mirror(disk).refused("content-mismatch", word)
    assert look_at(disk) == {}
    quay.heals()
    quay.mirror(disk).done()
    assert look_at(disk) == undisturbed


MOMENTS = {
    "while manifests are read": (Endpoint.MANIFEST, 6),
    "while attachments are looked for": (Endpoint.REFERRERS, 9),
    "at the first blob": (Endpoint.BLOB, 3),
    "in the middle of the blobs": (Endpoint.BLOB, 40),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_tokens_that_die_in_the_middle_are_renewed(
    quay: Quay, disk: Path, undisturbed: dict[str, Entry], moment: str
) -> None:
    endpoint, skip = MOMENTS[moment]
    rule = Rule(endpoint, ExpireTokens(), skip=skip)
    quay.fails(rule)
    quay.mirror(disk).done()
    assert quay.fired(rule) == 1
    assert look_at(disk) == undisturbed


@pytest.mark.parametrize("says_lifetime", [True, False])
def test_tokens_that_live_for_a_moment_are_enough(
    tmp_path: Path, small: PublishedRelease, disk: Path, undisturbed: dict[str, Entry], says_lifetime: bool
) -> None:
    users = {"me": "secret"}
    policy = Policy(
        Authentication.BEARER, anonymous_pull=False, users=users, token_lifetime_s=0.03, says_lifetime=says_lifetime
    )
    auth = tmp_path / "auth.json"
    with Quay(tmp_path, small, policy) as quay:
        auth.write_text(json.dumps({"auths": {quay.host: {"auth": "bWU6c2VjcmV0"}}}))
        quay.mirror(disk, "-a", auth).done()
        assert sum(entry.endpoint == "token" for entry in quay.server.requests) > 4
    assert look_at(disk) == undisturbed
