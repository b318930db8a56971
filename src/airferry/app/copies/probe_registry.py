"""``registry probe``: which software a registry is, and what it takes."""

import time

from airferry.app.copies.destination_check import given_proof, try_all
from airferry.app.copies.destination_facts import DestinationFacts
from airferry.app.copies.destination_namespaces import NamespaceWork, push_into, see_to_namespaces
from airferry.app.copies.destination_refusals import refuse_absent
from airferry.app.copies.known_registries import load_known
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.oci.reference import parse_repository
from airferry.plan.destination import Can, Capability, Needs, RegistryKind, depth, known_of
from airferry.survey.namespaces import asks_for_sparse_lists
from airferry.survey.registry_kind import tell_kind


async def probe_registry(target: str, places: Places, narrator: Narrator) -> DestinationFacts:
    """Find out about ``HOST`` by questions alone, and with ``HOST/PATH`` by small writes into that repository too.

    What is written is taken back; what could not be is named. Raises MalformedError, UnreachableError, and what else
    keeps the registry from being asked.
    """
    repository = parse_repository(target) if "/" in target else None
    host = repository.place.address if repository is not None else _host(target)
    registry = places.target_registry(host)
    narrator.phase("asking the registry")
    sighting = await tell_kind(registry.questions())
    facts = DestinationFacts(host, await registry.questions().base(), sighting.kind, sighting.evidence)
    facts.can = {**dict.fromkeys(Capability, Can.UNKNOWN), **known_of(sighting.kind)}
    if sighting.kind is RegistryKind.QUAY:
        facts.can[Capability.SPARSE] = await asks_for_sparse_lists(registry.questions())
    known = load_known(host, places.settings.state_folder, now=time.time())
    known.kind, known.evidence, known.seen_at = sighting.kind, sighting.evidence, time.time()
    pushable: list[str] = []
    parts = 0 if repository is None else depth(repository)
    if repository is not None:
        narrator.phase("trying out small pushes")
        known.namespaces.pop(repository.path.split("/")[0], None)
        needs = Needs(registry.place, (repository,), (repository,), (), (repository,))
        work = NamespaceWork(needs, registry, given_proof(places, 1), makes=False)
        await see_to_namespaces(facts, known, work)
        if not facts.absent:
            pushable = await push_into(facts, known, needs, registry)
            await try_all(facts, needs, registry, frozenset(Capability) - {Capability.NESTED})
    refuse_absent(facts, places.settings.state_folder, is_rehearsal=True)
    known.note(facts.can, pushable, parts, now=time.time())
    known.save()
    narrator.done()
    return facts


def _host(target: str) -> str:
    """Return the host that ``target`` names; what no repository could stand behind is refused as malformed."""
    return parse_repository(f"{target}/repository").place.address
