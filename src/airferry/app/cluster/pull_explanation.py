"""Where a node pulls one image from, and why: table, places in order, bars, credential, trust, and their answers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from airferry.app.cluster.node_access import NO_SECRET, NodeAccess, NodeFiles, read_node_access
from airferry.app.cluster.node_rules import NodeRules, load_node_rules
from airferry.content.http import HttpContent, RegistryPlace
from airferry.content.registries_conf import load_default_rules
from airferry.errors import ExitCode, UsageError
from airferry.oci import PlaceKind, Platform, Reference
from airferry.oci.pull_findings import Attempt, PullFindings, bar_failure
from airferry.oci.pull_rules import PullRule, PullRules
from airferry.oci.pull_sources import PullSource, find_rule, normalized, pull_sources
from airferry.openshift.cluster.node_config import RELEASE_REPOSITORY, NodeConfig
from airferry.openshift.cluster.policy_demands import demand_in_words, rejected, rejection, signature_demand
from airferry.openshift.cluster.scopes import is_nested
from airferry.openshift.cluster.traps import BY_DIGEST_ONLY, BY_TAG_ONLY, Trap, table
from airferry.openshift.cluster.verdict import Judgement, Verdict, judge
from airferry.openshift.cluster.wanted import SignatureDemand, Wanted, WantedKind
from airferry.survey.pull_probe import ProbeSettings, PullProbe


@dataclass(frozen=True, slots=True)
class ExplainedPlace:
    """One place that a pull tries. ``credential`` is the key of an auth file's entry, never a secret.

    ``attempt`` is what it answered; None where it was not asked.
    """

    source: PullSource
    credential: str | None
    trust: str
    attempt: Attempt | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """How one pull goes. ``barred`` says why no place would do, whatever it answers: policy.json rejects it.

    ``secret`` names where credentials were looked for, None where no pull secret was given. ``judgement`` is the
    answer after asking, the one that ``verify`` gives; None before.
    """

    reference: Reference
    rule: PullRule | None
    places: tuple[ExplainedPlace, ...]
    demand: str
    barred: str | None
    secret: Path | None
    judgement: Judgement | None = None

    @property
    def taken(self) -> int | None:
        """Which place a node takes, counted from 1: the first that answers, or unasked the first not barred."""
        if self.barred is not None:
            return None
        for number, place in enumerate(self.places, 1):
            if self.judgement is not None:
                if place.attempt is not None and place.attempt.answered:
                    return number
            elif place.source.barred is None:
                return number
        return None

    @property
    def exit_code(self) -> ExitCode:
        """DONE where a node gets the image, or unasked has a place to ask; GAPS where that cannot be told."""
        if self.barred is None and self.judgement is not None:
            codes = {Verdict.YES: ExitCode.DONE, Verdict.NO: ExitCode.USER, Verdict.UNKNOWN: ExitCode.GAPS}
            return codes[self.judgement.verdict]
        return ExitCode.DONE if self.taken is not None else ExitCode.USER


def node_rules(files: Sequence[Path], *, release_repository: str = RELEASE_REPOSITORY) -> NodeRules:
    """Return the rules of ``files``; of none of them, those of this machine, as a node asks about itself."""
    if files:
        return load_node_rules(files, release_repository=release_repository)
    return NodeRules(NodeConfig(load_default_rules()))


def traps_about(image: str, found: NodeRules) -> tuple[Trap, ...]:
    """Return the traps in the table that counts for ``image``, and in signature policies for it; not those of others.

    Traps of pulls by tag are none of a pull by digest, nor the other way round. Raises MalformedError for what is no
    reference.
    """
    reference = Reference.parse(image)
    name = str(normalized(reference.repository))
    rule = find_rule(name, found.config.rules)
    where = table(rule) if rule is not None else None
    others = BY_DIGEST_ONLY if reference.digest is None else BY_TAG_ONLY
    traps = (trap for trap in found.traps if trap.code not in others)
    return tuple(trap for trap in traps if trap.where == where or is_nested(name, trap.where))


def explain_pull(
    image: str, found: NodeRules, pull_secret: Path | None = None, ca_file: Path | None = None
) -> tuple[Explanation, NodeAccess]:
    """Return how a pull of ``image`` goes, without asking anybody, and the way to ask.

    An install-config among the files of ``found`` gives its pullSecret, unless ``pull_secret`` is named, and its
    additionalTrustBundle besides ``ca_file``. Raises MalformedError, NotFoundError, UsageError.
    """
    reference = Reference.parse(image)
    if reference.repository.place.kind is not PlaceKind.REGISTRY:
        raise UsageError(f"{image} is not in a registry", hint="nodes pull from registries only")
    if reference.tag is None and reference.digest is None:
        reference = replace(reference, tag="latest")
    known = _known_access(found, pull_secret, ca_file)
    access = known.access
    config = found.config
    places = tuple(
        ExplainedPlace(source, _credential(source, access), _trust(source, known.trusted, config))
        for source in pull_sources(reference, config.rules)
    )
    rule = find_rule(str(normalized(reference.repository)), config.rules)
    secret = access.auth.path if access.auth.path != NO_SECRET else None
    demand, barred = demand_in_words(reference, config.policy), rejection(reference, config.policy)
    return Explanation(reference, rule, places, demand, barred, secret), access


@dataclass(frozen=True, slots=True)
class _KnownAccess:
    """What nodes have, and where its CAs come from, as people are told."""

    access: NodeAccess
    trusted: tuple[str, ...]


def _known_access(found: NodeRules, pull_secret: Path | None, ca_file: Path | None) -> _KnownAccess:
    """The CAs of this system count, for those of nodes. Raises UsageError for two install-configs."""
    if len(found.install_configs) > 1:
        names = " and ".join(map(str, found.install_configs))
        raise UsageError(f"{names} are two install-configs", hint="a cluster has one")
    named = read_node_access(NodeFiles(pull_secret=pull_secret, ca=ca_file))
    auth, bundles = named.auth, {str(ca_file): named.ca_pem} if named.ca_pem else {}
    for file in found.install_configs:
        config = read_node_access(NodeFiles(install_config=file))
        auth = auth if pull_secret is not None else config.auth
        bundles |= {f"additionalTrustBundle of {file}": config.ca_pem} if config.ca_pem else {}
    ca_pem = "\n".join(text for text in bundles.values() if text) or None
    return _KnownAccess(
        NodeAccess(found.config.rules, auth, ca_pem, system_cas=True, policy=found.config.policy), tuple(bundles)
    )


def _credential(source: PullSource, access: NodeAccess) -> str | None:
    repository = source.reference.repository
    return access.auth.find_key(repository.place.address, repository.path)


def _trust(source: PullSource, trusted: Sequence[str], config: NodeConfig) -> str:
    if source.insecure:
        return "any certificate, and plain HTTP: the place is insecure"
    own = list(trusted)
    if config.trusted_ca is not None:
        key = source.reference.repository.place.address.replace(":", "..")
        own.append(f"key {key} of ConfigMap openshift-config/{config.trusted_ca}")
    return ", ".join([*own, "the system's CAs"])


async def probe_pull(explanation: Explanation, access: NodeAccess, architecture: str) -> Explanation:
    """Try the pull at each place that is not barred, all at once, as ``verify`` tries it at the one that answers.

    Only the given CA, the system's, and the given pull secret count: what this machine has besides, a node has not.
    """
    content = access.content()
    platform = Platform("linux", architecture)
    demand = signature_demand(explanation.reference, access.policy)
    try:
        tried = await asyncio.gather(*(_try(place.source, content, platform, demand) for place in explanation.places))
    finally:
        await content.close()
    places = tuple(replace(place, attempt=attempt) for place, attempt in zip(explanation.places, tried, strict=True))
    return replace(explanation, places=places, judgement=_judge(explanation, tried, access))


async def _try(source: PullSource, content: HttpContent, platform: Platform, demand: SignatureDemand | None) -> Attempt:
    if source.barred is not None:
        return Attempt(source, failures=(bar_failure(source, source.barred),))

    def open_place(place: PullSource) -> RegistryPlace:
        return content.registry(place.reference.repository.place.address, insecure=place.insecure)

    # The place by itself: a table without mirrors says no more than whether it is insecure.
    name = str(source.reference.repository)
    rules = PullRules((PullRule(name, name, insecure=source.insecure),))
    probe = PullProbe(open_place, rules, content.settings.credentials, ProbeSettings((platform,)))
    try:
        (attempt,) = (await probe.probe(source.reference, demand)).attempts
    finally:
        await probe.close()
    return replace(attempt, source=source)


def _judge(explanation: Explanation, tried: Sequence[Attempt], access: NodeAccess) -> Judgement:
    """Return the answer to what a node would have asked: nothing behind the first place that answers."""
    first = next((number for number, attempt in enumerate(tried) if attempt.answered), len(tried))
    wanted = Wanted(str(explanation.reference), explanation.reference, WantedKind.EXTRA)
    findings = PullFindings(tuple(tried[: first + 1]))
    return rejected(wanted, findings, access.policy) or judge(wanted, findings, access.rules)
