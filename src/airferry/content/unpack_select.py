"""What ``image extract`` is asked for: which layers, which paths. Pure.

Source: the grammar of ``oc image extract``: IMAGE[LAYERS], ``--path SRC:DST``.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from airferry.content.unpack_names import clean_name
from airferry.errors import UsageError
from airferry.oci import Descriptor

_SELECTOR: Final = re.compile(r"(?P<image>.+)\[(?P<layers>[^\[\]]*)\]\Z")
_HINT: Final = "write [0] for the lowest layer, [-1] for the top one, [a:b] for a range, [~DIGEST] for one by digest"


def split_selector(text: str) -> tuple[str, str | None]:
    """Split ``IMAGE[LAYERS]`` into the image and what is in the brackets, None when there are none.

    An address in brackets at the start, as in ``[::1]:5000/app``, is no selector.
    """
    found = _SELECTOR.match(text)
    return (found["image"], found["layers"]) if found else (text, None)


def select_layers(layers: tuple[Descriptor, ...], selector: str | None) -> tuple[Descriptor, ...]:
    """Return the layers that ``selector`` (without brackets) names, in the image's order; None names all.

    Raises UsageError for a selector that is malformed or names nothing.
    """
    if selector is None:
        return layers
    if selector.startswith("~"):
        prefix = selector[1:]
        chosen = tuple(
            layer
            for layer in layers
            if prefix and prefix in (layer.digest[: len(prefix)], layer.digest.hex[: len(prefix)])
        )
    else:
        chosen = _by_position(layers, selector)
    if not chosen:
        raise UsageError(f"the image has {len(layers)} layers, and [{selector}] is none of them", hint=_HINT)
    return chosen


def _by_position(layers: tuple[Descriptor, ...], selector: str) -> tuple[Descriptor, ...]:
    start, colon, end = selector.partition(":")
    try:
        if colon:
            return layers[int(start) if start else None : int(end) if end else None]
        position = int(start)
    except ValueError:
        raise UsageError(f"[{selector}] does not name layers", hint=_HINT) from None
    return (layers[position],) if -len(layers) <= position < len(layers) else ()


@dataclass(frozen=True, slots=True)
class PathMapping:
    """One ``SRC:DST``: what of the image goes into which folder.

    A source that ends in ``/`` is a folder whose contents are meant; otherwise its last part is a pattern, and what
    matches keeps its name. ``folder`` is relative to the image's root; ``pattern`` is None for contents.
    """

    folder: str
    pattern: str | None
    destination: Path

    @classmethod
    def parse(cls, text: str) -> "PathMapping":
        """Return the mapping that ``text`` spells. Raises UsageError."""
        source, colon, destination = text.partition(":")
        if not colon or not source or not destination:
            raise UsageError(f"--path {text!r} is not SRC:DST", hint="such as --path /usr/bin/oc:/tmp")
        folder, _, pattern = source.rpartition("/")
        return cls(clean_name(folder), pattern or None, Path(destination))

    @property
    def source(self) -> str:
        """The source as people write it."""
        return "/" + "/".join(part for part in (self.folder, self.pattern or "") if part)

    def relative(self, name: str) -> str | None:
        """Return where ``name``, clean and relative to the image's root, goes below the destination; None: nowhere."""
        if self.folder:
            if not name.startswith(f"{self.folder}/"):
                return None
            name = name[len(self.folder) + 1 :]
        if not name or (self.pattern is not None and not fnmatchcase(name.split("/", 1)[0], self.pattern)):
            return None
        return name
