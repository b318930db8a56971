"""What of the metadata is of no use any more. Every function is one piece of work in a transaction, or a question.

``before_s`` is now less the grace period: what was of use after that stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, delete, exists, select, union_all

from airferry.registry.metadata.linking import remove_manifest
from airferry.registry.metadata.schema import blobs, contents, manifests, references, repositories, tags
from airferry.registry.metadata.statement import Statement

_BEFORE: Final[BindParameter[Any]] = bindparam("before_s")
_HERE: Final[BindParameter[Any]] = bindparam("repository")
_NOT_NEEDED = ~exists().where(
    references.c.repository_id == blobs.c.repository_id, references.c.target == blobs.c.digest
)
_NOT_LINKED = ~(exists().where(blobs.c.digest == contents.c.digest)) & ~(
    exists().where(manifests.c.digest == contents.c.digest)
)
_REPOSITORIES = Statement(select(repositories.c.id).order_by(repositories.c.id))
_IDLE_LINKS = Statement(
    select(blobs.c.repository_id, blobs.c.digest)
    .where(blobs.c.idle_since_s <= _BEFORE, _NOT_NEEDED)
    .limit(bindparam("most"))
)
_REMOVE_LINK = Statement(
    delete(blobs).where(
        blobs.c.repository_id == _HERE, blobs.c.digest == bindparam("of"), blobs.c.idle_since_s <= _BEFORE, _NOT_NEEDED
    )
)
_CONTENT = (contents.c.digest, contents.c.object_name, contents.c.size_bytes)
_IDLE_CONTENTS = Statement(
    select(*_CONTENT)
    .where(contents.c.idle_since_s <= _BEFORE, contents.c.digest > bindparam("after"), _NOT_LINKED)
    .order_by(contents.c.digest)
    .limit(bindparam("most"))
)
_TAKE_OUT = Statement(
    delete(contents)
    .where(contents.c.digest == bindparam("of"), contents.c.idle_since_s <= _BEFORE, _NOT_LINKED)
    .returning(*_CONTENT)
)
_NAME_OF = Statement(select(contents.c.object_name).where(contents.c.digest == bindparam("of")))


def _untagged() -> Statement:
    """Manifests that no tag leads to: not by itself, as a part of an index, nor as what refers to something kept."""
    roots = union_all(
        select(tags.c.digest).where(tags.c.repository_id == _HERE),
        select(manifests.c.digest).where(manifests.c.repository_id == _HERE, manifests.c.idle_since_s > _BEFORE),
    ).subquery()
    leads = union_all(
        select(references.c.manifest.label("source"), references.c.target.label("target")).where(
            references.c.repository_id == _HERE
        ),
        select(manifests.c.subject, manifests.c.digest).where(
            manifests.c.repository_id == _HERE, manifests.c.subject.is_not(None)
        ),
    ).subquery()
    kept = select(roots.c.digest).cte("kept", recursive=True)
    kept = kept.union(select(leads.c.target).where(leads.c.source == kept.c.digest))
    return Statement(
        select(manifests.c.digest)
        .where(
            manifests.c.repository_id == _HERE,
            manifests.c.idle_since_s <= _BEFORE,
            manifests.c.digest.not_in(select(kept.c.digest)),
        )
        .order_by(manifests.c.digest)
    )


_UNTAGGED = _untagged()


@dataclass(frozen=True, slots=True)
class IdleContent:
    """Something stored that no repository holds."""

    digest: str
    object_name: str
    size_bytes: int


def repository_ids(connection: Connection) -> tuple[int, ...]:
    """Return all repositories."""
    return tuple(number for (number,) in _REPOSITORIES.rows(connection))


def untagged(connection: Connection, repository_id: int, before_s: float) -> tuple[str, ...]:
    """Return the manifests of a repository that no tag leads to since ``before_s``."""
    rows = _UNTAGGED.rows(connection, repository=repository_id, before_s=before_s)
    return tuple(digest for (digest,) in rows)


def remove_untagged(connection: Connection, repository_id: int, before_s: float, now_s: float) -> int:
    """Remove what :func:`untagged` finds now; return how many manifests."""
    found = untagged(connection, repository_id, before_s)
    for digest in found:
        remove_manifest(connection, repository_id, digest, now_s)
    return len(found)


def idle_links(connection: Connection, before_s: float, most: int) -> tuple[tuple[int, str], ...]:
    """Return at most ``most`` links (repository, digest) to blobs that no manifest of the repository points at."""
    rows = _IDLE_LINKS.rows(connection, before_s=before_s, most=most)
    return tuple((repository_id, digest) for repository_id, digest in rows)


def remove_links(connection: Connection, links: Sequence[tuple[int, str]], before_s: float) -> int:
    """Remove those of ``links`` that are still idle; return how many."""
    return sum(
        _REMOVE_LINK.change(connection, repository=repository_id, of=digest, before_s=before_s)
        for repository_id, digest in links
    )


def idle_contents(connection: Connection, before_s: float, after: str, most: int) -> tuple[IdleContent, ...]:
    """Return at most ``most`` contents that nobody links, in the order of their digests, behind ``after``."""
    rows = _IDLE_CONTENTS.rows(connection, before_s=before_s, after=after, most=most)
    return tuple(IdleContent(*row) for row in rows)


def take_out(connection: Connection, digests: Sequence[str], before_s: float) -> tuple[IdleContent, ...]:
    """Forget those of ``digests`` that nobody links even now, and return them: they can be deleted."""
    taken: list[IdleContent] = []
    for digest in digests:
        taken.extend(IdleContent(*row) for row in _TAKE_OUT.rows(connection, of=digest, before_s=before_s))
    return tuple(taken)


def is_known(connection: Connection, digest: str, object_name: str) -> bool:
    """Whether ``object_name`` is where the content of ``digest`` is."""
    return _NAME_OF.row(connection, of=digest) == (object_name,)
