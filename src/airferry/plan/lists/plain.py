"""Lists of references: one on a line, or many on one line as ``kubectl get … -o jsonpath`` prints them."""

from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.oci import Reference
from airferry.plan.lists.model import Choice, ImageList, Wish
from airferry.plan.mapping import split_pattern

_NO_TAG_HINT = "write :latest if that is meant, or :* for all of its tags"


def words_by_line(text: str) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Return the words of each line that has any, with its number; ``#`` begins a comment."""
    lines = ((number, tuple(line.split("#", 1)[0].split())) for number, line in enumerate(text.splitlines(), 1))
    return tuple((number, words) for number, words in lines if words)


def parse_plain(name: str, text: str, *, tree: str = ".") -> ImageList:
    """Return the images that ``text`` names, each once. ``*`` in a tag stands for any characters.

    ``name`` names the file in errors, ``tree`` is the folder that ``file://`` names live in. Raises MalformedError.
    """
    found: dict[str, Wish] = {}
    for number, words in words_by_line(text):
        for word in words:
            where = f"{name}, line {number}"
            try:
                found.setdefault(word, parse_source(word, where, tree=tree))
            except AirferryError as error:
                raise MalformedError(f"{where}: {error.message}", hint=error.hint) from error
    return ImageList(tuple(found.values()))


def parse_source(text: str, where: str, *, tree: str = ".") -> Wish:
    """Return the wish for one reference, perhaps with ``*`` in its tag. Raises MalformedError and UsageError.

    A name without a tag is refused: some programs mean ``latest`` by it, others all of its tags.
    """
    source, pattern = split_pattern(text, tree)
    if pattern is not None and "*" not in text:
        raise UsageError(f"{text!r} has neither tag nor digest", hint=_NO_TAG_HINT)
    return Wish(source, where, (Choice(pattern),) if pattern is not None else ())


def parse_image(text: str, where: str, *, registry: str | None = None, tree: str = ".") -> Reference:
    """Return the image that ``text`` names; ``registry`` is the host of names without one. Raises MalformedError."""
    if registry is not None and not _has_host(text):
        text = f"{registry}/{text}"
    try:
        reference = Reference.parse(text, tree=tree)
    except AirferryError as error:
        raise MalformedError(f"{where}: {error.message}", hint=error.hint) from error
    if reference.tag is None and reference.digest is None:
        raise MalformedError(f"{where}: {text!r} has neither tag nor digest", hint=_NO_TAG_HINT)
    return reference


def _has_host(text: str) -> bool:
    first, slash, _ = text.partition("/")
    return "://" in text or (bool(slash) and ("." in first or ":" in first or first == "localhost"))
