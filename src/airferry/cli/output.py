"""stdout carries the answer, in the form that was asked for."""

import json
import sys
from enum import StrEnum
from typing import Any, Final

from airferry.cli.terminal import harmless

_YAML_1_1_BOOLEANS: Final = frozenset({"y", "n", "yes", "no", "on", "off"})


class OutputFormat(StrEnum):
    """Forms of an answer that every command has."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


def print_answer(text: str, document: Any, form: OutputFormat, *, one_line: bool = False) -> None:
    """Print the answer: ``text`` for people, without what a terminal would obey, ``document`` for programs.

    ``one_line`` is for the JSON of commands that go on after it: the end of the line tells a reader that it is whole.
    """
    match form:
        case OutputFormat.TEXT:
            sys.stdout.write(harmless(text if text.endswith("\n") or not text else text + "\n"))
        case OutputFormat.JSON:
            sys.stdout.write(json.dumps(document, indent=None if one_line else 2, ensure_ascii=False) + "\n")
        case OutputFormat.YAML:
            from ruamel.yaml import YAML
            from ruamel.yaml.representer import SafeRepresenter

            class Representer(SafeRepresenter):  # a class of its own: it keeps what is added to it
                pass

            Representer.add_representer(str, _represent_text)
            yaml = YAML(typ="safe", pure=True)
            yaml.default_flow_style = False
            yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # the stub says None only
            yaml.Representer = Representer
            # The YAML writer knows plain types only, and our digests and enums are subclasses of str.
            yaml.dump(json.loads(json.dumps(document)), sys.stdout)
    sys.stdout.flush()


def _represent_text(representer: Any, text: str) -> Any:
    """Quote the words that readers of YAML 1.1, most of those in use, take for booleans."""
    style = '"' if text.lower() in _YAML_1_1_BOOLEANS else None
    return representer.represent_scalar("tag:yaml.org,2002:str", text, style=style)
