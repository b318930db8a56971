"""An answer without a body ends at once, however often one comes."""

from pathlib import Path

from airferry.content.http import HttpContent, HttpSettings
from airferry.oci import Digest
from airferry.registry import RegistryStore, serve_store


async def test_many_answers_without_a_body_all_end(tmp_path: Path) -> None:
    """aiohttp shares one empty body between answers, and its second reading differs from its first."""
    store = RegistryStore.in_memory()
    content = HttpContent(HttpSettings(insecure=True))
    async with serve_store(store) as running:
        place = content.registry(f"127.0.0.1:{running.port}")
        for number in range(3):
            assert not await place.has_manifest("team/app", Digest.of(str(number).encode()))
    await content.close()
    await store.close()
