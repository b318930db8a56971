"""What a cluster's nodes will have, from files: cluster objects, install-config.yaml, a node's own registries.conf."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airferry.app.generated_files import write_files
from airferry.app.text_files import read_standard_input, read_text_file
from airferry.content.registries_conf import is_registries_conf, read_node_registries
from airferry.errors import MalformedError, UsageError
from airferry.openshift.cluster.cluster_objects import LOOKED_FOR, ClusterObjects, join_objects, parse_cluster_objects
from airferry.openshift.cluster.drain import DrainForecast, forecast_drain, reloaded_files
from airferry.openshift.cluster.mirror_sets import MirrorSet
from airferry.openshift.cluster.node_config import RELEASE_REPOSITORY, NodeConfig, node_config
from airferry.openshift.cluster.traps import TRAP_CODES, find_traps
from airferry.openshift.cluster.traps import Trap as Trap  # the command line knows it by this name

STDIN = Path("-")


@dataclass(frozen=True, slots=True)
class NodeRules:
    """What nodes will have, what it was made from, and the traps in it.

    ``passed_over`` names objects in the files that decide nothing about it. ``decides_nothing`` is true where the
    files held nothing else, so that the rules are those of a node that was told nothing. ``install_configs`` are
    those among the files, for their secrets; not one that came in by stdin.
    """

    config: NodeConfig
    mirror_sets: tuple[MirrorSet, ...] = ()
    passed_over: tuple[str, ...] = ()
    decides_nothing: bool = False
    install_configs: tuple[Path, ...] = ()

    @property
    def traps(self) -> tuple[Trap, ...]:
        """What the linter finds."""
        return find_traps(self.config, self.mirror_sets)

    def warnings(self, traps: Sequence[Trap] | None = None) -> list[str]:
        """Return every trap (or ``traps`` alone), and what was passed over, as lines for people."""
        shown = self.traps if traps is None else traps
        lines = [f"{trap.where}: {trap.sentence} [{trap.code}]\n  fix: {trap.fix}" for trap in shown]
        return [*lines, *(f"{item} says nothing about pulls, passed over" for item in self.passed_over)]


def load_node_rules(files: Sequence[Path], *, release_repository: str = RELEASE_REPOSITORY) -> NodeRules:
    """Return what nodes get for ``files``; ``-`` is stdin.

    A registries.conf counts alone, with the drop-ins beside it and any file of registries.d that is given too.
    Raises UsageError, MalformedError, NotFoundError, UnsupportedError.
    """
    if not files:
        raise UsageError("no file was given", hint="name mirror sets, install-config.yaml or a node's registries.conf")
    own = [file for file in files if file != STDIN and is_registries_conf(file)]
    read = [(file, _read_objects(file)) for file in files if file not in own]
    objects = join_objects(found for _, found in read)
    install_configs = tuple(file for file, found in read if found.has_install_config and file != STDIN)
    if not own:
        made = node_config(objects, release_repository=release_repository)
        return NodeRules(made, objects.mirror_sets, objects.passed_over, objects.decides_nothing, install_configs)
    if len(own) > 1 or objects.mirror_sets or objects.image_config is not None:
        raise UsageError(
            f"{own[0]} is what a node has in the end, and cannot be joined with more rules",
            hint="give either registries.conf, or the objects that it is made from",
        )
    found = read_node_registries(own[0])
    config = NodeConfig(
        found.rules, found.search, found.search_drop_in, lookups=objects.lookups, policies=objects.policies
    )
    return NodeRules(config, (), objects.passed_over)


def _read_objects(file: Path) -> ClusterObjects:
    text = read_standard_input("the list of objects") if file == STDIN else read_text_file(file)
    return parse_cluster_objects(text, "stdin" if file == STDIN else str(file))


def rules_document(found: NodeRules) -> dict[str, Any]:
    """Return the rules for programs: every file, every table, every warning."""
    config = found.config
    return {
        "files": files_document(config.files()),
        "unqualifiedSearchRegistries": list(config.search if config.search_drop_in is None else config.search_drop_in),
        "tables": [
            {
                "prefix": rule.prefix,
                "location": rule.location,
                "blocked": rule.blocked,
                "insecure": rule.insecure,
                "mirrors": [
                    {
                        "location": mirror.location,
                        "insecure": mirror.insecure,
                        "pullFromMirror": "digest-only" if rule.mirror_by_digest_only else mirror.pull_from.value,
                    }
                    for mirror in rule.mirrors
                ],
            }
            for rule in config.rules.rules
        ],
        "warnings": traps_document(found.traps),
    }


def files_document(files: Mapping[str, str]) -> list[dict[str, str]]:
    """Return files for programs, by their path on a node."""
    return [{"path": f"/{name}", "content": text} for name, text in sorted(files.items())]


def traps_document(traps: Sequence[Trap]) -> list[dict[str, str]]:
    """Return the traps for programs."""
    return [{"code": trap.code, "where": trap.where, "sentence": trap.sentence, "fix": trap.fix} for trap in traps]


def check_codes(codes: Sequence[str]) -> None:
    """Raise UsageError for a code that no trap has."""
    unknown = [code for code in codes if code not in TRAP_CODES]
    if unknown:
        raise UsageError(f"no trap is called {unknown[0]}", hint=f"there are {', '.join(TRAP_CODES)}")


def require_rules(found: NodeRules, files: Sequence[Path]) -> None:
    """Raise MalformedError where ``files`` say nothing about pulls, so that "no traps" would be no answer."""
    if found.decides_nothing:
        raise MalformedError(
            f"{', '.join(map(str, files))}: nothing here says anything about pulls"
            + (f", but only {'; '.join(found.passed_over)}" if found.passed_over else ""),
            hint=LOOKED_FOR,
        )


def print_traps(traps: Sequence[Trap]) -> str:
    """Return the traps for people."""
    if not traps:
        return "No traps found\n"
    return "".join(f"{trap.where}\n  {trap.code}: {trap.sentence}\n  fix: {trap.fix}\n" for trap in traps)


def drain_forecast(before: NodeRules, after: NodeRules) -> DrainForecast:
    """Return what a change does to the nodes."""
    return forecast_drain(before.config, after.config)


def print_forecast(forecast: DrainForecast, before: NodeRules, after: NodeRules) -> str:
    """Return a forecast for people: the verdict, then each line that causes it."""
    verdicts = {
        "none": "No change: nodes keep running, nothing is read again",
        "reload": "No drain: CRI-O reads its files again, pods stay",
        "drain": "Drain: each node in turn is drained, without a reboot",
        "reboot": "Reboot: each node in turn is drained and rebooted",
    }
    lines = [verdicts[forecast.disruption.value]]
    lines += [f"  {cause.where}: {cause.sentence} ({cause.disruption})" for cause in forecast.causes]
    lines += [f"  {name}: read again" for name in reloaded_files(before.config, after.config)]
    return "\n".join(lines) + "\n"


def forecast_document(forecast: DrainForecast, before: NodeRules, after: NodeRules) -> dict[str, Any]:
    """Return a forecast for programs."""
    return {
        "disruption": forecast.disruption.value,
        "drains": forecast.drains,
        "causes": [
            {"where": cause.where, "sentence": cause.sentence, "disruption": cause.disruption.value}
            for cause in forecast.causes
        ],
        "reloaded": list(reloaded_files(before.config, after.config)),
        "warnings": traps_document(after.traps),
    }


async def write_node_files(
    folder: Path, files: Mapping[str, str], *, private: Collection[str] = ()
) -> tuple[Path, ...]:
    """Write ``files``, named by their paths below ``folder``; return the paths, sorted. Raises NoSpaceError, …"""
    return await write_files(folder, {name: text.encode() for name, text in files.items()}, private=private)
