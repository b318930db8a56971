"""The small text files that people name on the command line."""

import sys
from pathlib import Path
from typing import Final

from airferry.errors import UsageError

_MAX_FILE_BYTES: Final = 16 * 1024 * 1024
_MAX_STDIN_CHARACTERS: Final = 64 * 1024 * 1024


def read_text_file(file: Path, what: str = "", *, any_encoding: bool = False) -> str:
    """Return a file's text; ``what`` says in errors what it is. Raises UsageError, without any of the text.

    With ``any_encoding``, what is not UTF-8 is replaced: of PEM only the ASCII in it matters.
    """
    named = f"{what} {file}".lstrip()
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise UsageError(f"{named} is larger than {_MAX_FILE_BYTES} bytes", hint="is it the right file?")
        return content.decode(errors="replace" if any_encoding else "strict")
    except OSError as error:
        raise UsageError(f"{named} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # It would carry the text, which may be a secret, into whatever prints the chain of errors.
        raise _not_text(named) from None


def read_standard_input(what: str) -> str:
    """Return what stdin holds; ``what`` says in errors what it is. Raises UsageError, without any of the text."""
    if sys.stdin is None:
        raise UsageError(f"{what} cannot be read: there is no stdin")
    try:
        text = sys.stdin.read(_MAX_STDIN_CHARACTERS + 1)
        text.encode()  # in the locale C, bytes that are no text come as surrogates
    except UnicodeError:
        raise _not_text(f"{what} on stdin") from None
    if len(text) > _MAX_STDIN_CHARACTERS:
        raise UsageError(
            f"{what} on stdin has more than {_MAX_STDIN_CHARACTERS} characters", hint="is it the right one?"
        )
    return text


def _not_text(named: str) -> UsageError:
    hint = "write it in UTF-8; what PowerShell's > writes is UTF-16, so use | Out-File -Encoding utf8 there"
    return UsageError(f"{named} cannot be read: it is not text", hint=hint)
