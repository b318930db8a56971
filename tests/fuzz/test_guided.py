"""Coverage guides the fuzzing of every target for a while, and nothing is found; of a wrong parser something is.

``make soak`` takes a minute for each target; AIRFERRY_FUZZ_S says otherwise.
"""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from .every import RIGHT, WRONG

SECONDS = int(os.environ.get("AIRFERRY_FUZZ_S", "60"))
TESTS = Path(__file__).parent.parent
GRACE_S = 120

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(SECONDS + 2 * GRACE_S),
    pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel here: not guided by coverage"),
]


def guided(name: str, folder: Path, seconds: int) -> tuple[str, bytes | None]:
    """What libFuzzer printed, and the input that it ended with if that is a finding."""
    command = [sys.executable, "-m", "fuzz", "guide", name, str(folder), f"-max_total_time={seconds}"]
    ran = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds + GRACE_S,
        check=False,
    )
    printed = ran.stdout.decode(errors="replace")
    found = next((file.read_bytes() for file in sorted((folder / "found").glob("*"))), None)
    assert ran.returncode == 0 or found is not None, printed[-4000:]
    return printed, found


def told(printed: str) -> str:
    """The numbers of a run: executions, and what was reached."""
    executions = re.search(r"stat::number_of_executed_units:\s*(\d+)", printed)
    reached = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", printed)
    blocks, features, kept = reached[-1] if reached else ("?", "?", "?")
    count = executions[1] if executions else "?"
    return f"{count} executions, {blocks} places and {features} features reached, {kept} inputs kept"


@pytest.mark.parametrize("name", RIGHT)
def test_nothing_is_found(name: str, tmp_path: Path) -> None:
    printed, found = guided(name, tmp_path, SECONDS)
    print(f"{name}: {told(printed)}")  # noqa: T201
    if found is not None:
        again = f"PYTHONPATH=tests {sys.executable} -m fuzz replay {name} {found.hex()}"
        keep = f"keep it as a file in tests/fuzz/corpus/{name}/"
        pytest.fail(f"{found[:500]!r}\nrun it again: {again}\n{keep}\n{printed[-4000:]}", pytrace=False)


def test_a_wrong_parser_is_found(tmp_path: Path) -> None:
    printed, found = guided(WRONG.name, tmp_path, 60)
    assert found is not None, printed[-4000:]
    with pytest.raises(AssertionError):
        WRONG.check(found)
