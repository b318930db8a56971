"""Scopes: host[:port][/path] or ``*.domain``, which one lies in which, and whether one is written well.

Source: runtime-utils ``ScopeIsNestedInsideScope`` and ``IsValidRegistriesConfScope``, and the patterns of the
ImageDigestMirrorSet API (openshift/api, config/v1).
"""

import re
from typing import Final

_HOST: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*"
_PORT: Final = r"(?::[0-9]{1,5})?"
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_MIRROR: Final = re.compile(rf"(?:{_HOST}|\[[0-9a-fA-F:.]+\]){_PORT}(?:/{_PART})*\Z")
_WILDCARD: Final = re.compile(rf"\*(?:\.{_HOST}){_PORT}\Z")


def is_location(text: str) -> bool:
    """Whether ``text`` is host[:port][/path] without tag, digest or wildcard: what a mirror may be."""
    return _MIRROR.match(text) is not None


def is_source(text: str) -> bool:
    """Whether ``text`` may be a source: a location, or ``*.domain`` without a path."""
    return is_location(text) or _WILDCARD.match(text) is not None


def is_scope(text: str) -> bool:
    """Whether ``text`` may be an insecure or blocked scope: no ``*``, or ``*.`` followed by a bare host name."""
    if not text:
        return False
    if "*" not in text:
        return True
    return text.startswith("*.") and len(text) > 2 and not any(sign in text[2:] for sign in "/@:*")


def is_nested(inner: str, outer: str) -> bool:
    """Whether ``outer`` covers ``inner``: equal, a parent path, or ``*.d`` over a host that ends in ``.d``.

    ``q.io/a`` does not cover ``q.io/ab``; ``*.d`` does not cover ``d``; a host does not cover its ports.
    """
    if inner == outer:
        return True
    if outer.startswith("*."):
        host = inner.split("/", 1)[0].split(":", 1)[0]
        return host.endswith(outer[1:])
    return inner.startswith(outer + "/")
