"""Whether a release is trusted: its signatures, what they claim, and where they are kept.

A signature is an OpenPGP message, signed inline, of JSON in containers' "simple signing" form. A release is
trusted when at least one such message verifies against a trusted key and names the release's digest.
Source: the rules of the cluster-version operator (library-go pkg/verify), which judges again inside the
cluster; so nothing is accepted here that it would refuse there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import msgspec

from airferry.errors import parser_words
from airferry.oci import Digest
from airferry.openshift.release.errors import UntrustedReleaseError
from airferry.openshift.release.openpgp import KeyRing, Opening, open_signed, read_keys

MAX_SIGNATURE_BYTES: Final = 50 * 1024
"""What clusters accept to read as one signature."""

MAX_SIGNATURES: Final = 9
"""``signature-1`` … ``signature-9`` are asked for, up to the first that is missing."""

DEFAULT_STORES: Final = (
    "https://mirror.openshift.com/pub/openshift-v4/signatures/openshift/release",
    "https://storage.googleapis.com/openshift-release/official/signatures/openshift/release",
)
"""Where Red Hat publishes the signatures of releases; each holds all of them."""


def signature_path(digest: Digest, number: int) -> str:
    """Return the path below a store of the ``number``-th signature of ``digest``, counted from 1."""
    return f"{digest.algorithm}={digest.hex}/signature-{number}"


def signature_paths(digest: Digest) -> tuple[str, ...]:
    """Return every path to ask a store for, in order; the first that is missing ends the asking."""
    return tuple(signature_path(digest, number) for number in range(1, MAX_SIGNATURES + 1))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A signature as found: its raw bytes, and where, for people (a URL, a file)."""

    message: bytes
    found_at: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one candidate is worth. ``reason`` is a sentence; ``opening`` is None when it was too large to open.

    ``claim`` is the name the signer published the release under, "" unless trusted.
    """

    trusted: bool
    reason: str
    opening: Opening | None = None
    signer: str = ""
    claim: str = ""


@dataclass(frozen=True, slots=True)
class Trust:
    """What all candidates together are worth, in the order they were given.

    ``unanswered`` says which stores gave no answer, and why; it excuses nothing, but it belongs into the refusal.
    """

    digest: Digest
    verdicts: tuple[tuple[Candidate, Verdict], ...]
    unanswered: tuple[str, ...] = ()

    @property
    def is_trusted(self) -> bool:
        """Whether at least one signature verifies and names this digest."""
        return any(verdict.trusted for _, verdict in self.verdicts)

    @property
    def signatures(self) -> tuple[bytes, ...]:
        """The messages that verify, each once: what the cluster is to be given."""
        return tuple(dict.fromkeys(item.message for item, verdict in self.verdicts if verdict.trusted))

    def require(self) -> None:
        """Raise UntrustedReleaseError, naming each candidate and its reason, unless trusted."""
        if self.is_trusted:
            return
        judged = [f"{item.found_at}: {verdict.reason}" for item, verdict in self.verdicts]
        reasons = "; ".join((*judged, *self.unanswered))
        raise UntrustedReleaseError(
            f"the release {self.digest} is not trusted: {reasons or 'no signature was found'}",
            hint="check --signature-store and --verification-key; --allow-unverified copies it all the same, "
            "and has to be given again wherever it is used",
        )


def judge_release(
    candidates: Iterable[Candidate], keys: KeyRing | Sequence[bytes], digest: Digest, *, now: datetime
) -> Trust:
    """Return what the candidates are worth as signatures of ``digest``. ``keys`` as for :func:`verify_signature`."""
    ring = keys if isinstance(keys, KeyRing) else read_keys(keys)
    judged = tuple((item, verify_signature(item.message, ring, digest, now=now)) for item in candidates)
    return Trust(digest, judged)


def verify_signature(message: bytes, keys: KeyRing | Sequence[bytes], digest: Digest, *, now: datetime) -> Verdict:
    """Return whether ``message`` is a signature of ``digest`` by one of ``keys``, and why (not).

    ``keys`` are key texts (armored or binary) or a ring read from them; ``now`` is aware of its time zone.
    Raises MalformedError only for keys that cannot be read.
    """
    if len(message) > MAX_SIGNATURE_BYTES:
        return Verdict(False, f"{len(message)} bytes are over the limit of {MAX_SIGNATURE_BYTES} for a signature")
    ring = keys if isinstance(keys, KeyRing) else read_keys(keys)
    opened = open_signed(message, ring, now=now)
    if opened.opening is not Opening.VERIFIED:
        return Verdict(False, opened.detail, opened.opening, opened.signer)
    try:
        claim = msgspec.json.decode(opened.content, type=_Claim)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = f"{opened.detail}, but what was signed is not a container signature: {parser_words(error)}"
        return Verdict(False, reason, opened.opening, opened.signer)
    objection = _objection(claim, digest)
    if objection is not None:
        return Verdict(False, f"{opened.detail}, but {objection}", opened.opening, opened.signer)
    name = claim.critical.identity.docker_reference
    return Verdict(True, f"{opened.detail} as {name}", opened.opening, opened.signer, name)


def _objection(claim: "_Claim", digest: Digest) -> str | None:
    signed = claim.critical.image.docker_manifest_digest
    if signed != digest:
        return f"it signs {signed}"
    if not claim.critical.identity.docker_reference:
        return "it names no image reference"
    return None


class _Image(msgspec.Struct, forbid_unknown_fields=True, rename="kebab"):
    docker_manifest_digest: str


class _Identity(msgspec.Struct, forbid_unknown_fields=True, rename="kebab"):
    docker_reference: str


class _Critical(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["atomic container signature"]
    image: _Image
    identity: _Identity


class _Optional(msgspec.Struct, forbid_unknown_fields=True):
    creator: str = ""
    timestamp: int = 0


class _Claim(msgspec.Struct, forbid_unknown_fields=True):
    critical: _Critical
    optional: _Optional | None = None
