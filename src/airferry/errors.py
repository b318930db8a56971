"""The root of every error that airferry raises, and the one table of exit and error codes.

An error carries a stable ``code``, a message that says what happened to which object, and, when we know
one, a ``hint`` that says what to do. Each class stands for something that a caller may do differently.
Rooms put their own classes in their own ``errors.py``; the codes all live here, so that documents,
exit codes and tests read one table.
"""

import re
from enum import IntEnum
from typing import ClassVar, Final


class ExitCode(IntEnum):
    """What the process ends with; scripts rely on these numbers (docs/reference/exit-codes.md)."""

    DONE = 0
    USER = 1
    FAILED = 2
    GAPS = 3


ERROR_CODES: dict[str, tuple[ExitCode, str]] = {
    "usage": (ExitCode.USER, "the command line asks for something that cannot be"),
    "malformed": (ExitCode.USER, "a reference, manifest or file is not written as its format demands"),
    "unsupported": (ExitCode.USER, "a valid request or format that airferry does not handle"),
    "not-found": (
        ExitCode.USER,
        "a manifest, tag, blob, repository or file does not exist where it was asked for",
    ),
    "unauthorized": (ExitCode.USER, "the registry wants credentials, or refused those it was given"),
    "denied": (ExitCode.USER, "the credentials are good but do not allow this"),
    "certificate": (ExitCode.USER, "the TLS certificate of a registry cannot be trusted"),
    "unreachable": (ExitCode.USER, "a registry, or its database, could not be reached: name, route, port or proxy"),
    "unfit-registry": (
        ExitCode.USER,
        "a destination registry lacks an organisation or project, or does not take such names or pushes",
    ),
    "blocked": (ExitCode.USER, "registries.conf bars every place the image could be pulled from"),
    "throttled": (ExitCode.USER, "the registry kept answering 429 for longer than we were told to wait"),
    "registry-failed": (ExitCode.USER, "the registry kept answering with a server error"),
    "interrupted-transfer": (ExitCode.USER, "the connection kept breaking in the middle of content"),
    "content-mismatch": (ExitCode.USER, "bytes whose size or digest differs from what promised them"),
    "untrusted-release": (ExitCode.USER, "no signature of the release verifies against a trusted key"),
    "no-space": (ExitCode.USER, "a disk is full, or too small for what is planned"),
    "read-only": (ExitCode.USER, "a folder cannot be written to"),
    "unfit-filesystem": (
        ExitCode.USER,
        "the file system cannot hold the tree: no links, or no colons in names",
    ),
    "in-use": (ExitCode.USER, "another airferry is at work in the same folder, or a port is taken"),
    "damaged": (ExitCode.USER, "content on a disk does not match its digest, or is missing"),
    "unsafe-archive": (
        ExitCode.USER,
        "a layer tries to write outside the folder it is read into, or is a bomb",
    ),
    "tool-missing": (ExitCode.USER, "the release does not contain the tool that was asked for"),
    "interrupted": (ExitCode.USER, "stopped by the user; the same command again goes on from here"),
    "gaps": (ExitCode.GAPS, "done, except for what the ledger names"),
    "internal": (ExitCode.FAILED, "airferry failed; this is a bug"),
}
"""Every error code: the exit code it ends the process with, and what it means."""


_AT: Final = r"@(?!sha(?:256|512):)"  # what a digest stands behind is no end of a user
# Lengths are bounded, and a user begins where a word begins: a text that was made for it must not keep us busy.
_USERINFO: Final = re.compile(
    rf"""(?<=://)[^\s/'"]{{0,4096}}{_AT}"""
    # Somebody's slash in a password: what stands before it is then no host, with or without a port.
    rf"""|(?<=://)(?![\[/])[^\s/'"@:]++:(?!\d{{1,5}}/)[^\s'"]{{0,4096}}{_AT}"""
    rf"""|(?<![^\s/'"=(])[^\s/'"=(@:]++:[^\s/'"]{{0,4096}}{_AT}"""
)


def without_userinfo(text: str) -> str:
    """Return ``text`` with ``***`` for every user and password before a host, as in ``https://***@host/path``.

    Digests of images, and an ``@`` behind the first slash of a URL, stay as they are.
    """
    return _USERINFO.sub("***@", text) if "@" in text else text


def parser_words(error: Exception) -> str:
    """Return what a parser said of input that it cannot read, as people may be told: Python's stack is not theirs."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error).split("\n", 1)[0]


class AirferryError(Exception):
    """Base of all our errors. Never raised itself; ``code`` is a key of :data:`ERROR_CODES`.

    Errors repeat what people wrote, and people write passwords into URLs: message and hint are kept
    :func:`without_userinfo`, whoever raises them.
    """

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = without_userinfo(message)
        self.hint = without_userinfo(hint) if hint else hint
        super().__init__(self.message)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of a process that ends with this error."""
        return ERROR_CODES[self.code][0]


class UsageError(AirferryError):
    """The command line, or a request made of it, asks for something that cannot be."""

    code = "usage"


class MalformedError(AirferryError):
    """Input that is not written as its format demands."""

    code = "malformed"


class UnsupportedError(AirferryError):
    """Valid input that airferry does not handle."""

    code = "unsupported"
