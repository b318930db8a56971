import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.world import OurRegistry
from failures.conftest import home  # noqa: F401 - the same clean surroundings
from failures.stage import airferry

DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class OcTree:
    """A disk that the real ``oc adm release mirror --to-dir`` wrote."""

    disk: Path
    version: str
    digest: str
    is_signed: bool

    @property
    def tag(self) -> str:
        return f"{self.version}-x86_64"

    @property
    def image(self) -> str:
        return f"file://openshift/release:{self.tag}"

    def read(self, name: str) -> bytes:
        """Return a file of the release, read as any user would."""
        run = airferry("release", "extract", self.image, "--from-dir", self.disk, "--file", name)
        return run.done().out.encode()

    def components(self) -> dict[str, str]:
        """Return digests by tag, as the links in the tree say, the release among them."""
        folder = self.disk / "v2/openshift/release/manifests"
        return {link.name: str(link.readlink()) for link in folder.iterdir() if link.is_symlink()}


TREES = {
    "unsigned": (
        "to-dir-4.99.1-unsigned.tar.gz",
        "4.99.1",
        "39f8f6003b8d68f16a64152c4755cde07daeb99703b430bae441c1765e7e0a42",
    ),
    "signed": (
        "to-dir-4.99.2-signed.tar.gz",
        "4.99.2",
        "1be9173bc4406308a466cf312f1aab550980141b81529cecdb57987c2f211905",
    ),
}


def unpack(name: str, folder: Path) -> OcTree:
    archive, version, digest = TREES[name]
    with tarfile.open(DATA / "oc_media" / archive) as tar:
        tar.extractall(folder, filter="tar")
    (disk,) = folder.iterdir()
    return OcTree(disk, version, f"sha256:{digest}", name == "signed")


@pytest.fixture(scope="session", params=TREES)
def oc_tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OcTree:
    """Each of the trees; tests look at it and leave it alone."""
    return unpack(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def signed_tree(tmp_path: Path) -> OcTree:
    """The signed tree, to be changed at will."""
    return unpack("signed", tmp_path / "signed")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[OurRegistry]:
    """An empty registry of ours, without TLS and users."""
    with OurRegistry(tmp_path / "lab", use_tls=False, use_auth=False) as registry:
        yield registry
