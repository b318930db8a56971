"""References: which image, in which repository, in which place.

Grammar: ``HOST[:PORT]/PATH[:TAG][@DIGEST]`` with an optional ``docker://``; ``file://NAME[:TAG][@DIGEST]`` in
an oc tree; ``oci://DIR[:TAG][@DIGEST]`` in an OCI layout. Sources: distribution-spec "Pulling manifests"
(names and tags); containers-transports(5); the behaviour of ``oc`` for ``file://``.

A bare name such as ``ubi9`` is refused: nothing here guesses a host or a tag.
"""

import ipaddress
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from airferry.errors import MalformedError, UnsupportedError
from airferry.oci.descriptor import shortened
from airferry.oci.digest import Digest

_PATH_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH: Final = re.compile(rf"{_PATH_PART}(?:/{_PATH_PART})*\Z")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")
_HOST: Final = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-fA-F:.]{2,45})\]"
    r"|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*)"
    r"(?::(?P<port>[0-9]{1,5}))?\Z"
)
_USER_END: Final = re.compile(r"@(?!sha(?:256|512):)")
_MAX_NAME: Final = 255
_MAX_REFERENCE: Final = 1024
"""No registry has longer ones: host, name, tag and digest are all bounded."""

_MAX_HOST: Final = 253 + len(":65535")
"""A name in the DNS has at most 253 characters (RFC 1035)."""


class PlaceKind(StrEnum):
    """The kinds of place that hold images; the value is the scheme people write."""

    REGISTRY = "docker"
    TREE = "file"
    LAYOUT = "oci"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Somewhere that holds repositories: a registry (``address`` is host[:port]) or a folder (its path)."""

    kind: PlaceKind
    address: str

    def __str__(self) -> str:
        return self.address if self.kind is PlaceKind.REGISTRY else f"{self.kind}://{self.address}"


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """A named set of images in a place. In an OCI layout ``path`` is empty: a layout is one repository."""

    place: Place
    path: str

    def __str__(self) -> str:
        """As ``oc`` prints it: a tree's folder is not shown."""
        match self.place.kind:
            case PlaceKind.REGISTRY:
                return f"{self.place.address}/{self.path}"
            case PlaceKind.TREE:
                return f"file://{self.path}"
            case PlaceKind.LAYOUT:
                return f"oci://{self.place.address}"


@dataclass(frozen=True, slots=True)
class Reference:
    """An image in a repository: by digest, by tag, both (the digest decides) or neither (the whole repository)."""

    repository: Repository
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str, *, tree: str = ".") -> "Reference":
        """Return the reference that ``text`` spells; ``tree`` is the folder that ``file://`` names live in.

        Raises MalformedError with a hint, and UnsupportedError for ``s3://``.
        """
        if "\x00" in text or text.strip() != text or not text:
            raise MalformedError(f"not a reference: {text!r}")
        refuse_userinfo(text)
        scheme, separator, rest = text.partition("://")
        if not separator:
            return _parse_registry(text, text)
        match scheme:
            case "docker":
                return _parse_registry(rest, text)
            case "file":
                name, tag, digest = _split(rest.removeprefix("/"), text)
                return cls(Repository(Place(PlaceKind.TREE, tree), _checked_path(name, text)), tag, digest)
            case "oci":
                folder, tag, digest = _split(rest, text)
                if not folder:
                    raise MalformedError(f"no folder in {text!r}", hint="write oci://FOLDER[:TAG]")
                return cls(Repository(Place(PlaceKind.LAYOUT, folder), ""), tag, digest)
            case "s3":
                raise UnsupportedError(
                    f"{text!r}: object storage is not supported yet",
                    hint="mirror to a registry or to a folder with --to-dir",
                )
            case _:
                raise MalformedError(f"unknown scheme in {text!r}", hint="use docker://, file:// or oci://")

    def by_digest(self, digest: Digest) -> "Reference":
        """Return the same repository at ``digest``, without a tag."""
        return replace(self, tag=None, digest=digest)

    def __lt__(self, other: "Reference") -> bool:
        """Sort by repository, then tag, then digest; what has none comes first."""
        return self._order < other._order

    @property
    def _order(self) -> tuple[Repository, str, str]:
        return self.repository, self.tag or "", self.digest or ""

    def __str__(self) -> str:
        """As ``oc`` prints it: tag and digest are never shown together, the digest form wins."""
        if self.digest is not None:
            return f"{self.repository}@{self.digest}"
        return f"{self.repository}:{self.tag}" if self.tag is not None else str(self.repository)


def refuse_userinfo(text: str) -> None:
    """Raise MalformedError when a user or password stands before the host in ``text``, without repeating it.

    Names of folders, behind ``file://`` and ``oci://``, may hold what they like.
    """
    scheme, separator, rest = text.partition("://") if "://" in text else ("", "", text)
    found = _USER_END.search(rest)
    if found is None or scheme in ("file", "oci"):
        return
    # No name of a repository holds an @, so one with a slash behind it ends a user, and a slash before it a password.
    if "/" in rest[found.end() :] or (separator and "/" not in rest):
        raise MalformedError("credentials in a reference are not accepted", hint="store them with airferry login HOST")


def is_tag(text: str) -> bool:
    """Whether ``text`` is a tag by the distribution-spec's grammar."""
    return _TAG.match(text) is not None


def is_repository_path(text: str) -> bool:
    """Whether ``text`` is a repository name by the distribution-spec's grammar, of at most 255 characters."""
    return len(text) <= _MAX_NAME and _PATH.match(text) is not None


def is_host(text: str) -> bool:
    """Whether ``text`` is a host with an optional port, as written in references."""
    found = _HOST.match(text) if len(text) <= _MAX_HOST else None
    if found is None or (found["port"] is not None and not 0 < int(found["port"]) < 2**16):
        return False
    return found["ipv6"] is None or _is_ipv6(found["ipv6"])


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def parse_repository(text: str, *, tree: str = ".") -> Repository:
    """Return the repository that ``text`` spells; a tag or digest is refused with MalformedError."""
    reference = Reference.parse(text, tree=tree)
    if reference.tag is not None or reference.digest is not None:
        raise MalformedError(f"{text!r} must name a repository, without tag or digest")
    return reference.repository


def _split(text: str, whole: str) -> tuple[str, str | None, Digest | None]:
    """Split ``NAME[:TAG][@DIGEST]``; a colon or an ``@`` before the last slash belongs to the name."""
    head, slash, last = text.rpartition("/")
    last, at, digest_text = last.partition("@")
    digest = Digest.parse(digest_text) if at else None
    last, colon, tag = last.partition(":")
    if colon and not is_tag(tag):
        raise MalformedError(f"the tag {tag!r} in {whole!r} is not valid")
    return f"{head}{slash}{last}", tag if colon else None, digest


def _parse_registry(text: str, whole: str) -> Reference:
    if len(text) > _MAX_REFERENCE:
        raise MalformedError(f"not a reference: {shortened(whole)}, which has {len(whole)} characters")
    host, slash, rest = text.partition("/")
    if not slash and _looks_like_host_alone(host):
        raise MalformedError(f"no repository in {whole!r}", hint="write HOST/REPOSITORY:TAG")
    looks_like_host = "." in host or ":" in host or host == "localhost"
    if not slash or not looks_like_host:
        raise MalformedError(
            f"no registry host in {whole!r}",
            hint=f"write it out, such as quay.io/{text}" if is_repository_path(_split(text, whole)[0]) else None,
        )
    if not is_host(host):
        raise MalformedError(f"the registry host {host!r} in {whole!r} is not valid")
    path, tag, digest = _split(rest, whole)
    return Reference(Repository(Place(PlaceKind.REGISTRY, host), _checked_path(path, whole)), tag, digest)


def _looks_like_host_alone(text: str) -> bool:
    name = text.partition("@")[0].partition(":")[0]
    return is_host(text) and ("." in name or name == "localhost")


def _checked_path(path: str, whole: str) -> str:
    if is_repository_path(path):
        return path
    if is_repository_path(path.lower()):
        raise MalformedError(f"the repository name {path!r} must be lower case")
    raise MalformedError(f"the repository name {path!r} in {whole!r} is not valid")
