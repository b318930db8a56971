"""What is stored, to be looked through; what of it was found damaged, and which images that breaks."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select, union_all, update

from airferry.registry.metadata.schema import blobs, contents, manifests, references, repositories, tags
from airferry.registry.metadata.statement import Statement

_ALL = (contents.c.digest, contents.c.object_name, contents.c.size_bytes, contents.c.damaged_s)
_PORTION = Statement(
    select(*_ALL).where(contents.c.digest > bindparam("after")).order_by(contents.c.digest).limit(bindparam("most"))
)
_ONE = Statement(select(*_ALL).where(contents.c.digest == bindparam("of")))
_TOTAL = Statement(select(func.count(), func.coalesce(func.sum(contents.c.size_bytes), 0)).select_from(contents))
_MARK = Statement(
    update(contents)
    .where(contents.c.digest == bindparam("of"), contents.c.object_name == bindparam("name"))
    .values(damaged_s=bindparam("now_s"))
)
_HOLDING = Statement(
    union_all(
        select(repositories.c.id, repositories.c.path).join(blobs).where(blobs.c.digest == bindparam("of")),
        select(repositories.c.id, repositories.c.path).join(manifests).where(manifests.c.digest == bindparam("of")),
    )
)
_IS_MANIFEST = Statement(
    select(manifests.c.digest).where(
        manifests.c.repository_id == bindparam("repository"), manifests.c.digest == bindparam("of")
    )
)
_NEEDING = Statement(
    select(references.c.manifest)
    .join(
        manifests,
        (manifests.c.repository_id == references.c.repository_id) & (manifests.c.digest == references.c.manifest),
    )
    .where(
        references.c.repository_id == bindparam("repository"),
        references.c.target == bindparam("of"),
        (manifests.c.subject.is_(None)) | (manifests.c.subject != references.c.target),
    )
)
_TAGS = Statement(
    select(tags.c.name)
    .where(tags.c.repository_id == bindparam("repository"), tags.c.digest == bindparam("of"))
    .order_by(tags.c.name)
)


@dataclass(frozen=True, slots=True)
class StoredContent:
    """One row of what is stored."""

    digest: str
    object_name: str
    size_bytes: int
    damaged_s: float | None


@dataclass(frozen=True, slots=True)
class HitImage:
    """A manifest that cannot be pulled whole, and the tags that point at it."""

    repository: str
    digest: str
    tags: tuple[str, ...]


def portion(connection: Connection, after: str, most: int) -> tuple[StoredContent, ...]:
    """Return at most ``most`` stored contents, in the order of their digests, behind ``after``."""
    return tuple(StoredContent(*row) for row in _PORTION.rows(connection, after=after, most=most))


def find_content(connection: Connection, digest: str) -> StoredContent | None:
    """Return what is stored under a digest, linked or not."""
    row = _ONE.row(connection, of=digest)
    return None if row is None else StoredContent(*row)


def total(connection: Connection) -> tuple[int, int]:
    """Return how many contents are stored, and how many bytes they have."""
    row = _TOTAL.row(connection)
    assert row is not None
    return int(row[0]), int(row[1])


def mark_damaged(connection: Connection, digest: str, object_name: str, now_s: float) -> bool:
    """Note that content is damaged; False when it is not stored under that name any more."""
    return _MARK.change(connection, of=digest, name=object_name, now_s=now_s) > 0


def holding(connection: Connection, digest: str) -> tuple[str, ...]:
    """Return the repositories that link ``digest``, as blob or manifest."""
    return tuple(sorted({path for _, path in _HOLDING.rows(connection, of=digest)}))


def hit_images(connection: Connection, digest: str) -> tuple[HitImage, ...]:
    """Return the manifests that need ``digest``, directly or through an index, or are it."""
    found: list[HitImage] = []
    for repository_id, path in sorted(set(_HOLDING.rows(connection, of=digest))):
        waiting, seen = [digest], {digest}
        while waiting:
            one = waiting.pop()
            if _IS_MANIFEST.row(connection, repository=repository_id, of=one) is not None:
                names = tuple(name for (name,) in _TAGS.rows(connection, repository=repository_id, of=one))
                found.append(HitImage(path, one, names))
            needing = {manifest for (manifest,) in _NEEDING.rows(connection, repository=repository_id, of=one)} - seen
            seen |= needing
            waiting.extend(sorted(needing))
    return tuple(found)
