"""What every test shares: properties without a clock, programs from Debian, and a home of its own."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A loaded machine is no reason to fail.
settings.register_profile("airferry", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("airferry")


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's credentials, certificates and state out of tests, and tests out of them."""
    home = tmp_path_factory.mktemp("home")
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "CONTAINERS_REGISTRIES_CONF"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A program that a test names as ``outsider("skopeo")`` is skipped where absent, and fails in CI."""
    for mark in item.iter_markers("outsider"):
        missing = [program for program in mark.args if shutil.which(program) is None]
        if missing and not os.environ.get("CI"):
            pytest.skip(f"needs {', '.join(missing)} from Debian")
        assert not missing, f"CI must install {', '.join(missing)}"


def pytest_report_header() -> str:
    """Say where the tests run."""
    return f"airferry: {Path(__file__).parent}"
