"""The one module that speaks to the OpenPGP library, and reads its texts.

pysequoia reports every failure as a RuntimeError with a text. What the caller needs to know, whether the key is
unknown, expired, revoked, too weak, or the message is damaged, is found here: from the text where it says so
(the table ``_TEXTS``), else from the keys themselves. Nothing is trusted by reading a text: a message counts as
verified only when the library returned its content.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import pysequoia
from pysequoia import packet

from airferry.errors import MalformedError
from airferry.openshift.release.framing import join_pieces


class Opening(StrEnum):
    """How opening a signed message ended."""

    VERIFIED = "verified"
    UNKNOWN_KEY = "unknown key"
    EXPIRED_KEY = "expired key"
    REVOKED_KEY = "revoked key"
    WEAK_KEY = "weak key"
    ALTERED = "altered"
    NOT_OPENPGP = "not an OpenPGP message"


@dataclass(frozen=True, slots=True)
class Opened:
    """A signed message after the attempt to open it; ``content`` is empty unless it was verified.

    ``signer`` is the fingerprint of the certificate, or the key id that the message names when no certificate
    is known, in upper case; "" when the message names none. ``detail`` is a sentence.
    """

    opening: Opening
    detail: str
    content: bytes = b""
    signer: str = ""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Public keys that signatures are checked against; make one with :func:`read_keys`."""

    certificates: tuple[Any, ...] = field(repr=False)
    fingerprints: tuple[str, ...]

    def holder_of(self, key_id: str) -> Any | None:
        """Return the certificate that holds the key or subkey of this id, or None."""
        wanted = key_id.lower()
        for certificate in self.certificates:
            for item in packet.PacketPile.from_bytes(bytes(certificate)):
                if item.key_id is not None and (wanted.endswith(item.key_id.lower())):
                    return certificate
        return None


_TEXTS: Final = (
    ("Signature verification failed: no valid signatures found.", None),
    ("Message has been manipulated", Opening.ALTERED),
    ("Malformed packet", Opening.NOT_OPENPGP),
    ("Malformed Message", Opening.NOT_OPENPGP),
    ("Malformed OpenPGP message", Opening.NOT_OPENPGP),
    ("unexpected EOF", Opening.NOT_OPENPGP),
    ("incomplete deflate stream", Opening.NOT_OPENPGP),
    ("corrupt deflate stream", Opening.NOT_OPENPGP),
)
"""How the library's texts begin, and what they mean; None: the keys decide. Seen with pysequoia 0.1.28 – 0.1.35.

A text that is not listed counts as "not an OpenPGP message".
"""

_WEAK: Final = ("Policy rejected", "not considered secure")


def read_keys(texts: Iterable[bytes]) -> KeyRing:
    """Return the keys in ``texts``, each armored or binary, one or several certificates. Raises MalformedError."""
    certificates: list[Any] = []
    for number, text in enumerate(texts, 1):
        try:
            found = pysequoia.Cert.split_bytes(text)
        except RuntimeError as error:
            raise MalformedError(f"verification key {number} is not an OpenPGP key: {_first_line(error)}") from error
        if not found:
            raise MalformedError(f"verification key {number} holds no OpenPGP key")
        certificates.extend(found)
    return KeyRing(tuple(certificates), tuple(item.fingerprint.upper() for item in certificates))


def open_signed(message: bytes, keys: KeyRing, *, now: datetime) -> Opened:
    """Return the content of an inline-signed binary message if one of ``keys`` signed it, else why not.

    A certificate that is expired at ``now`` or revoked is refused even where its signature is older than that,
    which the library would accept: whoever holds such a key may write any date.
    Armored and cleartext-signed messages are refused, because clusters cannot read them.
    """
    if not message[:1] or not message[0] & 0x80:
        return Opened(Opening.NOT_OPENPGP, "it is not a binary OpenPGP message")
    opened = _open(message, keys, now)
    if opened.opening is Opening.NOT_OPENPGP and (joined := join_pieces(message)) is not None:
        return _open(joined, keys, now)
    return opened


def _open(message: bytes, keys: KeyRing, now: datetime) -> Opened:
    asked: list[str] = []

    def certificates_for(key_ids: Sequence[str]) -> list[Any]:
        asked.extend(key_ids)
        return list(keys.certificates)

    try:
        verified = pysequoia.verify(message, certificates_for)
    except RuntimeError as error:
        return _explain(_first_line(error), asked, keys, now)
    signers = [item.certificate.upper() for item in verified.valid_sigs]
    known = [signer for signer in signers if signer in keys.fingerprints]
    if not known or verified.bytes is None:
        return Opened(Opening.ALTERED, "no signature by a known key is valid")
    certificate = keys.certificates[keys.fingerprints.index(known[0])]
    refusal = _refuse_key(certificate, now)
    return refusal or Opened(Opening.VERIFIED, f"signed by {known[0]}", bytes(verified.bytes), known[0])


def _explain(text: str, asked: Sequence[str], keys: KeyRing, now: datetime) -> Opened:
    opening = next((meaning for start, meaning in _TEXTS if text.startswith(start)), Opening.NOT_OPENPGP)
    if opening is Opening.ALTERED:
        return Opened(opening, "it was changed after it was signed")
    if opening is Opening.NOT_OPENPGP:
        return Opened(opening, f"it is not a signed OpenPGP message ({text})")
    if not asked:
        return Opened(Opening.NOT_OPENPGP, "it carries no signature that names its key")
    holders = [(key_id, keys.holder_of(key_id)) for key_id in asked]
    key_id, holder = next(((key, held) for key, held in holders if held is not None), (asked[0], None))
    if holder is None:
        return Opened(Opening.UNKNOWN_KEY, f"the key {key_id.upper()} is not one we trust", signer=key_id.upper())
    return _explain_known(holder, now)


def _explain_known(certificate: Any, now: datetime) -> Opened:
    refusal = _refuse_key(certificate, now)
    if refusal is not None:
        return refusal
    signer = certificate.fingerprint.upper()
    detail = f"its signature by {signer} is not valid: the content was changed, or the hash is one no longer accepted"
    return Opened(Opening.ALTERED, detail, signer=signer)


def _refuse_key(certificate: Any, now: datetime) -> Opened | None:
    """Return why nothing that this certificate signed is accepted at ``now``, or None."""
    signer = certificate.fingerprint.upper()
    try:
        expiration = certificate.expiration
        revoked = certificate.is_revoked
    except RuntimeError as error:
        text = str(error).split("\n\nStack backtrace", 1)[0]
        weak = any(word in text for word in _WEAK)
        detail = "is bound by SHA-1 or weaker" if weak else f"cannot be used: {_first_line(error)}"
        return Opened(Opening.WEAK_KEY, f"the key {signer} {detail}", signer=signer)
    if revoked:
        return Opened(Opening.REVOKED_KEY, f"the key {signer} was revoked", signer=signer)
    if expiration is not None and expiration <= now:
        return Opened(Opening.EXPIRED_KEY, f"the key {signer} expired on {expiration:%Y-%m-%d}", signer=signer)
    return None


def _first_line(error: RuntimeError) -> str:
    """Return the library's own sentence, without the stack that it adds."""
    return str(error).split("\n", 1)[0]
