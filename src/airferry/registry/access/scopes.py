"""Scopes of bearer tokens: what is asked for, what is given, what a token may be used for. Pure.

Source: Docker token specification "Token Scope". A scope that cannot be read, or is of a kind that we do not have,
gives nothing and is no error: clients ask for more than every registry knows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from airferry.oci.reference import is_repository_path
from airferry.registry.access.grants import NOTHING, Grants, Permission

MOST_SCOPES: Final = 100
"""More repositories than this in one token, and it would not fit into a header."""

_ACTIONS: Final = (Permission.PULL, Permission.PUSH, Permission.DELETE)
_CATALOG: Final = {"type": "registry", "name": "catalog", "actions": ["*"]}


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a token is for: actions by repository, and whether the catalog may be listed."""

    by_path: Mapping[str, frozenset[Permission]] = field(default_factory=dict)
    catalog: bool = False

    def __bool__(self) -> bool:
        return self.catalog or bool(self.by_path)

    def narrowed(self, grants: Grants, *, limit: frozenset[Permission] | None, catalog: bool) -> "Scopes":
        """Return what of these an account gets that has ``grants``, a ``limit``, and may list the ``catalog``."""
        given = {}
        for path, actions in self.by_path.items():
            allowed = actions & grants.of(path)
            if limit is not None:
                allowed &= limit
            if allowed:
                given[path] = allowed
        return Scopes(given, self.catalog and catalog)

    def claims(self) -> list[dict[str, Any]]:
        """Return the ``access`` claim of a token."""
        entries: list[dict[str, Any]] = [
            {"type": "repository", "name": path, "actions": [str(one) for one in _ACTIONS if one in actions]}
            for path, actions in self.by_path.items()
        ]
        return [*entries, _CATALOG] if self.catalog else entries

    def words(self) -> tuple[str, ...]:
        """Return them as they are written in a request."""
        return tuple(f"{entry['type']}:{entry['name']}:{','.join(entry['actions'])}" for entry in self.claims())


def parse_scopes(values: Iterable[str]) -> Scopes:
    """Return what the ``scope`` parameters of a request ask for; each may hold several, between spaces."""
    by_path: dict[str, frozenset[Permission]] = {}
    catalog = False
    for word in (word for value in values for word in value.split()):
        kind, _, rest = word.partition(":")
        name, _, actions = rest.rpartition(":")
        asked = _actions(actions)
        match kind.partition("(")[0], name:
            case "registry", "catalog":
                catalog = catalog or "*" in actions.split(",")
            case "repository", path if asked and is_repository_path(path) and len(by_path) < MOST_SCOPES:
                by_path[path] = by_path.get(path, NOTHING) | asked
    return Scopes(by_path, catalog)


def scopes_of_claims(access: Any) -> Scopes:
    """Return the scopes of an ``access`` claim that :meth:`Scopes.claims` made."""
    entries = [entry for entry in access if isinstance(entry, dict)] if isinstance(access, list) else []
    by_path = {
        str(entry.get("name")): _actions(",".join(map(str, entry.get("actions", []))))
        for entry in entries
        if entry.get("type") == "repository"
    }
    return Scopes(by_path, _CATALOG in entries)


def _actions(text: str) -> frozenset[Permission]:
    words = text.split(",")
    if "*" in words:
        return frozenset(_ACTIONS)
    return frozenset(action for action in _ACTIONS if action in words)
