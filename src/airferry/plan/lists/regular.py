"""Regular expressions of lists: those of Go's regexp, matched in time that the text's length bounds.

Python's own ``re`` reads another grammar, and may take for ever with an expression that was made for it, while a list
comes from somebody else. RE2 is what Go's is a copy of.
"""

from dataclasses import dataclass
from typing import Any

from airferry.errors import MalformedError


@dataclass(frozen=True, slots=True)
class Regular:
    """An expression, ready to be looked for in short texts such as tags."""

    text: str
    program: Any

    @classmethod
    def parse(cls, text: str) -> "Regular":
        """Return the expression. Raises MalformedError where RE2 refuses it, or the program gets too large."""
        # Only runs that read an expression pay for this import.
        import re2

        options = re2.Options()
        options.log_errors = False  # they would go to stderr past everything
        try:
            return cls(text, re2.compile(text, options))
        except re2.error as error:
            words = error.args[0] if error.args else ""
            why = words.decode(errors="replace") if isinstance(words, bytes) else str(words)
            raise MalformedError(f"{text!r} is not a regular expression: {why}") from None
        except UnicodeEncodeError:
            raise MalformedError(f"{text!r} is not a regular expression: it is not text") from None

    def found_in(self, text: str) -> bool:
        """Whether the expression matches anywhere in ``text``, as Go's MatchString does."""
        return self.program.search(text) is not None
