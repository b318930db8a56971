"""The rooms import only what their floor allows; the contracts are in pyproject.toml."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .sources import PACKAGE, ROOT


@pytest.fixture(scope="module")
def contracts() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]  # type: ignore[no-any-return]


def test_every_import_contract_is_kept(tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--config", ROOT / "pyproject.toml", "--no-cache"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "0 broken" in done.stdout


def test_every_room_has_a_floor(contracts: dict[str, object]) -> None:
    floors = contracts["contracts"][0]  # type: ignore[index]
    named = {room.strip() for layer in floors["layers"] for room in layer.split("|")}
    rooms = {
        path.stem
        for path in PACKAGE.iterdir()
        if path.name not in ("__init__.py", "__pycache__", "py.typed") and path.suffix in ("", ".py")
    }
    assert floors["exhaustive"] is True
    assert rooms - named == set(floors["exhaustive_ignores"])


def test_what_every_room_may_import_knows_no_room() -> None:
    for name in ("errors.py", "quantities.py"):
        assert "airferry." not in "".join(
            line for line in (PACKAGE / name).read_text().splitlines() if line.startswith(("import ", "from "))
        )
