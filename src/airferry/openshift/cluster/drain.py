"""Would a change of the nodes' rules drain or reboot them, and which line causes it?

Source: machine-config-operator, pkg/daemon: ``isSafeContainerRegistryConfChanges`` (drain.go) and
``calculatePostConfigChangeActionFromMCDiffs`` (update.go), with a cluster's own node disruption policy unset.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from airferry.oci.pull_rules import Mirror, PullFrom, PullRule
from airferry.openshift.cluster.node_config import REGISTRIES_CONF, SEARCH_DROP_IN, NodeConfig
from airferry.openshift.cluster.traps import table


class Disruption(StrEnum):
    """What applying a change does to each node, from the least."""

    NONE = "none"
    RELOAD = "reload"
    DRAIN = "drain"
    REBOOT = "reboot"


@dataclass(frozen=True, slots=True)
class DrainCause:
    """One line that disrupts nodes: ``where`` names file or table, ``sentence`` what changed."""

    where: str
    sentence: str
    disruption: Disruption


@dataclass(frozen=True, slots=True)
class DrainForecast:
    """What a change does: the worst of its ``causes``, or a reload of CRI-O, or nothing."""

    disruption: Disruption
    causes: tuple[DrainCause, ...] = ()

    @property
    def drains(self) -> bool:
        """Whether nodes lose their pods; a reboot drains as well."""
        return self.disruption in (Disruption.DRAIN, Disruption.REBOOT)


def forecast_drain(before: NodeConfig, after: NodeConfig) -> DrainForecast:
    """Return what going from ``before`` to ``after`` does, with every cause, tables sorted.

    A node's registries.conf says nothing of its policy.json: beside objects that make one, that counts as changed.
    """
    causes = [*_search_causes(before, after), *_table_causes(before, after)]
    if before.search_drop_in != after.search_drop_in:
        sentence = "containerRuntimeSearchRegistries changed, and no policy lets nodes keep running over this file"
        causes.append(DrainCause(SEARCH_DROP_IN, sentence, Disruption.REBOOT))
    if causes:
        worst = max(causes, key=lambda cause: list(Disruption).index(cause.disruption))
        return DrainForecast(worst.disruption, tuple(causes))
    return DrainForecast(Disruption.RELOAD if before.files() != after.files() else Disruption.NONE)


def reloaded_files(before: NodeConfig, after: NodeConfig) -> tuple[str, ...]:
    """Return the files that CRI-O only reads again for, sorted: changed, and no cause of more."""
    old, new = before.files(), after.files()
    changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    return tuple(sorted(changed - {REGISTRIES_CONF, SEARCH_DROP_IN}))


def _search_causes(before: NodeConfig, after: NodeConfig) -> Iterator[DrainCause]:
    if after.search[: len(before.search)] != before.search:
        sentence = "unqualified-search-registries lost one, or has another order; one more at the end would do no harm"
        yield DrainCause(REGISTRIES_CONF, sentence, Disruption.DRAIN)


def _table_causes(before: NodeConfig, after: NodeConfig) -> Iterator[DrainCause]:
    old = {rule.prefix: rule for rule in before.rules.rules}
    new = {rule.prefix: rule for rule in after.rules.rules}
    for prefix in sorted(old.keys() | new.keys()):
        if prefix not in new:
            sentences = ["the table is removed"]
        elif prefix not in old:
            sentences = list(_new_table(new[prefix]))
        elif old[prefix] == new[prefix]:
            continue
        else:
            sentences = list(_changed_table(old[prefix], new[prefix]))
        for sentence in sentences:
            yield DrainCause(table(new.get(prefix) or old[prefix]), sentence, Disruption.DRAIN)


def _new_table(rule: PullRule) -> Iterator[str]:
    if not rule.mirrors and not rule.mirror_by_digest_only:
        what = " and ".join(word for word, on in (("blocked", rule.blocked), ("insecure", rule.insecure)) if on)
        marks = f" ({what})" if what else ""
        yield f"a new table without mirrors{marks}; only one whose mirrors are all digest-only does no harm"
    for mirror in rule.mirrors:
        if mirror.pull_from is not PullFrom.DIGEST_ONLY:
            yield f"a new table whose mirror {mirror.location} is {_shown(mirror)}, not digest-only"


def _changed_table(old: PullRule, new: PullRule) -> Iterator[str]:
    if old.location != new.location:
        yield f"location changes from {old.location!r} to {new.location!r}"
    for name, before, after in (("blocked", old.blocked, new.blocked), ("insecure", old.insecure, new.insecure)):
        if before != after:
            yield f"{name} changes from {str(before).lower()} to {str(after).lower()}"
    kept = {mirror.location: mirror for mirror in reversed(old.mirrors)}
    left = {mirror.location for mirror in new.mirrors}
    for mirror in old.mirrors:
        if mirror.location not in left:
            yield f"the mirror {mirror.location} is removed"
    for mirror in new.mirrors:
        was = kept.get(mirror.location)
        if was is None:
            if mirror.pull_from is not PullFrom.DIGEST_ONLY and not new.mirror_by_digest_only:
                yield f"the mirror {mirror.location} is added, {_shown(mirror)} and not digest-only"
        elif mirror.pull_from is not was.pull_from and mirror.pull_from is not PullFrom.DIGEST_ONLY:
            # The operator compares every line of a mirror with the first that had its location.
            yield _second_line(was, mirror, old, new)


def _second_line(was: Mirror, mirror: Mirror, old: PullRule, new: PullRule) -> str:
    def is_listed(rule: PullRule, kind: PullFrom) -> bool:
        return any(one.location == mirror.location and one.pull_from is kind for one in rule.mirrors)

    if is_listed(old, mirror.pull_from):
        lines = f"{_shown(was)} and {_shown(mirror)}"
        return f"the mirror {mirror.location} is listed twice, {lines}, and while it is, any change of its table drains"
    if is_listed(new, was.pull_from):
        return f"the mirror {mirror.location} is added a second time, {_shown(mirror)} beside {_shown(was)}"
    return f"the mirror {mirror.location} was {_shown(was)} and becomes {_shown(mirror)}"


def _shown(mirror: Mirror) -> str:
    return "for every pull" if mirror.pull_from is PullFrom.ALL else mirror.pull_from.value
