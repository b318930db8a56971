"""What ``image mirror`` is told to copy: pairs, one source to many destinations, and mapping files.

Source: the grammar of ``oc image mirror``, with one difference: pairs mixed with positional arguments are
refused, where oc drops the positional ones in silence.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.oci import Reference, Repository
from airferry.oci.reference import refuse_userinfo


@dataclass(frozen=True, slots=True)
class Mapping:
    """One line of what is asked: ``source`` (perhaps with a pattern over its tags) to ``destination``.

    ``pattern`` is the tag pattern of the source (``mysql*``), ``*`` when the source names a whole repository,
    None when it names one image.
    """

    source: Reference
    destination: Reference
    pattern: str | None = None


def parse_arguments(arguments: Sequence[str], *, source_tree: str = ".", tree: str = ".") -> tuple[Mapping, ...]:
    """Return the mappings of a command line: ``SRC=DST …`` pairs, or ``SRC DST [DST …]``.

    ``source_tree`` and ``tree`` are the folders that ``file://`` names of sources and destinations live in.
    Raises UsageError and MalformedError in oc's words.
    """
    paired = [argument for argument in arguments if "=" in argument]
    if paired and len(paired) != len(arguments):
        odd = next(argument for argument in arguments if "=" not in argument)
        refuse_userinfo(odd)
        raise UsageError(
            f"all arguments must be valid SRC=DST mappings, but {odd!r} is not one",
            hint="write either SRC=DST pairs, or one SRC and one or more DST",
        )
    if paired:
        return tuple(_pair(argument, source_tree, tree) for argument in paired)
    if len(arguments) == 1:
        raise UsageError(
            "all arguments must be valid SRC=DST mappings, or you must specify one SRC argument and one or more "
            "DST arguments",
            hint="write SRC=DST or SRC DST; where -f is a list of images, --to DEST says where they go",
        )
    return tuple(_mapping(arguments[0], destination, source_tree, tree) for destination in arguments[1:])


def parse_file(name: str, text: str, *, source_tree: str = ".", tree: str = ".") -> tuple[Mapping, ...]:
    """Return the mappings of a file: ``SRC=DST`` or ``SRC DST [DST …]`` on each line, ``#`` begins a comment.

    Errors name ``name`` and the line.
    """
    mappings: list[Mapping] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        try:
            mappings += parse_arguments(words, source_tree=source_tree, tree=tree)
        except AirferryError as error:
            raise MalformedError(f"file {name}, line {number}: {error.message}", hint=error.hint) from error
    return tuple(mappings)


def check_mappings(mappings: Iterable[Mapping]) -> tuple[Mapping, ...]:
    """Return the mappings when there are any and no destination tag is claimed twice; else raise UsageError."""
    seen: set[tuple[Repository, str]] = set()
    checked = tuple(mappings)
    if not checked:
        raise UsageError(
            "you must specify at least one source image to pull and the destination to push to as SRC=DST or "
            "SRC DST [DST2 DST3 ...]"
        )
    for mapping in checked:
        tag = mapping.destination.tag or (mapping.source.tag if mapping.source.digest is None else None)
        if tag is None:
            continue
        key = (mapping.destination.repository, tag)
        if key in seen:
            raise UsageError(f"each destination tag may only be specified once: {key[0]}:{tag}")
        seen.add(key)
    return checked


def matching_tags(pattern: str, tags: Iterable[str]) -> tuple[str, ...]:
    """Return the tags that ``pattern`` matches as a whole; ``*`` stands for any characters, or none."""
    expression = re.compile(".*".join(re.escape(part) for part in pattern.split("*")))
    return tuple(tag for tag in tags if expression.fullmatch(tag))


def _pair(argument: str, source_tree: str, tree: str) -> Mapping:
    source, _, destination = argument.partition("=")
    if "/" not in source.rpartition("://")[2] and not destination.startswith(("file://", "oci://")):
        refuse_userinfo(argument)  # the = may stand in a password, and then what is before it must not be repeated
    refuse_userinfo(destination)
    if not source or not destination:
        raise UsageError("all arguments must be valid SRC=DST mappings")
    return _mapping(source, destination, source_tree, tree)


def _mapping(source_text: str, destination_text: str, source_tree: str, tree: str) -> Mapping:
    source, pattern = split_pattern(source_text, source_tree)
    destination = Reference.parse(destination_text, tree=tree)
    if destination.digest is not None:
        raise UsageError("you must specify a tag for DST or leave it blank to only push by digest")
    if pattern is not None and destination.tag is not None:
        raise UsageError("when source contains wildcards, the destination must be a repository")
    if source == destination:
        raise UsageError("SRC and DST may not be the same")
    return Mapping(source, destination, pattern)


def split_pattern(text: str, tree: str = ".") -> tuple[Reference, str | None]:
    """Return the source that ``text`` names, and the pattern over its tags; ``*`` for a repository without a tag.

    Raises UsageError and MalformedError.
    """
    head, colon, tag = text.rpartition(":")
    if "*" in text:
        if not colon or "/" in tag or "*" in head:
            raise UsageError(f"only the tag of a source may contain wildcards: {text}")
        if not re.fullmatch(r"[A-Za-z0-9_.*-]+", tag):
            raise MalformedError(f"the tag pattern {tag!r} is not valid")
        return Reference.parse(head, tree=tree), tag
    source = Reference.parse(text, tree=tree)
    return source, None if source.tag or source.digest else "*"
