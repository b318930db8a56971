"""Real clients of the field, through TLS with a user: skopeo and podman."""

import asyncio
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airferry.oci import Digest
from airferry.oci.mediatype import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST
from airferry.registry import Settings, init, serve

pytestmark = pytest.mark.outsider


@dataclass(frozen=True)
class Outside:
    """What a client on another machine has: the address, the CA, a login, and a folder to work in."""

    host: str
    certs: Path
    authfile: Path
    folder: Path
    short: str  # podman takes no runroot of more than 50 characters

    async def run(self, *command: str) -> str:
        if shutil.which(command[0]) is None:
            if "CI" in os.environ:
                pytest.fail(f"{command[0]} is not installed")
            pytest.skip(f"{command[0]} is not installed")
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode()

    async def skopeo(self, action: str, *rest: str, sides: tuple[str, ...] = ("",)) -> str:
        options = [f"--{side}cert-dir={self.certs}" for side in sides]
        policy = ["--insecure-policy"]
        return await self.run("skopeo", *policy, action, f"--authfile={self.authfile}", *options, *rest)

    async def podman(self, action: str, *rest: str) -> str:
        places = [f"--root={self.short}/r", f"--runroot={self.short}/rr", "--storage-driver=vfs"]
        policy = self.folder / "policy.json"
        policy.write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
        access = [f"--authfile={self.authfile}", f"--cert-dir={self.certs}", f"--signature-policy={policy}"]
        return await self.run("podman", *places, action, *(access if action in ("pull", "push") else []), *rest)


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Outside]:
    root, certs = tmp_path / "registry", tmp_path / "certs"
    init(root, ["localhost", "127.0.0.1"], user="ops", password="crossing the gap")
    certs.mkdir()
    shutil.copy(root / "ca.crt", certs / "ca.crt")
    async with serve(Settings.read(root, listen="127.0.0.1:0")) as running:
        host = f"localhost:{running.port}"
        authfile = tmp_path / "auth.json"
        authfile.write_text(json.dumps({"auths": {host: {"auth": "b3BzOmNyb3NzaW5nIHRoZSBnYXA="}}}))
        with tempfile.TemporaryDirectory(prefix="af-", ignore_cleanup_errors=True) as short:
            yield Outside(host, certs, authfile, tmp_path, short)


def oci_layout(folder: Path, architectures: tuple[str, ...]) -> Digest:
    """Write an index of small images, and return its digest."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def add(content: bytes, kind: str, **more: object) -> dict[str, object]:
        digest = Digest.of(content)
        (blobs / digest.hex).write_bytes(content)
        return {"mediaType": kind, "digest": digest, "size": len(content), **more}

    children = []
    for architecture in architectures:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            entry = tarfile.TarInfo(f"etc/{architecture}")
            entry.size = 300_000
            tar.addfile(entry, io.BytesIO(os.urandom(entry.size)))
        diff_id = "sha256:" + hashlib.sha256(packed.getvalue()).hexdigest()
        config = {"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": add(json.dumps(config | {"config": {}}).encode(), OCI_CONFIG),
            "layers": [add(gzip.compress(packed.getvalue()), OCI_LAYER_GZIP)],
        }
        platform = {"architecture": architecture, "os": "linux"}
        children.append(add(json.dumps(manifest).encode(), OCI_MANIFEST, platform=platform))
    raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}).encode()
    top = add(raw, OCI_INDEX)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    return Digest.of(raw)


async def test_skopeo_pushes_and_pulls_a_multi_arch_image_and_every_digest_stays(outside: Outside) -> None:
    digest = oci_layout(outside.folder / "in", ("amd64", "arm64"))
    image = f"docker://{outside.host}/a/very/deep/name/of/blobs/manifests"
    await outside.skopeo("copy", "--all", f"oci:{outside.folder}/in", f"{image}:v1", sides=("dest-",))
    assert (await outside.skopeo("inspect", "--format={{.Digest}}", f"{image}:v1")).strip() == digest
    await outside.skopeo("copy", "--all", f"{image}@{digest}", f"oci:{outside.folder}/out", sides=("src-",))
    for file in (outside.folder / "in" / "blobs" / "sha256").iterdir():
        assert (outside.folder / "out" / "blobs" / "sha256" / file.name).read_bytes() == file.read_bytes()
    tags = json.loads(await outside.skopeo("list-tags", image))
    assert tags["Tags"] == ["v1"]


async def test_skopeo_pushes_by_digest_without_a_tag(outside: Outside) -> None:
    digest = oci_layout(outside.folder / "in", ("amd64", "s390x"))
    image = f"docker://{outside.host}/untagged"
    await outside.skopeo("copy", "--all", f"oci:{outside.folder}/in", f"{image}@{digest}", sides=("dest-",))
    assert json.loads(await outside.skopeo("list-tags", image))["Tags"] == []
    assert (await outside.skopeo("inspect", "--format={{.Digest}}", f"{image}@{digest}")).strip() == digest


async def test_skopeo_copies_between_repositories_and_deletes(outside: Outside) -> None:
    oci_layout(outside.folder / "in", ("amd64",))
    first, second = (f"docker://{outside.host}/{name}:t" for name in ("one", "two"))
    await outside.skopeo("copy", "--all", f"oci:{outside.folder}/in", first, sides=("dest-",))
    await outside.skopeo("copy", "--all", first, second, sides=("src-", "dest-"))
    await outside.skopeo("delete", second)
    await outside.skopeo("inspect", first)
    with pytest.raises(AssertionError, match=r"manifest unknown|no manifest"):
        await outside.skopeo("inspect", second)


async def test_podman_pulls_by_digest_and_pushes(outside: Outside) -> None:
    digest = oci_layout(outside.folder / "in", ("amd64", "arm64"))
    image = f"{outside.host}/team/app"
    await outside.skopeo("copy", "--all", f"oci:{outside.folder}/in", f"docker://{image}:v1", sides=("dest-",))
    await outside.podman("pull", "--arch=arm64", "-q", f"{image}@{digest}")
    await outside.podman("push", "-q", f"{image}@{digest}", f"docker://{image}-again:pushed")
    inspected = json.loads(await outside.skopeo("inspect", f"docker://{image}-again:pushed", "--override-arch=arm64"))
    assert inspected["Architecture"] == "arm64"


async def test_without_the_ca_or_the_user_nobody_gets_in(outside: Outside) -> None:
    oci_layout(outside.folder / "in", ("amd64",))
    target = f"docker://{outside.host}/a:t"
    outside.authfile.write_text("{}")
    with pytest.raises(AssertionError, match=r"unauthorized|authentication required"):
        await outside.skopeo("copy", f"oci:{outside.folder}/in", target, sides=("dest-",))
    (outside.certs / "ca.crt").unlink()
    with pytest.raises(AssertionError, match="x509"):
        await outside.skopeo("copy", f"oci:{outside.folder}/in", target, sides=("dest-",))
