"""stdout carries the answer, in the form that was asked for."""

import json
import sys
from enum import StrEnum
from typing import Any


class OutputFormat(StrEnum):
    """Forms of an answer that every command has."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


def print_answer(text: str, document: Any, form: OutputFormat, *, one_line: bool = False) -> None:
    """Print the answer: ``text`` as it is for people, ``document`` for programs.

    ``one_line`` is for the JSON of commands that go on after it: the end of the line tells a reader that it is whole.
    """
    match form:
        case OutputFormat.TEXT:
            sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")
        case OutputFormat.JSON:
            sys.stdout.write(json.dumps(document, indent=None if one_line else 2, ensure_ascii=False) + "\n")
        case OutputFormat.YAML:
            from ruamel.yaml import YAML

            yaml = YAML(typ="safe", pure=True)
            yaml.default_flow_style = False
            yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # the stub says None only
            # The YAML writer knows plain types only, and our digests and enums are subclasses of str.
            yaml.dump(json.loads(json.dumps(document)), sys.stdout)
    sys.stdout.flush()
