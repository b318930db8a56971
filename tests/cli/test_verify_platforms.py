"""``verify`` answers for the platforms of the nodes, also for images that are for one platform alone."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airferry.lab import Authentication, LabStore, Policy, Upstream
from airferry.lab.images import ImageParts, put_image, put_list
from airferry.lab.layer import File
from cli.world import World
from failures.stage import Run, Served, airferry

PATH = "org/app"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with images for one platform each, and a list."""
    folder = tmp_path_factory.mktemp("platforms")
    store = LabStore(folder / "store")

    def image(architecture: str, tag: str | None = None) -> Any:
        layer = store.put_layer(PATH, [File("etc/word", architecture.encode())])
        parts = ImageParts((layer,), {"word": architecture}, architecture)
        return put_image(store, PATH, parts, *([tag] if tag else []))

    image("amd64", "amd64")
    image("arm64", "arm64")
    image("", "unsaid")
    put_list(store, PATH, [image("amd64"), image("arm64")], "both")
    store.save()
    open_to_all = Policy(authentication=Authentication.NONE, redirects=False)
    with ExitStack() as stack:
        upstream: Served[Upstream] = Served(partial(Upstream, store, open_to_all))
        yield stack.enter_context(upstream).server.host


def ask(host: str, folder: Path, tag: str, *more: object) -> Run:
    listed, conf = folder / "images.txt", folder / "registries.conf"
    listed.write_text(f"source.example.invalid/{PATH}:{tag}\n")
    conf.write_text(
        '[[registry]]\nlocation = "source.example.invalid"\n'
        f'[[registry.mirror]]\nlocation = "{host}"\ninsecure = true\n'
    )
    return airferry("verify", "--images", listed, "--registries-conf", conf, *more)


CASES = {
    "the image is for the nodes": ("amd64", ("linux/amd64",), ""),
    "the image is for others": ("amd64", ("linux/arm64",), "wrong-platform"),
    "the image is for some of the nodes": ("arm64", ("linux/amd64", "linux/arm64"), "wrong-platform"),
    "variants that every node of the kind runs": ("arm64", ("linux/arm64/v8",), ""),
    "another system": ("amd64", ("windows/amd64",), "wrong-platform"),
    "a list for both": ("both", ("linux/amd64", "linux/arm64"), ""),
    "an image that does not say": ("unsaid", ("linux/arm64",), ""),
    "names as machines spell them": ("arm64", ("linux/aarch64",), ""),
}


@pytest.mark.parametrize("name", CASES)
def test_an_image_for_one_platform_must_be_for_that_of_the_nodes(name: str, lab: str, tmp_path: Path) -> None:
    tag, platforms, code = CASES[name]
    words = [word for platform in platforms for word in ("--platform", platform)]
    run = ask(lab, tmp_path, tag, *words, "-o", "json")
    [image] = json.loads(run.out)["images"]
    assert (run.code, image["code"]) == (1 if code else 0, code), image
    if code:
        assert f"is for linux/{tag}, not for " in image["reason"] and "--platform" in image["fix"]


def config(folder: Path, world: World, control: str | None, compute: str | None, replicas: int = 3) -> Path:
    """An install-config whose pools say their architecture, or not."""
    file = folder / "install-config.yaml"
    sources = (world.files / "install-config-imageDigestSources.yaml").read_text()
    bundle = "".join(f"  {line}\n" for line in world.mirror.authority.read_text().splitlines())
    secret = json.dumps(json.loads(world.mirror.auth_file.read_text()))
    pools = [f"  architecture: {word}\n" if word else "" for word in (control, compute)]
    file.write_text(
        f"apiVersion: v1\nbaseDomain: example.com\npullSecret: '{secret}'\n{sources}additionalTrustBundle: |\n{bundle}"
        f"controlPlane:\n  name: master\n{pools[0]}compute:\n- name: worker\n  replicas: {replicas}\n{pools[1]}"
    )
    return file


POOLS: dict[str, tuple[str | None, str | None, int, list[str]]] = {
    "none says": (None, None, 3, ["linux/amd64"]),
    "both say the same": ("amd64", "amd64", 3, ["linux/amd64"]),
    "they differ": ("amd64", "arm64", 3, ["linux/amd64", "linux/arm64"]),
    "only the workers say": (None, "s390x", 3, ["linux/amd64", "linux/s390x"]),
    "there are no workers": ("amd64", "arm64", 0, ["linux/amd64"]),
}


@pytest.mark.parametrize("name", POOLS)
def test_the_pools_of_an_install_config_give_the_platforms(name: str, world: World, tmp_path: Path) -> None:
    control, compute, replicas, platforms = POOLS[name]
    file = config(tmp_path, world, control, compute, replicas)
    release = f"quay.io/{world.release.release_repository}@{world.release.digest}"
    run = airferry("verify", "--release", release, "--arch", "amd64", "--install-config", file, "-o", "json")
    assert json.loads(run.out)["platforms"] == platforms
    assert run.code == (0 if platforms == ["linux/amd64"] else 1)
    given = airferry("verify", "--release", release, "--install-config", file, "--platform", "linux/amd64")
    assert given.code == 0


def test_a_bare_version_is_that_for_the_pools(world: World, tmp_path: Path) -> None:
    for control, compute, word in (("s390x", "s390x", "s390x"), ("amd64", "arm64", "multi")):
        file = config(tmp_path, world, control, compute)
        run = airferry("verify", "--release", world.version, "--install-config", file, "-o", "json")
        image = json.loads(run.out)["images"][0]
        assert image["image"].endswith(f"{world.version}-{word}") and image["code"] == "no-manifest"
        assert f"--arch {word} " in image["fix"]


def test_a_pool_for_an_unknown_architecture_is_refused_by_its_name(world: World, tmp_path: Path) -> None:
    file = config(tmp_path, world, "amd64", "riscv")
    run = airferry("verify", "--release", world.version, "--install-config", file)
    run.refused("malformed", str(file), "compute[0].architecture", "riscv", hint="amd64, arm64")
