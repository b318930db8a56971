"""The records of uploads: how far each has come for sure, the hash of that much, and a generation.

Whoever moves an upload on, or ends it, names the generation it found; of two who found the same, one succeeds.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select, update

from airferry.registry.errors import NotFoundError, UploadRangeError
from airferry.registry.metadata.schema import uploads
from airferry.registry.metadata.statement import Statement


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """The first ``received_bytes`` are on disk; ``hash_state`` is what ``algorithm`` made of them."""

    generation: int
    received_bytes: int
    algorithm: str
    hash_state: bytes


_BEGIN = Statement(
    lambda insert: insert(uploads).values({column.name: bindparam(column.name) for column in uploads.columns})
)
_FIND = Statement(
    select(uploads.c.generation, uploads.c.received_bytes, uploads.c.algorithm, uploads.c.hash_state).where(
        uploads.c.key == bindparam("upload")
    )
)
_ADVANCE = Statement(
    update(uploads)
    .where(uploads.c.key == bindparam("upload"), uploads.c.generation == bindparam("known"))
    .values(
        generation=uploads.c.generation + 1,
        received_bytes=bindparam("size_bytes"),
        hash_state=bindparam("state"),
        touched_s=bindparam("now_s"),
    )
)
_END = Statement(
    delete(uploads).where(uploads.c.key == bindparam("upload"), uploads.c.generation == bindparam("known"))
)
_FORGET = Statement(delete(uploads).where(uploads.c.key == bindparam("upload")))
_OLD = Statement(
    select(uploads.c.key)
    .where(uploads.c.touched_s < bindparam("before_s"))
    .order_by(uploads.c.touched_s)
    .limit(bindparam("most"))
)
_FORGET_OLD = Statement(
    delete(uploads).where(uploads.c.key == bindparam("upload"), uploads.c.touched_s < bindparam("before_s"))
)


def begin_upload(connection: Connection, key: str, algorithm: str, hash_state: bytes, now_s: float) -> None:
    """Note a new upload that holds nothing."""
    _BEGIN.change(
        connection,
        key=key,
        generation=0,
        received_bytes=0,
        algorithm=algorithm,
        hash_state=hash_state,
        touched_s=now_s,
    )


def find_upload(connection: Connection, key: str) -> UploadRecord:
    """Return what is known of an upload; or NotFoundError."""
    row = _FIND.row(connection, upload=key)
    if row is None:
        raise NotFoundError("no such upload")
    return UploadRecord(row[0], row[1], row[2], bytes(row[3]))


def advance_upload(
    connection: Connection, key: str, generation: int, received_bytes: int, hash_state: bytes, now_s: float
) -> None:
    """Note how far an upload has come. Raises UploadRangeError when somebody else moved it on meanwhile."""
    if not _ADVANCE.change(
        connection, upload=key, known=generation, size_bytes=received_bytes, state=hash_state, now_s=now_s
    ):
        _refuse(connection, key)


def end_upload(connection: Connection, key: str, generation: int) -> None:
    """Remove the record of an upload that has become a blob. Raises UploadRangeError, NotFoundError."""
    if not _END.change(connection, upload=key, known=generation):
        _refuse(connection, key)


def forget_upload(connection: Connection, key: str) -> bool:
    """Remove the record of an upload, whoever writes to it; False when there is none."""
    return _FORGET.change(connection, upload=key) > 0


def old_uploads(connection: Connection, before_s: float, most: int) -> tuple[str, ...]:
    """Return at most ``most`` uploads that nobody moved on since ``before_s``, the oldest first."""
    return tuple(key for (key,) in _OLD.rows(connection, before_s=before_s, most=most))


def forget_old_upload(connection: Connection, key: str, before_s: float) -> bool:
    """Remove the record of an upload if nobody moved it on since ``before_s``."""
    return _FORGET_OLD.change(connection, upload=key, before_s=before_s) > 0


def _refuse(connection: Connection, key: str) -> None:
    found = find_upload(connection, key)
    raise UploadRangeError("another request moved this upload on", received_bytes=found.received_bytes)
