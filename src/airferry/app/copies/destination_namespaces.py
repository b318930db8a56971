"""The namespaces of one destination: which are there, which can be made, and whether they take our pushes."""

from dataclasses import dataclass

from airferry.app.copies.destination_facts import DestinationFacts
from airferry.app.copies.known_registries import KnownRegistry
from airferry.content.http import Proof, Questions, RegistryPlace
from airferry.oci import Repository
from airferry.plan.destination import SHALLOW, Can, Capability, Needs, RegistryKind, depth
from airferry.plan.nesting import flattened
from airferry.survey.namespaces import look_for_namespaces
from airferry.transfer.new_namespaces import make_namespace
from airferry.transfer.rehearsing import may_push, may_read

_NO_PROOF = "no credentials were given that its API takes"


@dataclass(frozen=True, slots=True)
class NamespaceWork:
    """What is to be seen to, and how: ``given`` is the proof on the command line; a rehearsal only asks."""

    needs: Needs
    registry: RegistryPlace
    given: Proof | None
    is_rehearsal: bool = False
    makes: bool = True


async def see_to_namespaces(facts: DestinationFacts, known: KnownRegistry, work: NamespaceWork) -> None:
    """Find out which namespaces are there, and make those that are not.

    A namespace that was pushed into within a day is not asked for again. One that cannot be made is tried by a push,
    unless this is a rehearsal: some registries make it then. Without a word for namespaces there is nothing to do.
    """
    if facts.kind.namespace_word is None:
        return
    questions = work.registry.questions()
    names = tuple(name for name in work.needs.namespaces if name not in known.namespaces)
    facts.present = [name for name in work.needs.namespaces if name in known.namespaces]
    proof = await _api_proof(facts.kind, questions, work.given)
    found = await look_for_namespaces(facts.kind, names, questions, proof)
    facts.present += found.present
    for name in found.missing:
        if proof is None or not work.makes:
            facts.absent[name] = _NO_PROOF
        elif work.is_rehearsal:
            facts.to_make.append(name)
        else:
            made = await make_namespace(facts.kind, name, questions, proof)
            if made.reason is not None:
                facts.absent[name] = made.reason
            else:
                (facts.made if made.is_new else facts.present).append(name)
    if not work.is_rehearsal:
        for name in tuple(facts.absent):
            await _try_absent(name, facts, work)
        for name in found.untold:
            await _try_untold(name, facts, work)


async def push_into(facts: DestinationFacts, known: KnownRegistry, needs: Needs, registry: RegistryPlace) -> list[str]:
    """Begin an upload in each namespace that is written to, in its deepest repository; return those that took it."""
    pushable: list[str] = []
    if facts.kind.namespace_word is None:
        return pushable
    for name in needs.namespaces:
        if name in known.namespaces:
            continue
        deepest = needs.deepest(name)
        refused = await may_push(deepest.path, registry.rehearsal)
        if refused is None:
            pushable.append(name)
            if depth(deepest) > SHALLOW:
                facts.can.setdefault(Capability.NESTED, Can.YES)
        elif depth(deepest) > SHALLOW and await _takes(flattened(deepest, SHALLOW), registry):
            facts.can[Capability.NESTED] = Can.NO
            facts.said[Capability.NESTED] = refused
        else:
            facts.absent[name] = refused
            facts.present = [other for other in facts.present if other != name]
    return pushable


async def _api_proof(kind: RegistryKind, questions: Questions, given: Proof | None) -> Proof | None:
    match kind:
        case RegistryKind.QUAY:
            return given or await questions.oauth_proof()
        case RegistryKind.HARBOR:
            return await questions.password_proof()
        case _:
            return None


async def _try_absent(name: str, facts: DestinationFacts, work: NamespaceWork) -> None:
    """Let a first push make the namespace, as Quay does where its CREATE_NAMESPACE_ON_PUSH is set."""
    refused = await may_push(work.needs.deepest(name).path, work.registry.rehearsal)
    if refused is None:
        del facts.absent[name]
        facts.made.append(name)
    else:
        facts.absent[name] += f"; a push got: {refused}"


async def _try_untold(name: str, facts: DestinationFacts, work: NamespaceWork) -> None:
    """Where no API tells: what may be read is there. For the rest a push decides, of its deepest and a shallow name."""
    deepest = work.needs.deepest(name)
    if await may_read(deepest.path, work.registry.rehearsal) is None:
        return
    refused = await may_push(deepest.path, work.registry.rehearsal)
    if refused is not None and not await _takes(flattened(deepest, SHALLOW), work.registry):
        facts.absent[name] = refused


async def see_to_depth(facts: DestinationFacts, work: NamespaceWork) -> None:
    """Find out whether deep names are refused already to readers, as they are by registries that know none.

    Reading settles it where a shallow name may be read; else a push of both does, unless this is a rehearsal.
    """
    deepest = work.needs.deepest()
    if depth(deepest) <= SHALLOW or Capability.NESTED in facts.can or facts.absent or facts.to_make:
        return
    refused = await may_read(deepest.path, work.registry.rehearsal)
    if refused is None:
        return
    shallow = flattened(deepest, SHALLOW)
    if await may_read(shallow.path, work.registry.rehearsal) is not None:
        if work.is_rehearsal or not await _takes(shallow, work.registry):
            return
        refused = await may_push(deepest.path, work.registry.rehearsal)
    if refused is not None:
        facts.can[Capability.NESTED] = Can.NO
        facts.said[Capability.NESTED] = refused


async def _takes(repository: Repository, registry: RegistryPlace) -> bool:
    return await may_push(repository.path, registry.rehearsal) is None
