"""Where the images of a list go: a template such as ``mirror.lan:8443/{registry}/{repository}:{tag}``.

A destination without braces is a template, too: below it each image keeps its path, as mirror sets want it.
"""

import re
from dataclasses import dataclass
from typing import Final

from airferry.errors import AirferryError, UsageError
from airferry.oci import PlaceKind, Reference

FIELDS: Final = ("registry", "repository", "namespace", "name", "tag", "digest")
_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_OF_TAGS: Final = ("tag", "digest")


@dataclass(frozen=True, slots=True)
class Template:
    """A destination with fields. ``repository`` is all before the tag, ``tag`` what is behind the colon."""

    repository: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Return the template that ``text`` spells. Raises UsageError.

        ``registry`` is the source's host with a dash for its colon, ``repository`` its path, ``name`` the path's last
        part and ``namespace`` what stands before that; ``digest`` is the 64 digits without ``sha256:``.
        """
        for name in _FIELD.findall(text):
            if name not in FIELDS:
                fields = ", ".join(f"{{{known}}}" for known in FIELDS)
                raise UsageError(f"{{{name}}} in {text!r} is no field of a destination", hint=f"there are {fields}")
        if set("{}") & set(_FIELD.sub("", text)):
            raise UsageError(f"a brace in {text!r} has no other one", hint="write fields as {repository}")
        scheme, separator, rest = text.partition("://") if "://" in text else ("", "", text)
        folder, slash, last = rest.rpartition("/")
        bare = _FIELD.sub("", text)
        has_tag = (slash or scheme in ("file", "oci")) and ":" in last
        if "@" in bare or (bare == text and has_tag):
            raise UsageError(
                f"{text!r} is one image, and a list needs a place for many",
                hint="name a registry, repository or folder",
            )
        if has_tag:
            name, _, tag = last.partition(":")
            return cls(f"{scheme}{separator}{folder}{slash}{name}", tag)
        if bare != text or scheme == "oci":
            return cls(text, "{tag}")
        return cls(f"{text.rstrip('/') if rest else text}{'' if not rest else '/'}{{repository}}", "{tag}")

    def place(self, source: Reference, *, tree: str = ".") -> Reference:
        """Return where ``source`` goes; a source without a tag gets none. Raises UsageError and MalformedError.

        ``tree`` is the folder that ``file://`` names live in.
        """
        values = _values(source)
        repository = _without_gaps(self._filled(self.repository, values, source))
        needs_tag = "{tag}" in self.tag
        tag = "" if needs_tag and source.tag is None else self._filled(self.tag, values, source)
        try:
            return Reference.parse(f"{repository}:{tag}" if tag else repository, tree=tree)
        except AirferryError as error:
            raise type(error)(f"{source} cannot go to {repository}: {error.message}", hint=error.hint) from error

    def has_repository_by_tag(self) -> bool:
        """Whether images of one repository may go to several."""
        return any(f"{{{name}}}" in self.repository for name in _OF_TAGS)

    def source_tag(self, tag: str) -> str | None:
        """Return the tag at the source that becomes ``tag``; None where no tag does.

        Raises UsageError where that cannot be told: the tag has not one ``{tag}`` in it.
        """
        before, field, after = self.tag.partition("{tag}")
        if not field or _FIELD.search(before) or _FIELD.search(after) or self.has_repository_by_tag():
            raise UsageError(
                f"it cannot be told from {self.repository}:{self.tag} which image of the source has which tag",
                hint="with chosen tags, write {tag} once and behind the colon",
            )
        if not tag.startswith(before) or not tag.endswith(after) or len(tag) <= len(before) + len(after):
            return None
        return tag[len(before) : len(tag) - len(after)]

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"

    def _filled(self, text: str, values: dict[str, str | None], source: Reference) -> str:
        def value(found: re.Match[str]) -> str:
            filling = values[found[1]]
            if filling is None:
                raise UsageError(
                    f"{source} has no {found[1]} for {self}", hint="leave the field out, or name the image so"
                )
            return filling

        return _FIELD.sub(value, text)


def _values(source: Reference) -> dict[str, str | None]:
    place, path = source.repository.place, source.repository.path
    namespace, _, name = path.rpartition("/")
    registry = place.address.lower().replace(":", "-") if place.kind is PlaceKind.REGISTRY else ""
    return {
        "registry": registry.strip("[]-"),
        "repository": path,
        "namespace": namespace,
        "name": name,
        "tag": source.tag,
        "digest": source.digest.hex if source.digest is not None else None,
    }


def _without_gaps(text: str) -> str:
    """An empty field, such as the namespace of a name without one, leaves no empty part of a path."""
    scheme, separator, rest = text.partition("://") if "://" in text else ("", "", text)
    is_absolute = scheme == "oci" and rest.startswith("/")
    parts = [part for part in rest.split("/") if part]
    return f"{scheme}{separator}{'/' if is_absolute else ''}{'/'.join(parts)}"
