"""Fields of manifests: what is not as it should be counts as not said, for manifests hold much that we do not need."""

from collections.abc import Mapping
from typing import Any


def text_of(value: Mapping[str, Any], key: str) -> str:
    """Return a text, "" for what is none."""
    text = value.get(key)
    return text if isinstance(text, str) else ""


def object_of(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an object, empty for what is none."""
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def list_of(value: Mapping[str, Any], key: str) -> list[Any]:
    """Return a list, empty for what is none."""
    found = value.get(key)
    return found if isinstance(found, list) else []


def objects_of(value: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return the objects in a list, without what is none."""
    return [item for item in list_of(value, key) if isinstance(item, dict)]
