"""What the self-contained program does before it becomes airferry."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

LAUNCH = Path(__file__).parents[2] / "packaging" / "launch.py"


CASES = {
    "our libraries, and none before": ({"LD_LIBRARY_PATH": "/tmp/_MEI1"}, {}),
    "our libraries, and the user's before": (
        {"LD_LIBRARY_PATH": "/tmp/_MEI1", "LD_LIBRARY_PATH_ORIG": "/opt/lib"},
        {"LD_LIBRARY_PATH": "/opt/lib"},
    ),
    "an empty value before": (
        {"LD_LIBRARY_PATH": "/tmp/_MEI1", "LD_LIBRARY_PATH_ORIG": ""},
        {"LD_LIBRARY_PATH": ""},
    ),
    "what the boot loaders tell each other": (
        {"_PYI_ARCHIVE_FILE": "/a", "_PYI_PARENT_PROCESS_LEVEL": "0", "STATICX_BUNDLE_DIR": "/tmp/staticx-1"},
        {},
    ),
    "where the executable lies, and everything else": (
        {"STATICX_PROG_PATH": "/usr/bin/airferry", "PATH": "/bin", "HOME": "/root", "SSL_CERT_FILE": "/ca"},
        {"STATICX_PROG_PATH": "/usr/bin/airferry", "PATH": "/bin", "HOME": "/root", "SSL_CERT_FILE": "/ca"},
    ),
}


@pytest.fixture(scope="module")
def restore_environment() -> Callable[[dict[str, str]], None]:
    return runpy.run_path(str(LAUNCH))["restore_environment"]


@pytest.mark.parametrize(
    ("given", "expected"),
    CASES.values(),
    ids=CASES.keys(),
)
def test_programs_we_start_get_the_environment_we_were_started_with(restore_environment, given, expected):
    environ = dict(given)
    restore_environment(environ)
    assert environ == expected
