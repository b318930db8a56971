"""Every target holds for its seeds and for a few hundred damaged ones, and a wrong parser is found out."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .every import RIGHT, WRONG
from .mutations import mutated
from .requests import stocked

COUNT = 300


@pytest.fixture(scope="module", autouse=True)
def registry_closed() -> Iterator[None]:
    yield
    stocked().close()
    stocked.cache_clear()


@pytest.mark.parametrize("name", RIGHT)
def test_no_seed_is_a_finding_and_some_are_taken(name: str) -> None:
    target = RIGHT[name]
    accepted = [target.check(data) for data in target.inputs()]
    assert any(accepted)


@pytest.mark.parametrize("name", RIGHT)
def test_no_damaged_seed_is_a_finding(name: str) -> None:
    target = RIGHT[name]
    for data in mutated(target, COUNT):
        try:
            target.check(data)
        except Exception as error:
            error.add_note(f"run it again: PYTHONPATH=tests python -m fuzz replay {name} {data.hex()}")
            raise


def test_a_wrong_parser_is_found_by_damage_alone() -> None:
    with pytest.raises(AssertionError):
        for data in mutated(WRONG, COUNT):
            WRONG.check(data)


def test_an_error_that_is_not_ours_is_a_finding() -> None:
    target = type(WRONG)("strict", lambda data: data.decode(), (b"\xff",))
    with pytest.raises(UnicodeDecodeError):
        target.check(target.seeds[0])


@pytest.mark.parametrize("data, code", [(b"0-9", 0), (b"9-0", 1)])
def test_a_finding_can_be_run_again(data: bytes, code: int) -> None:
    tests = str(Path(__file__).parent.parent)
    command = [sys.executable, "-m", "fuzz", "replay", "wrong", data.hex()]
    ran = subprocess.run(command, env=os.environ | {"PYTHONPATH": tests}, capture_output=True, text=True, check=False)
    assert ran.returncode == code, ran.stderr
    assert ran.stdout == ("accepted\n" if code == 0 else "")
