"""What a list asks for, whatever format it was written in."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from airferry.oci import Place, Reference
from airferry.plan.lists.regular import Regular
from airferry.plan.lists.semver_range import SemverRange
from airferry.plan.mapping import Mapping, matching_tags

_ATTACHED = re.compile(r"sha256-[0-9a-f]{64}(?:\.[a-z]+)?|sha512-[0-9a-f]{115,128}(?:\.[a-z]+)?")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of a repository's names are wanted: those that pass every part that is there.

    ``pattern`` is a pattern with ``*`` for the whole name. A name lies in any of ``ranges``, matches any of ``allow``
    and none of ``deny``. A choice of nothing but a ``deny``, or of no part at all, wants all others.
    """

    pattern: str | None = None
    ranges: tuple[SemverRange, ...] = ()
    allow: tuple[Regular, ...] = ()
    deny: tuple[Regular, ...] = ()

    def of(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the names that are wanted, in the order given."""
        kept = tuple(names) if self.pattern is None else matching_tags(self.pattern, names)
        return tuple(name for name in kept if self._wants(name))

    def _wants(self, name: str) -> bool:
        if self.ranges and not any(found.holds(name) for found in self.ranges):
            return False
        if self.allow and not any(expression.found_in(name) for expression in self.allow):
            return False
        return not any(expression.found_in(name) for expression in self.deny)


def chosen(choices: Iterable[Choice], tags: Iterable[str]) -> tuple[str, ...]:
    """Return the tags that any of ``choices`` wants, each once, sorted.

    Tags by which signatures and referrers are found are nobody's choice: they go with what they are attached to.
    """
    names = tuple(tag for tag in tags if not is_attachment_tag(tag))
    return tuple(sorted({tag for choice in choices for tag in choice.of(names)}))


def is_attachment_tag(tag: str) -> bool:
    """Whether ``tag`` is one that signatures, attestations or referrers of an image are found by.

    Sources: cosign's tag scheme ``sha256-<hex>.sig``; distribution-spec, "Referrers Tag Schema".
    """
    return _ATTACHED.fullmatch(tag) is not None


@dataclass(frozen=True, slots=True)
class Wish:
    """One entry of a list: the image at ``source``, or with ``choices`` those of its repository that they choose.

    ``target`` is where the list itself sends it, None where that is left to the caller. ``platforms``, such as
    ``linux/amd64``, are those that the list wants of each image, none for all of them. ``where`` names the entry.
    """

    source: Reference
    where: str
    choices: tuple[Choice, ...] = ()
    target: Reference | None = None
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RegistryWish:
    """A whole registry: its repositories that ``repositories`` chooses, and their tags, to names under ``target``."""

    source: Place
    where: str
    target: str
    repositories: Choice
    choices: tuple[Choice, ...]
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """Something in a list that is not done; ``where`` it stands, and what to do about it. Never holds a secret."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


@dataclass(frozen=True, slots=True)
class ImageList:
    """A list, read. ``mappings`` are lines of ``SRC=DST``, which keep the grammar of ``image mirror``."""

    wishes: tuple[Wish, ...] = ()
    registries: tuple[RegistryWish, ...] = ()
    mappings: tuple[Mapping, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def names_targets(self) -> bool:
        """Whether the list says itself where its images go."""
        return bool(self.mappings or self.registries) or any(wish.target is not None for wish in self.wishes)
