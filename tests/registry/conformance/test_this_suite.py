"""The suite itself: every rule is a sentence, and says where it stands."""

import ast
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = ("OCI ", "Docker ", "RFC ", "What mirrors need")


def test_every_rule_names_its_source() -> None:
    for file in sorted(HERE.glob("test_*.py")):
        if file == Path(__file__) or file.name == "test_side_by_side.py":
            continue
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                assert (ast.get_docstring(node) or "").startswith(SOURCES), f"{file.name}: {node.name}"
