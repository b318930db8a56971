"""Answers that say no, turned into our errors: who refused what, with which credential, and what to do."""

from dataclasses import dataclass
from typing import Final

from airferry.content.errors import (
    DeniedError,
    NoSpaceError,
    NotFoundError,
    RegistryFailedError,
    ThrottledError,
    UnauthorizedError,
)
from airferry.errors import AirferryError
from airferry.oci.wire import WireCode, parse_errors

_MAX_SHOWN: Final = 300
LATER_HINT: Final = "run the same command again later; it goes on from here"
NOT_FOUND_HINT: Final = "check the spelling; some registries also answer so to users who may not see it"


@dataclass(frozen=True, slots=True)
class Doing:
    """What a request is for, in words: ``verb`` as in "push blob sha256:…", ``subject`` as in "manifest 4.20"."""

    registry: str
    path: str
    verb: str
    subject: str

    def __str__(self) -> str:
        return f"{self.verb} {self.subject} of {self.registry}/{self.path}" if self.path else f"{self.verb}"


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom we asked: ``origin`` of the credential (None: anonymous) and where was looked for one."""

    origin: str | None
    searched: str


class TooLargeError(RegistryFailedError):
    """The registry, or a proxy before it, takes no body of this size; asking again changes nothing."""


class NoTokenError(RegistryFailedError):
    """The token service of a registry answers, and gives no token: it decided, and asking again changes nothing."""


class PartsUnseenError(RegistryFailedError):
    """The registry does not see what a manifest refers to, perhaps not yet: it may have it a moment later."""


def refusal(status: int, body: bytes, doing: Doing, identity: Identity) -> AirferryError:
    """Return the error for a ``status`` that is not retried; ``body`` is the answer's, cut off or whole."""
    said = _said(body)
    match status:
        case 401:
            return unauthorized(doing, identity, said)
        case 403:
            return denied(doing, identity, said)
        case 404:
            return _not_found(body, doing, said)
        case 405:
            return DeniedError(f"{doing.registry} does not let anybody {doing}{said}", hint="it only reads, it seems")
        case 413:
            return TooLargeError(
                f"{doing.registry} calls it too large to {doing}{said}",
                hint="raise the body limit of the proxy before the registry (nginx: client_max_body_size)",
            )
        case 507:
            return NoSpaceError(f"{doing.registry} has no space left to {doing}{said}")
        case 400 if any(entry.code == WireCode.MANIFEST_BLOB_UNKNOWN for entry in parse_errors(body)):
            text = f"{doing.registry} answered {status} when asked to {doing}{said}"
            return PartsUnseenError(text, hint=LATER_HINT)
        case _:
            text = f"{doing.registry} answered {status} when asked to {doing}{said}"
            return RegistryFailedError(text, hint=LATER_HINT)


def unauthorized(doing: Doing, identity: Identity, said: str = "") -> UnauthorizedError:
    """Return the error for credentials that are missing or refused."""
    if identity.origin is None:
        return UnauthorizedError(
            f"{doing.registry} wants credentials to {doing}{said}; none for it in: {identity.searched}",
            hint=f"airferry login {doing.registry}, or give an auth file with -a FILE; "
            "some registries answer so for repositories that do not exist",
        )
    return UnauthorizedError(
        f"{doing.registry} refused the credentials of {identity.origin} to {doing}{said}",
        hint=f"check them with: airferry login {doing.registry}",
    )


def denied(doing: Doing, identity: Identity, said: str = "") -> DeniedError:
    """Return the error for credentials that are good and do not allow this."""
    who = "anonymous users" if identity.origin is None else f"the credentials of {identity.origin}"
    return DeniedError(
        f"{doing.registry} does not allow {who} to {doing}{said}",
        hint="ask for the right to do this there, or use other credentials with -a FILE",
    )


def throttled(doing: Doing, waited: str) -> ThrottledError:
    """Return the error for a registry that answered 429 longer than we wait."""
    return ThrottledError(
        f"{doing.registry} keeps asking to be left alone (429) when asked to {doing}{waited}",
        hint="run the same command later; what is done is not asked for again",
    )


def _not_found(body: bytes, doing: Doing, said: str) -> NotFoundError:
    if any(entry.code == "NAME_UNKNOWN" for entry in parse_errors(body)):
        return NotFoundError(f"{doing.registry} has no repository {doing.path}{said}", hint=NOT_FOUND_HINT)
    return NotFoundError(f"{doing.registry} has no {doing.subject} in {doing.path}{said}", hint=NOT_FOUND_HINT)


def _said(body: bytes) -> str:
    """The registry's own words, on one line; nothing when it sent a page for people."""
    entries = parse_errors(body)
    words = "; ".join(f"{entry.code}: {entry.message}" if entry.message else entry.code for entry in entries)
    printable = "".join(letter if letter.isprintable() else " " for letter in words)
    return f" ({printable[:_MAX_SHOWN]})" if printable else ""
