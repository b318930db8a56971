"""Red Hat's real signature of 4.15.0 is trusted by the keys that airferry ships; anything else is not."""

import shutil
from pathlib import Path

import pytest

from airferry.app.places import Places
from airferry.app.releases.release_trust import judge
from airferry.app.settings import Settings
from airferry.lab import LabKey
from airferry.oci import Digest
from airferry.openshift.release.signature import Trust

from .conftest import DATA

REAL = DATA / "release" / "signatures" / "ocp-4.15.0-x86_64"
DIGEST = Digest.parse("sha256:0da6316466d60a3a4535d5fed3589feb0391989982fba59d47d4c729912d6363")
CLAIM = "quay.io/openshift-release-dev/ocp-release:4.15.0-x86_64"
OTHER = Digest.parse(f"sha256:{64 * 'a'}")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder with the real signature under the name that a signature store gives it."""
    folder = tmp_path / "store"
    target = folder / f"sha256={DIGEST.hex}"
    target.mkdir(parents=True)
    shutil.copy(REAL, target / "signature-1")
    return folder


async def judged(digest: Digest, tmp_path: Path, store: object, *keys: Path) -> Trust:
    async with Places(Settings(state_folder=tmp_path / "state")) as places:
        return await judge(digest, places, disk=None, stores=(str(store),), key_files=keys)


async def test_the_real_signature_verifies(store: Path, tmp_path: Path) -> None:
    for name in (store, f"file://{store}"):
        trust = await judged(DIGEST, tmp_path, name)
        assert trust.is_trusted
        (verdict,) = [verdict for _, verdict in trust.verdicts]
        assert verdict.claim == CLAIM


async def test_a_changed_byte_is_noticed_or_changes_nothing(store: Path, tmp_path: Path) -> None:
    file = store / f"sha256={DIGEST.hex}" / "signature-1"
    content = file.read_bytes()
    passed = 0
    for position in range(0, len(content), 40):
        changed = bytearray(content)
        changed[position] ^= 0x10
        file.write_bytes(changed)
        trust = await judged(DIGEST, tmp_path, store)
        if trust.is_trusted:
            # Names and dates around the signed text are not signed; what is signed says what it said.
            (claim,) = [verdict.claim for _, verdict in trust.verdicts]
            assert claim == CLAIM
            passed += 1
    assert passed <= 3, "packet framing is a few bytes"
    for cut in (0, 1, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:cut])
        assert not (await judged(DIGEST, tmp_path, store)).is_trusted


async def test_it_is_not_the_signature_of_another_release(store: Path, tmp_path: Path) -> None:
    (store / f"sha256={DIGEST.hex}").rename(store / f"sha256={OTHER.hex}")
    assert not (await judged(OTHER, tmp_path, store)).is_trusted


async def test_another_key_does_not_trust_it(store: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.asc"
    key.write_text(LabKey().public)
    assert not (await judged(DIGEST, tmp_path, store, key)).is_trusted


async def test_a_later_signature_counts_when_the_first_is_worth_nothing(store: Path, tmp_path: Path) -> None:
    folder = store / f"sha256={DIGEST.hex}"
    (folder / "signature-1").rename(folder / "signature-2")
    (folder / "signature-1").write_bytes(b"not a signature")
    assert (await judged(DIGEST, tmp_path, store)).is_trusted


async def test_no_signature_is_no_trust(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert not (await judged(DIGEST, tmp_path, empty)).is_trusted
