"""Deleting from a registry whose tags move meanwhile."""

from typing import cast

import pytest

from airferry.content.errors import DeniedError
from airferry.content.protocol import ContentSource
from airferry.oci import Digest, Manifest
from airferry.plan.pruning import RepositoryRemoval, Shelf, plan_removal
from airferry.survey.registry_shelves import look_again
from airferry.transfer.deleting import delete_manifests
from plan.test_pruning import APPS, shelf
from plan.worlds import blob_of, image_of, list_of

KEPT, *OTHERS = (image_of(blob_of(number)) for number in range(130))
NEW = image_of(blob_of(1000))
LIST = list_of(OTHERS[0], OTHERS[1])


class Registry:
    """Deletes what it is told to, and lets somebody move a tag after so many deletes."""

    def __init__(
        self, here: Shelf, moves_after: int = -1, moves_to: Digest | None = None, refuses: bool = False
    ) -> None:
        self.tags = dict(here.tags)
        self.manifests = dict(here.manifests)
        self.deleted: list[Digest] = []
        self._moves_after = moves_after
        self._moves_to = moves_to
        self._refuses = refuses

    async def list_repositories(self) -> tuple[str, ...]:
        return (APPS.path,)

    async def delete_manifest(self, path: str, digest: Digest) -> bool:
        if self._refuses:
            raise DeniedError("deleting is turned off")
        self.deleted.append(digest)
        return True

    async def list_tags(self, path: str) -> tuple[str, ...]:
        if self._moves_to is not None and len(self.deleted) >= self._moves_after:
            self.tags["prod"] = self._moves_to
        return tuple(self.tags)

    async def resolve_tag(self, path: str, tag: str) -> Digest:
        return self.tags[tag]

    async def read_manifest(self, path: str, digest: Digest) -> Manifest:
        return self.manifests[digest]

    async def list_referrers(self, path: str, digest: Digest) -> tuple[()]:
        return ()


def planned() -> tuple[Shelf, RepositoryRemoval]:
    here = shelf(APPS, {"kept": KEPT, "list": LIST, **{f"t{n}": image for n, image in enumerate(OTHERS)}})
    (removal,) = plan_removal([here], {APPS: {KEPT.digest}}).repositories
    return here, removal


async def run(here: Shelf, removal: RepositoryRemoval, registry: Registry) -> RepositoryRemoval:
    source = cast(ContentSource, registry)
    return await delete_manifests(removal, here, registry, lambda: look_again(here, source), lambda: None)


async def test_all_goes_in_the_order_planned() -> None:
    here, removal = planned()
    registry = Registry(here)
    assert await run(here, removal, registry) == removal
    assert registry.deleted == [manifest.digest for manifest in removal.manifests]
    assert registry.deleted.index(LIST.digest) < registry.deleted.index(OTHERS[0].digest)


async def test_what_a_tag_moved_to_before_the_first_delete_stays_with_its_children() -> None:
    here, removal = planned()
    registry = Registry(here, 0, LIST.digest)
    done = await run(here, removal, registry)
    spared = {LIST.digest, OTHERS[0].digest, OTHERS[1].digest}
    assert not spared & set(registry.deleted)
    assert set(registry.deleted) == {manifest.digest for manifest in removal.manifests} - spared
    assert {digest for _, digest in done.tags} == set(registry.deleted)


@pytest.mark.parametrize("moves_after", [0, 50])
async def test_what_a_new_list_shares_with_what_goes_stays(moves_after: int) -> None:
    here, removal = planned()
    last = next(image for image in OTHERS if image.digest == removal.manifests[-1].digest)
    rebuilt = list_of(last, NEW)
    registry = Registry(here, moves_after, rebuilt.digest)
    registry.manifests |= {rebuilt.digest: rebuilt, NEW.digest: NEW}
    await run(here, removal, registry)
    assert last.digest not in registry.deleted and len(registry.deleted) == len(removal.manifests) - 1


async def test_tags_are_looked_at_again_while_much_is_deleted() -> None:
    here, removal = planned()
    last = removal.manifests[-1].digest
    registry = Registry(here, 60, last)
    await run(here, removal, registry)
    assert last not in registry.deleted and len(registry.deleted) == len(removal.manifests) - 1


async def test_a_registry_that_refuses_stops_it_at_the_first() -> None:
    here, removal = planned()
    registry = Registry(here, refuses=True)
    with pytest.raises(DeniedError):
        await run(here, removal, registry)
    assert registry.deleted == []
