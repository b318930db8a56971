"""Files of cluster objects as people and ``oc`` write them: any number of documents of YAML or JSON."""

from collections.abc import Iterator
from typing import Any, Final

from airferry.errors import MalformedError
from airferry.openshift.yaml_errors import located

_MAX_FILE_CHARACTERS: Final = 8 * 1024 * 1024


def read_documents(text: str, file: str) -> Iterator[tuple[str, Any]]:
    """Yield every document of YAML or JSON that is not empty, with where it was read, for errors.

    Raises MalformedError for what is not YAML, or too large.
    """
    if len(text) > _MAX_FILE_CHARACTERS:
        raise MalformedError(f"{file} has {len(text)} characters, more than the {_MAX_FILE_CHARACTERS} allowed")
    for number, document in enumerate(_load_all(text, file), 1):
        if document is not None:
            yield f"{file}, document {number}", document


def _load_all(text: str, file: str) -> Iterator[Any]:
    # Only runs that read such a file pay for this import (10 ms).
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    reader = YAML(typ="safe", pure=True)
    try:
        yield from reader.load_all(text)
    except (YAMLError, RecursionError, ValueError) as error:
        raise located(error, text, file) from None
