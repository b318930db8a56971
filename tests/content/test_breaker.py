"""Whom an error concerns: one content, one repository, a whole place, or the disk that is written to."""

import pytest

from airferry.content.breaker import FATAL, PATIENCE, UNFIT_DISK, Breaker
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
        Breaker().failed(kind("as it was"), "registry/a", "registry")


@pytest.mark.parametrize("kind", UNFIT_DISK, ids=lambda kind: kind.code)
def test_no_run_goes_on_past_an_unfit_disk(kind: type[AirferryError]) -> None:
    with pytest.raises(kind):
        Breaker(go_on=True).failed(kind("full"), "disk/a", "disk")


@pytest.mark.parametrize("go_on", [False, True])
@pytest.mark.parametrize("kind", [*ONE_CONTENT, TooLargeError], ids=lambda kind: kind.__name__)
def test_what_is_about_one_content_never_stops_anything(kind: type[AirferryError], go_on: bool) -> None:
    breaker = Breaker(go_on=go_on)
    for _ in range(PATIENCE + 1):
        breaker.failed(kind("gone"), "registry/a", "registry")
    assert breaker.lost("registry/a", "registry") is None


@pytest.mark.parametrize("kind", [RegistryFailedError, InterruptedTransferError], ids=lambda kind: kind.code)
def test_failures_in_a_row_are_an_outage(kind: type[AirferryError]) -> None:
    breaker = Breaker()
    for _ in range(PATIENCE - 1):
        breaker.failed(kind("500"), "registry/a", "registry")
    with pytest.raises(kind):
        breaker.failed(kind("500"), "registry/b", "registry")


def test_a_success_in_between_begins_the_row_anew() -> None:
    breaker = Breaker()
    for _ in range(3 * PATIENCE):
        breaker.failed(RegistryFailedError("500"), "registry/a", "registry")
        breaker.worked("registry")


def test_a_place_that_is_lost_is_not_asked_again() -> None:
    breaker = Breaker(go_on=True)
    first = UnreachableError("no route")
    breaker.failed(first, "registry/a", "registry")
    breaker.failed(UnreachableError("again"), "registry/b", "registry")
    assert breaker.lost("registry/b", "registry") is first
    assert breaker.lost("other/a", "other") is None


def test_credentials_are_missing_for_one_repository_only() -> None:
    breaker = Breaker(go_on=True)
    refused = UnauthorizedError("who are you")
    breaker.failed(refused, "registry/a", "registry")
    assert breaker.lost("registry/a", "registry") is refused
    assert breaker.lost("registry/b", "registry") is None
