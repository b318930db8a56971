"""What is public says what a caller may rely on."""

import ast
from collections.abc import Iterator

from .sources import Function, Module, modules


def undocumented(module: Module) -> Iterator[str]:
    if not ast.get_docstring(module.tree):
        yield module.path
    yield from _undocumented_in(module.tree, module.path)


def _undocumented_in(node: ast.Module | ast.ClassDef, where: str) -> Iterator[str]:
    for item in node.body:
        if not isinstance(item, Function | ast.ClassDef) or item.name.startswith("_"):
            continue
        if not ast.get_docstring(item) and not _is_overload(item):
            yield f"{where}:{item.lineno} {item.name}"
        if isinstance(item, ast.ClassDef):
            yield from _undocumented_in(item, where)


def _is_overload(item: Function | ast.ClassDef) -> bool:
    return any(getattr(decorator, "id", "") == "overload" for decorator in item.decorator_list)


def test_everything_public_has_a_docstring() -> None:
    assert [name for module in modules() for name in undocumented(module)] == []


def test_docstrings_hold_no_leftovers() -> None:
    marks = ("TODO", "FIXME", "XXX")
    offenders = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and any(mark in node.value for mark in marks)
    ]
    assert offenders == []
