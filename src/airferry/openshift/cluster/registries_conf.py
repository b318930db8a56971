"""registries.conf as a cluster's machine-config operator renders it on the nodes.

Source: runtime-utils ``EditRegistriesConfig`` (openshift/runtime-utils 7bdb5b9c177b), whose own test cases are
ours too; quirks of its outcome are kept, since nodes have them.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from airferry.errors import MalformedError, UnsupportedError
from airferry.oci.pull_rules import Mirror, PullFrom, PullRule, PullRules
from airferry.openshift.cluster.merging import check_policies, merge_entries
from airferry.openshift.cluster.mirror_sets import MirrorEntry, MirrorSet, SourcePolicy, check_entry
from airferry.openshift.cluster.scopes import is_nested, is_scope

SEARCH_REGISTRIES = ("registry.access.redhat.com", "docker.io")
"""``unqualified-search-registries`` of a cluster's nodes."""


def pull_rules(
    mirror_sets: Iterable[MirrorSet], *, insecure: Sequence[str] = (), blocked: Sequence[str] = ()
) -> PullRules:
    """Return the rules that nodes would follow.

    ``insecure`` and ``blocked`` are scopes of ``registrySources``. install-config's sections count as the
    objects they become. Raises MalformedError where the cluster refuses the objects as a whole (entries that
    are not well formed, contradicting policies, scopes), UnsupportedError for a wildcard source whose mirrors
    would have to be handed on to a blocked or insecure scope inside it.
    """
    sets = tuple(mirror_sets)
    for item in sets:
        for number, entry in enumerate(item.entries, 1):
            check_entry(entry, f"{item.origin or item.name or item.kind.value}, entry {number}")
    check_policies(entry for item in sets for entry in item.entries)
    check_scopes((*insecure, *blocked))
    by_digest = merge_entries(entry for item in sets if not item.kind.is_for_tags for entry in item.entries)
    by_tag = merge_entries(entry for item in sets if item.kind.is_for_tags for entry in item.entries)
    return _render(by_digest, by_tag, tuple(insecure), tuple(blocked))


def check_scopes(scopes: Iterable[str]) -> None:
    """Raise MalformedError unless each may stand in ``registrySources``."""
    for scope in scopes:
        if not is_scope(scope):
            raise MalformedError(f"{scope!r} is not a scope: host[:port][/path], or *.domain without path or port")


def print_registries_conf(rules: PullRules, *, search: Sequence[str] = SEARCH_REGISTRIES) -> str:
    """Return the rules as registries.conf (version 2), in their order, written as the operator's encoder writes it."""
    lines = [f"unqualified-search-registries = [{', '.join(map(_quoted, search))}]", 'short-name-mode = ""']
    for rule in rules.rules:
        lines += ["", "[[registry]]", *("  " + line for line in _rule_lines(rule))]
        for mirror in rule.mirrors:
            lines += ["", "  [[registry.mirror]]", *("    " + line for line in _mirror_lines(mirror))]
    return "\n".join(lines) + "\n"


def _rule_lines(rule: PullRule) -> list[str]:
    """Return the fields of one ``[[registry]]`` table; a wildcard has a prefix and no location."""
    prefix = rule.prefix if rule.prefix != rule.location else ""
    lines = [f"prefix = {_quoted(prefix)}", f"location = {_quoted(rule.location)}"]
    flags = (
        ("insecure", rule.insecure),
        ("blocked", rule.blocked),
        ("mirror-by-digest-only", rule.mirror_by_digest_only),
    )
    return lines + [f"{name} = true" for name, is_set in flags if is_set]


def _mirror_lines(mirror: Mirror) -> list[str]:
    lines = [f"location = {_quoted(mirror.location)}"]
    if mirror.insecure:
        lines.append("insecure = true")
    if mirror.pull_from is not PullFrom.ALL:
        lines.append(f"pull-from-mirror = {_quoted(mirror.pull_from)}")
    return lines


def _quoted(text: str) -> str:
    """Return a basic string of TOML, whose escapes are JSON's, and DEL's besides."""
    return json.dumps(str(text), ensure_ascii=False).replace("\x7f", "\\u007f")


@dataclass(slots=True)
class _Table:
    """A table while it is being put together."""

    scope: str
    mirrors: list[Mirror] = field(default_factory=list)
    blocked: bool = False
    insecure: bool = False

    def frozen(self) -> PullRule:
        location = "" if self.scope.startswith("*.") else self.scope
        return PullRule(self.scope, location, tuple(self.mirrors), self.blocked, self.insecure)


def _render(
    by_digest: Sequence[MirrorEntry], by_tag: Sequence[MirrorEntry], insecure: Sequence[str], blocked: Sequence[str]
) -> PullRules:
    tables: dict[str, _Table] = {}
    for entries, kind in ((by_digest, PullFrom.DIGEST_ONLY), (by_tag, PullFrom.TAG_ONLY)):
        for entry in entries:
            table = tables.setdefault(entry.source, _Table(entry.source))
            table.mirrors.extend(Mirror(mirror, pull_from=kind) for mirror in entry.mirrors)
            table.blocked = table.blocked or entry.policy is SourcePolicy.NEVER
    for scope in blocked:
        tables.setdefault(scope, _Table(scope))
    for scope in insecure:
        _mark_insecure(tables, scope)
    for scope in blocked:
        for table in tables.values():
            table.blocked = table.blocked or is_nested(table.scope, scope)
    _hand_on_mirrors(tables, (*by_digest, *by_tag))
    return PullRules(tuple(table.frozen() for table in tables.values()))


def _mark_insecure(tables: dict[str, _Table], scope: str) -> None:
    tables.setdefault(scope, _Table(scope))
    for table in tables.values():
        table.insecure = table.insecure or is_nested(table.scope, scope)
        table.mirrors = [
            Mirror(mirror.location, mirror.insecure or is_nested(mirror.location, scope), mirror.pull_from)
            for mirror in table.mirrors
        ]


def _hand_on_mirrors(tables: dict[str, _Table], entries: Sequence[MirrorEntry]) -> None:
    """Give a table without mirrors those of a source it lies in, since the longest prefix rules alone.

    The first source in the order of rendering wins, even where another one is closer: a known quirk of
    runtime-utils (the outcome of its own code for ``q.io`` and ``q.io/a`` with ``q.io/a/b/c`` blocked).
    """
    for entry in entries:
        parent = tables[entry.source]
        for table in tables.values():
            if table.mirrors or table.scope == entry.source or not is_nested(table.scope, entry.source):
                continue
            if entry.source.startswith("*."):
                raise UnsupportedError(
                    f"{table.scope} lies in the mirrored {entry.source}, and clusters cannot render that",
                    hint=f"name the hosts instead of {entry.source}, or take {table.scope} out of the scopes",
                )
            rest = table.scope.removeprefix(entry.source)
            table.mirrors = [
                Mirror(mirror.location + rest, mirror.insecure, mirror.pull_from) for mirror in parent.mirrors
            ]
