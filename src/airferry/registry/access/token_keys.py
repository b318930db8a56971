"""The keys that bearer tokens are signed with, in ROOT/token-keys.json, mode 0600.

One key signs. A key that was rotated out is kept without its private half until the last token that it signed has
expired. ES256, because Ed25519 is missing where FIPS mode is on.
"""

import hashlib
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from airferry.errors import MalformedError
from airferry.registry.access.watched import WatchedFile
from airferry.registry.durable import write_durably

KEYS_FILE: Final = "token-keys.json"
TOKEN_LIFE_S: Final = 300
"""How long a bearer token lives."""

_SLACK: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key pair in PEM. ``private_pem`` is None, and ``until`` is set, once another key signs."""

    kid: str
    created: datetime
    public_pem: str
    private_pem: str | None = field(default=None, repr=False)
    until: datetime | None = None

    @classmethod
    def make(cls, now: datetime) -> "TokenKey":
        """Return a new key."""
        private = ec.generate_private_key(ec.SECP256R1())
        public = private.public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(
            hashlib.sha256(der).hexdigest()[:16],
            now,
            public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
            private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        )

    def retired(self, now: datetime) -> "TokenKey":
        """Return the key as it is kept when it no longer signs."""
        return replace(self, private_pem=None, until=now + timedelta(seconds=TOKEN_LIFE_S) + _SLACK)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """``keys``, the one that signs first; ``service`` is this registry's own name, the audience of its tokens."""

    service: str
    keys: tuple[TokenKey, ...]
    version: Literal[1] = 1

    @classmethod
    def make(cls, now: datetime) -> "KeyRing":
        """Return the ring of a new registry, with a name that no other has."""
        return cls(f"airferry-registry-{secrets.token_hex(6)}", (TokenKey.make(now),))

    def rotated(self, now: datetime) -> "KeyRing":
        """Return the ring with a new key in front; what signed so far only verifies, and in the end goes."""
        old = [key if key.until else key.retired(now) for key in self.keys]
        return replace(self, keys=(TokenKey.make(now), *(key for key in old if not _is_over(key, now))))

    def key(self, kid: str, now: datetime) -> TokenKey | None:
        """Return the key with this id, if its tokens may still be good."""
        return next((key for key in self.keys if key.kid == kid and not _is_over(key, now)), None)


@dataclass(frozen=True, slots=True)
class LoadedRing:
    """A ring with its keys ready for use: ``signing``, and by id those that verify."""

    ring: KeyRing
    signing: ec.EllipticCurvePrivateKey = field(repr=False)
    verifying: dict[str, ec.EllipticCurvePublicKey]


class TokenKeysFile:
    """The ring of the registry in ``root``; what one process rotates, the others see at once."""

    def __init__(self, root: Path) -> None:
        file = root / KEYS_FILE
        self._ring = WatchedFile(file, partial(_parse, where=str(file)), _print, None)

    @classmethod
    async def open(cls, root: Path) -> "TokenKeysFile":
        """Return the ring of ``root``, made if there is none yet."""
        keys = cls(root)
        if not (root / KEYS_FILE).exists():
            await keys._ring.change(lambda loaded: loaded or _load(KeyRing.make(datetime.now(UTC))))
        await keys.current()
        return keys

    async def current(self) -> LoadedRing:
        """Return the keys of this moment."""
        loaded = await self._ring.current()
        assert loaded is not None, "it was made when it was opened"
        return loaded

    async def rotate(self) -> KeyRing:
        """Let a new key sign from now on, and return the ring."""

        def rotated(loaded: LoadedRing | None) -> LoadedRing:
            now = datetime.now(UTC)
            return _load(loaded.ring.rotated(now) if loaded else KeyRing.make(now))

        changed = await self._ring.change(rotated)
        assert changed is not None, "it was just made"
        return changed.ring

    def close(self) -> None:
        """Give back the open file."""
        self._ring.close()


def write_first_keys(root: Path) -> None:
    """Make the keys of a new registry. Raises OSError."""
    write_durably(root / KEYS_FILE, _print(_load(KeyRing.make(datetime.now(UTC)))), 0o600)


def _is_over(key: TokenKey, now: datetime) -> bool:
    return key.until is not None and key.until <= now


def _load(ring: KeyRing) -> LoadedRing:
    """Raises ValueError, TypeError for keys that are none."""
    signing = load_pem_private_key((ring.keys[0].private_pem or "").encode(), password=None)
    verifying = {key.kid: load_pem_public_key(key.public_pem.encode()) for key in ring.keys}
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    if not isinstance(signing.curve, ec.SECP256R1):
        raise TypeError("the key is of another curve")
    typed = {kid: key for kid, key in verifying.items() if isinstance(key, ec.EllipticCurvePublicKey)}
    return LoadedRing(ring, signing, typed)


def _parse(raw: bytes, where: str) -> LoadedRing | None:
    try:
        return _load(msgspec.json.decode(raw, type=KeyRing))
    except (msgspec.MsgspecError, ValueError, TypeError, IndexError, RecursionError, AssertionError):
        raise MalformedError(
            f"{where} does not hold the keys of tokens", hint="remove it; new keys are made at the next start"
        ) from None


def _print(loaded: LoadedRing | None) -> bytes:
    assert loaded is not None, "an empty ring is never written"
    return msgspec.json.format(msgspec.json.encode(loaded.ring), indent=1) + b"\n"
