"""Why a copy does not begin, and what to do about it, from the facts about a destination."""

import contextlib
from pathlib import Path

from airferry.app.copies.destination_facts import DestinationFacts
from airferry.app.copies.known_registries import registry_file
from airferry.content.errors import UnfitRegistryError
from airferry.oci import Repository
from airferry.plan.destination import SHALLOW, Can, Capability, Needs, RegistryKind, depth
from airferry.transfer.new_namespaces import commands

_UNFIT = {
    Capability.NESTED: (
        "takes no names as deep as these",
        f"name a repository of two parts, or let `image mirror --max-nested-paths {SHALLOW}` join what is deeper (or a "
        "larger number, where it takes more parts)",
    ),
    Capability.TAGLESS: (
        "takes no push without a tag, which the images of lists, and images by digest, need",
        "give images by digest a tag (SRC@DIGEST=DST:TAG), take one image of a list with --filter-by-os, and leave "
        "out attachments with --no-attachments; or copy to another registry",
    ),
    Capability.SPARSE: (
        "takes no list that lacks some of its images",
        "leave out --keep-manifest-list; on Quay, FEATURE_SPARSE_INDEX: true allows them",
    ),
}


def refuse_absent(facts: DestinationFacts, state_folder: Path, *, is_rehearsal: bool) -> None:
    """Add the commands that make absent namespaces, and the refusal.

    In a rehearsal no file is written, and an absent organization of Quay is no reason to refuse: where its
    CREATE_NAMESPACE_ON_PUSH is set, the first push makes it, and only a push tells.
    """
    if not facts.absent:
        return
    names = tuple(facts.absent)
    facts.commands = commands(facts.kind, facts.base, names)
    hint = f"make them in {facts.host}, and let the user who pushes write there"
    if facts.kind is RegistryKind.QUAY:
        hint += "; or give an OAuth token with --quay-token-file, and airferry makes them"
    if facts.commands and not is_rehearsal:
        facts.commands_file = registry_file(facts.host, state_folder, "sh")
        hint += f"; the commands are in {facts.commands_file}"
    if is_rehearsal and facts.kind is RegistryKind.QUAY:
        return
    reason = next(iter(facts.absent.values()))
    word = facts.kind.namespace_word or "namespace"
    text = f"{facts.host} takes no push into the {word}s {', '.join(names)} ({reason})"
    facts.refusals.append(UnfitRegistryError(text, hint=hint))


def refuse_unfit(facts: DestinationFacts, needs: Needs) -> None:
    """Add a refusal for each thing that the plan needs and the registry was found not to take."""
    wanting = {
        Capability.NESTED: tuple(item for item in needs.repositories if depth(item) > SHALLOW),
        Capability.TAGLESS: needs.tagless,
        Capability.SPARSE: needs.sparse,
    }
    for capability, repositories in wanting.items():
        if facts.can.get(capability) is Can.NO and repositories:
            what, hint = _UNFIT[capability]
            said = f" (it answered {facts.said[capability]})" if capability in facts.said else ""
            text = f"{facts.host} {what}: {_first_of(repositories)}{said}"
            facts.refusals.append(UnfitRegistryError(text, hint=hint))


def write_commands(facts: DestinationFacts) -> None:
    """Write the commands to the file that the refusal names; a state folder that takes none costs the file only."""
    if facts.commands_file is None:
        return
    try:
        facts.commands_file.parent.mkdir(parents=True, exist_ok=True)
        facts.commands_file.write_text("#!/bin/sh -e\n" + "".join(f"{line}\n" for line in facts.commands))
    except OSError:
        with contextlib.suppress(OSError):
            facts.commands_file.unlink(missing_ok=True)


def _first_of(repositories: tuple[Repository, ...]) -> str:
    more = f" and {len(repositories) - 1} more" if len(repositories) > 1 else ""
    return f"{repositories[0]}{more}"
