"""Grants: which permissions hold in which namespace. Pure.

A namespace is the beginning of repository names, cut at a slash: ``team`` covers ``team`` and ``team/app/x``, not
``teams``. ``*`` covers everything. Grants add up; a narrower one never takes away what a wider one gives.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from airferry.errors import UsageError
from airferry.oci.reference import is_repository_path

EVERYWHERE: Final = "*"
"""The namespace of all repositories."""


class Permission(StrEnum):
    """What an account may do. ``push`` and ``delete`` come with ``pull``, ``admin`` with everything."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    ADMIN = "admin"


NOTHING: Final[frozenset[Permission]] = frozenset()
ALL: Final = frozenset(Permission)
_BRINGS: Final = {
    Permission.PULL: frozenset({Permission.PULL}),
    Permission.PUSH: frozenset({Permission.PULL, Permission.PUSH}),
    Permission.DELETE: frozenset({Permission.PULL, Permission.DELETE}),
    Permission.ADMIN: ALL,
}


def with_implied(permissions: Iterable[Permission]) -> frozenset[Permission]:
    """Return ``permissions`` with those that come with them."""
    return frozenset(item for permission in permissions for item in _BRINGS[permission])


@dataclass(frozen=True, slots=True)
class Grants:
    """Permissions by namespace, as they were given: what comes with them is added when they are asked."""

    by_namespace: Mapping[str, frozenset[Permission]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.by_namespace)

    def of(self, path: str) -> frozenset[Permission]:
        """Return all permissions that hold for the repository ``path``."""
        found = (self.by_namespace[name] for name in _covering(path) if name in self.by_namespace)
        return with_implied(permission for permissions in found for permission in permissions)

    def replaced(self, namespace: str, permissions: frozenset[Permission]) -> "Grants":
        """Return these grants with exactly ``permissions`` for ``namespace``; none at all takes them away."""
        kept = {name: given for name, given in self.by_namespace.items() if name != namespace}
        if permissions:
            kept[namespace] = permissions
        return Grants(dict(sorted(kept.items())))

    def added(self, other: "Grants") -> "Grants":
        """Return these grants and the ``other`` ones."""
        both = dict(self.by_namespace)
        for namespace, permissions in other.by_namespace.items():
            both[namespace] = both.get(namespace, NOTHING) | permissions
        return Grants(dict(sorted(both.items())))


def parse_namespace(text: str) -> str:
    """Return ``text`` if it is a namespace. Raises UsageError."""
    if text != EVERYWHERE and not is_repository_path(text):
        raise UsageError(
            f"{text[:120]!r} is not a namespace",
            hint="write the beginning of repository names, such as `openshift` or `team/app`, or `*` for all",
        )
    return text


def parse_permissions(text: str) -> frozenset[Permission]:
    """Return the permissions of a list such as ``pull,push``; ``none`` is none. Raises UsageError."""
    if text == "none":
        return NOTHING
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in tuple(Permission):
            raise UsageError(
                f"{word[:40]!r} is not a permission", hint=f"one or more of {', '.join(Permission)}; or none"
            )
    return frozenset(Permission(word) for word in words)


def print_permissions(permissions: Iterable[Permission]) -> tuple[str, ...]:
    """Return the words for ``permissions``, in the order in which they grow."""
    given = set(permissions)
    return tuple(str(permission) for permission in Permission if permission in given)


def _covering(path: str) -> Iterator[str]:
    yield EVERYWHERE
    end = path.find("/")
    while end != -1:
        yield path[:end]
        end = path.find("/", end + 1)
    yield path
