"""What the nodes will have: mirror rules, pull secret and CAs, from the files that say so. Never this host's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from airferry.app.text_files import read_text_file
from airferry.content.http import AuthFile, HttpContent, HttpSettings, RetryPolicy, StoredCredentials, parse_auth_file
from airferry.content.http.auth_files import read_auth_file
from airferry.content.registries_conf import read_node_registries
from airferry.errors import MalformedError, UsageError
from airferry.oci.descriptor import shortened
from airferry.oci.pull_rules import Mirror, PullRule, PullRules
from airferry.openshift.cluster.cluster_objects import ClusterObjects, join_objects, parse_cluster_objects
from airferry.openshift.cluster.mirror_sets import MirrorKind
from airferry.openshift.cluster.node_config import POLICY_JSON, REGISTRIES_CONF, node_config
from airferry.openshift.cluster.policy_demands import parse_policy
from airferry.openshift.cluster.trust_bundle import is_intact, read_certificates
from airferry.openshift.release.naming import ARCHITECTURES, architecture_of_word
from airferry.openshift.yaml_errors import located

_REGISTRIES_FILE: Final = Path(REGISTRIES_CONF).name
_POLICY_FILE: Final = Path(POLICY_JSON).name

NO_SECRET = Path("the pull secret (none was given)")
"""The name of a node's credentials where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFiles:
    """The files that say what nodes will have; the fields are the flags of ``verify``."""

    install_config: Path | None = None
    registries_conf: Path | None = None
    mirror_sets: tuple[Path, ...] = ()
    pull_secret: Path | None = None
    ca: Path | None = None
    system_cas: bool = False

    @property
    def has_rules(self) -> bool:
        """Whether a file was named that may hold mirror rules."""
        return bool(self.install_config or self.registries_conf or self.mirror_sets)


@dataclass(frozen=True, slots=True)
class NodeAccess:
    """What nodes will have. ``ca_pem`` is None when they are given no CA; ``auth`` has no entries without a secret.

    ``architectures`` are those of the pools of an install-config, the control plane's first; None where it leaves
    that to the installer. Without an install-config there are none. ``policy`` is policy.json, None where nodes keep
    the one they were installed with, which lets everything in.
    """

    rules: PullRules
    auth: AuthFile
    ca_pem: str | None = field(default=None, repr=False)
    system_cas: bool = False
    architectures: tuple[str | None, ...] = ()
    policy: Mapping[str, Any] | None = None

    def content(self) -> HttpContent:
        """Return the way to registries as nodes go it. Raises MalformedError when the CA bundle is of no use."""
        return HttpContent(
            HttpSettings(
                credentials=StoredCredentials((self.auth,)),
                ca_pem=self.ca_pem,
                system_cas=self.system_cas,
                retry=RetryPolicy(attempts=3, first_contact_attempts=1, first_wait_s=0.2, patience_s=30.0),
                connect_timeout_s=10.0,
                idle_timeout_s=30.0,
                as_nodes=True,
            )
        )


def read_node_access(files: NodeFiles) -> NodeAccess:
    """Return what the files say. Raises UsageError, NotFoundError and MalformedError, without secrets."""
    if files.registries_conf is not None and (files.mirror_sets or files.install_config is not None):
        raise UsageError(
            "--registries-conf excludes --mirror-sets and --install-config",
            hint="a node reads one registries.conf, made from all of them",
        )
    config = _read_install_config(files.install_config) if files.install_config is not None else _InstallConfig()
    if files.registries_conf is not None:
        rules = read_node_registries(files.registries_conf).rules
        policy = _policy_beside(files.registries_conf)
    else:
        read = [_read_mirror_sets(file) for file in files.mirror_sets]
        made = node_config(join_objects([*read, config.objects]))
        rules, policy = made.rules, made.policy
    auth = config.auth or AuthFile(NO_SECRET)
    if files.pull_secret is not None:
        auth = _read_pull_secret(files.pull_secret)
    authority = (
        _certificates(read_text_file(files.ca, any_encoding=True), str(files.ca)) if files.ca is not None else None
    )
    bundles = [text for text in (config.ca_pem, authority) if text]
    # Helper programs are not on a node; what the file says itself is all there is.
    auth = AuthFile(auth.path, auth.entries, blank=auth.blank)
    return NodeAccess(rules, auth, "\n".join(bundles) or None, files.system_cas, config.architectures, policy)


def _policy_beside(registries_conf: Path) -> Mapping[str, Any] | None:
    """Return the policy.json beside a node's registries.conf; None where there is none. Raises MalformedError."""
    file = registries_conf.with_name(_POLICY_FILE)
    if registries_conf.name != _REGISTRIES_FILE or not file.is_file():
        return None
    try:
        return parse_policy(read_text_file(file))
    except MalformedError as error:
        raise MalformedError(f"{file}: {error.message}", hint=error.hint) from error


def rules_for_reading(rules: PullRules) -> PullRules:
    """Return the rules with every mirror asked for tags and digests alike, to read a release wherever it is."""
    return PullRules(
        tuple(
            PullRule(
                rule.prefix,
                rule.location,
                tuple(Mirror(mirror.location, mirror.insecure) for mirror in rule.mirrors),
                rule.blocked,
                rule.insecure,
            )
            for rule in rules.rules
        )
    )


_FIELDS: Final = frozenset({"baseDomain", "compute", "controlPlane", "networking", "platform", "pullSecret"})
"""Of which any real install-config has one."""


@dataclass(frozen=True, slots=True)
class _InstallConfig:
    objects: ClusterObjects = field(default_factory=ClusterObjects)
    auth: AuthFile | None = None
    ca_pem: str | None = field(default=None, repr=False)
    architectures: tuple[str | None, ...] = ()


def _read_pull_secret(file: Path) -> AuthFile:
    """Read the file, which must hold something: a flag that was given is meant."""
    auth = read_auth_file(file, as_nodes=True)
    if not auth.entries and '"auths"' not in read_text_file(file):
        what = "holds no credentials" if read_text_file(file).strip() else "is empty"
        raise MalformedError(
            f"the pull secret {file} {what} that a node can use",
            hint='write {"auths": {"HOST": {"auth": "…"}}}, or leave out --pull-secret where none is needed',
        )
    return auth


def _certificates(text: str, where: str) -> str:
    """Return the text without the blanks and empty lines that nodes pass over, and our TLS library does not.

    Remarks stay. Raises MalformedError, naming ``where`` and line.
    """
    read_certificates(text, where)
    if not is_intact(text):
        raise MalformedError(
            f"{where}: a certificate has lost its lines, or shares one with something else, and nodes do not read it",
            hint="write `additionalTrustBundle: |` and each line of the PEM on its own",
        )
    return "".join(f"{line.strip()}\n" for line in text.splitlines() if line.strip())


def _read_mirror_sets(file: Path) -> ClusterObjects:
    objects = parse_cluster_objects(read_text_file(file), str(file))
    if not objects.mirror_sets and objects.image_config is None and not objects.policies:
        raise MalformedError(
            f"{file} holds no mirror set, no image config and no image policy",
            hint="oc get imagedigestmirrorsets,imagetagmirrorsets,images.config,clusterimagepolicies -o yaml",
        )
    return objects


def _read_install_config(file: Path) -> _InstallConfig:
    document = _document(file)
    sections = (MirrorKind.DIGEST_SOURCES.value, MirrorKind.CONTENT_SOURCES.value)
    has_mirrors = any(key in document for key in sections)
    if document.get("kind", "InstallConfig") != "InstallConfig" or not (has_mirrors or document.keys() & _FIELDS):
        hint = "name the file for openshift-install: an install-config has baseDomain, platform, pullSecret"
        raise MalformedError(
            f"{file} is not an install-config.yaml", hint=f"{hint}; objects of a cluster go to --mirror-sets"
        )
    objects = parse_cluster_objects(_only(document, sections), str(file)) if has_mirrors else ClusterObjects()
    secret, bundle = document.get("pullSecret"), document.get("additionalTrustBundle")
    for name, value in (("pullSecret", secret), ("additionalTrustBundle", bundle)):
        if value is not None and not isinstance(value, str):
            raise MalformedError(f"{name} in {file} is not text")
    auth = parse_auth_file(secret.encode(), Path(f"pullSecret of {file}"), as_nodes=True) if secret else None
    ca_pem = _certificates(bundle, f"additionalTrustBundle in {file}") if bundle and bundle.strip() else None
    return _InstallConfig(objects, auth, ca_pem, _architectures(document, file))


def _document(file: Path) -> dict[str, Any]:
    # Only runs that read such a file pay for this import (10 ms).
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    text = read_text_file(file)
    hint = "name the file for openshift-install: one install-config, with its fields at the beginning of lines"
    try:
        documents: list[Any] = [item for item in YAML(typ="safe", pure=True).load_all(text) if item is not None]
    except (YAMLError, RecursionError, ValueError) as error:
        # The reader's own message quotes the text, and the text holds a secret.
        found = located(error, text, str(file))
        raise MalformedError(found.message, hint=found.hint or hint) from None
    if len(documents) != 1 or not isinstance(documents[0], dict):
        what = f"{len(documents)} documents, not one install-config" if len(documents) != 1 else "not an install-config"
        raise MalformedError(f"{file} is {what}", hint=hint)
    return documents[0]


def _architectures(document: dict[str, Any], file: Path) -> tuple[str | None, ...]:
    """Return the architecture of each pool that has machines. Raises MalformedError for one that is none."""
    compute = document.get("compute")
    pools = {"controlPlane": document.get("controlPlane")}
    pools.update((f"compute[{at}]", pool) for at, pool in enumerate(compute if isinstance(compute, list) else ()))
    found: list[str | None] = []
    for name, pool in pools.items():
        if not isinstance(pool, dict) or pool.get("replicas") == 0:
            continue
        word = pool.get("architecture") or None
        if word is not None and (not isinstance(word, str) or architecture_of_word(word) not in ARCHITECTURES):
            raise MalformedError(
                f"{file}: {name}.architecture is {shortened(word)}", hint=f"there are {', '.join(ARCHITECTURES)}"
            )
        found.append(word)
    return tuple(found)


def _only(document: dict[str, Any], sections: tuple[str, ...]) -> str:
    """Return the sections alone, as YAML (JSON is YAML), so that nothing else of the file is looked into."""
    import json

    return json.dumps({key: document[key] for key in sections if key in document})
