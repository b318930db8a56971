"""Which format a list is in: told by what it holds, or by whoever knows."""

import re
from enum import StrEnum
from typing import Final

from airferry.errors import MalformedError, UsageError
from airferry.oci.reference import refuse_userinfo
from airferry.plan.lists.documents import Node, read_documents
from airferry.plan.lists.hauler import is_hauler, parse_hauler
from airferry.plan.lists.model import ImageList
from airferry.plan.lists.plain import parse_plain, words_by_line
from airferry.plan.lists.regsync import parse_regsync
from airferry.plan.lists.skopeo import BY_REGEX, BY_SEMVER, IMAGES, parse_skopeo
from airferry.plan.mapping import parse_file

_FIELD: Final = re.compile(r"(?m)^(?!\s*#)[^#\n]*:(?:[ \t]|\r?$)|^---|^\s*\{")
"""A line that is a field of YAML or the beginning of JSON: in references no colon ends a word."""


class ListFormat(StrEnum):
    """The formats; the value is the word for ``--list-format``."""

    PLAIN = "plain"
    MAPPING = "mapping"
    SKOPEO = "skopeo"
    REGSYNC = "regsync"
    HAULER = "hauler"


def parse_list(
    name: str,
    text: str,
    form: ListFormat | None = None,
    *,
    has_destination: bool = False,
    source_tree: str = ".",
    tree: str = ".",
) -> ImageList:
    """Return what the list ``text`` asks for; ``name`` names it in errors. Without ``form`` its content tells that.

    ``has_destination`` says that the caller knows where images go; lines of two words are then no mappings.
    ``source_tree`` and ``tree`` are the folders that ``file://`` names of sources and destinations live in.
    Raises MalformedError, UnsupportedError and UsageError, with file and line.
    """
    text = text.removeprefix("\ufeff")
    if form is None and not _FIELD.search(text):
        form = _form_of_lines(name, text, has_destination=has_destination)
    if form is ListFormat.PLAIN:
        return parse_plain(name, text, tree=source_tree)
    if form is ListFormat.MAPPING:
        return ImageList(mappings=parse_file(name, text, source_tree=source_tree, tree=tree))
    documents = read_documents(text, name)
    form = form or _form_of_documents(name, documents)
    if form is ListFormat.HAULER:
        return parse_hauler(documents)
    if len(documents) != 1:
        raise MalformedError(f"{name} holds {len(documents)} documents, and a list for {form} is one")
    if form is ListFormat.SKOPEO:
        return parse_skopeo(documents[0])
    if "sync" not in documents[0].fields():
        raise MalformedError(f"{name} has no sync")
    return parse_regsync(documents[0], tree=source_tree)


def _form_of_lines(name: str, text: str, *, has_destination: bool) -> ListFormat:
    lines = words_by_line(text)
    for _, words in lines:
        for word in words:
            refuse_userinfo(word)
    if any("=" in word for _, words in lines for word in words) or not has_destination:
        return ListFormat.MAPPING
    several = [number for number, words in lines if len(words) > 1]
    if len(lines) > 1 and several:
        raise UsageError(
            f"{name}, line {several[0]} holds several names: are they images, or is the second where the first goes?",
            hint="--list-format plain or --list-format mapping tells",
        )
    return ListFormat.PLAIN


def _form_of_documents(name: str, documents: tuple[Node, ...]) -> ListFormat:
    if any(is_hauler(document) for document in documents):
        return ListFormat.HAULER
    if len(documents) == 1 and documents[0].kind == "mapping":
        fields = documents[0].fields()
        if "sync" in fields and fields["sync"].kind == "sequence":
            return ListFormat.REGSYNC
        if fields and all(_is_skopeo(node) for node in fields.values()):
            return ListFormat.SKOPEO
    raise MalformedError(
        f"{name} is none of the lists that are known",
        hint=f"there are {', '.join(ListFormat)}; --list-format shows what is wrong with one of them",
    )


def _is_skopeo(node: Node) -> bool:
    return node.kind == "mapping" and bool(node.fields().keys() & {IMAGES, BY_REGEX, BY_SEMVER})
