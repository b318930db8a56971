"""What a fuzz target is: bytes go in, and either nothing happens or one of our own errors comes out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from airferry.errors import ERROR_CODES, AirferryError

CORPUS: Final = Path(__file__).parent / "corpus"
"""Inputs that once were findings, in a folder for each target."""


@dataclass(frozen=True)
class Target:
    """``run`` hands bytes to a parser and asserts what must hold of whatever the parser accepts.

    ``seeds`` are inputs to begin with, most of them good; ``words`` are what inputs are made of.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()

    def check(self, data: bytes) -> bool:
        """Whether ``data`` was accepted. Raises whatever is a finding."""
        try:
            self.run(data)
        except AirferryError as error:
            # A bug that comes out as an error of ours is still a bug; and what is raised must be printable.
            assert error.code in ERROR_CODES and error.code != "internal", error
            assert error.message and error.message.encode("utf-8", "backslashreplace")
            return False
        return True

    def inputs(self) -> tuple[bytes, ...]:
        """The seeds, and what was found before."""
        found = sorted((CORPUS / self.name).glob("*"))
        return (*self.seeds, *(file.read_bytes() for file in found))


def header(data: bytes) -> str:
    """The text that aiohttp makes of bytes in a header: what is no UTF-8 is kept in surrogates."""
    return data.decode("utf-8", "surrogateescape")
