"""The small text files that people name on the command line."""

from pathlib import Path
from typing import Final

from airferry.errors import UsageError

_MAX_FILE_BYTES: Final = 16 * 1024 * 1024


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
        raise UsageError(f"{named} cannot be read: it is not text") from None
