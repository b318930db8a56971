"""Where YAML breaks, for people. The files hold secrets, so nothing of them may be in what is said."""

import re
from typing import Final

from airferry.errors import MalformedError

_QUOTED: Final = re.compile(r"'(?:\W{1,3}|<[a-z ]+>)'")
"""What a parser may quote of a file: signs, and names of its own tokens."""


def located(error: Exception, text: str, file: str) -> MalformedError:
    """Return the error for what YAML's parser said of ``text``. Raise it ``from None``: its cause quotes the file."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        why = ": it is nested too deeply" if isinstance(error, RecursionError) else ""
        return MalformedError(f"{file} is not YAML{why}")
    line = text.split("\n")[mark.line] if mark.line < text.count("\n") + 1 else ""
    where = f"{file}, line {mark.line + 1}"
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return MalformedError(f"{where}: the line is indented with a tab", hint="YAML takes spaces only; write spaces")
    if type(error).__name__ == "DuplicateKeyError":
        key = line.partition(":")[0].strip()
        return MalformedError(f"{where}: {key} is there a second time", hint="keep one of the two, with all its lines")
    problem = str(getattr(error, "problem", None) or "it cannot be read")
    shown = problem if not _QUOTED.sub("", problem).count("'") and '"' not in problem else "it cannot be read"
    return MalformedError(
        f"{where}, column {mark.column + 1}: not YAML: {shown}",
        hint="look at the indentation of this line and of the one before it",
    )
