"""Knowledge has no effects: what the pure rooms do can be tested by calling it."""

import ast

from .sources import Module, modules

PURE_ROOMS = ("oci", "plan", "openshift")


def pure_modules() -> list[Module]:
    return [module for module in modules() if module.room in PURE_ROOMS]


def test_the_pure_rooms_are_there() -> None:
    assert {module.room for module in pure_modules()} == set(PURE_ROOMS)


def test_nothing_in_a_pure_room_is_asynchronous() -> None:
    asynchronous = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith
    offenders = [
        f"{module.path}:{node.lineno}"
        for module in pure_modules()
        for node in ast.walk(module.tree)
        if isinstance(node, asynchronous)
    ]
    assert offenders == []


def test_nothing_in_a_pure_room_opens_prints_or_asks() -> None:
    offenders = [
        f"{module.path}:{node.lineno} {node.func.id}"
        for module in pure_modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("open", "print", "input", "exec", "eval", "__import__")
    ]
    assert offenders == []


def test_the_rooms_of_images_sleep_for_nobody() -> None:
    """Waiting belongs to retries; a fixed sleep anywhere else hides a race."""
    allowed = {"content/http", "lab", "registry", "media", "app", "cli"}
    offenders = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        if not any(module.path.startswith(room) for room in allowed) and module.path != "content/memory.py"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr == "sleep"
    ]
    assert offenders == []
