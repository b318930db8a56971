"""What is asked of the metadata while serving. Every function takes a connection and changes nothing."""

from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, bindparam, select

from airferry.oci import Descriptor, Digest
from airferry.registry.errors import NotFoundError
from airferry.registry.metadata.schema import blobs, contents, manifests, references, repositories, tags
from airferry.registry.metadata.statement import Statement

_IN_REPOSITORY = manifests.c.repository_id == repositories.c.id
_CONTENT = (contents.c.size_bytes, contents.c.object_name, contents.c.damaged_s)
_MANIFEST = (manifests.c.digest, manifests.c.media_type, *_CONTENT)

_BY_DIGEST = Statement(
    select(*_MANIFEST)
    .select_from(repositories.join(manifests, _IN_REPOSITORY).join(contents, contents.c.digest == manifests.c.digest))
    .where(repositories.c.path == bindparam("path"), manifests.c.digest == bindparam("target"))
)
_BY_TAG = Statement(
    select(*_MANIFEST)
    .select_from(
        repositories.join(tags, tags.c.repository_id == repositories.c.id)
        .join(manifests, _IN_REPOSITORY & (manifests.c.digest == tags.c.digest))
        .join(contents, contents.c.digest == manifests.c.digest)
    )
    .where(repositories.c.path == bindparam("path"), tags.c.name == bindparam("target"))
)
_BLOB = Statement(
    select(*_CONTENT, blobs.c.idle_since_s)
    .select_from(
        repositories.join(blobs, blobs.c.repository_id == repositories.c.id).join(
            contents, contents.c.digest == blobs.c.digest
        )
    )
    .where(repositories.c.path == bindparam("path"), blobs.c.digest == bindparam("digest"))
)
_IS_REFERRED_TO = Statement(
    select(references.c.manifest)
    .select_from(repositories.join(references, references.c.repository_id == repositories.c.id))
    .where(repositories.c.path == bindparam("path"), references.c.target == bindparam("digest"))
    .limit(1)
)
_HOLDERS = Statement(
    select(repositories.c.path, *_CONTENT)
    .select_from(
        blobs.join(repositories, repositories.c.id == blobs.c.repository_id).join(
            contents, contents.c.digest == blobs.c.digest
        )
    )
    .where(blobs.c.digest == bindparam("digest"))
)
_REPOSITORY = Statement(select(repositories.c.id).where(repositories.c.path == bindparam("path")))
_TAGS = Statement(
    select(tags.c.name)
    .where(tags.c.repository_id == bindparam("repository_id"), tags.c.name > bindparam("after"))
    .order_by(tags.c.name)
    .limit(bindparam("most"))
)
_REPOSITORIES = Statement(
    select(repositories.c.path)
    .where(repositories.c.path > bindparam("after"))
    .order_by(repositories.c.path)
    .limit(bindparam("most"))
)
_REFERRERS = Statement(
    select(
        manifests.c.media_type,
        manifests.c.digest,
        contents.c.size_bytes,
        manifests.c.artifact_type,
        manifests.c.annotations,
    )
    .select_from(repositories.join(manifests, _IN_REPOSITORY).join(contents, contents.c.digest == manifests.c.digest))
    .where(repositories.c.path == bindparam("path"), manifests.c.subject == bindparam("subject"))
    .order_by(manifests.c.digest)
)
_ALL = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Content:
    """Something stored: its length, the driver's name for it, and when it was found damaged, if it was."""

    size_bytes: int
    object_name: str
    damaged_s: float | None = None


def find_manifest(connection: Connection, path: str, target: str) -> tuple[Digest, str, Content]:
    """Return digest, media type and content of the manifest at a tag or digest; or NotFoundError."""
    row = (_BY_DIGEST if ":" in target else _BY_TAG).row(connection, path=path, target=target)
    if row is None:
        raise NotFoundError(f"no manifest {target} in {path}")
    return Digest(row[0]), row[1], Content(*row[2:5])


def find_blob(connection: Connection, path: str, digest: Digest) -> tuple[Content, float]:
    """Return a blob that the repository links, and since when its link may be idle; or NotFoundError."""
    row = _BLOB.row(connection, path=path, digest=digest)
    if row is None:
        raise NotFoundError(f"no blob {digest} in {path}")
    return Content(*row[:3]), row[3]


def is_referred_to(connection: Connection, path: str, digest: Digest) -> bool:
    """Whether a manifest of the repository points at ``digest``."""
    return _IS_REFERRED_TO.row(connection, path=path, digest=digest) is not None


def holders(connection: Connection, digest: Digest) -> tuple[tuple[str, Content], ...]:
    """Return the repositories that link a blob."""
    return tuple((path, Content(*content)) for path, *content in _HOLDERS.rows(connection, digest=digest))


def list_tags(connection: Connection, path: str, after: str | None, limit: int | None) -> tuple[str, ...]:
    """Return tags in byte order; or NotFoundError when there is no such repository."""
    found = _REPOSITORY.row(connection, path=path)
    if found is None:
        raise NotFoundError(f"no repository {path}")
    most = _ALL if limit is None else limit
    return tuple(name for (name,) in _TAGS.rows(connection, repository_id=found[0], after=after or "", most=most))


def list_repositories(connection: Connection, after: str | None, limit: int | None) -> tuple[str, ...]:
    """Return repository names in byte order."""
    most = _ALL if limit is None else limit
    return tuple(path for (path,) in _REPOSITORIES.rows(connection, after=after or "", most=most))


def list_referrers(connection: Connection, path: str, subject: Digest) -> tuple[Descriptor, ...]:
    """Return the manifests whose subject is ``subject``, in the order of their digests."""
    return tuple(
        Descriptor(kind, Digest(digest), size, None, msgspec.json.decode(annotations), artifact_type)
        for kind, digest, size, artifact_type, annotations in _REFERRERS.rows(connection, path=path, subject=subject)
    )
