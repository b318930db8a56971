"""Programs that know nothing of airferry accept the lab as a registry and its release as images."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from airferry.lab import Policy, PublishedRelease, Upstream, make_certificates
from machine import program

from .reading import layers, manifest

pytestmark = pytest.mark.outsider


async def skopeo(*arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        program("skopeo"), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_skopeo_copies_the_release_image_through_token_and_cdn(small: PublishedRelease, store, tmp_path):
    async with Upstream(store) as upstream:
        source = f"docker://{small.reference_at(upstream.host)}"
        code, output = await skopeo("copy", "--src-tls-verify=false", source, f"dir:{tmp_path}/image")
        assert code == 0, output
        assert (tmp_path / "image" / "manifest.json").read_bytes() == store.read(small.digest)
        for layer in layers(store, small.digest):
            assert upstream.fetches(layer) == 1
        assert {"token", "cdn"} <= {entry.endpoint for entry in upstream.requests}


async def test_skopeo_copies_every_image_of_a_list_over_tls(small: PublishedRelease, store, tmp_path):
    certificates = make_certificates(tmp_path / "ca.d")
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "ca.crt").write_bytes(certificates.authority_file.read_bytes())
    digest = small.components[small.lists[0]]
    async with Upstream(store, certificates=certificates) as upstream:
        source = f"docker://{upstream.host}/{small.component_repository}@{digest}"
        options = ["--all", "--src-cert-dir", str(tmp_path / "certs")]
        code, output = await skopeo("copy", *options, source, f"dir:{tmp_path}/list")
        assert code == 0, output
    children = {child["digest"].removeprefix("sha256:") for child in manifest(store, digest)["manifests"]}
    assert {f"{child}.manifest.json" for child in children} <= {file.name for file in (tmp_path / "list").iterdir()}


async def test_skopeo_unpacks_the_layers_it_copies(small: PublishedRelease, store, tmp_path):
    digest = small.components["installer"]
    async with Upstream(store) as upstream:
        source = f"docker://{upstream.host}/{small.component_repository}@{digest}"
        code, output = await skopeo(
            "copy", "--src-tls-verify=false", "--dest-decompress", source, f"dir:{tmp_path}/plain"
        )
        assert code == 0, output
    config = json.loads(store.read(manifest(store, digest)["config"]["digest"]))
    unpacked = {diff_id.removeprefix("sha256:") for diff_id in config["rootfs"]["diff_ids"]}
    assert unpacked <= {file.name for file in (tmp_path / "plain").iterdir()}


async def test_skopeo_needs_the_password_where_one_is_needed(small: PublishedRelease, store):
    policy = Policy(anonymous_pull=False, users={"ann": "secret"})
    async with Upstream(store, policy) as upstream:
        source = f"docker://{small.reference_at(upstream.host)}"
        code, output = await skopeo("inspect", "--raw", "--tls-verify=false", source)
        assert code != 0 and "unauthorized" in output
        code, output = await skopeo("inspect", "--raw", "--tls-verify=false", "--creds", "ann:secret", source)
        assert code == 0 and json.loads(output) == manifest(store, small.digest)


def test_gpg_accepts_the_release_signature(small: PublishedRelease, tmp_path: Path):
    gpg = [program("gpg"), "--homedir", str(tmp_path), "--batch", "--no-autostart"]
    tmp_path.chmod(0o700)
    subprocess.run([*gpg, "--import", str(small.verification_key)], check=True, capture_output=True)
    signature = small.signature_store / small.digest.replace(":", "=") / "signature-1"
    done = subprocess.run([*gpg, "--status-fd", "1", "--decrypt", str(signature)], capture_output=True)
    assert b"[GNUPG:] GOODSIG" in done.stdout
    assert small.digest.encode() in done.stdout
