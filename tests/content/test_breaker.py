"""Whom an error concerns: one content, one repository, a whole place, or the disk that is written to."""

import pytest

from airferry.content.breaker import FATAL, PATIENCE, PATIENCE_WITH_A_STRANGER, UNFIT_DISK, Breaker
from airferry.content.errors import (
    DamagedError,
    InterruptedTransferError,
    NotFoundError,
    RegistryFailedError,
    UnauthorizedError,
    UnreachableError,
)
from airferry.errors import AirferryError

ONE_CONTENT = (NotFoundError, DamagedError)


class TooLargeError(RegistryFailedError):
    """A kind of failure that is about one content."""


@pytest.mark.parametrize("kind", FATAL, ids=lambda kind: kind.code)
def test_what_would_hit_everything_alike_is_raised(kind: type[AirferryError]) -> None:
    with pytest.raises(kind, match="as it was"):
        Breaker().begin("registry/a", "registry").failed(kind("as it was"))


@pytest.mark.parametrize("kind", UNFIT_DISK, ids=lambda kind: kind.code)
def test_no_run_goes_on_past_an_unfit_disk(kind: type[AirferryError]) -> None:
    with pytest.raises(kind):
        Breaker(go_on=True).begin("disk/a", "disk").failed(kind("full"))


@pytest.mark.parametrize("go_on", [False, True])
@pytest.mark.parametrize("kind", [*ONE_CONTENT, TooLargeError], ids=lambda kind: kind.__name__)
def test_what_is_about_one_content_never_stops_anything(kind: type[AirferryError], go_on: bool) -> None:
    breaker = Breaker(go_on=go_on)
    for _ in range(PATIENCE + 1):
        breaker.begin("registry/a", "registry").failed(kind("gone"))
    assert breaker.lost("registry/a", "registry") is None


@pytest.mark.parametrize("kind", [RegistryFailedError, InterruptedTransferError], ids=lambda kind: kind.code)
def test_failures_in_a_row_are_an_outage(kind: type[AirferryError]) -> None:
    breaker = Breaker()
    for _ in range(PATIENCE_WITH_A_STRANGER - 1):
        breaker.begin("registry/a", "registry").failed(kind("500"))
    with pytest.raises(kind):
        breaker.begin("registry/b", "registry").failed(kind("500"))


def test_a_place_that_has_worked_is_given_more_time() -> None:
    breaker = Breaker()
    breaker.begin("registry/a", "registry").worked()
    for _ in range(PATIENCE - 1):
        breaker.begin("registry/a", "registry").failed(RegistryFailedError("500"))
    with pytest.raises(RegistryFailedError):
        breaker.begin("registry/a", "registry").failed(RegistryFailedError("500"))


def test_failures_that_were_waited_for_while_others_worked_are_about_one_content_each() -> None:
    """Each is retried for half a minute, and so they all end after everything that works."""
    breaker = Breaker()
    slow = [breaker.begin("registry/a", "registry") for _ in range(3 * PATIENCE)]
    breaker.begin("registry/a", "registry").worked()
    for attempt in slow:
        attempt.failed(RegistryFailedError("500"))
    assert breaker.lost("registry/a", "registry") is None


def test_a_success_in_between_begins_the_row_anew() -> None:
    breaker = Breaker()
    for _ in range(3 * PATIENCE):
        breaker.begin("registry/a", "registry").failed(RegistryFailedError("500"))
        breaker.begin("registry/b", "registry").worked()


def test_a_place_that_is_lost_is_not_asked_again() -> None:
    breaker = Breaker(go_on=True)
    first = UnreachableError("no route")
    breaker.begin("registry/a", "registry").failed(first)
    breaker.begin("registry/b", "registry").failed(UnreachableError("again"))
    assert breaker.lost("registry/b", "registry") is first
    assert breaker.lost("other/a", "other") is None


def test_credentials_are_missing_for_one_repository_only() -> None:
    breaker = Breaker(go_on=True)
    refused = UnauthorizedError("who are you")
    breaker.begin("registry/a", "registry").failed(refused)
    assert breaker.lost("registry/a", "registry") is refused
    assert breaker.lost("registry/b", "registry") is None
