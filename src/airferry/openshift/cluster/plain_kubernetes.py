"""Pull rules in the forms of plain Kubernetes: containerd's ``hosts.toml`` and K3s' (RKE2's) ``registries.yaml``.

Both know less than registries.conf: they go by whole registries, and cannot bar places. What cannot be said is
returned as sentences, never left out in silence. Sources: containerd docs/hosts.md; K3s "Private Registry
Configuration".
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from airferry.oci.pull_rules import Mirror, PullFrom, PullRule, PullRules

CA_FILE: Final = "ca.crt"
"""Name of the CA's file, in the folder of ``hosts.toml`` or beside ``registries.yaml``."""

K3S_FILE: Final = "etc/rancher/k3s/registries.yaml"
K3S_CA_FILE: Final = f"etc/rancher/k3s/{CA_FILE}"
CERTS_DIR: Final = "etc/containerd/certs.d"

_DOCKER_HUB: Final = "docker.io"
_HUB_SERVER: Final = "registry-1.docker.io"

Login = tuple[str, str]
FindLogin = Callable[[str, str], Login | None]
"""Returns user and password for a repository on a host, None when there is none."""


@dataclass(frozen=True, slots=True)
class PlainForm:
    """Files by their path on the node, without the leading slash; ``unsaid`` is what they cannot say.

    ``lost`` are those of ``unsaid`` by which a mirror is not in the files at all. Where ``has_effect`` is false, nodes
    do with the files what they do without.
    """

    files: dict[str, str]
    unsaid: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    has_effect: bool = True


@dataclass(slots=True)
class _Unsaid:
    """What was left unsaid so far, each sentence once."""

    sentences: dict[str, None] = field(default_factory=dict)
    lost: dict[str, None] = field(default_factory=dict)

    def say(self, *sentences: str) -> None:
        """Note what the files cannot say."""
        self.sentences |= dict.fromkeys(sentences)

    def lose(self, sentence: str) -> None:
        """Note a mirror that is not in the files."""
        self.say(sentence)
        self.lost[sentence] = None


@dataclass(slots=True)
class _Endpoint:
    """One place of containerd: a URL, and what it is asked for; ``of`` is the table that named it first."""

    url: str
    has_path: bool
    of: str = ""
    capabilities: set[str] = field(default_factory=set)
    insecure: bool = False


def containerd_form(rules: PullRules, *, ca: str | None = None) -> PlainForm:
    """Return one ``hosts.toml`` for each registry that a rule names; ``ca`` is PEM that all of them trust."""
    files: dict[str, str] = {}
    unsaid = _wildcards(rules)
    plain = {_hosts_toml(host, [PullRule(host, host)], _Unsaid(), has_ca=False) for host in _by_host(rules)}
    has_effect = False
    for host, tables in _by_host(rules).items():
        folder = f"{CERTS_DIR}/{_folder(host)}"
        text = _hosts_toml(host, tables, unsaid, has_ca=ca is not None)
        files[f"{folder}/hosts.toml"] = text
        has_effect = has_effect or text not in plain
        if ca is not None:
            files[f"{folder}/{CA_FILE}"] = ca
    return PlainForm(files, tuple(unsaid.sentences), tuple(unsaid.lost), has_effect)


def _by_host(rules: PullRules) -> dict[str, list[PullRule]]:
    found: dict[str, list[PullRule]] = {}
    for rule in sorted(rules.rules, key=lambda item: item.prefix):
        if not rule.prefix.startswith("*."):
            found.setdefault(rule.prefix.partition("/")[0], []).append(rule)
    return found


def _wildcards(rules: PullRules) -> _Unsaid:
    unsaid = _Unsaid()
    for rule in sorted(rules.rules, key=lambda item: item.prefix):
        if rule.prefix.startswith("*."):
            sentence = f"{rule.prefix}: a wildcard cannot be said; name each registry in a rule of its own"
            (unsaid.lose if rule.mirrors else unsaid.say)(sentence)
    return unsaid


def _folder(host: str) -> str:
    """``host:port`` is also looked for as ``host_port_``, which every file system and archive can hold."""
    name, colon, port = host.rpartition(":")
    return f"{name}_{port}_" if colon and port.isdigit() else host


def _path(location: str) -> str:
    return location.partition("/")[2]


def _hosts_toml(host: str, tables: Sequence[PullRule], unsaid: _Unsaid, *, has_ca: bool) -> str:
    endpoints: dict[str, _Endpoint] = {}
    for rule in tables:
        for mirror in rule.mirrors:
            _add_endpoint(endpoints, rule, mirror, unsaid)
    for rule in tables:
        unsaid.say(*_unsaid_of(rule, tables, "containerd"))
    whole = next((rule for rule in tables if rule.prefix == host), None)
    server = _Endpoint(f"https://{_HUB_SERVER if host == _DOCKER_HUB else host}", has_path=False)
    if whole is not None:
        server = _own_place(whole, server)
    hosts = list(endpoints.values())
    if whole is not None and whole.blocked:
        # Whoever is the server is asked last, and nobody else: so the source is not.
        own = [hosts.index(endpoint) for endpoint in hosts if endpoint.of == whole.prefix]
        if own:
            server = hosts.pop(own[-1])
        else:
            unsaid.say(f"{host}: blocked cannot be said; bar it with a firewall, or with an admission policy")
    lines = [f"server = {json.dumps(server.url)}", *_fields(server, has_ca=has_ca and server.url in endpoints)]
    for endpoint in hosts:
        lines += ["", f"[host.{json.dumps(endpoint.url)}]", *("  " + line for line in _fields(endpoint, has_ca=has_ca))]
    return "\n".join(lines) + "\n"


def _own_place(rule: PullRule, server: _Endpoint) -> _Endpoint:
    server.insecure = rule.insecure
    if rule.location in ("", rule.prefix):
        return server
    path = _path(rule.location)
    url = f"https://{rule.location.partition('/')[0]}" + (f"/v2/{path}" if path else "")
    return _Endpoint(url, bool(path), insecure=rule.insecure)


def _add_endpoint(endpoints: dict[str, _Endpoint], rule: PullRule, mirror: Mirror, unsaid: _Unsaid) -> None:
    source, path = _path(rule.prefix), _path(mirror.location)
    if source and path != source and not path.endswith(f"/{source}"):
        unsaid.lose(
            f"{rule.prefix}: the mirror {mirror.location} cannot be said, since hosts.toml only puts a path before "
            f"the image's own; mirror to a path that ends in {source}"
        )
        return
    before = path.removesuffix(source).rstrip("/") if source else path
    url = f"https://{mirror.location.partition('/')[0]}" + (f"/v2/{before}" if before else "")
    endpoint = endpoints.setdefault(url, _Endpoint(url, bool(before), rule.prefix))
    endpoint.insecure = endpoint.insecure or mirror.insecure
    endpoint.capabilities.add("pull")
    by_digest = rule.mirror_by_digest_only or mirror.pull_from is PullFrom.DIGEST_ONLY
    if not by_digest:
        # "resolve" is the step from a tag to a digest; without it only pulls by digest come here.
        endpoint.capabilities.add("resolve")
    if mirror.pull_from is PullFrom.TAG_ONLY:
        unsaid.say(f"{rule.prefix}: tag-only cannot be said; {mirror.location} is asked for digests as well")


def _fields(endpoint: _Endpoint, *, has_ca: bool) -> list[str]:
    lines = []
    if endpoint.capabilities:
        shown = ", ".join(json.dumps(name) for name in sorted(endpoint.capabilities))
        lines.append(f"capabilities = [{shown}]")
    if has_ca and not endpoint.insecure:
        lines.append(f"ca = {json.dumps(CA_FILE)}")
    if endpoint.insecure:
        lines.append("skip_verify = true")
    if endpoint.has_path:
        lines.append("override_path = true")
    return lines


def _unsaid_of(rule: PullRule, tables: Sequence[PullRule], who: str) -> list[str]:
    """What neither form can say of one table."""
    found = _unsaid_of_parts(rule)
    if _path(rule.prefix) and rule.mirrors:
        host = rule.prefix.partition("/")[0]
        found.append(f"{rule.prefix}: {who} asks its mirrors for all of {host}, not for this part alone")
    outer = next((item for item in tables if rule.prefix.startswith(f"{item.prefix}/") and item.mirrors), None)
    if outer is not None:
        found.append(f"{rule.prefix}: lies in {outer.prefix}, and the mirrors of both are asked, not its own alone")
    if rule.insecure or any(mirror.insecure for mirror in rule.mirrors):
        found.append(
            f"{rule.prefix}: insecure means no check of certificates here; plain HTTP needs http:// written out"
        )
    return found


def _unsaid_of_parts(rule: PullRule) -> list[str]:
    if not _path(rule.prefix):
        return []
    flags = (("blocked", rule.blocked), ("insecure", rule.insecure))
    found = [f"{rule.prefix}: {name} cannot be said for a part of a registry" for name, is_set in flags if is_set]
    if rule.location not in ("", rule.prefix):
        found.append(f"{rule.prefix}: its own location {rule.location} cannot be said")
    return found


def k3s_form(rules: PullRules, *, ca: str | None = None, find_login: FindLogin | None = None) -> PlainForm:
    """Return ``registries.yaml``; ``find_login`` gives what stands under ``auth``, as text that is written as it is."""
    unsaid = _wildcards(rules)
    mirrors: list[str] = []
    reached: dict[str, Mirror] = {}
    for host, tables in _by_host(rules).items():
        mirrors += _k3s_mirrors(host, tables, unsaid, reached)
        whole = next((rule for rule in tables if rule.prefix == host), None)
        if whole is not None and whole.insecure:
            reached[host] = Mirror(host, insecure=True)
    lines = [*(["mirrors:", *mirrors] if mirrors else ["mirrors: {}"])]
    configs = _k3s_configs(reached.values(), unsaid, has_ca=ca is not None, find_login=find_login)
    lines += ["configs:", *configs] if configs else []
    files = {K3S_FILE: "\n".join(lines) + "\n"}
    if ca is not None:
        files[K3S_CA_FILE] = ca
    has_effect = bool(mirrors or configs)
    return PlainForm(files, tuple(unsaid.sentences), tuple(unsaid.lost), has_effect)


def _k3s_mirrors(host: str, tables: Sequence[PullRule], unsaid: _Unsaid, reached: dict[str, Mirror]) -> list[str]:
    endpoints: dict[str, None] = {}
    rewrites: dict[str, str] = {}
    for rule in tables:
        if any(rule.prefix.startswith(f"{outer.prefix}/") and outer.mirrors for outer in tables):
            unsaid.say(*_unsaid_of_parts(rule))
            if rule.mirrors:
                unsaid.lose(
                    f"{rule.prefix}: lies in a wider rule, and K3s orders no rewrites; its mirrors are left out"
                )
            continue
        unsaid.say(*_unsaid_of(rule, tables, "K3s"))
        if rule.prefix == host and rule.blocked:
            unsaid.say(f"{host}: blocked cannot be said; start K3s with --disable-default-registry-endpoint")
        if rule.prefix == host and rule.location not in ("", rule.prefix):
            unsaid.say(f"{host}: its own location {rule.location} cannot be said")
        for mirror in _alike(rule, unsaid):
            address = mirror.location.partition("/")[0]
            endpoints[f"https://{address}"] = None
            known = reached.get(address, mirror)
            reached[address] = Mirror(known.location, known.insecure or mirror.insecure)
            if _path(mirror.location) != _path(rule.prefix):
                pattern, replacement = _rewrite(_path(rule.prefix), _path(mirror.location))
                rewrites[pattern] = replacement
    if not endpoints:
        return []
    lines = [f"  {json.dumps(host)}:", "    endpoint:", *(f"    - {json.dumps(url)}" for url in endpoints)]
    if rewrites:
        lines += ["    rewrite:", *(f"      {json.dumps(old)}: {json.dumps(new)}" for old, new in rewrites.items())]
    return lines


def _rewrite(source: str, path: str) -> tuple[str, str]:
    """Return a regular expression over the image's path, and what it becomes."""
    if not source:
        return "^(.*)$", f"{path}/$1"
    return f"^{source.replace('.', chr(92) + '.')}(/.*)?$", f"{path}$1" if path else "$1"


def _alike(rule: PullRule, unsaid: _Unsaid) -> list[Mirror]:
    """Return the mirrors under the path of the first; a rewrite holds for every endpoint."""
    kept: list[Mirror] = []
    for mirror in rule.mirrors:
        if kept and _path(mirror.location) != _path(kept[0].location):
            unsaid.lose(
                f"{rule.prefix}: the mirror {mirror.location} is left out, since rewrites hold for every endpoint "
                f"and {kept[0].location} has another path"
            )
            continue
        kept.append(mirror)
        only = PullFrom.DIGEST_ONLY if rule.mirror_by_digest_only else mirror.pull_from
        if only is not PullFrom.ALL:
            unsaid.say(f"{rule.prefix}: {only} cannot be said; {mirror.location} is asked for every pull")
    return kept


def _k3s_configs(
    reached: Iterable[Mirror], unsaid: _Unsaid, *, has_ca: bool, find_login: FindLogin | None
) -> list[str]:
    lines: list[str] = []
    for mirror in sorted(reached, key=lambda item: item.location):
        address, _, path = mirror.location.partition("/")
        fields = []
        login = find_login(address, path) if find_login is not None else None
        if login is not None:
            fields += [
                "    auth:",
                f"      username: {json.dumps(login[0])}",
                f"      password: {json.dumps(login[1])}",
            ]
        elif find_login is not None:
            unsaid.say(f"{address}: the auth file has no user and password for it, so it is asked anonymously")
        if mirror.insecure:
            fields += ["    tls:", "      insecure_skip_verify: true"]
        elif has_ca:
            fields += ["    tls:", f"      ca_file: {json.dumps('/' + K3S_CA_FILE)}"]
        if fields:
            lines += [f"  {json.dumps(address)}:", *fields]
    return lines
