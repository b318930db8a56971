import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airferry.lab import Certificates, make_certificates
from cli.conftest import world  # noqa: F401 - both sides of the gap
from cli.world import OurRegistry
from failures.conftest import home  # noqa: F401 - the same clean surroundings

from .registries import program
from .strangers import Podman

DATA = Path(__file__).parents[1] / "data"
BUSYBOX = f"oci://{DATA}/images/busybox-uclibc:1.38.0-uclibc"
BUSYBOX_DIGEST = "sha256:36f61c1a1095db71e94eccbbfb4f2012c73d3d357a06fbf7235875d93b0c12d4"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurRegistry]:
    """A registry of ours with TLS and a user, whose CA lies in ``certs/ca.crt``, as strangers want it."""
    with OurRegistry(tmp_path_factory.mktemp("guarded")) as registry:
        (registry.root / "certs").mkdir()
        (registry.root / "certs" / "ca.crt").write_bytes(registry.authority.read_bytes())
        yield registry


@pytest.fixture
def open_registry(tmp_path: Path) -> Iterator[OurRegistry]:
    """A registry of ours without TLS and users."""
    with OurRegistry(tmp_path / "open", use_tls=False, use_auth=False) as registry:
        yield registry


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path / "tls")


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    """Users as htpasswd writes them: ``ann``, password ``secret``."""
    file = tmp_path / "htpasswd"
    made = subprocess.run([program("htpasswd"), "-nbB", "ann", "secret"], capture_output=True, check=True)
    file.write_bytes(made.stdout)
    return file


@pytest.fixture
def new_node() -> Iterator[Callable[[Path | None], Podman]]:
    """Makes podmans that know nothing of each other; each takes the registries.conf it is given."""
    folders: list[str] = []

    def make(registries_conf: Path | None = None) -> Podman:
        folders.append(tempfile.mkdtemp(prefix="node-", dir="/tmp"))
        return Podman(Path(folders[-1]), registries_conf)

    yield make
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
