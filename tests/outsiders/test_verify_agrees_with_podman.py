"""``airferry verify`` says yes where podman pulls and no where it fails: the same files, nothing reaches the upstream.

Every case is a set-up as an administrator might leave it. "Cannot tell" counts as a disagreement.
"""

import base64
import json
import ssl
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airferry.lab import Authentication, Flaw, LabStore, Policy, Upstream, make_certificates
from airferry.lab.images import BuiltImage, ImageParts, put_image, put_list
from airferry.lab.layer import File
from airferry.openshift.cluster import (
    MirrorEntry,
    MirrorKind,
    MirrorSet,
    SourcePolicy,
    print_registries_conf,
    pull_rules,
)
from cli.world import OurRegistry, nothing_listens
from failures.stage import Mirror, Served, airferry

from .registries import docker_registry
from .strangers import Podman, run

pytestmark = pytest.mark.outsider

SOURCE = "source.example.invalid"
PATH = "org/app"
NAME = f"{SOURCE}/{PATH}"


@dataclass(frozen=True)
class Images:
    """What was published: images, a list of two platforms, and one for another platform alone."""

    store: LabStore
    app: BuiltImage
    listed: str
    children: tuple[BuiltImage, BuiltImage]
    lost: BuiltImage
    spoilt: BuiltImage
    bent: BuiltImage

    def blobs(self, digest: str) -> tuple[str, str]:
        """Return config and layer of an image."""
        fields = json.loads(self.store.read(digest))
        return fields["config"]["digest"], fields["layers"][0]["digest"]


def publish(folder: Path) -> Images:
    """Make the images in a store."""
    store = LabStore(folder)

    def image(word: str, architecture: str = "amd64", *, oci: bool = True, tag: str | None = None) -> BuiltImage:
        layer = store.put_layer(PATH, [File("etc/word", word.encode())])
        parts = ImageParts((layer,), {"word": word}, architecture, oci)
        return put_image(store, PATH, parts, *([tag] if tag else []))

    app = image("app", tag="app")
    children = (image("left", oci=False), image("right", "arm64", oci=False))
    listed = put_list(store, PATH, children, "listed")
    put_list(store, PATH, [image("elsewhere", "s390x")], "foreign")
    image("arm", "arm64", tag="arm")
    put_odd(store, app, "chart", "application/vnd.cncf.helm.config.v1+json", b"{}")
    put_odd(store, app, "garbled", "application/vnd.oci.image.config.v1+json", b"no JSON at all")
    put_odd(store, app, "mixed", "application/vnd.docker.container.image.v1+json")
    put_layer_type(store, children[0], "docker-zstd", "application/vnd.docker.image.rootfs.diff.tar.zstd")
    put_layer_type(store, children[0], "docker-oci", "application/vnd.oci.image.layer.v1.tar+gzip")
    put_odd(store, children[0], "docker-odd", "application/vnd.example.odd+json")
    bad = put_odd(store, children[0], "docker-garbled", "application/vnd.docker.container.image.v1+json", b"no JSON")
    put_list(store, PATH, [bad], "bad-child")
    lost, spoilt, bent = (image(word, tag=word) for word in ("lost", "spoilt", "bent"))
    store.save()
    return Images(store, app, listed, children, lost, spoilt, bent)


def put_odd(store: LabStore, like: BuiltImage, tag: str, kind: str, config: bytes | None = None) -> BuiltImage:
    """Publish an image like another one whose configuration is of another type, or is another."""
    fields = json.loads(store.read(like.digest))
    content = config or store.read(fields["config"]["digest"])
    fields["config"] = {"mediaType": kind, "digest": str(store.put_blob(PATH, content)), "size": len(content)}
    manifest = json.dumps(fields).encode()
    digest = store.put_manifest(PATH, manifest, like.media_type, tag)
    return replace(like, digest=digest, size_bytes=len(manifest))


def put_layer_type(store: LabStore, like: BuiltImage, tag: str, kind: str) -> None:
    """Publish an image like another one whose layers are said to be of another type."""
    fields = json.loads(store.read(like.digest))
    for layer in fields["layers"]:
        layer["mediaType"] = kind
    store.put_manifest(PATH, json.dumps(fields).encode(), like.media_type, tag)


@dataclass(frozen=True)
class Door:
    """A mirror registry: how to reach it as a node does."""

    host: str
    authority: Path
    user: str | None = None

    def at(self, path: str) -> str:
        return f"{self.host}/{path}"

    @property
    def auths(self) -> dict[str, Any]:
        if self.user is None:
            return {}
        return {self.host: {"auth": base64.b64encode(self.user.encode()).decode()}}

    def delete(self, path: str) -> None:
        """Take something out by the registry's own API."""
        request = urllib.request.Request(f"https://{self.host}/v2/{path}", method="DELETE")
        assert self.user is not None
        request.add_header("Authorization", f"Basic {base64.b64encode(self.user.encode()).decode()}")
        context = ssl.create_default_context(cafile=str(self.authority))
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            assert answer.status == 202


@dataclass(frozen=True)
class Bench:
    """All mirrors, loaded and broken; the upstream is stopped."""

    images: Images
    ours: Door
    docker: Door
    flawed: Mapping[Flaw, Door]
    plain: Door
    nowhere: str
    folder: Path

    @property
    def mirrors(self) -> dict[str, Door]:
        return {"ours": self.ours, "docker-registry": self.docker}


@dataclass(frozen=True)
class Case:
    """What a node is given, and which image it pulls."""

    image: str
    sets: tuple[MirrorSet, ...]
    doors: tuple[Door, ...]
    blocked: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    authority: Path | None = None
    auths: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    by_hand: str | None = None
    deep: bool = False


def idms(*entries: MirrorEntry) -> MirrorSet:
    return MirrorSet(MirrorKind.IDMS, entries, "digests")


def itms(*entries: MirrorEntry) -> MirrorSet:
    return MirrorSet(MirrorKind.ITMS, entries, "tags")


def entry(source: str, *mirrors: str, never: bool = False) -> MirrorEntry:
    return MirrorEntry(source, mirrors, SourcePolicy.NEVER if never else None)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
            patch.setenv(name, str(folder))
        images = publish(folder / "store")
        registry = stack.enter_context(OurRegistry(folder / "ours"))
        ours = Door(registry.host, registry.authority, f"admin:{registry.password}")
        made = run("htpasswd", "-nbB", "ann", "secret").done()
        (folder / "htpasswd").write_text(made.out)
        tls = make_certificates(folder / "docker-tls")
        running = stack.enter_context(
            docker_registry(folder / "docker", certificates=tls, password_file=folder / "htpasswd", user="ann:secret")
        )
        docker = Door(running.host, tls.authority_file, "ann:secret")
        flawed: dict[Flaw, Door] = {}
        for flaw in (Flaw.EXPIRED, Flaw.NO_SAN, Flaw.WRONG_HOST, Flaw.SELF_SIGNED, Flaw.NONE):
            certificates = make_certificates(folder / f"tls-{flaw}", flaw)
            mirror = stack.enter_context(Mirror(folder / f"mirror-{flaw}", certificates))
            flawed[flaw] = Door(f"localhost:{mirror.host.rpartition(':')[2]}", certificates.authority_file)
        open_mirror = stack.enter_context(Mirror(folder / "plain"))
        plain = Door(f"localhost:{open_mirror.host.rpartition(':')[2]}", tls.authority_file)
        load(images, (ours, docker), (*flawed.values(), plain), folder)
        for file in (folder / "docker").rglob(f"*{images.bent.digest.removeprefix('sha256:')}*"):
            spoil(content_of(file))
        for root in ("ours", "docker"):
            for file in (folder / root).rglob(f"*{images.blobs(images.lost.digest)[1].removeprefix('sha256:')}*"):
                content_of(file).unlink(missing_ok=True)
            for file in (folder / root).rglob(f"*{images.blobs(images.spoilt.digest)[1].removeprefix('sha256:')}*"):
                spoil(content_of(file))
        nowhere = stack.enter_context(nothing_listens())
        patch.undo()
        yield Bench(images, ours, docker, flawed, plain, nowhere, folder)


WHOLE, BELOW, SAME = "ocp/whole", "ocp/sub/app", PATH
NO_LAYER, NO_CONFIG, NO_CHILD = "ocp/no-layer", "ocp/no-config", "ocp/no-child"


def content_of(file: Path) -> Path:
    """Return the file with the bytes of a blob: docker-registry keeps them in a folder named for the digest."""
    return file / "data" if file.is_dir() else file


def spoil(file: Path) -> None:
    """Change a byte in the middle, as a disk does; links of docker-registry are left alone."""
    if file.is_file():
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.chmod(0o600)
        file.write_bytes(content)


def load(images: Images, guarded: tuple[Door, ...], flawed: tuple[Door, ...], folder: Path) -> None:
    """Fill every mirror from the upstream, then stop it and break what is to be broken."""
    open_to_all = Policy(authentication=Authentication.NONE, redirects=False)
    upstream: Served[Upstream] = Served(partial(Upstream, images.store, open_to_all))
    auth = folder / "load.json"
    auth.write_text(json.dumps({"auths": {key: value for door in guarded for key, value in door.auths.items()}}))
    with upstream:
        here = upstream.server.host
        for door in (*guarded, *flawed):
            paths = (WHOLE, BELOW, SAME, NO_LAYER, NO_CONFIG, NO_CHILD) if door in guarded else (WHOLE,)
            for path in paths:
                for tag in (
                    "app",
                    "arm",
                    "chart",
                    "garbled",
                    "mixed",
                    "docker-odd",
                    "docker-zstd",
                    "docker-oci",
                    "bad-child",
                    "listed",
                    "foreign",
                    "lost",
                    "spoilt",
                    "bent",
                ):
                    to = (f"{here}/{PATH}:{tag}", f"{door.at(path)}:{tag}")
                    airferry("image", "copy", *to, "--insecure", "--dest-registry-config", auth).done()
    config, layer = images.blobs(images.app.digest)
    for door in guarded:
        door.delete(f"{NO_LAYER}/blobs/{layer}")
        door.delete(f"{NO_CONFIG}/blobs/{config}")
        door.delete(f"{NO_CHILD}/manifests/{images.children[0].digest}")


def by_digest(bench: Bench) -> str:
    return f"{NAME}@{bench.images.app.digest}"


def simple(door: Door, image: str, path: str = WHOLE, **more: Any) -> Case:
    """One mirror for one repository, for digests and tags."""
    return Case(image, (idms(entry(NAME, door.at(path))), itms(entry(NAME, door.at(path)))), (door,), **more)


def two(bench: Bench, first: str, second: str, **more: Any) -> Case:
    return Case(by_digest(bench), (idms(entry(NAME, first, second)),), (bench.ours, bench.docker), **more)


def at(bench: Bench, flaw: Flaw, **more: Any) -> Case:
    return simple(bench.flawed[flaw], by_digest(bench), **more)


def bundle(bench: Bench) -> Path:
    """Return a bundle as people put one together."""
    file = bench.folder / "bundle.pem"
    others = bench.docker.authority.read_bytes()
    file.write_bytes("# Die CA der Behörde\n".encode() + others + b"\r\nours:\r\n" + bench.ours.authority.read_bytes())
    return file


def glued(bench: Bench) -> Path:
    """Return a bundle made with cat, of files whose last line has no end."""
    file = bench.folder / "glued.pem"
    file.write_bytes(bench.docker.authority.read_bytes().strip() + bench.ours.authority.read_bytes())
    return file


def marked(bench: Bench) -> Path:
    """Return a CA that an editor has put a byte order mark before."""
    file = bench.folder / "marked.pem"
    file.write_bytes(b"\xef\xbb\xbf" + bench.ours.authority.read_bytes())
    return file


def blanks(bench: Bench) -> Path:
    """Return a CA whose lines end in blanks, with empty ones between them, which does no harm."""
    file = bench.folder / "blanks.pem"
    file.write_bytes(b"".join(line + b" \n\n" for line in bench.ours.authority.read_bytes().splitlines()))
    return file


def tables(*written: tuple[str, str, str]) -> str:
    """Write registries.conf by hand: of each table the head, more of its lines, and a mirror."""
    return "".join(
        f'[[registry]]\n{head}\n{more}[[registry.mirror]]\nlocation = "{mirror}"\n' for head, more, mirror in written
    )


def in_the_open(door: Door) -> dict[str, str]:
    assert door.user is not None
    user, _, password = door.user.partition(":")
    return {"username": user, "password": password}


def wrapped(door: Door) -> str:
    auth: str = door.auths[door.host]["auth"]
    return f"{auth[:8]}\n{auth[8:]}\n"


def wrong_password(door: Door) -> dict[str, Any]:
    return {door.host: {"auth": base64.b64encode(b"admin:wrong").decode()}}


BOTH: dict[str, tuple[str, Callable[[Bench, Door], Case]]] = {
    "all is there, by digest": ("", lambda bench, door: simple(door, by_digest(bench))),
    "all is there, by tag": ("", lambda bench, door: simple(door, f"{NAME}:app")),
    "a list, by digest": ("", lambda bench, door: simple(door, f"{NAME}@{bench.images.listed}")),
    "a list, by tag": ("", lambda bench, door: simple(door, f"{NAME}:listed")),
    "a layer is missing": ("no-blob", lambda bench, door: simple(door, by_digest(bench), NO_LAYER)),
    "the configuration is missing": ("no-blob", lambda bench, door: simple(door, by_digest(bench), NO_CONFIG)),
    "the child for the platform is missing": (
        "no-child",
        lambda bench, door: simple(door, f"{NAME}@{bench.images.listed}", NO_CHILD),
    ),
    "the list is for another platform": ("no-platform", lambda bench, door: simple(door, f"{NAME}:foreign")),
    "an artifact, and no image": ("not-an-image", lambda bench, door: simple(door, f"{NAME}:chart")),
    "an OCI manifest with Docker's configuration": (
        "not-an-image",
        lambda bench, door: simple(door, f"{NAME}:mixed"),
    ),
    "a Docker manifest with a configuration of an odd type": (
        "",
        lambda bench, door: simple(door, f"{NAME}:docker-odd"),
    ),
    "a Docker manifest with a layer of zstd": ("not-an-image", lambda bench, door: simple(door, f"{NAME}:docker-zstd")),
    "a Docker manifest with a layer of OCI's type": (
        "not-an-image",
        lambda bench, door: simple(door, f"{NAME}:docker-oci"),
    ),
    "the configuration of a list's child is not JSON": (
        "bad-blob",
        lambda bench, door: simple(door, f"{NAME}:bad-child"),
    ),
    "the configuration is not JSON": ("bad-blob", lambda bench, door: simple(door, f"{NAME}:garbled")),
    "no such digest": ("no-manifest", lambda bench, door: simple(door, f"{NAME}@sha256:{'0' * 64}")),
    "no such tag": ("no-manifest", lambda bench, door: simple(door, f"{NAME}:nothing")),
    "no such repository": ("no-manifest", lambda bench, door: simple(door, by_digest(bench), "ocp/nothing")),
    "no credential": ("no-credential", lambda bench, door: simple(door, by_digest(bench), auths={"else.where": {}})),
    "a wrong password": (
        "refused-credential",
        lambda bench, door: simple(door, by_digest(bench), auths=wrong_password(door)),
    ),
    "a credential for the path alone": (
        "",
        lambda bench, door: simple(door, by_digest(bench), auths={door.at(WHOLE): door.auths[door.host]}),
    ),
    "a credential for another path": (
        "no-credential",
        lambda bench, door: simple(door, by_digest(bench), auths={door.at(NO_LAYER): door.auths[door.host]}),
    ),
    "a credential under a URL": (
        "",
        lambda bench, door: simple(door, by_digest(bench), auths={f"https://{door.host}/v1/": door.auths[door.host]}),
    ),
    "a credential for the host without its port": (
        "no-credential",
        lambda bench, door: simple(door, by_digest(bench), auths={"localhost": door.auths[door.host]}),
    ),
    "a mirror that is a host alone": (
        "",
        lambda bench, door: Case(by_digest(bench), (idms(entry(SOURCE, door.host)),), (door,)),
    ),
    "a wrong password for the path hides the right one": (
        "refused-credential",
        lambda bench, door: simple(
            door, by_digest(bench), auths={**door.auths, door.at(WHOLE): wrong_password(door)[door.host]}
        ),
    ),
    "a layer's file is gone from the registry's disk": ("no-blob", lambda bench, door: simple(door, f"{NAME}:lost")),
    "a layer's file is damaged on the registry's disk": (
        "bad-blob",
        lambda bench, door: simple(door, f"{NAME}:spoilt", deep=True),
    ),
    "all is there, and is hashed": ("", lambda bench, door: simple(door, by_digest(bench), deep=True)),
    "an entry for the path without a credential hides that of the host": (
        "no-credential",
        lambda bench, door: simple(door, by_digest(bench), auths={**door.auths, door.at(WHOLE): {}}),
    ),
    "user and password without auth": (
        "no-credential",
        lambda bench, door: simple(door, by_digest(bench), auths={door.host: in_the_open(door)}),
    ),
    "an auth on several lines, as base64 prints long ones": (
        "",
        lambda bench, door: simple(door, by_digest(bench), auths={door.host: {"auth": wrapped(door)}}),
    ),
    "an auth that begins with a blank": (
        "malformed",
        lambda bench, door: simple(door, by_digest(bench), auths={door.host: {"auth": f" {wrapped(door)}"}}),
    ),
    "an entry of another host that is null": (
        "",
        lambda bench, door: simple(door, by_digest(bench), auths={**door.auths, "other.example.com": None}),
    ),
    "an unknown CA": (
        "unknown-ca",
        lambda bench, door: simple(door, by_digest(bench), authority=bench.flawed[Flaw.NONE].authority),
    ),
}
"""Cases that are tried against our registry and against Debian's."""

RULES: dict[str, tuple[str, Callable[[Bench], Case]]] = {
    "a good certificate": ("", lambda bench: at(bench, Flaw.NONE)),
    "an expired certificate": ("certificate-out-of-date", lambda bench: at(bench, Flaw.EXPIRED)),
    "a certificate without SAN": ("wrong-name-in-certificate", lambda bench: at(bench, Flaw.NO_SAN)),
    "a certificate for another host": ("wrong-name-in-certificate", lambda bench: at(bench, Flaw.WRONG_HOST)),
    "a certificate that is its own CA": ("", lambda bench: at(bench, Flaw.SELF_SIGNED)),
    "an expired certificate, and insecure": (
        "",
        lambda bench: at(bench, Flaw.EXPIRED, insecure=(bench.flawed[Flaw.EXPIRED].host,)),
    ),
    "plain HTTP": ("not-tls", lambda bench: simple(bench.plain, by_digest(bench))),
    "plain HTTP, and insecure": (
        "",
        lambda bench: simple(bench.plain, by_digest(bench), insecure=(bench.plain.host,)),
    ),
    "a CA bundle with remarks and a CA of others": (
        "",
        lambda bench: simple(bench.ours, by_digest(bench), authority=bundle(bench)),
    ),
    "a CA bundle of files that were joined in the middle of a line": (
        "malformed",
        lambda bench: simple(bench.ours, by_digest(bench), authority=glued(bench)),
    ),
    "a CA after a byte order mark": (
        "malformed",
        lambda bench: simple(bench.ours, by_digest(bench), authority=marked(bench)),
    ),
    "a CA with blanks and empty lines": (
        "",
        lambda bench: simple(bench.ours, by_digest(bench), authority=blanks(bench)),
    ),
    "the first mirror gives a damaged manifest, and the next one is whole": (
        "bad-manifest",
        lambda bench: Case(
            f"{NAME}@{bench.images.bent.digest}",
            (idms(entry(NAME, bench.docker.at(WHOLE), bench.ours.at(WHOLE))),),
            (bench.ours, bench.docker),
        ),
    ),
    "an unknown CA, and insecure": (
        "",
        lambda bench: simple(
            bench.ours,
            by_digest(bench),
            insecure=(bench.ours.host,),
            authority=bench.flawed[Flaw.NONE].authority,
        ),
    ),
    "the mirror's host is blocked": (
        "blocked",
        lambda bench: simple(bench.ours, by_digest(bench), blocked=(bench.ours.host,)),
    ),
    "the mirror's repository is blocked": (
        "blocked",
        lambda bench: simple(bench.ours, by_digest(bench), blocked=(bench.ours.at(WHOLE),)),
    ),
    "a neighbour of the mirror's repository is blocked": (
        "",
        lambda bench: simple(bench.ours, by_digest(bench), blocked=(bench.ours.at("ocp/who"),)),
    ),
    "the source is blocked": ("", lambda bench: simple(bench.ours, by_digest(bench), blocked=(SOURCE,))),
    "never contact the source": (
        "",
        lambda bench: Case(by_digest(bench), (idms(entry(NAME, bench.ours.at(WHOLE), never=True)),), (bench.ours,)),
    ),
    "digest mirrors do not serve a tag": (
        "not-mirrored-by-tag",
        lambda bench: Case(f"{NAME}:app", (idms(entry(NAME, bench.ours.at(WHOLE))),), (bench.ours,)),
    ),
    "tag mirrors do not serve a digest": (
        "not-mirrored-by-digest",
        lambda bench: Case(by_digest(bench), (itms(entry(NAME, bench.ours.at(WHOLE))),), (bench.ours,)),
    ),
    "tag mirrors serve a tag": (
        "",
        lambda bench: Case(f"{NAME}:app", (itms(entry(NAME, bench.ours.at(WHOLE))),), (bench.ours,)),
    ),
    "a tag and a digest count as a digest": (
        "not-mirrored-by-digest",
        lambda bench: Case(
            f"{NAME}:app@{bench.images.app.digest}", (itms(entry(NAME, bench.ours.at(WHOLE))),), (bench.ours,)
        ),
    ),
    "a narrow digest set hides a wide tag set": (
        "hidden-by-narrower-rule",
        lambda bench: Case(
            f"{NAME}:app",
            (idms(entry(NAME, bench.ours.at(WHOLE))), itms(entry(f"{SOURCE}/org", bench.ours.at("ocp")))),
            (bench.ours,),
        ),
    ),
    "a narrow tag set hides a wide digest set": (
        "hidden-by-narrower-rule",
        lambda bench: Case(
            by_digest(bench),
            (itms(entry(NAME, bench.ours.at(WHOLE))), idms(entry(SOURCE, bench.ours.at("ocp")))),
            (bench.ours,),
        ),
    ),
    "no rule at all": ("no-mirror-rule", lambda bench: Case(by_digest(bench), (), (bench.ours,))),
    "a rule for a neighbour": (
        "no-mirror-rule",
        lambda bench: Case(by_digest(bench), (idms(entry(f"{SOURCE}/org/ap", bench.ours.at(WHOLE))),), (bench.ours,)),
    ),
    "the narrow rule of two counts": (
        "no-manifest",
        lambda bench: Case(
            by_digest(bench),
            (idms(entry(f"{SOURCE}/org", bench.ours.at("org")), entry(NAME, bench.ours.at("ocp/nothing"))),),
            (bench.ours,),
        ),
    ),
    "the first mirror cannot be reached": ("", lambda bench: two(bench, f"{bench.nowhere}/x", bench.ours.at(WHOLE))),
    "the first mirror has no such name": (
        "",
        lambda bench: two(bench, "mirror.example.invalid/x", bench.ours.at(WHOLE)),
    ),
    "no mirror can be reached": (
        "unreachable",
        lambda bench: Case(by_digest(bench), (idms(entry(NAME, f"{bench.nowhere}/x")),), (bench.ours,)),
    ),
    "the first mirror lacks the manifest": (
        "",
        lambda bench: two(bench, bench.ours.at("ocp/nothing"), bench.docker.at(WHOLE)),
    ),
    "the first mirror lacks a layer, and the next one has it": (
        "no-blob",
        lambda bench: two(bench, bench.ours.at(NO_LAYER), bench.docker.at(WHOLE)),
    ),
    "a whole mirror stands before one that lacks a layer": (
        "",
        lambda bench: two(bench, bench.docker.at(WHOLE), bench.ours.at(NO_LAYER)),
    ),
    "the first mirror refuses the password": (
        "",
        lambda bench: two(
            bench,
            bench.docker.at(WHOLE),
            bench.ours.at(WHOLE),
            auths={**bench.ours.auths, **wrong_password(bench.docker)},
        ),
    ),
    "the first mirror has an unknown CA": (
        "",
        lambda bench: two(bench, bench.docker.at(WHOLE), bench.ours.at(WHOLE), authority=bench.ours.authority),
    ),
    "the first mirror is blocked": (
        "",
        lambda bench: two(bench, bench.docker.at(WHOLE), bench.ours.at(WHOLE), blocked=(bench.docker.host,)),
    ),
    "a scope inside of a mirrored one is blocked, and gets its mirrors": (
        "",
        lambda bench: Case(
            by_digest(bench), (idms(entry(f"{SOURCE}/org", bench.ours.at("ocp/sub"))),), (bench.ours,), (NAME,)
        ),
    ),
    "a blocked scope inside of two mirrored ones gets the mirrors of the widest": (
        "no-manifest",
        lambda bench: Case(
            by_digest(bench),
            (idms(entry(SOURCE, bench.ours.at("x")), entry(f"{SOURCE}/org", bench.ours.at("ocp/sub"))),),
            (bench.ours,),
            (NAME,),
        ),
    ),
    "a path below a mirrored one": (
        "",
        lambda bench: Case(by_digest(bench), (idms(entry(f"{SOURCE}/org", bench.ours.at("ocp/sub"))),), (bench.ours,)),
    ),
    "a mirror below a blocked scope": (
        "blocked",
        lambda bench: Case(
            by_digest(bench),
            (idms(entry(f"{SOURCE}/org", bench.ours.at("ocp/sub"))),),
            (bench.ours,),
            (bench.ours.at("ocp"),),
        ),
    ),
    "a mirror with an upper-case path, written by hand": (
        "bad-rule",
        lambda bench: simple(
            bench.ours, by_digest(bench), by_hand=tables((f'location = "{NAME}"', "", bench.ours.at("OCP/Whole")))
        ),
    ),
    "a mirror whose location ends in a slash, written by hand": (
        "bad-rule",
        lambda bench: simple(
            bench.ours, by_digest(bench), by_hand=tables((f'location = "{NAME}"', "", f"{bench.ours.at(WHOLE)}/"))
        ),
    ),
    "a table whose location ends in a slash, written by hand": (
        "",
        lambda bench: simple(
            bench.ours, by_digest(bench), by_hand=tables((f'location = "{NAME}/"', "", bench.ours.at(WHOLE)))
        ),
    ),
    "a mirror with a tag, written by hand": (
        "bad-rule",
        lambda bench: simple(
            bench.ours, by_digest(bench), by_hand=tables((f'location = "{NAME}"', "", f"{bench.ours.at(WHOLE)}:app"))
        ),
    ),
    "a mirror that is a short name of Docker Hub, written by hand": (
        "bad-rule",
        lambda bench: simple(
            bench.ours,
            by_digest(bench),
            by_hand=f'[[registry]]\nlocation = "{NAME}"\n'
            '[[registry.mirror]]\nlocation = "docker.io/app"\n'
            f'[[registry.mirror]]\nlocation = "{bench.ours.at(WHOLE)}"\n',
        ),
    ),
    "a table that sends pulls elsewhere, written by hand": (
        "",
        lambda bench: simple(
            bench.ours,
            by_digest(bench),
            by_hand=f'[[registry]]\nprefix = "{NAME}"\nlocation = "{bench.ours.at(WHOLE)}"\n',
        ),
    ),
    "a wildcard that sends pulls elsewhere, written by hand": (
        "",
        lambda bench: simple(
            bench.ours,
            by_digest(bench),
            by_hand=f'[[registry]]\nprefix = "*.example.invalid"\nlocation = "{bench.ours.host}"\n',
        ),
    ),
    "the mirror is insecure by its own table alone, written by hand": (
        "unknown-ca",
        lambda bench: simple(
            bench.ours,
            by_digest(bench),
            authority=bench.docker.authority,
            by_hand=tables((f'location = "{NAME}"', "", bench.ours.at(WHOLE)))
            + f'[[registry]]\nlocation = "{bench.ours.host}"\ninsecure = true\n',
        ),
    ),
    "a search list with a scheme, written by hand": (
        "malformed",
        lambda bench: simple(
            bench.ours,
            by_digest(bench),
            by_hand='unqualified-search-registries = ["https://docker.io"]\n'
            + tables((f'location = "{NAME}"', "", bench.ours.at(WHOLE))),
        ),
    ),
    "a search list with a path, written by hand": (
        "malformed",
        lambda bench: simple(
            bench.ours,
            by_digest(bench),
            by_hand='unqualified-search-registries = ["docker.io/library"]\n'
            + tables((f'location = "{NAME}"', "", bench.ours.at(WHOLE))),
        ),
    ),
    "an alias for a name with a tag, written by hand": (
        "malformed",
        lambda bench: simple(
            bench.ours,
            by_digest(bench),
            by_hand=tables((f'location = "{NAME}"', "", bench.ours.at(WHOLE))) + f'[aliases]\napp = "{NAME}:1"\n',
        ),
    ),
    "an alias that is a whole name, written by hand": (
        "malformed",
        lambda bench: simple(
            bench.ours,
            by_digest(bench),
            by_hand=tables((f'location = "{NAME}"', "", bench.ours.at(WHOLE)))
            + f'[aliases]\n"quay.io/app" = "{NAME}"\n',
        ),
    ),
    "an alias for a short name, written by hand": (
        "malformed",
        lambda bench: simple(
            bench.ours,
            by_digest(bench),
            by_hand=tables((f'location = "{NAME}"', "", bench.ours.at(WHOLE))) + '[aliases]\napp = "org/app"\n',
        ),
    ),
    "an alias that is a number, written by hand": (
        "malformed",
        lambda bench: simple(
            bench.ours,
            by_digest(bench),
            by_hand=tables((f'location = "{NAME}"', "", bench.ours.at(WHOLE))) + "[aliases]\napp = 1\n",
        ),
    ),
    "aliases that are good, written by hand": (
        "",
        lambda bench: simple(
            bench.ours,
            by_digest(bench),
            by_hand=tables((f'location = "{NAME}"', "", bench.ours.at(WHOLE)))
            + f'[aliases]\napp = "{NAME}"\n"org/other" = "docker.io/library/other"\nnone = ""\n',
        ),
    ),
    "a wildcard rule and narrower ones, written by hand": (
        "",
        lambda bench: simple(
            bench.ours,
            by_digest(bench),
            by_hand=tables(
                ('prefix = "*.example.invalid"', "", bench.ours.at("x")),
                (f'location = "{SOURCE}/org"', "", bench.ours.at("none")),
                (f'location = "{NAME}"', "mirror-by-digest-only = true\n", bench.ours.at(WHOLE)),
            ),
        ),
    ),
    "mirror-by-digest-only and a tag, written by hand": (
        "hidden-by-narrower-rule",
        lambda bench: simple(
            bench.ours,
            f"{NAME}:app",
            by_hand=tables(
                (f'location = "{SOURCE}/org"', "", bench.ours.at("ocp/sub")),
                (f'location = "{NAME}"', "mirror-by-digest-only = true\n", bench.ours.at(WHOLE)),
            ),
        ),
    ),
    "the mirror's own name, without a rule": (
        "",
        lambda bench: Case(f"{bench.ours.at(WHOLE)}@{bench.images.app.digest}", (), (bench.ours,)),
    ),
}


@dataclass(frozen=True)
class Answers:
    podman: bool
    verify: str
    code: str
    said: str


def ask(case: Case, folder: Path, node: Podman) -> Answers:
    """Give the same files to both."""
    conf, auth, certs = folder / "registries.conf", folder / "auth.json", folder / "certs"
    rules = pull_rules(case.sets, insecure=case.insecure, blocked=case.blocked)
    conf.write_text(case.by_hand or print_registries_conf(rules))
    auths = case.auths or {key: value for door in case.doors for key, value in door.auths.items()}
    auth.write_text(json.dumps({"auths": auths}))
    certs.mkdir()
    bundle = b"".join(door.authority.read_bytes() for door in case.doors)
    (certs / "ca.crt").write_bytes(case.authority.read_bytes() if case.authority is not None else bundle)
    (folder / "images.txt").write_text(f"{case.image}\n")
    pulled = node("pull", "--authfile", auth, "--cert-dir", certs, "--arch", "amd64", "--os", "linux", case.image)
    files = ("--images", folder / "images.txt", "--registries-conf", conf, "--pull-secret", auth)
    deep = ("--deep",) if case.deep else ()
    run = airferry("verify", *files, "--ca", certs / "ca.crt", "--platform", "linux/amd64", *deep, "-o", "json")
    assert run.code in (0, 1, 3), run.end
    if "error" in json.loads(run.out or run.err):
        # A file that nodes do not read either: no image can be asked for.
        return Answers(pulled.code == 0, "no", json.loads(run.out or run.err)["error"]["code"], pulled.err + run.end)
    (image,) = json.loads(run.out)["images"]
    assert run.code == {"yes": 0, "no": 1, "cannot tell": 3}[image["answer"]]
    return Answers(pulled.code == 0, image["answer"], image["code"], f"{pulled.err}\n{image}")


@pytest.fixture
def node(tmp_path: Path, new_node: Callable[[Path], Podman]) -> Podman:
    return new_node(tmp_path / "registries.conf")


@pytest.mark.parametrize("mirror", ["ours", "docker-registry"])
@pytest.mark.parametrize("name", BOTH)
def test_a_mirror_as_podman_finds_it(name: str, mirror: str, bench: Bench, tmp_path: Path, node: Podman) -> None:
    code, make = BOTH[name]
    answers = ask(make(bench, bench.mirrors[mirror]), tmp_path, node)
    assert (answers.verify == "yes") is answers.podman and answers.verify != "cannot tell", answers.said
    assert answers.code == code, answers.said


@pytest.mark.parametrize("name", RULES)
def test_rules_and_certificates_as_podman_takes_them(name: str, bench: Bench, tmp_path: Path, node: Podman) -> None:
    code, make = RULES[name]
    answers = ask(make(bench), tmp_path, node)
    assert (answers.verify == "yes") is answers.podman and answers.verify != "cannot tell", answers.said
    assert answers.code == code, answers.said


def test_an_image_that_podman_pulls_and_cannot_run_is_a_no(bench: Bench, tmp_path: Path, node: Podman) -> None:
    """The one disagreement: containers/image pulls an image for one other platform with a line in its log.

    A node does the same, and the container then ends with "exec format error".
    """
    answers = ask(simple(bench.ours, f"{NAME}:arm"), tmp_path, node)
    assert answers.podman and (answers.verify, answers.code) == ("no", "wrong-platform"), answers.said
    assert "does not match the expected platform" in answers.said, answers.said
