"""Quotas: how many bytes the repositories of a namespace may hold together, what they share counted once.

Asked in the transaction that links something, so that no two pushes get past a limit together. What the namespace holds
already is never refused: pushing again heals.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, delete, func, or_, select, union

from airferry.oci import Digest
from airferry.quantities import print_binary_size
from airferry.registry.errors import QuotaExceededError
from airferry.registry.metadata.schema import blobs, contents, manifests, quotas, repositories
from airferry.registry.metadata.statement import Statement

EVERYWHERE: Final = "*"
_FIRST: Final[BindParameter[Any]] = bindparam("first")
_BEHIND: Final[BindParameter[Any]] = bindparam("behind")
_INSIDE: Final[ColumnElement[bool]] = or_(
    repositories.c.path == bindparam("itself"), (repositories.c.path >= _FIRST) & (repositories.c.path < _BEHIND)
)
_ALL = Statement(select(quotas.c.namespace, quotas.c.limit_bytes).order_by(quotas.c.namespace))
_SET = Statement(
    lambda insert: (
        insert(quotas)
        .values(namespace=bindparam("namespace"), limit_bytes=bindparam("limit_bytes"))
        .on_conflict_do_update(index_elements=[quotas.c.namespace], set_={"limit_bytes": bindparam("limit_bytes")})
    )
)
_REMOVE = Statement(delete(quotas).where(quotas.c.namespace == bindparam("of")))
_HELD = union(
    select(blobs.c.digest).join(repositories, repositories.c.id == blobs.c.repository_id).where(_INSIDE),
    select(manifests.c.digest).join(repositories, repositories.c.id == manifests.c.repository_id).where(_INSIDE),
).subquery()
_USED = Statement(
    select(func.coalesce(func.sum(contents.c.size_bytes), 0)).join(_HELD, _HELD.c.digest == contents.c.digest)
)
_IS_HELD = Statement(
    union(
        select(blobs.c.digest)
        .join(repositories, repositories.c.id == blobs.c.repository_id)
        .where(blobs.c.digest == bindparam("of"), _INSIDE),
        select(manifests.c.digest)
        .join(repositories, repositories.c.id == manifests.c.repository_id)
        .where(manifests.c.digest == bindparam("of"), _INSIDE),
    )
)
_SIZE = Statement(select(contents.c.size_bytes).where(contents.c.digest == bindparam("of")))


@dataclass(frozen=True, slots=True)
class Quota:
    """The limit of a namespace, and what it holds."""

    namespace: str
    limit_bytes: int
    used_bytes: int


def set_quota(connection: Connection, namespace: str, limit_bytes: int) -> None:
    """Limit a namespace; what is over the limit already stays."""
    _SET.change(connection, namespace=namespace, limit_bytes=limit_bytes)


def remove_quota(connection: Connection, namespace: str) -> bool:
    """Take the limit away; False when there was none."""
    return _REMOVE.change(connection, of=namespace) > 0


def list_quotas(connection: Connection) -> tuple[Quota, ...]:
    """Return all quotas by namespace."""
    return tuple(Quota(name, limit, _used(connection, name)) for name, limit in _ALL.rows(connection))


def are_there_quotas(connection: Connection) -> bool:
    """Whether any namespace is limited."""
    return _ALL.row(connection) is not None


def check_quotas(connection: Connection, path: str, digest: Digest, size_bytes: int | None = None) -> None:
    """Raise QuotaExceededError when ``digest`` may not come into the repository ``path``.

    ``size_bytes`` None: it is stored already, and has the size that it has.
    """
    for namespace, limit_bytes in _ALL.rows(connection):
        if not _covers(namespace, path) or _IS_HELD.row(connection, of=digest, **_range(namespace)) is not None:
            continue
        if size_bytes is None:
            row = _SIZE.row(connection, of=digest)
            size_bytes = int(row[0]) if row is not None else 0
        used_bytes = _used(connection, namespace)
        if used_bytes + size_bytes > limit_bytes:
            raise QuotaExceededError(
                f"the quota of namespace {namespace} is {print_binary_size(limit_bytes)} ({limit_bytes} bytes); "
                f"it holds {used_bytes} bytes, and {digest} would add {size_bytes}",
                hint="delete images and run `airferry registry gc`, or raise it with `airferry registry quota set`",
            )


def _used(connection: Connection, namespace: str) -> int:
    row = _USED.row(connection, **_range(namespace))
    return int(row[0]) if row is not None else 0


def _covers(namespace: str, path: str) -> bool:
    return namespace == EVERYWHERE or path == namespace or path.startswith(f"{namespace}/")


def _range(namespace: str) -> dict[str, str]:
    """Return which names are inside: in byte order, ``namespace0`` is right behind all of ``namespace/``."""
    if namespace == EVERYWHERE:
        return {"itself": "", "first": "", "behind": "\x7f"}
    return {"itself": namespace, "first": f"{namespace}/", "behind": f"{namespace}0"}
