"""What pushes, mounts and deletes change in the metadata. Every function is one piece of work in a transaction.

PostgreSQL may run a piece several times until it fits between what others do, so none has an effect outside.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, bindparam, delete, select, update

from airferry.oci import Digest
from airferry.registry.acceptance import PushedManifest
from airferry.registry.errors import MissingContentError, NotFoundError
from airferry.registry.metadata.quotas import check_quotas
from airferry.registry.metadata.reading import Content
from airferry.registry.metadata.schema import blobs, contents, manifests, references, repositories, tags
from airferry.registry.metadata.statement import Build, Statement


def _upsert(table, *changed: str) -> Build:  # type: ignore[no-untyped-def]
    """Insert a whole row; where there is one, change the columns ``changed``."""

    def build(insert):  # type: ignore[no-untyped-def]
        row = insert(table).values({column.name: bindparam(column.name) for column in table.columns})
        return row.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_={name: row.excluded[name] for name in changed}
        )

    return build


_HERE = (bindparam("repository_id") == blobs.c.repository_id, blobs.c.digest == bindparam("digest"))

_FIND_REPOSITORY = Statement(select(repositories.c.id).where(repositories.c.path == bindparam("path")))
_NEW_REPOSITORY = Statement(
    lambda insert: insert(repositories).values(path=bindparam("path")).returning(repositories.c.id)
)
_STORE = Statement(_upsert(contents, "object_name", "size_bytes", "idle_since_s", "damaged_s"))
_LINK_BLOB = Statement(_upsert(blobs, "idle_since_s"))
_HAS_BLOB = Statement(
    select(blobs.c.digest)
    .select_from(blobs.join(contents, contents.c.digest == blobs.c.digest))
    .where(*_HERE, contents.c.damaged_s.is_(None))
)
_LINK_MANIFEST = Statement(_upsert(manifests, "media_type", "subject", "artifact_type", "annotations", "idle_since_s"))
_REFER = Statement(_upsert(references, "target"))
_TAG = Statement(_upsert(tags, "digest"))
_TAGGED = Statement(
    select(tags.c.digest).where(tags.c.repository_id == bindparam("repository_id"), tags.c.name == bindparam("name"))
)
_UNLINK_BLOB = Statement(delete(blobs).where(*_HERE))
_TOUCH_BLOB = Statement(update(blobs).where(*_HERE).values(idle_since_s=bindparam("now_s")))
_TOUCH_CONTENT = Statement(
    update(contents).where(contents.c.digest == bindparam("of")).values(idle_since_s=bindparam("now_s"))
)
_TOUCH_MANIFEST = Statement(
    update(manifests)
    .where(manifests.c.repository_id == bindparam("repository"), manifests.c.digest == bindparam("of"))
    .values(idle_since_s=bindparam("now_s"))
)
_TARGETS = (
    select(references.c.target)
    .where(references.c.repository_id == bindparam("repository"), references.c.manifest == bindparam("of"))
    .scalar_subquery()
)
_LEAVE_BLOBS = Statement(
    update(blobs)
    .where(blobs.c.repository_id == bindparam("repository"), blobs.c.digest.in_(_TARGETS))
    .values(idle_since_s=bindparam("now_s"))
)
_LEAVE_CHILDREN = Statement(
    update(manifests)
    .where(manifests.c.repository_id == bindparam("repository"), manifests.c.digest.in_(_TARGETS))
    .values(idle_since_s=bindparam("now_s"))
)
_LEAVE_REFERRERS = Statement(
    update(manifests)
    .where(manifests.c.repository_id == bindparam("repository"), manifests.c.subject == bindparam("of"))
    .values(idle_since_s=bindparam("now_s"))
)
_UNTAG_ALL = Statement(
    delete(tags).where(tags.c.repository_id == bindparam("repository_id"), tags.c.digest == bindparam("digest"))
)
_UNTAG = Statement(
    delete(tags).where(tags.c.repository_id == bindparam("repository_id"), tags.c.name == bindparam("name"))
)
_UNLINK_MANIFEST = Statement(
    delete(manifests).where(
        manifests.c.repository_id == bindparam("repository_id"), manifests.c.digest == bindparam("digest")
    )
)


def link_blob(connection: Connection, path: str, digest: Digest, content: Content, now_s: float) -> None:
    """Make a blob, which has just been stored, readable in a repository, which appears if it is new.

    Raises QuotaExceededError, as all that links does.
    """
    check_quotas(connection, path, digest, content.size_bytes)
    _store(connection, digest, content, now_s)
    repository_id = _repository(connection, path)
    _LINK_BLOB.change(connection, repository_id=repository_id, digest=digest, idle_since_s=now_s)


def mount_blob(connection: Connection, path: str, digest: Digest, from_path: str, now_s: float) -> bool:
    """Link a blob of the repository ``from_path`` into ``path``; False when that does not have it any more."""
    source = _FIND_REPOSITORY.row(connection, path=from_path)
    if source is None or _HAS_BLOB.row(connection, repository_id=source[0], digest=digest) is None:
        return False
    check_quotas(connection, path, digest)
    repository_id = _repository(connection, path)
    _LINK_BLOB.change(connection, repository_id=repository_id, digest=digest, idle_since_s=now_s)
    return True


def link_manifest(
    connection: Connection, path: str, pushed: PushedManifest, tags: Sequence[str], object_name: str, now_s: float
) -> None:
    """Make a manifest, which has just been stored, readable in a repository and point ``tags`` at it.

    Raises MissingContentError when the repository lacks a blob that the manifest needs.
    """
    check_quotas(connection, path, pushed.digest, len(pushed.raw))
    _store(connection, pushed.digest, Content(len(pushed.raw), object_name), now_s)
    repository_id = _repository(connection, path)
    for digest in pushed.needs:
        if _HAS_BLOB.row(connection, repository_id=repository_id, digest=digest) is None:
            raise MissingContentError(f"the manifest {pushed.digest} needs blob {digest}, which {path} does not hold")
    referrer = pushed.referrer
    _LINK_MANIFEST.change(
        connection,
        repository_id=repository_id,
        digest=pushed.digest,
        media_type=pushed.media_type,
        subject=pushed.subject,
        artifact_type=referrer.artifact_type if referrer else None,
        annotations=msgspec.json.encode(dict(referrer.annotations)).decode() if referrer else None,
        idle_since_s=now_s,
    )
    here = {"repository_id": repository_id}
    _REFER.change_each(
        connection, [here | {"manifest": pushed.digest, "target": target} for target in sorted(pushed.refers)]
    )
    for tag in sorted(tags):
        _leave_tagged(connection, repository_id, tag, now_s)
        _TAG.change(connection, **here, name=tag, digest=pushed.digest)


def touch_blob(connection: Connection, path: str, digest: Digest, now_s: float) -> None:
    """Note that somebody asked for a blob; he may be about to push a manifest that needs it. Or NotFoundError."""
    repository_id = _repository_of(connection, path)
    if repository_id is None or not _TOUCH_BLOB.change(
        connection, repository_id=repository_id, digest=digest, now_s=now_s
    ):
        raise NotFoundError(f"no blob {digest} in {path}")


def unlink_blob(connection: Connection, path: str, digest: Digest, now_s: float) -> None:
    """Make a blob unreadable in one repository; or NotFoundError."""
    repository_id = _repository_of(connection, path)
    if repository_id is None or not _UNLINK_BLOB.change(connection, repository_id=repository_id, digest=digest):
        raise NotFoundError(f"no blob {digest} in {path}")
    _TOUCH_CONTENT.change(connection, of=digest, now_s=now_s)


def unlink_manifest(connection: Connection, path: str, digest: Digest, now_s: float) -> None:
    """Make a manifest unreadable in one repository, with every tag that points at it; or NotFoundError."""
    repository_id = _repository_of(connection, path)
    if repository_id is None or not remove_manifest(connection, repository_id, digest, now_s):
        raise NotFoundError(f"no manifest {digest} in {path}")


def remove_manifest(connection: Connection, repository_id: int, digest: str, now_s: float) -> bool:
    """Remove a manifest and its tags; what it alone kept becomes idle now. False when it is not there."""
    for leave in (_LEAVE_BLOBS, _LEAVE_CHILDREN, _LEAVE_REFERRERS):
        leave.change(connection, repository=repository_id, of=digest, now_s=now_s)
    _TOUCH_CONTENT.change(connection, of=digest, now_s=now_s)
    _UNTAG_ALL.change(connection, repository_id=repository_id, digest=digest)
    return _UNLINK_MANIFEST.change(connection, repository_id=repository_id, digest=digest) > 0


def untag(connection: Connection, path: str, tag: str, now_s: float) -> None:
    """Remove one tag; or NotFoundError."""
    repository_id = _repository_of(connection, path)
    if repository_id is not None:
        _leave_tagged(connection, repository_id, tag, now_s)
    if repository_id is None or not _UNTAG.change(connection, repository_id=repository_id, name=tag):
        raise NotFoundError(f"no tag {tag} in {path}")


def _leave_tagged(connection: Connection, repository_id: int, tag: str, now_s: float) -> None:
    """Note that what a tag points at is about to lose it."""
    row = _TAGGED.row(connection, repository_id=repository_id, name=tag)
    if row is not None:
        _TOUCH_MANIFEST.change(connection, repository=repository_id, of=row[0], now_s=now_s)


def _store(connection: Connection, digest: Digest, content: Content, now_s: float) -> None:
    _STORE.change(
        connection,
        digest=digest,
        object_name=content.object_name,
        size_bytes=content.size_bytes,
        idle_since_s=now_s,
        damaged_s=None,  # these bytes were just verified: whatever was wrong is healed
    )


def _repository(connection: Connection, path: str) -> int:
    found = _repository_of(connection, path)
    if found is None:
        row = _NEW_REPOSITORY.row(connection, path=path)
        assert row is not None
        found = int(row[0])
    return found


def _repository_of(connection: Connection, path: str) -> int | None:
    row = _FIND_REPOSITORY.row(connection, path=path)
    return None if row is None else int(row[0])
