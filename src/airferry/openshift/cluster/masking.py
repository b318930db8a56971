"""What of an install-config may be shown: a copy of its text in which every secret is masked."""

import json
from collections.abc import Iterator
from typing import Any, Final

from airferry.errors import without_userinfo
from airferry.openshift.cluster.yaml_lines import YamlLines

_SECRET_WORDS: Final = ("password", "secret", "token", "privatekey", "credential", "accesskey")


def masked_lines(document: YamlLines) -> list[str]:
    """Return the lines of ``document`` with ``***`` for every secret; a pull secret shows its registries only."""
    lines = list(document.lines)
    for key, node in sorted(_secrets(document), key=lambda item: -int(item[1].start_mark.index)):
        start, end = node.start_mark, node.end_mark
        shown = "***" if key != "pullSecret" else _registries(node)
        is_block = node.id == "scalar" and node.style in ("|", ">")
        if end.line >= len(lines) or (is_block and end.column == 0):
            # The mark of a block is where the next line that counts begins; comments may stand between.
            last = min(end.line, len(lines)) - 1
            lines[start.line : last + 1] = [f"{lines[start.line][: start.column]}{shown}"]
        else:
            rest = lines[end.line][end.column :]
            lines[start.line : end.line + 1] = [f"{lines[start.line][: start.column]}{shown}{rest}"]
    return [without_userinfo(line) for line in lines]


def _secrets(document: YamlLines) -> Iterator[tuple[str, Any]]:
    """Give the values of all keys that are named as secrets are, however deep; the outermost of each."""
    waiting = [(key, section.node) for key, section in document.sections.items()]
    while waiting:
        key, node = waiting.pop()
        if any(word in key.lower() for word in _SECRET_WORDS):
            yield key, node
        elif node.id == "mapping":
            waiting += [(str(inner.value), value) for inner, value in node.value]
        elif node.id == "sequence":
            waiting += [(key, item) for item in node.value]


def _registries(node: Any) -> str:
    try:
        auths = json.loads(node.value)["auths"] if node.id == "scalar" else {}
        return f"*** ({', '.join(map(str, auths))})"
    except (ValueError, TypeError, KeyError):
        return "***"
