"""What a release makes a cluster pull, compiled from wherever the release can be read: mirror, disk, or a listing."""

import json
from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from airferry.app.cluster.node_access import rules_for_reading
from airferry.app.places import Places
from airferry.app.releases.release_image import OpenedRelease, parse_release, read_release
from airferry.app.releases.release_records import read_record
from airferry.app.settings import Settings
from airferry.app.text_files import read_text_file
from airferry.content.errors import DamagedError
from airferry.content.http import HttpContent
from airferry.content.tree import TreePlace
from airferry.errors import AirferryError, MalformedError, UsageError, parser_words
from airferry.oci import ContentMismatchError, Digest, PlaceKind, Reference, Repository
from airferry.oci.digest import is_digest
from airferry.oci.pull_findings import Failure, PullFindings, Trouble
from airferry.oci.pull_rules import PullRules
from airferry.openshift.cluster.wanted import ImagePolicy, Wanted, WantedKind, parse_policies
from airferry.openshift.release.naming import (
    ARCHITECTURES,
    DEFAULT_DISK_PATH,
    OFFICIAL_REPOSITORY,
    arch_word,
    architecture_of_word,
    version_reference,
)
from airferry.openshift.release.payload import ReleasePayload, parse_payload
from airferry.openshift.semver import is_version

_LISTING_HINT: Final = "write it with: airferry release info R -o json"


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """Which release: its name, and where it may be read besides through the nodes' rules.

    ``is_architecture_named`` says that somebody asked for this architecture, which is else a guess.
    """

    release: str | None
    architecture: str
    disk: Path | None = None
    file: Path | None = None
    is_architecture_named: bool = False


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
        return _from_listing(wish, wish.file, rules)
    assert wish.release is not None, "the caller has a release or a file"
    asked = parse_release(wish.release, architecture=wish.architecture, disk=wish.disk)
    try:
        asked = await _on_disk(asked)
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


async def _on_disk(asked: Reference) -> Reference:
    """Return a version in the repository of its disk that has the tag, whatever --to called it."""
    repository = asked.repository
    if repository.place.kind is not PlaceKind.TREE or repository.path != DEFAULT_DISK_PATH or asked.tag is None:
        return asked
    tree = TreePlace(Path(repository.place.address))
    try:
        for path in (DEFAULT_DISK_PATH, *await tree.list_repositories()):
            if await tree.tag_digest(path, asked.tag) is not None:
                return replace(asked, repository=Repository(repository.place, path))
    finally:
        await tree.close()
    return asked


def _unread(asked: Reference, wish: ReleaseRequest, error: AirferryError) -> CompiledRelease:
    told = ("the release image could not be read, so its components and the signatures that it demands are not known",)
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
    return _known_as(repository, own, rules)


def _known_as(repository: Repository, components: Set[Repository], rules: PullRules) -> Repository:
    """Return the name behind a mirror's ``repository``, where the rules tell: what is not a component's source."""
    if any(repository.place == item.place for item in components):
        return repository
    others = [item for item in _sources_mirrored_at(repository, rules) if item not in components]
    return others[0] if len(others) == 1 else repository


def _sources_mirrored_at(repository: Repository, rules: PullRules) -> Iterable[Repository]:
    for rule in rules.rules:
        if any(mirror.location == str(repository) for mirror in rule.mirrors) and "/" in rule.prefix:
            yield Reference.parse(rule.prefix).repository


def _from_listing(wish: ReleaseRequest, file: Path, rules: PullRules) -> CompiledRelease:
    """Read ``release info -o json``, or a release's image-references alone."""
    document = _listing(file)
    try:
        payload = parse_payload(json.dumps(document.get("references", document)).encode())
    except MalformedError as error:
        raise MalformedError(f"{file}: {error.message}", hint=_LISTING_HINT) from error
    digest, config = document.get("digest"), document.get("config")
    architecture = config.get("architecture") if isinstance(config, dict) else None
    word = architecture if isinstance(architecture, str) and architecture else None
    told = ["the policies of the release are not in the listing, so the signatures that it demands are not known"]
    known = Digest(digest) if isinstance(digest, str) and is_digest(digest) else None
    asked = parse_release(wish.release, architecture=wish.architecture, disk=None) if wish.release else None
    if asked is not None:
        _check_same(wish, asked, file, payload, known, word)
    found = known or (asked.digest if asked is not None else None)
    if found is None:
        told.append("the digest of the release image is not in the listing")
    word = word or architecture_of_word(wish.architecture)
    repository = _listed_repository(asked, document, payload, rules)
    is_own = asked is not None and asked.repository == repository
    tag = asked.tag if asked is not None and is_own else None
    by_digest = Reference(repository, None, found) if found is not None else None
    by_tag = Reference(repository, tag or _tag(payload, word))
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


def _listing(file: Path) -> dict[str, Any]:
    try:
        document: Any = json.loads(read_text_file(file))
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{file} is not JSON: {parser_words(error)}", hint=_LISTING_HINT) from error
    if not isinstance(document, dict):
        raise MalformedError(f"{file} is not a listing of a release", hint=_LISTING_HINT)
    return document


def _check_same(
    wish: ReleaseRequest, asked: Reference, file: Path, payload: ReleasePayload, digest: Digest | None, word: str | None
) -> None:
    """Raise UsageError when the release that was named is not the one that is listed, as far as both say."""
    version = _version_of(asked.tag) if asked.tag is not None and asked.digest is None else None
    told = payload.version if version is not None and version != payload.version else None
    if asked.digest is not None and digest is not None and asked.digest != digest:
        told = str(digest)
    if told is None and word is not None and not payload.is_multi and wish.is_architecture_named:
        is_other = architecture_of_word(wish.architecture) not in (word, "multi")
        told = f"{payload.version} for {word}, not {wish.architecture}" if is_other else None
    if told is not None:
        raise UsageError(
            f"--release is {wish.release}, and {file} is a listing of {told}",
            hint="leave out --release, or give the --release-file of that release",
        )


def _version_of(tag: str) -> str | None:
    """Return the version that a tag such as ``4.12.0-x86_64`` names, None for other tags."""
    version, _, word = tag.rpartition("-")
    if not version or (word != "multi" and architecture_of_word(word) not in ARCHITECTURES):
        version = tag
    return version if is_version(version) else None


def _listed_repository(
    asked: Reference | None, document: dict[str, Any], payload: ReleasePayload, rules: PullRules
) -> Repository:
    """Return where a cluster knows the release image: by the name given, else by the listing's own, else quay.io's."""
    reference, text = asked, document.get("image")
    if reference is None and isinstance(text, str) and text:
        try:
            reference = Reference.parse(text)
        except AirferryError:
            reference = None
    if reference is None or reference.repository.place.kind is not PlaceKind.REGISTRY:
        return OFFICIAL_REPOSITORY
    components = {component.image.repository for component in payload.components}
    return _known_as(reference.repository, components, rules)


def _tag(payload: ReleasePayload, architecture: str) -> str:
    return f"{payload.version}-{arch_word(architecture, is_list=payload.is_multi)}"
