"""What was met where a pull was tried: values that a probe fills in and a verdict is drawn from.

Source of the order: containers/image, docker/docker_image_src and copy: the places one after the other until one
answers with the manifest; then that place alone.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from airferry.oci.digest import Digest
from airferry.oci.pull_sources import PullSource


class Trouble(StrEnum):
    """Why a place did not give what a pull needs."""

    BLOCKED = "blocked"
    UNREACHABLE = "unreachable"
    NOT_TLS = "not-tls"
    """It answers in plain HTTP, and no rule says that it may."""
    UNKNOWN_CA = "unknown-ca"
    WRONG_NAME = "wrong-name-in-certificate"
    WRONG_TIME = "certificate-out-of-date"
    CERTIFICATE = "certificate"
    NO_CREDENTIAL = "no-credential"
    REFUSED_CREDENTIAL = "refused-credential"
    DENIED = "denied"
    NO_TOKEN = "no-token"  # noqa: S105 - a kind of failure, and no password
    FAILS = "registry-fails"
    """It answered with an error of its own, to each of several tries."""
    NO_MANIFEST = "no-manifest"
    BAD_MANIFEST = "bad-manifest"
    NO_PLATFORM = "no-platform"
    WRONG_PLATFORM = "wrong-platform"
    """The image is for one platform alone, and not for the nodes': they pull it and cannot run it."""
    NO_CHILD = "no-child"
    NO_BLOB = "no-blob"
    BAD_BLOB = "bad-blob"
    NO_SIGNATURE = "no-signature"
    BAD_SIGNATURE = "bad-signature"
    BAD_RULE = "bad-rule"
    NOT_AN_IMAGE = "not-an-image"
    NOT_A_RELEASE = "not-a-release"
    UNSETTLED = "unsettled"
    """Throttled, or a connection that breaks: asking again may give another answer."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that a place did not give. ``message`` says what was asked and answered, without secrets."""

    trouble: Trouble
    message: str


def bar_failure(source: PullSource, barred: str) -> Failure:
    """Return what it means for a pull that a rule bars a place."""
    return Failure(Trouble.BAD_RULE if source.ill_formed else Trouble.BLOCKED, barred)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One place that was tried. With ``answered`` it gave a manifest, and no place behind it is asked.

    ``manifest`` is that manifest's digest where it is one. ``failures`` are why there was none, or what is missing
    below it; empty when all is there. ``credential`` says in words which entry was used, None for none.
    """

    source: PullSource
    answered: bool = False
    manifest: Digest | None = None
    failures: tuple[Failure, ...] = ()
    credential: str | None = None


class Signed(StrEnum):
    """What is known about a signature that a policy demands."""

    NOT_DEMANDED = "not demanded"
    VERIFIED = "verified"
    NOT_CHECKED = "there, not checked"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PullFindings:
    """All attempts of one pull, in order; those behind the place that answered were not made."""

    attempts: tuple[Attempt, ...] = ()
    signed: Signed = Signed.NOT_DEMANDED
    blobs: int = 0
    note: str = field(default="")
    """What a reader should know although it fails nothing; "" for nothing."""
