"""How much there is. Every function is a question that looks at whole tables: not for every request."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, exists, func, select

from airferry.registry.metadata.schema import blobs, contents, manifests, references, repositories, tags, uploads
from airferry.registry.metadata.statement import Statement

_CONTENTS: Final = Statement(select(func.count(contents.c.digest), func.coalesce(func.sum(contents.c.size_bytes), 0)))
_UPLOADS: Final = Statement(select(func.count(uploads.c.key), func.coalesce(func.sum(uploads.c.received_bytes), 0)))
_REPOSITORIES: Final = Statement(select(func.count()).select_from(repositories))
_TAGS: Final = Statement(select(func.count()).select_from(tags))
_IS_PART: Final = exists().where(
    references.c.repository_id == manifests.c.repository_id, references.c.target == manifests.c.digest
)
_IMAGES: Final = Statement(
    select(func.count(manifests.c.digest.distinct())).where(manifests.c.subject.is_(None), ~_IS_PART)
)
_LINKED_BLOBS: Final = Statement(
    select(func.coalesce(func.sum(contents.c.size_bytes), 0)).select_from(
        blobs.join(contents, contents.c.digest == blobs.c.digest)
    )
)
_LINKED_MANIFESTS: Final = Statement(
    select(func.coalesce(func.sum(contents.c.size_bytes), 0)).select_from(
        manifests.join(contents, contents.c.digest == manifests.c.digest)
    )
)


@dataclass(frozen=True, slots=True)
class Stock:
    """What is stored: each content once (``unique_bytes``), and what came of uploads that are not finished."""

    contents: int = 0
    unique_bytes: int = 0
    uploads: int = 0
    upload_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the repositories hold. ``linked_bytes`` counts a content once for each repository that has it.

    ``images`` are manifests that are neither part of an index nor attached to another.
    """

    repositories: int = 0
    tags: int = 0
    images: int = 0
    linked_bytes: int = 0


def count_stock(connection: Connection) -> Stock:
    """Return what is stored."""
    (count, size_bytes), (begun, received_bytes) = (_two(found, connection) for found in (_CONTENTS, _UPLOADS))
    return Stock(count, size_bytes, begun, received_bytes)


def count_holdings(connection: Connection) -> Holdings:
    """Return what the repositories hold."""
    return Holdings(
        _one(_REPOSITORIES, connection),
        _one(_TAGS, connection),
        _one(_IMAGES, connection),
        _one(_LINKED_BLOBS, connection) + _one(_LINKED_MANIFESTS, connection),
    )


def _one(question: Statement, connection: Connection) -> int:
    row = question.row(connection)
    assert row is not None, "aggregates always have a row"
    return int(row[0])  # PostgreSQL sums to decimals


def _two(question: Statement, connection: Connection) -> tuple[int, int]:
    row = question.row(connection)
    assert row is not None, "aggregates always have a row"
    return int(row[0]), int(row[1])
