"""kill -9 at random moments, of the command and of the registry it loads: the same command again finishes the work.

AIRFERRY_KILL_SEED repeats the moments of an earlier session.
"""

import hashlib
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airferry.lab.calls import Endpoint

from .killing import AT_MOST_AGAIN_BYTES, LARGE_BYTES, Grounds, finish, grounds, kill_when, process, seed, sent_bytes
from .stage import QUICK, Entry, Mirror, is_sound, look_at

ROUNDS, SOAK_ROUNDS = 20, 200

STATE = {
    "parts": ".airferry/partial/*",
    "blobs": "v2/*/*/blobs/*",
    "tags": "v2/*/*/manifests/4.12.0-*",
    "generated files": "manifests/*/*",
    "records": "airferry/releases/*",
}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    with grounds(tmp_path_factory.mktemp("grounds") / "all") as made:
        yield made


@pytest.fixture(scope="module")
def calm(ground: Grounds, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose disk was written by a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("calm")
    finish(*ground.mirror(ground.quick, folder), home=folder)
    assert is_sound(folder / "disk")
    return folder


def drawn(kind: str, number: int) -> random.Random:
    name = f"{seed()}/{kind}/{number}"
    sys.stdout.write(f"AIRFERRY_KILL_SEED={seed()}: round {name}\n")
    return random.Random(name)


def moment_of_mirroring(chance: random.Random, ground: Grounds, disk: Path) -> tuple[Callable[[], bool], float]:
    """Return a moment: while manifests are read, among the blobs, in the large one, or while names are given."""
    part = disk / ".airferry" / "partial" / ground.large.replace(":", "-")
    asked_before = len(ground.slow.entries())
    phase = chance.randrange(5)
    if phase == 0:
        wanted = asked_before + chance.randrange(80)
        return lambda: len(ground.slow.entries()) >= wanted, 0.0
    if phase == 1:
        blobs = chance.randrange(60)
        return lambda: sum(1 for _ in disk.glob(STATE["blobs"])) >= blobs, 0.0
    if phase in (2, 3):
        size = chance.randrange(LARGE_BYTES - 2**21)
        return lambda: part.exists() and part.stat().st_size >= size, 0.0
    tags = chance.randrange(15)
    return lambda: sum(1 for _ in disk.glob(STATE["tags"])) >= tags, chance.random() * 0.01


def mirror_killed(ground: Grounds, calm: dict[str, Entry], folder: Path, number: int) -> None:
    chance = drawn("mirror", number)
    disk = folder / "disk"
    before = [len(server.entries()) for server in (ground.slow, ground.quick)]
    moment, delay_s = moment_of_mirroring(chance, ground, disk)
    with process(*ground.mirror(ground.slow, folder), home=folder) as running:
        kill_when(running, moment, delay_s)
    found = ", ".join(f"{len(list(disk.glob(at)))} {what}" for what, at in STATE.items())
    sys.stdout.write(f"killed with {found}\n")
    if (disk / "v2").exists():
        assert is_sound(disk), "what has a name is whole, whenever the run was killed"
    finish(*ground.mirror(ground.quick, folder), home=folder)
    assert look_at(disk) == calm
    entries = ground.slow.entries()[before[0] :] + ground.quick.entries()[before[1] :]
    sent, sizes = sent_bytes(entries), ground.sizes()
    assert sent.keys() >= sizes.keys() - manifests_of(disk), "the log knows of every blob"
    again = {digest: sent[digest] - sizes[digest] for digest in sent.keys() & sizes.keys()}
    assert {digest: size for digest, size in again.items() if size > AT_MOST_AGAIN_BYTES} == {}
    assert sum(size > 0 for size in again.values()) <= 8, "only what was in flight is fetched again"


def manifests_of(disk: Path) -> set[str]:
    return {file.name for file in disk.glob("v2/*/*/manifests/sha256:*")}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_mirror_that_is_killed_goes_on(ground: Grounds, calm: Path, tmp_path: Path, number: int) -> None:
    mirror_killed(ground, look_at(calm / "disk"), tmp_path, number)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(ROUNDS, ROUNDS + SOAK_ROUNDS))
def test_soak_a_mirror_that_is_killed_goes_on(ground: Grounds, calm: Path, tmp_path: Path, number: int) -> None:
    mirror_killed(ground, look_at(calm / "disk"), tmp_path, number)


def test_a_run_that_is_killed_again_and_again_gets_there(ground: Grounds, calm: Path, tmp_path: Path) -> None:
    """The large blob alone takes half a second at the slow upstream; each run is killed after 4 MiB more of it."""
    disk = tmp_path / "disk"
    part = disk / ".airferry" / "partial" / ground.large.replace(":", "-")
    before = len(ground.slow.entries())
    for megabytes in range(4, 24, 4):
        with process(*ground.mirror(ground.slow, tmp_path), home=tmp_path) as running:
            kill_when(running, lambda: part.exists() and part.stat().st_size >= megabytes << 20, 0.0)  # noqa: B023
        assert part.exists()
    finish(*ground.mirror(ground.quick, tmp_path), home=tmp_path)
    assert look_at(disk) == look_at(calm / "disk")
    entries = [entry for entry in ground.slow.entries()[before:] if ground.large[7:] in str(entry["path"])]
    ranges = [entry["range"] for entry in entries if entry["endpoint"] == Endpoint.CDN]
    assert ranges[0] is None
    assert all(asked for asked in ranges[1:]), "every later run went on by Range"


def count_of_blobs(root: Path) -> int:
    return sum(1 for file in (root / "blobs").rglob("*") if file.is_file()) if (root / "blobs").exists() else 0


def load(disk: Path, repository: str) -> tuple[object, ...]:
    names = ("file://openshift/release", repository, "--from-dir", disk)
    return ("airferry", "image", "mirror", *names, "--dest-insecure", *QUICK)


def bring_back(repository: str, folder: Path) -> Path:
    """Mirror everything from a registry to a new disk, and return it."""
    back = folder / "back"
    names = (repository, "file://openshift/release", "--dir", back)
    finish("airferry", "image", "mirror", *names, "--src-insecure", *QUICK, home=folder)
    return back


def load_killed(calm: Path, folder: Path, number: int) -> None:
    chance = drawn("load", number)
    total = len(list((calm / "disk" / "v2").rglob("blobs/*")))
    wanted = chance.randrange(total + 1)
    with Mirror(folder / "registry") as mirror:
        with process(*load(calm / "disk", mirror.repository), home=folder) as running:
            kill_when(running, lambda: count_of_blobs(mirror.root) >= wanted, chance.random() * 0.05)
        assert mirror.is_sound()
        finish(*load(calm / "disk", mirror.repository), home=folder)
        assert mirror.is_sound()
        assert look_at(bring_back(mirror.repository, folder) / "v2") == look_at(calm / "disk" / "v2")


@pytest.mark.parametrize("number", range(5))
def test_a_load_that_is_killed_goes_on(calm: Path, tmp_path: Path, number: int) -> None:
    load_killed(calm, tmp_path, number)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(5, 55))
def test_soak_a_load_that_is_killed_goes_on(calm: Path, tmp_path: Path, number: int) -> None:
    load_killed(calm, tmp_path, number)


def registry_killed(calm: Path, folder: Path, port: int, number: int) -> None:
    chance = drawn("registry", number)
    root, repository = folder / "registry", f"127.0.0.1:{port}/ocp4/openshift4"
    total = len(list((calm / "disk" / "v2").rglob("blobs/*")))
    wanted = chance.randrange(total)
    serve = ("airferry", "registry", "serve", "--root", root, "--listen", f"127.0.0.1:{port}", "--no-tls", "--no-auth")
    with process(*serve, home=folder) as registry:
        assert registry.stdout is not None
        assert "listening" in registry.stdout.readline()
        with process(*load(calm / "disk", repository), home=folder) as loading:
            kill_when(registry, lambda: count_of_blobs(root) >= wanted, chance.random() * 0.05)
            _, err = loading.communicate(timeout=60)
            # Which word it finds for it depends on the moment; that it did not end well is never kept back.
            assert loading.returncode in (0, 1, 3), err[-2000:]
            assert loading.returncode == 0 or "error[" in err or "warning: " in err
    assert all(file.name == digest_of(file) for file in (root / "blobs").rglob("*") if file.is_file())
    with process(*serve, home=folder) as registry:
        assert registry.stdout is not None
        assert "listening" in registry.stdout.readline()
        finish(*load(calm / "disk", repository), home=folder)
        assert look_at(bring_back(repository, folder) / "v2") == look_at(calm / "disk" / "v2")


def digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("number", range(4))
def test_a_registry_that_is_killed_keeps_what_it_said_it_has(
    calm: Path, tmp_path: Path, free_port: int, number: int
) -> None:
    registry_killed(calm, tmp_path, free_port, number)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(4, 54))
def test_soak_a_registry_that_is_killed_keeps_what_it_said_it_has(
    calm: Path, tmp_path: Path, free_port: int, number: int
) -> None:
    registry_killed(calm, tmp_path, free_port, number)
