"""Reads registries.conf and its drop-ins into pull rules, refusing what containers/image refuses.

Sources: containers-registries.conf(5), containers-registries.conf.d(5); containers/image, pkg/sysregistriesv2
(checks and merging). Only what decides where a pull goes is kept, and the list that short names are searched
in, since changing it disturbs nodes; no bare name is ever guessed.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from airferry.content.errors import NotFoundError
from airferry.errors import MalformedError, UnsupportedError, parser_words
from airferry.oci.descriptor import shortened
from airferry.oci.pull_rules import Mirror, PullFrom, PullRule, PullRules
from airferry.oci.reference import is_repository_path, parse_repository

_MAX_FILE_BYTES: Final = 16 * 1024 * 1024
_SYSTEM_FILE: Final = Path("/etc/containers/registries.conf")
_TOP_LEVEL: Final = frozenset({"registry", "registries", "unqualified-search-registries", "short-name-mode", "aliases"})
_SHORT_NAME_MODES: Final = ("", "enforcing", "permissive", "disabled")


@dataclass(frozen=True, slots=True)
class RegistriesConfPaths:
    """Which files make up a configuration: the main file, and folders of drop-ins in the order of reading."""

    main: Path
    drop_ins: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeRegistries:
    """What a node's files say. ``search_drop_in`` is the list of its drop-ins, None when none of them has one."""

    rules: PullRules
    search: tuple[str, ...] = ()
    search_drop_in: tuple[str, ...] | None = None


def default_paths(
    environ: Mapping[str, str] | None = None, home: Path | None = None, system_file: Path = _SYSTEM_FILE
) -> RegistriesConfPaths:
    """Return the files a node or podman reads by itself.

    $CONTAINERS_REGISTRIES_CONF replaces the main file and keeps the drop-ins, as podman does. A user's own
    file replaces the system's one and its drop-ins (containers-registries.conf.d(5)).
    """
    environ = os.environ if environ is None else environ
    folder = (Path.home() if home is None else home) / ".config/containers"
    own_file, own_drop_ins = folder / "registries.conf", folder / "registries.conf.d"
    system_drop_ins = system_file.with_name("registries.conf.d")
    named = environ.get("CONTAINERS_REGISTRIES_CONF")
    if named:
        return RegistriesConfPaths(Path(named), (system_drop_ins, own_drop_ins))
    if own_file.exists():
        return RegistriesConfPaths(own_file, (own_drop_ins,))
    return RegistriesConfPaths(system_file, (system_drop_ins, own_drop_ins))


def load_default_rules(
    environ: Mapping[str, str] | None = None, home: Path | None = None, system_file: Path = _SYSTEM_FILE
) -> PullRules:
    """Return the rules of this machine, drop-ins merged; a system without any file has none.

    Raises NotFoundError when $CONTAINERS_REGISTRIES_CONF names a file that does not exist, MalformedError.
    """
    environ = os.environ if environ is None else environ
    paths = default_paths(environ, home, system_file)
    rules: dict[str, PullRule] = {}
    if paths.main.exists() or environ.get("CONTAINERS_REGISTRIES_CONF"):
        rules.update((rule.prefix, rule) for rule in read_registries_conf(paths.main).rules)
    for folder in paths.drop_ins:
        for path in _drop_ins(folder):
            rules.update((rule.prefix, rule) for rule in _read(path, drop_in=True))
    return PullRules(tuple(rules[prefix] for prefix in sorted(rules)))


def read_registries_conf(path: Path) -> PullRules:
    """Return the rules of one file, which counts alone: what ``--registries-conf FILE`` means.

    Both formats are read; the deprecated version 1 only knows blocked and insecure. Raises NotFoundError, and
    MalformedError that names file and table for what containers/image refuses too.
    """
    return PullRules(_read(path, drop_in=False))


def read_node_registries(path: Path) -> NodeRegistries:
    """Return what a node makes of ``path``; of a file named registries.conf with the drop-ins beside it.

    Raises as :func:`read_registries_conf` does.
    """
    rules = {rule.prefix: rule for rule in _read(path, drop_in=False)}
    search, dropped_in = _search(path) or (), None
    for file in _drop_ins(path.with_name("registries.conf.d")) if path.name == "registries.conf" else ():
        rules.update((rule.prefix, rule) for rule in _read(file, drop_in=True))
        found = _search(file)
        dropped_in = dropped_in if found is None else found
    return NodeRegistries(PullRules(tuple(rules[prefix] for prefix in sorted(rules))), search, dropped_in)


def _search(path: Path) -> tuple[str, ...] | None:
    fields = _load(path)
    old = fields.get("registries")
    if "unqualified-search-registries" not in fields and isinstance(old, dict) and "search" in old:
        return _v1_list(old, "search", path)
    return _search_list(fields, path)


def _search_list(fields: Mapping[str, Any], path: Path) -> tuple[str, ...] | None:
    found = fields.get("unqualified-search-registries")
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise MalformedError(f"{path}: unqualified-search-registries is not a list of text")
    return tuple(found)


def is_registries_conf(path: Path) -> bool:
    """Whether ``path`` is in the form of registries.conf rather than YAML, by its name or else by its content."""
    if path.suffix in (".conf", ".toml"):
        return True
    if path.suffix in (".yaml", ".yml", ".json"):
        return False
    try:
        return bool(_load(path).keys() & _TOP_LEVEL)
    except MalformedError:
        return False


def _drop_ins(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise MalformedError(f"the folder {folder} cannot be read: {error.strerror}") from error
    return [entry for entry in entries if entry.name.endswith(".conf") and not entry.is_dir()]


def _read(path: Path, *, drop_in: bool) -> tuple[PullRule, ...]:
    fields = _load(path)
    old = fields.get("registries")
    if old is not None and not isinstance(old, dict):
        raise MalformedError(f"{path}: [registries] is not a table")
    if old and any(_v1_list(old, name, path) for name in ("search", "insecure", "block")):
        if drop_in:
            raise MalformedError(f"{path}: drop-in files must be written in version 2 of the format")
        if fields.get("registry") or "unqualified-search-registries" in fields:
            raise MalformedError(f"{path} mixes [registries.…] (version 1) with version 2 of the format")
        rules = _from_v1(old, path)
    else:
        rules = _from_v2(fields, path)
    _check_conflicts(rules, path)
    # Of tables with the same prefix the first one counts; containers/image keeps quiet about it and so do we.
    unique: dict[str, PullRule] = {}
    for rule in rules:
        unique.setdefault(rule.prefix, rule)
    return tuple(unique[prefix] for prefix in sorted(unique))


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFoundError(f"the file {path} does not exist") from error
    except OSError as error:
        raise MalformedError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > _MAX_FILE_BYTES:
        raise MalformedError(f"{path} is larger than {_MAX_FILE_BYTES} bytes")
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"{path} is not TOML: {parser_words(error)}") from error


def _v1_list(old: Mapping[str, Any], name: str, path: Path) -> tuple[str, ...]:
    table = old.get(name) or {}
    found = table.get("registries", []) if isinstance(table, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise MalformedError(f"{path}: [registries.{name}] does not hold a list of registries")
    return tuple(found)


def _from_v1(old: Mapping[str, Any], path: Path) -> list[PullRule]:
    rules: dict[str, PullRule] = {}
    for name in ("block", "insecure"):
        for text in _v1_list(old, name, path):
            location = _location(text, f"{path}: [registries.{name}]")
            if not location:
                raise MalformedError(f"{path}: [registries.{name}] holds an empty location")
            rule = rules.get(location, PullRule(location, location))
            rules[location] = replace(rule, blocked=True) if name == "block" else replace(rule, insecure=True)
    return list(rules.values())


def _from_v2(fields: Mapping[str, Any], path: Path) -> list[PullRule]:
    mode = fields.get("short-name-mode", "")
    if mode not in _SHORT_NAME_MODES:
        raise MalformedError(f"{path}: short-name-mode cannot be {mode!r}")
    _check_aliases(fields.get("aliases"), path)
    for entry in _search_list(fields, path) or ():
        if "/" in _location(entry, f"{path}: unqualified-search-registries"):
            raise MalformedError(f"{path}: unqualified-search-registries holds {entry!r}, which is no registry")
    tables = fields.get("registry", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise MalformedError(f"{path}: registry is not an array of tables; write [[registry]]")
    return [_rule(table, f"{path}: [[registry]] number {number}") for number, table in enumerate(tables, 1)]


def _check_aliases(aliases: Any, path: Path) -> None:
    """A short name and a whole one, neither with tag or digest; containers/image reads no file without this."""
    if aliases is None:
        return
    if not isinstance(aliases, dict) or not all(isinstance(value, str) for value in aliases.values()):
        raise MalformedError(f"{path}: [aliases] does not hold names as text")
    for alias, value in aliases.items():
        host, slash, _ = alias.partition("/")
        is_whole = bool(slash) and ("." in host or ":" in host or host == "localhost")
        if is_whole or not is_repository_path(alias):
            raise MalformedError(f"{path}: the alias {shortened(alias)} in [aliases] is not a short name")
        if not value:
            continue  # takes an alias of an earlier file back
        try:
            parse_repository(value)
        except (MalformedError, UnsupportedError) as error:
            raise MalformedError(
                f"{path}: the alias {shortened(alias)} is for {shortened(value)}, which is no repository",
                hint="write HOST/REPOSITORY, without tag and digest",
            ) from error


def _rule(table: Mapping[str, Any], where: str) -> PullRule:
    location = _location(_text(table, "location", where), where)
    prefix = _location(_text(table, "prefix", where), where)
    if not prefix and not location:
        raise MalformedError(f"{where} has neither prefix nor location")
    if prefix and not location and not prefix.startswith("*."):
        raise MalformedError(
            f"{where}: the prefix {prefix!r} has no location",
            hint="only a prefix such as *.example.com may go without a location",
        )
    prefix = prefix or location
    where = f"{where} ({prefix})"
    if table.get("pull-from-mirror"):
        raise MalformedError(f"{where}: pull-from-mirror belongs to a [[registry.mirror]], not to the registry")
    by_digest_only = _flag(table, "mirror-by-digest-only", where)
    mirrors = table.get("mirror", [])
    if not isinstance(mirrors, list) or not all(isinstance(mirror, dict) for mirror in mirrors):
        raise MalformedError(f"{where}: mirror is not an array of tables; write [[registry.mirror]]")
    return PullRule(
        prefix,
        location,
        tuple(
            _mirror(mirror, f"{where}, mirror number {number}", by_digest_only=by_digest_only)
            for number, mirror in enumerate(mirrors, 1)
        ),
        blocked=_flag(table, "blocked", where),
        insecure=_flag(table, "insecure", where),
        mirror_by_digest_only=by_digest_only,
    )


def _mirror(table: Mapping[str, Any], where: str, *, by_digest_only: bool) -> Mirror:
    """A slash at the end of a mirror stays, unlike that of a table: containers/image fails every pull because of it."""
    location = _text(table, "location", where)
    if not _location(location, where):
        raise MalformedError(f"{where} has no location")
    pull_from = _text(table, "pull-from-mirror", where)
    if pull_from and by_digest_only:
        raise MalformedError(
            f"{where}: pull-from-mirror and the registry's mirror-by-digest-only cannot be set together"
        )
    if pull_from and pull_from not in tuple(PullFrom):
        raise MalformedError(f"{where}: pull-from-mirror cannot be {pull_from!r}", hint="all, digest-only or tag-only")
    return Mirror(location, _flag(table, "insecure", where), PullFrom(pull_from or PullFrom.ALL))


def _location(text: str, where: str) -> str:
    trimmed = text.rstrip("/")
    if trimmed.startswith(("http://", "https://")):
        raise MalformedError(f"{where}: {text!r} has a scheme", hint="write host[:port][/path] only")
    return trimmed


def _text(table: Mapping[str, Any], name: str, where: str) -> str:
    value = table.get(name, "")
    if not isinstance(value, str):
        raise MalformedError(f"{where}: {name} is not text")
    return value


def _flag(table: Mapping[str, Any], name: str, where: str) -> bool:
    value = table.get(name, False)
    if not isinstance(value, bool):
        raise MalformedError(f"{where}: {name} is neither true nor false")
    return value


def _check_conflicts(rules: list[PullRule], path: Path) -> None:
    """The same location (or prefix, without one) must not be both barred and open, or safe and unsafe."""
    first: dict[str, PullRule] = {}
    for rule in rules:
        key = rule.location or rule.prefix
        other = first.setdefault(key, rule)
        for name, differs in (
            ("blocked", rule.blocked != other.blocked),
            ("insecure", rule.insecure != other.insecure),
        ):
            if differs:
                raise MalformedError(f"{path}: {key} is listed more than once with different {name} settings")
