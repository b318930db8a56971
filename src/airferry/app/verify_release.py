"""What a release makes a cluster pull, compiled from wherever the release can be read: mirror, disk, or a listing."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airferry.app.node_access import rules_for_reading
from airferry.app.places import Places
from airferry.app.release_image import OpenedRelease, parse_release, read_release
from airferry.app.release_records import read_record
from airferry.app.settings import Settings
from airferry.app.text_files import read_text_file
from airferry.content.errors import DamagedError
from airferry.content.http import HttpContent
from airferry.errors import AirferryError, MalformedError
from airferry.oci import ContentMismatchError, Digest, PlaceKind, Reference, Repository
from airferry.oci.digest import is_digest
from airferry.oci.pull_findings import Failure, PullFindings, Trouble
from airferry.oci.pull_rules import PullRules
from airferry.openshift.cluster.wanted import ImagePolicy, Wanted, WantedKind, parse_policies
from airferry.openshift.release.naming import (
    OFFICIAL_REPOSITORY,
    arch_word,
    architecture_of_word,
    version_reference,
)
from airferry.openshift.release.payload import ReleasePayload, parse_payload


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """Which release: its name, and where it may be read besides through the nodes' rules."""

    release: str | None
    architecture: str
    disk: Path | None = None
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class CompiledRelease:
    """What a cluster pulls of a release. ``version`` is None when it could not be read.

    ``by_digest`` and ``by_tag`` are the release image by the names that a cluster uses, None where not known.
    ``sought`` is the release image by its tag where it could not be read and no digest of it is known; ``unread``
    is why it could not. ``words`` are those by which commands find the release. ``uncompiled`` are sentences about
    what is missing here.
    """

    version: str | None
    architecture: str
    by_digest: Reference | None
    by_tag: Reference | None
    components: tuple[tuple[str, Reference], ...] = ()
    policies: tuple[ImagePolicy, ...] = ()
    uncompiled: tuple[str, ...] = ()
    sought: Reference | None = None
    unread: AirferryError | None = None
    words: str = ""


async def compile_release(wish: ReleaseRequest, rules: PullRules, content: HttpContent) -> CompiledRelease:
    """Read the release through the nodes' rules (any mirror will do), from a disk, or from a listing.

    A release that cannot be read is no error: what is known of it is still asked for, and the rest is told.
    Raises UsageError and MalformedError for a listing that is none, and what stands in the way of a release on a
    disk that no ``--from-dir`` named.
    """
    if wish.file is not None:
        return _from_listing(wish, wish.file)
    assert wish.release is not None, "the caller has a release or a file"
    asked = parse_release(wish.release, architecture=wish.architecture, disk=wish.disk)
    try:
        async with Places(Settings(), readers=content, rules=rules_for_reading(rules)) as places:
            opened = await read_release(asked, places, architecture=wish.architecture)
    except AirferryError as error:
        return _unread(asked, wish, error)
    policies, unread = parse_policies(opened.image.files)
    repository = await _published_at(opened, wish, rules)
    listed = tuple((component.name, component.image) for component in opened.payload.components)
    tag = asked.tag or f"{opened.payload.version}-{opened.arch_word}"
    return CompiledRelease(
        opened.payload.version,
        opened.architecture,
        Reference(repository, None, opened.digest),
        Reference(repository, tag),
        listed,
        policies,
        unread,
        words=_words(wish, Reference(repository, None, opened.digest), opened.payload.version, opened.arch_word),
    )


def _unread(asked: Reference, wish: ReleaseRequest, error: AirferryError) -> CompiledRelease:
    told = (
        f"the release image could not be read, so its components and the signatures that it demands are not known: "
        f"{error.message}",
    )
    named = version_reference(wish.release or "", wish.architecture) or asked
    if named.repository.place.kind is not PlaceKind.REGISTRY and wish.disk is None:
        raise error
    if named.tag is None and named.digest is None:
        raise error
    by_digest = Reference(named.repository, None, named.digest) if named.digest is not None else None
    sought = named if by_digest is None else None
    words = _words(wish, by_digest or named, None, arch_word(wish.architecture))
    architecture = architecture_of_word(wish.architecture)
    return CompiledRelease(
        None, architecture, by_digest, None, uncompiled=told, sought=sought, unread=error, words=words
    )


def unreadable(findings: PullFindings, wanted: Wanted, release: CompiledRelease | None) -> PullFindings:
    """Return the findings of the release image, with why it could not be read where the pull itself met nothing."""
    if release is None or release.unread is None or wanted.kind is not WantedKind.RELEASE:
        return findings
    last = findings.attempts[-1]
    if wanted.reference not in (release.sought, release.by_digest) or not last.answered or last.failures:
        return findings
    trouble = Trouble.UNSETTLED
    if isinstance(release.unread, ContentMismatchError | DamagedError):
        trouble = Trouble.BAD_BLOB
    elif isinstance(release.unread, MalformedError):
        trouble = Trouble.NOT_A_RELEASE
    failure = Failure(trouble, release.unread.message)
    return replace(findings, attempts=(*findings.attempts[:-1], replace(last, failures=(failure,))))


def _words(wish: ReleaseRequest, known: Reference, version: str | None, word: str) -> str:
    """Return how a command names the release: as it was asked for, unless that is where it cannot be had anew."""
    if wish.release is not None and version_reference(wish.release, wish.architecture) is not None:
        return f"{wish.release} --arch {architecture_of_word(wish.architecture)}"
    if known.repository == OFFICIAL_REPOSITORY and version is not None:
        return f"{version} --arch {architecture_of_word(word)}"
    return str(known)


async def _published_at(opened: OpenedRelease, wish: ReleaseRequest, rules: PullRules) -> Repository:
    """Return the name by which a cluster knows the release's repository, wherever it was read."""
    repository = opened.reference.repository
    own = {component.image.repository for component in opened.payload.components}
    if wish.disk is not None or repository.place.kind is not PlaceKind.REGISTRY:
        disk = wish.disk or Path(repository.place.address)
        record = await read_record(disk, opened.digest)
        return Reference.parse(record.published_at).repository if record is not None else OFFICIAL_REPOSITORY
    if any(repository.place == item.place for item in own):
        return repository
    mirrored = _sources_mirrored_at(repository, rules)
    others = [item for item in mirrored if item not in own]
    return others[0] if len(others) == 1 else repository


def _sources_mirrored_at(repository: Repository, rules: PullRules) -> Iterable[Repository]:
    for rule in rules.rules:
        if any(mirror.location == str(repository) for mirror in rule.mirrors) and "/" in rule.prefix:
            yield Reference.parse(rule.prefix).repository


def _from_listing(wish: ReleaseRequest, file: Path) -> CompiledRelease:
    """Read ``release info -o json``, or a release's image-references alone."""
    try:
        document: Any = json.loads(read_text_file(file))
    except ValueError as error:
        raise MalformedError(f"{file} is not JSON", hint="write it with: airferry release info R -o json") from error
    if not isinstance(document, dict):
        raise MalformedError(f"{file} is not a listing of a release")
    references = document.get("references", document)
    payload = parse_payload(json.dumps(references).encode())
    digest = document.get("digest")
    told = ["the policies of the release are not in the listing, so the signatures that it demands are not known"]
    asked = _asked(wish, document)
    known = digest if isinstance(digest, str) and is_digest(digest) else None
    if known is None and asked.digest is None:
        told.append("the digest of the release image is not in the listing")
    found = Digest(known) if known is not None else asked.digest
    config = document.get("config")
    architecture = config.get("architecture") if isinstance(config, dict) else None
    word = architecture if isinstance(architecture, str) and architecture else wish.architecture
    by_digest = Reference(asked.repository, None, found) if found is not None else None
    by_tag = Reference(asked.repository, asked.tag or _tag(payload, word))
    return CompiledRelease(
        payload.version,
        word,
        by_digest,
        by_tag,
        tuple((component.name, component.image) for component in payload.components),
        (),
        tuple(told),
        words=_words(wish, by_digest or by_tag, payload.version, arch_word(word, is_list=payload.is_multi)),
    )


def _asked(wish: ReleaseRequest, document: dict[str, Any]) -> Reference:
    """Return the release image by the name that was given, else by the listing's own, else by quay.io's."""
    text = wish.release or document.get("image")
    reference = None
    if isinstance(text, str) and text:
        reference = parse_release(text, architecture=wish.architecture, disk=None)
    if reference is None or reference.repository.place.kind is not PlaceKind.REGISTRY:
        return Reference(OFFICIAL_REPOSITORY)
    return reference


def _tag(payload: ReleasePayload, architecture: str) -> str:
    return f"{payload.version}-{arch_word(architecture, is_list=payload.is_multi)}"
