"""Every error has a code of the one table, and every code of the table means something that can happen."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest

import airferry
from airferry.errors import ERROR_CODES, AirferryError, ExitCode

from .sources import PACKAGE, modules

SCRIPTS = ("airferry.__main__", "airferry.registry.metadata.migrations.env")
"""Modules that are run, by Python or by Alembic, and cannot be imported otherwise."""


def error_classes() -> Iterator[type[AirferryError]]:
    for found in pkgutil.walk_packages(airferry.__path__, "airferry."):
        if not found.name.endswith(SCRIPTS):
            module = importlib.import_module(found.name)
            for _, member in inspect.getmembers(module, inspect.isclass):
                if issubclass(member, AirferryError) and member.__module__ == found.name:
                    yield member


@pytest.fixture(scope="module")
def classes() -> list[type[AirferryError]]:
    return sorted(set(error_classes()), key=lambda found: f"{found.__module__}.{found.__name__}")


def test_every_error_class_has_a_code_of_the_table(classes: list[type[AirferryError]]) -> None:
    assert [found for found in classes if found.code not in ERROR_CODES] == []


def test_every_error_class_says_its_code_itself(classes: list[type[AirferryError]]) -> None:
    """A class that inherits the root's code would show a mistake of the user as a bug of ours."""
    offenders = [found.__qualname__ for found in classes if found.code == "internal" and "code" not in vars(found)]
    assert offenders == []


def test_every_code_of_the_table_is_raised_by_something(classes: list[type[AirferryError]]) -> None:
    used = {found.code for found in classes}
    named = {
        node.value
        for module in modules()
        if module.path != "errors.py"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(ERROR_CODES) - used - named == set()


def test_every_code_has_an_exit_code_and_a_meaning() -> None:
    for code, (exit_code, meaning) in ERROR_CODES.items():
        assert isinstance(exit_code, ExitCode)
        assert meaning
        assert code == code.lower()
        assert " " not in code


def test_no_error_class_is_called_differently(classes: list[type[AirferryError]]) -> None:
    assert [found.__qualname__ for found in classes if not found.__name__.endswith("Error")] == []


def test_the_root_is_never_raised_itself() -> None:
    offenders = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
        and node.exc.func.id in ("AirferryError", "Exception", "BaseException")
    ]
    assert offenders == []


def test_the_package_is_what_is_looked_at() -> None:
    assert (PACKAGE / "errors.py").is_file()
