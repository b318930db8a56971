"""Two registries that speak the same protocol: ours, and Debian's docker-registry."""

import hashlib
import json
import os
import re
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from airferry.lab import Certificates
from cli.world import OurRegistry
from machine import program

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


@dataclass(frozen=True)
class Fetched:
    raw: bytes
    media_type: str

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.raw).hexdigest()}"


@dataclass(frozen=True)
class Walk:
    """Everything that a tag leads to: manifests with their media types, blobs that are there, what refers to what."""

    root: str
    manifests: dict[str, str]
    blobs: frozenset[str]
    referrers: dict[str, frozenset[str]]


@dataclass(frozen=True)
class Registry:
    """A registry as a stranger sees it, by plain HTTP requests."""

    host: str
    authority: Path | None = None
    user: str | None = None

    def get(self, path: str, method: str = "GET") -> Fetched:
        """Fetch a path below ``/v2/``. Raises urllib's HTTPError."""
        headers = {"Accept": ACCEPT}
        if self.user is not None:
            headers["Authorization"] = f"Basic {b64encode(self.user.encode()).decode()}"
        scheme, context = "http", None
        if self.authority is not None:
            scheme, context = "https", ssl.create_default_context(cafile=str(self.authority))
        request = urllib.request.Request(f"{scheme}://{self.host}/v2/{path}", headers=headers, method=method)
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            return Fetched(answer.read(), answer.headers.get("Content-Type", ""))

    def manifest(self, repository: str, target: str) -> Fetched:
        return self.get(f"{repository}/manifests/{target}")

    def blob(self, repository: str, digest: str) -> bytes:
        return self.get(f"{repository}/blobs/{digest}").raw

    def tags(self, repository: str) -> list[str]:
        return sorted(json.loads(self.get(f"{repository}/tags/list").raw)["tags"])

    def walk(self, repository: str, tag: str) -> Walk:
        """Follow a tag to everything below it, and to what refers to that, checking every digest."""
        top = self.manifest(repository, tag)
        manifests: dict[str, str] = {}
        blobs: set[str] = set()
        referrers: dict[str, frozenset[str]] = {}
        waiting = [top.digest]
        while waiting:
            digest = waiting.pop()
            if digest in manifests:
                continue
            fetched = self.manifest(repository, digest)
            assert fetched.digest == digest
            manifests[digest] = fetched.media_type
            fields = json.loads(fetched.raw)
            waiting += [child["digest"] for child in fields.get("manifests", ())]
            for blob in (*fields.get("layers", ()), *filter(None, [fields.get("config")])):
                assert f"sha256:{hashlib.sha256(self.blob(repository, blob['digest'])).hexdigest()}" == blob["digest"]
                blobs.add(blob["digest"])
            found = self.referrers(repository, digest)
            if found:
                referrers[digest] = found
                waiting += found
        return Walk(top.digest, manifests, frozenset(blobs), referrers)

    def referrers(self, repository: str, digest: str) -> frozenset[str]:
        """Ask the referrers API, or where there is none read the tag that stands in for it."""
        try:
            raw = self.get(f"{repository}/referrers/{digest}").raw
        except urllib.error.HTTPError as error:
            assert error.code == 404, error
            try:
                raw = self.manifest(repository, digest.replace(":", "-")).raw
            except urllib.error.HTTPError:
                return frozenset()
        return frozenset(entry["digest"] for entry in json.loads(raw).get("manifests", ()))


@contextmanager
def ours(folder: Path) -> Iterator[Registry]:
    """Serve a registry of ours without TLS and users."""
    with OurRegistry(folder / "our-registry", use_tls=False, use_auth=False) as running:
        yield Registry(running.host)


@contextmanager
def docker_registry(
    folder: Path,
    *,
    certificates: Certificates | None = None,
    password_file: Path | None = None,
    user: str | None = None,
    address: str | None = None,
    within: tuple[str, ...] = (),
    deletes: bool = True,
) -> Iterator[Registry]:
    """Serve Debian's docker-registry from ``folder``: plain, or with TLS, or with an htpasswd file.

    It serves at localhost, or at ``address`` of the host on which the command ``within`` runs others.
    """
    storage = folder / "docker-registry"
    storage.mkdir(parents=True)
    listen = f"{address or '127.0.0.1'}:0"
    settings: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage / "data")}, "delete": {"enabled": deletes}},
        "http": {"addr": listen},
    }
    if certificates is not None:
        tls = {"certificate": str(certificates.certificate_file), "key": str(certificates.key_file)}
        settings["http"] = {"addr": listen, "tls": tls}
    if password_file is not None:
        settings["auth"] = {"htpasswd": {"realm": "lab", "path": str(password_file)}}
    config = storage / "config.yml"
    config.write_text(json.dumps(settings))  # JSON is YAML
    command = [*within, program("docker-registry"), "serve", str(config)]
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stderr is not None
        said: list[bytes] = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(rb"listening on .*:(\d+)", line):
                break
        else:
            pytest.fail(b"".join(said).decode())
        # It stops when nobody reads what it logs.
        reader = threading.Thread(target=process.stderr.read, daemon=True)
        reader.start()
        authority = certificates.authority_file if certificates is not None else None
        try:
            yield Registry(f"{address or 'localhost'}:{found[1].decode()}", authority, user)
        finally:
            process.terminate()
            reader.join()
