"""The source tree as syntax trees, for tests about its shape."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import airferry

PACKAGE = Path(airferry.__file__).parent
ROOT = PACKAGE.parents[1]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file: its path inside the package, its lines and its tree."""

    path: str
    lines: int
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.path.split("/")[0].removesuffix(".py")

    def functions(self) -> Iterator[Function]:
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def classes(self) -> Iterator[ast.ClassDef]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        text = file.read_text()
        found.append(Module(file.relative_to(PACKAGE).as_posix(), text.count("\n"), ast.parse(text)))
    return tuple(found)


def span(node: Function) -> int:
    """The lines of a function from its ``def`` to its end, decorators not counted."""
    return (node.end_lineno or node.lineno) - node.lineno + 1
