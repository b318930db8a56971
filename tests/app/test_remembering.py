"""What a run left out on purpose is not remembered as complete."""

from pathlib import Path

import pytest

from airferry.app.copies.copying import CopyOptions
from airferry.app.narration import Mute
from airferry.app.places import Places
from airferry.app.releases.extract_release import ExtractRequest, extract_release
from airferry.app.releases.mirror_release import mirror_release
from airferry.app.releases.release_request import MirrorRelease
from airferry.app.settings import Settings, Side
from airferry.content.errors import NotFoundError
from airferry.content.tree import TreePlace
from airferry.lab import SMALL, LabStore, PublishedRelease, Upstream, publish_release


@pytest.fixture
def release(tmp_path: Path) -> PublishedRelease:
    return publish_release(tmp_path / "store", SMALL)


def settings(tmp_path: Path, host: str) -> Settings:
    rules = tmp_path / "upstream.conf"
    rules.write_text(f'[[registry]]\nprefix = "quay.io"\nlocation = "{host}"\ninsecure = true\n')
    return Settings(Side(insecure=True), Side(insecure=True), registries_conf=rules, state_folder=tmp_path / "state")


async def mirror(tmp_path: Path, release: PublishedRelease, upstream: Upstream, *, attachments: bool) -> None:
    assert release.verification_key is not None
    asked = MirrorRelease(
        release=release.pullspec,
        architecture="amd64",
        to_dir=tmp_path / "disk",
        verification_keys=(release.verification_key,),
        signature_stores=(upstream.signature_store_url,),
        options=CopyOptions(attachments=attachments),
    )
    async with Places(settings(tmp_path, upstream.host)) as places:
        await mirror_release(asked, places, Mute())


async def test_signatures_left_out_once_arrive_with_the_next_run(tmp_path: Path, release: PublishedRelease) -> None:
    tag = f"{release.digest.replace(':', '-')}.sig"
    async with Upstream(LabStore(tmp_path / "store")) as upstream:
        await mirror(tmp_path, release, upstream, attachments=False)
        tree = TreePlace(tmp_path / "disk")
        assert tag not in await tree.list_tags("openshift/release")
        await mirror(tmp_path, release, upstream, attachments=True)
        assert tag in await TreePlace(tmp_path / "disk").list_tags("openshift/release")
        await tree.close()


async def test_a_tool_for_an_architecture_that_is_not_there_is_no_other_tool(tmp_path: Path) -> None:
    from dataclasses import replace

    release = publish_release(tmp_path / "store", replace(SMALL, multi=True))
    async with Upstream(LabStore(tmp_path / "store")) as upstream:
        asked = ExtractRequest(
            release=release.pullspec, architecture="s390x", to=tmp_path / "tools", command="openshift-install"
        )
        async with Places(settings(tmp_path, upstream.host)) as places:
            with pytest.raises(NotFoundError, match="no image for linux/s390x"):
                await extract_release(asked, places, Mute())
    assert not (tmp_path / "tools" / "openshift-install").exists()
