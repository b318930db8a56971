"""Names that Kubernetes takes. Source: its documentation, "Object Names and IDs"."""

import re
from typing import Final

from airferry.errors import MalformedError

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_SUBDOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
_NUMBER: Final = re.compile(
    r"(?:0x[0-9a-f]+|0o?[0-7]+|[0-9]+(?:\.[0-9]*)?(?:e[-+]?[0-9]+)?|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2})\Z"
)
_YAML_WORDS: Final = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")

MOST_CHARACTERS: Final = 253
"""Of an object's name, and of a key of a ConfigMap."""


def check_object_name(name: str) -> None:
    """Raise MalformedError unless ``name`` is a subdomain by RFC 1123, which objects are called by."""
    if len(name) > MOST_CHARACTERS:
        raise MalformedError(
            f"a name of {len(name)} characters is too long for an object: clusters take {MOST_CHARACTERS}",
            hint="give a shorter --name",
        )
    if _SUBDOMAIN.match(name) is None:
        raise MalformedError(
            f"{name!r} is no name for an object, and clusters refuse it",
            hint="lower-case letters, digits, - and . are allowed; begin and end with a letter or digit",
        )


def quoted(text: str) -> str:
    """Return a name, host or repository as YAML that is read back as this text.

    ``*.domain`` would be an alias, ``[::1]`` a list, ``no`` a bool and ``1e5`` a number.
    """
    is_special = text[:1] in "*[" or text.lower() in _YAML_WORDS or _NUMBER.match(text.lower()) is not None
    return f"'{text}'" if is_special else text
