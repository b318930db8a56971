"""The YAML of ``skopeo sync --src yaml``. Source: skopeo-sync(1), "YAML file content"."""

from typing import Final

from airferry.errors import AirferryError, MalformedError
from airferry.oci import Reference
from airferry.oci.digest import is_digest
from airferry.plan.lists.documents import Node, unknown_fields
from airferry.plan.lists.model import Choice, ImageList, Note, Wish
from airferry.plan.lists.regular import Regular
from airferry.plan.lists.semver_range import SemverRange

IMAGES, BY_REGEX, BY_SEMVER = "images", "images-by-tag-regex", "images-by-semver"
_CREDENTIALS, _VERIFY, _CERTIFICATES = "credentials", "tls-verify", "cert-dir"
_KNOWN: Final = frozenset({IMAGES, BY_REGEX, BY_SEMVER, _CREDENTIALS, _VERIFY, _CERTIFICATES})


def parse_skopeo(document: Node) -> ImageList:
    """Return what the document asks for, registry by registry. Raises MalformedError with the line."""
    wishes: list[Wish] = []
    notes: list[Note] = []
    for host, node in document.fields().items():
        fields = node.fields()
        notes += _notes(host, fields)
        for repository, tags in _repositories(fields, IMAGES):
            wishes += _by_name(f"{host}/{repository}", tags)
        for repository, expression in _repositories(fields, BY_REGEX):
            choice = Choice(allow=(parse_regular(expression),))
            wishes.append(Wish(_repository(f"{host}/{repository}", expression), expression.where, (choice,)))
        for repository, ranges in _repositories(fields, BY_SEMVER):
            nodes = ranges.items() if ranges.kind == "sequence" else (ranges,)
            choice = Choice(ranges=tuple(parse_range(item) for item in nodes))
            wishes.append(Wish(_repository(f"{host}/{repository}", ranges), ranges.where, (choice,)))
    return ImageList(tuple(wishes), notes=tuple(notes))


def parse_regular(node: Node) -> Regular:
    """Return the regular expression at ``node``. Raises MalformedError with the line."""
    try:
        return Regular.parse(node.text())
    except MalformedError as error:
        raise MalformedError(f"{node.where}: {error.message}", hint=error.hint) from error


def parse_range(node: Node) -> SemverRange:
    """Return the range of versions at ``node``. Raises MalformedError with the line."""
    try:
        return SemverRange.parse(node.text())
    except MalformedError as error:
        raise MalformedError(f"{node.where}: {error.message}", hint=error.hint) from error


def _repositories(fields: dict[str, Node], name: str) -> tuple[tuple[str, Node], ...]:
    return tuple(fields[name].fields().items()) if name in fields else ()


def _by_name(repository: str, tags: Node) -> list[Wish]:
    """An empty list of tags means all of them."""
    if tags.is_null or not tags.items():
        return [Wish(_repository(repository, tags), tags.where, (Choice(),))]
    return [Wish(_image(repository, item), item.where) for item in tags.items()]


def _image(repository: str, item: Node) -> Reference:
    word = item.text()
    return _parse(f"{repository}@{word}" if is_digest(word) else f"{repository}:{word}", item)


def _repository(text: str, node: Node) -> Reference:
    reference = _parse(text, node)
    if reference.tag is not None or reference.digest is not None:
        raise MalformedError(f"{node.where}: {text!r} is an image, and a repository is wanted here")
    return reference


def _parse(text: str, node: Node) -> Reference:
    try:
        return Reference.parse(f"docker://{text}")
    except AirferryError as error:
        raise MalformedError(f"{node.where}: {error.message}", hint=error.hint) from error


def _notes(host: str, fields: dict[str, Node]) -> list[Note]:
    notes = list(unknown_fields(fields, _KNOWN))
    if (node := fields.get(_CREDENTIALS)) is not None and not node.is_null:
        notes.append(credentials_note(node, host))
    if (node := fields.get(_VERIFY)) is not None and not node.flag():
        notes.append(insecure_note(node, host))
    if (node := fields.get(_CERTIFICATES)) is not None and not node.is_null:
        notes.append(Note(node.where, f"not used; --src-certificate-authority FILE trusts the CA of {host}"))
    return notes


def credentials_note(node: Node, host: str) -> Note:
    """Say that credentials of a list are not used, and where they belong."""
    return Note(node.where, f"credentials in a list are never used; store those for {host} with: airferry login {host}")


def insecure_note(node: Node, host: str) -> Note:
    """Say that a list cannot turn off the checks of TLS."""
    return Note(node.where, f"certificates are verified all the same; --src-insecure turns that off for {host}")
