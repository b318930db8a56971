"""A registry as a place that images are read from and written to."""

from contextlib import AbstractAsyncContextManager
from typing import Final

from airferry.content.errors import DeniedError, NotFoundError
from airferry.content.http import download, listing, upload
from airferry.content.http.authorizer import delete_scope, pull_scope, push_scope
from airferry.content.http.login import LoginOutcome, prove_login
from airferry.content.http.questions import Questions
from airferry.content.http.refusals import NOT_FOUND_HINT, Doing, PartsUnseenError
from airferry.content.http.rehearsal import Rehearsal
from airferry.content.http.retry import Tries
from airferry.content.http.session import Call, RegistrySession, Side
from airferry.content.http.transport import Answer
from airferry.content.protocol import BlobFetch, ByteStream
from airferry.errors import MalformedError, UnsupportedError
from airferry.oci import ContentMismatchError, Descriptor, Digest, Manifest, Place, PlaceKind
from airferry.oci.digest import check_content, is_digest
from airferry.oci.manifest import MAX_MANIFEST_BYTES
from airferry.oci.mediatype import ACCEPT_MANIFESTS, without_parameters

_DIGEST_HEADER: Final = "Docker-Content-Digest"
_SETTLING_ATTEMPTS: Final = 3
_DELETE_HINT: Final = (
    "airferry: registry serve without --no-delete and --read-only; distribution: REGISTRY_STORAGE_DELETE_ENABLED=true; "
    "Quay: its tags expire, or delete them in its own pages"
)


class RegistryPlace:
    """One registry: ContentSource, ContentSink and Mounting. Made by :meth:`HttpContent.registry`.

    Safe to use from many tasks of one event loop. Beyond the protocol's errors every method may raise
    UnauthorizedError, DeniedError, CertificateError, UnreachableError, ThrottledError, RegistryFailedError and
    InterruptedTransferError.
    """

    def __init__(self, session: RegistrySession) -> None:
        self.place = Place(PlaceKind.REGISTRY, session.host)
        self._session = session
        self._known_missing: set[tuple[str, Digest]] = set()
        self._keeps_referrers: bool | None = None
        self._subject_locks = listing.SubjectLocks()

    async def meet(self) -> None:
        """Make the first contact, or fail at once when it failed within the last minute.

        For whoever has other places to ask; what is asked of this one anyway tries again. Nothing, once it was met.
        """
        await self._session.meet_or_give_up()

    async def resolve_tag(self, path: str, tag: str) -> Digest:
        """Return the digest that ``tag`` points at now; asks with HEAD, which Docker Hub does not count."""
        digest = await self.tag_digest(path, tag)
        if digest is None:
            raise NotFoundError(f"{self.place} has no manifest {tag} in {path}", hint=NOT_FOUND_HINT)
        return digest

    async def read_manifest(self, path: str, target: str) -> Manifest:
        """Return the manifest at ``target``, checked against the digest asked for, or the one the answer names."""
        path = self._api_path(path)
        call = self._manifest_call("GET", path, target, "read", frozenset({200}))
        answer = await self._session.answer(call, MAX_MANIFEST_BYTES)
        promised = target if is_digest(target) else self._promised(answer)
        if promised is not None:
            try:
                check_content(answer.body, Digest(promised))
            except ContentMismatchError as error:
                raise ContentMismatchError(
                    f"the manifest {target} of {self.place}/{path}: {error.message}", hint=error.hint
                ) from error
        algorithm = Digest(promised).algorithm if promised is not None else "sha256"
        media_type = without_parameters(answer.headers.get("Content-Type", "")) or None
        try:
            manifest = Manifest.parse(answer.body, media_type, algorithm)
        except (MalformedError, UnsupportedError) as error:
            text = f"the manifest {target} of {self.place}/{path} cannot be used: {error.message}"
            raise type(error)(text, hint=error.hint) from error
        if self._session.settings.as_nodes and media_type != manifest.media_type:
            # containers/image reads it as what it is served as, whatever it says itself.
            raise MalformedError(
                f"the manifest {target} of {self.place}/{path} is served as {media_type or 'nothing'}, "
                f"and is {manifest.media_type}",
                hint="have the registry, or what stands before it, send the Content-Type of the manifest",
            )
        return manifest

    def _promised(self, answer: Answer) -> str | None:
        """Return what a tag's answer says its digest is; containers/image does not look at it."""
        return None if self._session.settings.as_nodes else _header_digest(answer)

    def open_blob(self, path: str, blob: Descriptor, offset: int = 0) -> AbstractAsyncContextManager[ByteStream]:
        """Open the content of ``blob`` from ``offset`` in bytes; broken connections are resumed inside."""
        return download.open_blob(self._session, self._api_path(path), blob, offset)

    async def list_tags(self, path: str) -> tuple[str, ...]:
        """Return every tag of the repository, sorted, through all pages."""
        return await listing.list_tags(self._session, self._api_path(path))

    async def list_repositories(self) -> tuple[str, ...]:
        """Return the names of all repositories that may be seen; many hosted registries refuse to tell."""
        return await listing.list_repositories(self._session)

    async def peek_tags(self, path: str) -> frozenset[str] | None:
        """Return all tags if one request tells them, else None."""
        return await listing.peek_tags(self._session, self._api_path(path))

    async def list_referrers(self, path: str, subject: Digest) -> tuple[Descriptor, ...]:
        """Return what refers to ``subject``: by the endpoint, else by the fallback tag."""
        path = self._api_path(path)
        if self._keeps_referrers is not False:
            found = await listing.list_referrers(self._session, path, subject)
            if found is not None:
                self._keeps_referrers = True
                return found
            # A registry that has answered once has the endpoint; its 404 is then about the repository.
            self._keeps_referrers = self._keeps_referrers or None
        index = await self._fallback_index(path, subject)
        return index.children if index is not None and index.is_index else ()

    async def has_blob(self, path: str, blob: Descriptor) -> bool:
        """Whether the repository holds this blob whole."""
        path = self._api_path(path)
        found = await upload.has_blob(self._session, path, blob)
        if found:
            self._known_missing.discard((path, blob.digest))
        else:
            self._known_missing.add((path, blob.digest))
        return found

    async def has_manifest(self, path: str, digest: Digest) -> bool:
        """Whether the repository holds this manifest."""
        call = self._manifest_call("HEAD", self._api_path(path), digest, "look for", frozenset({200, 404}))
        return (await self._session.answer(call)).status == 200

    async def tag_digest(self, path: str, tag: str) -> Digest | None:
        """Return what ``tag`` points at, None when there is no such tag."""
        path = self._api_path(path)
        call = self._manifest_call("HEAD", path, tag, "look for", frozenset({200, 404, 405}))
        answer = await self._session.answer(call)
        if answer.status == 404:
            return None
        return _header_digest(answer) or await self._digest_of_body(path, tag)

    async def write_blob(self, path: str, blob: Descriptor, fetch: BlobFetch) -> None:
        """Store ``blob`` under its digest; one that is there already is left alone."""
        path = self._api_path(path)
        if (path, blob.digest) not in self._known_missing and await self.has_blob(path, blob):
            return
        self._known_missing.discard((path, blob.digest))
        await upload.upload_blob(self._session, path, blob, fetch)

    async def mount_blob(self, path: str, blob: Descriptor, from_path: str) -> bool:
        """Try to make ``blob`` of ``from_path`` readable in ``path``; False when the registry declined."""
        path, from_path = self._api_path(path), self._api_path(from_path)
        mounted = await upload.mount_blob(self._session, path, blob, from_path)
        if mounted:
            self._known_missing.discard((path, blob.digest))
        return mounted

    async def write_manifest(self, path: str, manifest: Manifest) -> None:
        """Store ``manifest`` under its digest; where the registry keeps no referrers, keep the fallback tag."""
        path = self._api_path(path)
        answer = await self._put_manifest(path, manifest.digest, manifest)
        if manifest.subject is not None and "OCI-Subject" not in answer.headers:
            await self._keep_referrer(path, manifest.subject.digest, manifest)

    async def write_tag(self, path: str, tag: str, manifest: Manifest) -> None:
        """Point ``tag`` at ``manifest``."""
        await self._put_manifest(self._api_path(path), tag, manifest)

    async def delete_manifest(self, path: str, digest: Digest) -> bool:
        """Remove a manifest with all its tags; False when it was not there.

        Raises DeniedError, with what to do, where the registry lets nobody delete. Source: distribution-spec "Deleting
        Manifests".
        """
        path = self._api_path(path)
        doing = Doing(self._session.host, path, "delete", f"manifest {digest}")
        target = f"/v2/{path}/manifests/{digest}"
        expected = frozenset({200, 202, 204, 404, 405})
        call = Call("DELETE", target, doing, (delete_scope(path),), expected, side=Side.WRITE)
        answer = await self._session.answer(call)
        if answer.status == 405:
            raise DeniedError(f"{self.place} lets nobody {doing}: deleting is turned off there", hint=_DELETE_HINT)
        return answer.status != 404

    async def prove_login(self, path: str = "") -> LoginOutcome:
        """Prove the credential for this registry, or raise UnauthorizedError; for ``login`` and ``secret check``."""
        return await prove_login(self._session, path)

    def questions(self) -> Questions:
        """Return the way to ask about the registry itself rather than about an image."""
        return Questions(self._session)

    def rehearsal(self, path: str) -> Rehearsal:
        """Return the way to try out what the registry lets us write into repository ``path``."""
        return Rehearsal(self._session, self._api_path(path))

    async def close(self) -> None:
        """Nothing of its own to give back: connections belong to :class:`HttpContent`."""

    async def _put_manifest(self, path: str, target: str, manifest: Manifest) -> Answer:
        doing = Doing(self._session.host, path, "push", f"manifest {target}")
        call = Call(
            "PUT",
            f"/v2/{path}/manifests/{target}",
            doing,
            (push_scope(path),),
            frozenset({200, 201, 202}),
            {"Content-Type": manifest.media_type},
            manifest.raw,
            Side.WRITE,
        )
        answer = await self._put_patiently(call)
        stored = _header_digest(answer)
        if stored is not None and stored != Digest.of(manifest.raw, stored.algorithm):
            raise ContentMismatchError(
                f"{self.place} stored the manifest {manifest.digest} of {path} under {stored}: it changed the bytes"
            )
        return answer

    async def _put_patiently(self, call: Call) -> Answer:
        """Try again a moment later where the registry does not see parts that it has taken.

        docker-registry 2.8 empties the link of a manifest while it writes it again, for a tag of its own.
        """
        policy = self._session.settings.retry
        tries = Tries(policy, min(policy.attempts, _SETTLING_ATTEMPTS))
        while True:
            try:
                return await self._session.answer(call)
            except PartsUnseenError:
                wait_s = tries.wait_after_failure(self._session.timing.chance())
                if wait_s is None:
                    raise
            await self._session.timing.sleep(wait_s)

    async def _keep_referrer(self, path: str, subject: Digest, referrer: Manifest) -> None:
        """Source: distribution-spec, "Pushing Manifests with Subject"."""
        async with self._subject_locks(path, subject):
            index = listing.with_referrer(await self._fallback_index(path, subject), referrer)
            if index is not None:
                await self._put_manifest(path, listing.fallback_tag(subject), index)

    async def _fallback_index(self, path: str, subject: Digest) -> Manifest | None:
        try:
            return await self.read_manifest(path, listing.fallback_tag(subject))
        except NotFoundError:
            return None

    async def _digest_of_body(self, path: str, tag: str) -> Digest | None:
        try:
            return (await self.read_manifest(path, tag)).digest
        except NotFoundError:
            return None

    def _manifest_call(self, method: str, path: str, target: str, verb: str, expected: frozenset[int]) -> Call:
        doing = Doing(self._session.host, path, verb, f"manifest {target}")
        headers = {"Accept": ACCEPT_MANIFESTS}
        return Call(method, f"/v2/{path}/manifests/{target}", doing, (pull_scope(path),), expected, headers)

    def _api_path(self, path: str) -> str:
        """Docker Hub keeps its short names under ``library/``."""
        return f"library/{path}" if self.place.address == "docker.io" and "/" not in path else path


def _header_digest(answer: Answer) -> Digest | None:
    value = answer.headers.get(_DIGEST_HEADER, "")
    return Digest(value) if is_digest(value) else None
