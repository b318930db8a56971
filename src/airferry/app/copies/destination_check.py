"""Before anything is copied to a registry: which kind it is, whether it takes what the plan brings, and what it lacks.

Read-only questions are asked always, and what only writing tells is tried out small, but not in a dry run. What was
found is remembered for a day (docs/adr/0006).
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from airferry.app.copies.destination_facts import DestinationFacts
from airferry.app.copies.destination_namespaces import NamespaceWork, push_into, see_to_depth, see_to_namespaces
from airferry.app.copies.destination_refusals import refuse_absent, refuse_unfit, write_commands
from airferry.app.copies.known_registries import KnownRegistry, load_known
from airferry.app.places import Places
from airferry.app.text_files import read_text_file
from airferry.content.http import Proof, RegistryPlace
from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.oci import Repository
from airferry.plan import Plan, Survey
from airferry.plan.destination import (
    SHALLOW,
    Can,
    Capability,
    Needs,
    RegistryKind,
    depth,
    known_of,
    needs_of,
    needs_of_repositories,
    pushed_by_tag,
)
from airferry.plan.nesting import flattened
from airferry.survey.namespaces import asks_for_sparse_lists
from airferry.survey.registry_kind import tell_kind
from airferry.transfer.rehearsing import may_push, try_out

_MOST_TOKEN_LETTERS = 4096


@dataclass(frozen=True, slots=True)
class Destinations:
    """The registries of one copy: by host what was found out about each, and what is remembered of it."""

    facts: dict[str, DestinationFacts] = field(default_factory=dict)
    known: dict[str, KnownRegistry] = field(default_factory=dict)

    @property
    def refusals(self) -> tuple[AirferryError, ...]:
        """The reasons not to begin."""
        return tuple(error for facts in self.facts.values() for error in facts.refusals)

    def lacks(self, repository: Repository) -> bool:
        """Whether the repository's namespace is not there (yet), so that nothing can be in it."""
        facts = self.facts.get(repository.place.address)
        name = repository.path.split("/")[0]
        return facts is not None and (name in facts.absent or name in facts.to_make)

    async def remember(self) -> None:
        """Keep what was found, and write down the commands for what is absent."""
        for facts in self.facts.values():
            await asyncio.to_thread(write_commands, facts)
            await asyncio.to_thread(self.known[facts.host].save)


async def prepare_destinations(
    repositories: Iterable[Repository], places: Places, *, dry_run: bool, refresh: bool
) -> Destinations:
    """Tell the registries that ``repositories`` are in apart, and see to the namespaces there.

    Namespaces that are missing are made where the credentials allow it, not in a dry run. A registry that cannot be
    asked is left alone: the copy itself says why. Raises UsageError for a token that is for several registries.
    """
    needs = needs_of_repositories(repositories)
    proof = given_proof(places, len(needs))
    found = Destinations()
    for need in needs:
        registry = places.target_registry(need.place.address)
        facts = DestinationFacts(need.place.address)
        known = load_known(facts.host, places.settings.state_folder, now=time.time())
        if refresh:
            known = KnownRegistry(known.file)
        found.facts[facts.host], found.known[facts.host] = facts, known
        try:
            await _tell_kind(facts, known, need, registry)
            work = NamespaceWork(need, registry, proof, is_rehearsal=dry_run)
            await see_to_namespaces(facts, known, work)
            await see_to_depth(facts, work)
        except AirferryError as error:
            facts.trouble = error
        refuse_absent(facts, places.settings.state_folder, is_rehearsal=dry_run)
        refuse_unfit(facts, need)
    if not dry_run:
        await found.remember()
    return found


async def check_plan(plan: Plan, survey: Survey, destinations: Destinations, places: Places, *, dry_run: bool) -> Plan:
    """Find out whether the registries take what the plan brings, and return it as they take it.

    In a dry run only by questions that write nothing. What they do not take is among ``destinations.refusals``.
    """
    shy = []
    for needs in needs_of(plan, survey.present):
        registry = places.target_registry(needs.place.address)
        facts, known = destinations.facts[needs.place.address], destinations.known[needs.place.address]
        try:
            wanted = await _wanted(facts, needs, registry)
            if not dry_run and not facts.refusals:
                pushable = await push_into(facts, known, needs, registry)
                if not facts.absent:
                    await try_all(facts, needs, registry, wanted)
                known.note(facts.can, pushable, depth(needs.deepest()), now=time.time())
        except AirferryError as error:
            facts.trouble = error
        if not facts.refusals:
            refuse_absent(facts, places.settings.state_folder, is_rehearsal=dry_run)
            refuse_unfit(facts, needs)
        if facts.can.get(Capability.TAGLESS) is Can.NO:
            shy.append(needs.place)
    if not dry_run:
        await destinations.remember()
    return pushed_by_tag(plan, shy) if shy else plan


def given_proof(places: Places, registries: int) -> Proof | None:
    """Return the proof in the token file that was given, for the one registry that it can be for.

    Raises UsageError, MalformedError, NotFoundError.
    """
    file = places.settings.quay_token_file
    if file is None:
        return None
    if registries > 1:
        raise UsageError(
            "--quay-token-file is for one Quay, and the copy goes to several registries",
            hint="copy to them one after the other, or store the token: `airferry login HOST -u '$oauthtoken'`",
        )
    token = read_text_file(file, "the token file").strip()
    if not 0 < len(token) <= _MOST_TOKEN_LETTERS or not token.isascii() or not token.isprintable() or " " in token:
        raise MalformedError(f"{file} does not hold one token and nothing else", hint="one line: the OAuth token")
    return Proof.bearer(token, f"the token in {file}")


async def try_all(
    facts: DestinationFacts, needs: Needs, registry: RegistryPlace, wanted: frozenset[Capability]
) -> None:
    """Try out by small writes what ``wanted`` names and is not known yet, in a repository that needs it."""
    await _see_to_names(facts, needs, registry)
    wanted = frozenset(item for item in wanted if facts.can.get(item) is not Can.YES)
    if not wanted or facts.can.get(Capability.NESTED) is Can.NO:
        return
    repository = (*needs.sparse, *needs.tagless, *needs.named)[0]
    rehearsed = await try_out(wanted, repository.path, registry.rehearsal)
    facts.can |= {**rehearsed.answers, **dict.fromkeys(wanted - rehearsed.answers.keys(), Can.UNKNOWN)}
    facts.said |= rehearsed.said
    facts.left += rehearsed.left


async def _tell_kind(facts: DestinationFacts, known: KnownRegistry, needs: Needs, registry: RegistryPlace) -> None:
    if known.kind is None:
        sighting = await tell_kind(registry.questions())
        known.kind, known.evidence = sighting.kind, sighting.evidence
        known.seen_at = time.time() if sighting.complete else 0.0
    facts.kind, facts.evidence, facts.base = known.kind, known.evidence, await registry.questions().base()
    facts.can = {**known_of(facts.kind), **known.answers(depth(needs.deepest()))}


async def _wanted(facts: DestinationFacts, needs: Needs, registry: RegistryPlace) -> frozenset[Capability]:
    """Return what the plan needs and nobody knows yet, once Quay has said what it says of itself."""
    wanted = {Capability.TAGLESS} if needs.tagless or needs.named else set()
    wanted |= {Capability.SPARSE} if needs.sparse else set()
    if Capability.SPARSE in wanted - facts.can.keys() and facts.kind is RegistryKind.QUAY:
        facts.can[Capability.SPARSE] = await asks_for_sparse_lists(registry.questions())
    return frozenset(item for item in wanted if facts.can.get(item, Can.UNKNOWN) is Can.UNKNOWN)


async def _see_to_names(facts: DestinationFacts, needs: Needs, registry: RegistryPlace) -> None:
    """Where deep names are coming and may not be taken, try one; and only if it fails, a shallow one."""
    deepest = needs.deepest()
    if depth(deepest) <= SHALLOW or facts.can.get(Capability.NESTED, Can.UNKNOWN) is not Can.UNKNOWN:
        return
    refused = await may_push(deepest.path, registry.rehearsal)
    if refused is None:
        facts.can[Capability.NESTED] = Can.YES
    elif await may_push(flattened(deepest, SHALLOW).path, registry.rehearsal) is None:
        facts.can[Capability.NESTED] = Can.NO
        facts.said[Capability.NESTED] = refused
