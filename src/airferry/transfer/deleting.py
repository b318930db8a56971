"""Taking away from a registry what a removal names, while others may move its tags."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from airferry.content.protocol import Deleting
from airferry.oci import Digest
from airferry.plan.pruning import RepositoryRemoval, Shelf, spare_what_moved

_LOOK_AGAIN_AFTER = 50
"""So many manifests are deleted between two looks at the tags of a repository."""

LookAgain = Callable[[], Awaitable[Shelf]]
"""Returns the repository as it is by now: its tags, and the manifests known before with those that came since."""


async def delete_manifests(
    removal: RepositoryRemoval, shelf: Shelf, registry: Deleting, look_again: LookAgain, on_removed: Callable[[], None]
) -> RepositoryRemoval:
    """Delete the manifests of ``removal`` by digest, which takes their tags along, and return what really went.

    What a tag has come to point at since ``shelf`` was seen is spared, with all that it leads to. Raises DeniedError
    where the registry deletes nothing; what is done is done, and the same removal again goes on from there.
    """
    waiting = list(removal.manifests)
    gone: set[Digest] = set()
    while waiting:
        batch, waiting = waiting[:_LOOK_AGAIN_AFTER], waiting[_LOOK_AGAIN_AFTER:]
        safe = spare_what_moved(replace(removal, manifests=tuple(batch)), shelf, await look_again())
        for manifest in safe.manifests:
            await registry.delete_manifest(removal.repository.path, manifest.digest)
            gone.add(manifest.digest)
            on_removed()
    return replace(
        removal,
        tags=tuple((tag, digest) for tag, digest in removal.tags if digest in gone),
        manifests=tuple(manifest for manifest in removal.manifests if manifest.digest in gone),
    )
