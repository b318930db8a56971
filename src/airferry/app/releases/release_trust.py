"""Gather the signatures of a release from stores, folders or the disk, and have them judged."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from airferry.app.places import Places
from airferry.content.errors import NotFoundError
from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.oci import Digest
from airferry.openshift.release.config_map import CONFIG_FOLDER, is_signature_file, read_signatures
from airferry.openshift.release.keys import SHIPPED_KEYS
from airferry.openshift.release.naming import OFFICIAL_REPOSITORY
from airferry.openshift.release.signature import (
    DEFAULT_STORES,
    MAX_SIGNATURE_BYTES,
    Candidate,
    Trust,
    judge_release,
    signature_paths,
)


async def judge(
    digest: Digest,
    places: Places,
    *,
    disk: Path | None,
    stores: Sequence[str] = (),
    key_files: Sequence[Path] = (),
) -> Trust:
    """Return what the signatures of ``digest`` are worth.

    They come from ``config/`` of ``disk`` and nowhere else when a disk is given, else from ``stores`` (URLs or
    folders, by default Red Hat's). Keys are those shipped with airferry, or those in ``key_files`` instead.
    A store that cannot be reached is a reason in the outcome, not an error.
    """
    if any("@" in urlsplit(store).netloc for store in stores):
        # Said without the URL: it would show the password.
        raise UsageError("a URL of --signature-store may not hold a user or password")
    keys = [await _read_key(file) for file in key_files] or list(SHIPPED_KEYS)
    candidates: list[Candidate] = []
    failures: list[str] = []
    if disk is not None:
        candidates = await asyncio.to_thread(_from_disk, disk, digest)
    for store in () if disk is not None else stores or DEFAULT_STORES:
        try:
            candidates += await _from_store(store, digest, places)
        except AirferryError as error:
            failures.append(f"{store}: {error.message}")
        if candidates and judge_release(candidates, keys, digest, now=_now()).is_trusted:
            break
    trust = judge_release(candidates, keys, digest, now=_now())
    return replace(trust, unanswered=tuple(failures))


def published_at(trust: Trust) -> str:
    """Return the repository that a good signature names; without one, where releases usually are."""
    claims = [verdict.claim for _, verdict in trust.verdicts if verdict.trusted and verdict.claim]
    return claims[0].rpartition(":")[0] if claims else str(OFFICIAL_REPOSITORY)


def _now() -> datetime:
    return datetime.now(UTC)


async def _read_key(file: Path) -> bytes:
    try:
        return await asyncio.to_thread(file.read_bytes)
    except OSError as error:
        raise UsageError(f"--verification-key {file} cannot be read: {error.strerror}") from error


async def _from_store(store: str, digest: Digest, places: Places) -> list[Candidate]:
    found: list[Candidate] = []
    for path in signature_paths(digest):
        try:
            message = await _read_signature(store, path, places)
        except NotFoundError:
            break
        found.append(Candidate(message, f"{store.rstrip('/')}/{path}"))
    return found


async def _read_signature(store: str, path: str, places: Places) -> bytes:
    if store.startswith(("http://", "https://")):
        return await places.read_url(f"{store.rstrip('/')}/{path}", MAX_SIGNATURE_BYTES + 1)
    file = Path(store.removeprefix("file://")) / path
    try:
        return await asyncio.to_thread(_read_limited, file)
    except FileNotFoundError as error:
        raise NotFoundError(f"no signature at {file}") from error
    except OSError as error:
        raise UsageError(f"the signature store {store} cannot be read: {error.strerror}") from error


def _read_limited(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_SIGNATURE_BYTES + 1)


def _from_disk(disk: Path, digest: Digest) -> list[Candidate]:
    folder = disk / CONFIG_FOLDER
    try:
        files = sorted(file for file in folder.iterdir() if is_signature_file(file.name))
    except OSError:
        return []
    found = []
    for file in files:
        try:
            messages = read_signatures(file.read_bytes(), digest)
        except (OSError, MalformedError):
            # One spoilt file must not hide a good one; what is in it is then judged as no signature at all.
            messages = (b"",)
        found += [Candidate(message, f"{file} (signature {number})") for number, message in enumerate(messages, 1)]
    return found
