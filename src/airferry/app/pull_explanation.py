"""Where a node pulls one image from, and why: table, places in order, bars, credential, trust, and their answers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airferry.app.node_rules import NodeRules, load_node_rules, traps_document
from airferry.content.http import (
    AuthFile,
    HttpContent,
    HttpSettings,
    NoCredentials,
    RetryPolicy,
    StoredCredentials,
    read_auth_file,
)
from airferry.content.registries_conf import load_default_rules
from airferry.errors import AirferryError, UsageError
from airferry.oci import PlaceKind, Reference
from airferry.oci.pull_rules import PullRule
from airferry.oci.pull_sources import PullSource, find_rule, normalized, pull_sources
from airferry.openshift.cluster.image_policies import demands_on
from airferry.openshift.cluster.node_config import RELEASE_REPOSITORY, NodeConfig
from airferry.openshift.cluster.scopes import is_nested
from airferry.openshift.cluster.traps import Trap, table

_PROBING = RetryPolicy(attempts=2, first_contact_attempts=1, patience_s=10.0)
_CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What a place said when it was asked for the manifest. ``code`` is None when it has it."""

    code: str | None
    text: str


@dataclass(frozen=True, slots=True)
class ExplainedPlace:
    """One place that a pull tries. ``credential`` is the key of an auth file's entry, never a secret."""

    source: PullSource
    credential: str | None
    trust: str
    answer: ProbeAnswer | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """How one pull goes. ``barred`` says why no place would do, whatever it answers: policy.json rejects it."""

    reference: Reference
    rule: PullRule | None
    places: tuple[ExplainedPlace, ...]
    demand: str
    barred: str | None
    auth_file: Path | None
    is_probed: bool = False

    @property
    def taken(self) -> int | None:
        """Which place a node takes, counted from 1: the first that answers, or unasked the first not barred."""
        if self.barred is not None:
            return None
        for number, place in enumerate(self.places, 1):
            if place.source.barred is None and (not self.is_probed or (place.answer and place.answer.code is None)):
                return number
        return None


def node_rules(files: Sequence[Path], *, release_repository: str = RELEASE_REPOSITORY) -> NodeRules:
    """Return the rules of ``files``; of none of them, those of this machine, as a node asks about itself."""
    if files:
        return load_node_rules(files, release_repository=release_repository)
    return NodeRules(NodeConfig(load_default_rules()))


def traps_about(image: str, found: NodeRules) -> tuple[Trap, ...]:
    """Return the traps in the table that counts for ``image``, and in signature policies for it; not those of others.

    Raises MalformedError for what is no reference.
    """
    name = str(normalized(Reference.parse(image).repository))
    rule = find_rule(name, found.config.rules)
    where = table(rule) if rule is not None else None
    return tuple(trap for trap in found.traps if trap.where == where or is_nested(name, trap.where))


def explain_pull(
    image: str, found: NodeRules, auth_file: Path | None = None, ca_file: Path | None = None
) -> Explanation:
    """Return how a pull of ``image`` goes, without asking anybody. Raises MalformedError, NotFoundError, UsageError."""
    reference = Reference.parse(image)
    if reference.repository.place.kind is not PlaceKind.REGISTRY:
        raise UsageError(f"{image} is not in a registry", hint="nodes pull from registries only")
    if reference.tag is None and reference.digest is None:
        reference = replace(reference, tag="latest")
    credentials = read_auth_file(auth_file) if auth_file is not None else None
    if ca_file is not None and not ca_file.is_file():
        raise UsageError(f"the CA file {ca_file} does not exist")
    config = found.config
    places = tuple(
        ExplainedPlace(source, _credential(source, credentials), _trust(source, ca_file, config))
        for source in pull_sources(reference, config.rules)
    )
    demand, barred = _policy(reference, config)
    rule = find_rule(str(normalized(reference.repository)), config.rules)
    return Explanation(reference, rule, places, demand, barred, auth_file)


def _credential(source: PullSource, credentials: AuthFile | None) -> str | None:
    repository = source.reference.repository
    return None if credentials is None else credentials.find_key(repository.place.address, repository.path)


def _trust(source: PullSource, ca_file: Path | None, config: NodeConfig) -> str:
    if source.insecure:
        return "any certificate, and plain HTTP: the place is insecure"
    own = []
    if ca_file is not None:
        own.append(str(ca_file))
    if config.trusted_ca is not None:
        key = source.reference.repository.place.address.replace(":", "..")
        own.append(f"key {key} of ConfigMap openshift-config/{config.trusted_ca}")
    return ", ".join([*own, "the system's CAs"])


def _policy(reference: Reference, config: NodeConfig) -> tuple[str, str | None]:
    if config.policy is None:
        return "nothing", None
    scope, demands = demands_on(reference, config.policy)
    by = f"scope {scope}" if scope else "its default"
    kinds = [demand.get("type") for demand in demands]
    if "reject" in kinds:
        return f"reject by {by}", f"policy.json rejects the image by {by}, before any place is asked"
    if "sigstoreSigned" in kinds:
        return f"a sigstore signature by {by}", None
    return "nothing", None


async def probe_pull(explanation: Explanation, ca_file: Path | None = None) -> Explanation:
    """Ask each place that is not barred for the manifest, all at once, and return the explanation with their answers.

    Only the given CA, the system's, and the given auth file count: what this machine has besides, a node has not.
    """
    credentials = (
        NoCredentials()
        if explanation.auth_file is None
        else StoredCredentials((read_auth_file(explanation.auth_file),), (explanation.auth_file,))
    )
    content = HttpContent(
        HttpSettings(credentials=credentials, ca_file=ca_file, retry=_PROBING, connect_timeout_s=_CONNECT_TIMEOUT_S)
    )
    try:
        answers = await asyncio.gather(*(_ask(place.source, content) for place in explanation.places))
    finally:
        await content.close()
    places = tuple(replace(place, answer=answer) for place, answer in zip(explanation.places, answers, strict=True))
    return replace(explanation, places=places, is_probed=True)


async def _ask(source: PullSource, content: HttpContent) -> ProbeAnswer | None:
    if source.barred is not None:
        return None
    reference = source.reference
    registry = content.registry(reference.repository.place.address, insecure=source.insecure)
    try:
        manifest = await registry.read_manifest(
            reference.repository.path, reference.digest or reference.tag or "latest"
        )
    except AirferryError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return ProbeAnswer(error.code, f"{error.message}{hint}")
    return ProbeAnswer(None, f"has it: {manifest.digest}, {manifest.media_type}")


def print_explanation(explanation: Explanation) -> str:
    """Return an explanation for people."""
    rule = explanation.rule
    lines = [
        _shown(explanation.reference),
        f"Table: {table(rule) if rule is not None else 'none matches, so only the registry of its name is asked'}",
        f"policy.json demands {explanation.demand}",
    ]
    for number, place in enumerate(explanation.places, 1):
        source = place.source
        lines.append(f"{number}. {_shown(source.reference)} ({'mirror' if source.is_mirror else 'source'})")
        if source.barred is not None:
            lines.append(f"   barred: {source.barred}")
            continue
        lines += [f"   credential: {_credential_words(place, explanation)}", f"   trusts: {place.trust}"]
        if place.answer is not None:
            lines.append(f"   answer: {place.answer.text}")
    lines.append(_verdict(explanation))
    return "\n".join(lines) + "\n"


def _credential_words(place: ExplainedPlace, explanation: Explanation) -> str:
    if explanation.auth_file is None:
        return "not known; name the pull secret with -a"
    return f"{place.credential} in {explanation.auth_file}" if place.credential else "none, so it is asked anonymously"


def _verdict(explanation: Explanation) -> str:
    if explanation.barred is not None:
        return f"A node pulls from nowhere: {explanation.barred}"
    taken = explanation.taken
    if taken is not None:
        return f"A node {'takes it from' if explanation.is_probed else 'asks first'} {taken}"
    all_barred = all(place.source.barred is not None for place in explanation.places)
    return (
        "A node pulls from nowhere: every place is barred" if all_barred else "A node pulls from nowhere: none answers"
    )


def _shown(reference: Reference) -> str:
    """As a node names it, tag and digest."""
    tag = f":{reference.tag}" if reference.tag else ""
    return f"{reference.repository}{tag}{f'@{reference.digest}' if reference.digest else ''}"


def explanation_document(explanation: Explanation, traps: Sequence[Trap]) -> dict[str, Any]:
    """Return an explanation for programs, with the traps that concern it."""
    return {
        "reference": _shown(explanation.reference),
        "table": explanation.rule.prefix if explanation.rule is not None else None,
        "policy": explanation.demand,
        "places": [
            {
                "reference": _shown(place.source.reference),
                "mirror": place.source.is_mirror,
                "insecure": place.source.insecure,
                "barred": place.source.barred,
                "credential": place.credential,
                "trusts": place.trust,
                "answer": None
                if place.answer is None
                else {"has": place.answer.code is None, "code": place.answer.code, "text": place.answer.text},
            }
            for place in explanation.places
        ],
        "taken": explanation.taken,
        "barred": explanation.barred,
        "warnings": traps_document(traps),
    }
