"""Many odd registries and images at once: ``airferry verify`` says yes to what podman pulls, and no to all else.

One run of each is asked for all of them, since starting podman costs more than what is asked here.
"""

import bz2
import gzip
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from failures.stage import airferry

from .many_registries import DOCKER, OCI, Asked, Shelf, registry, tar
from .strangers import Podman

pytestmark = pytest.mark.outsider("podman")

Extension = tuple[x509.ExtensionType, bool]


@dataclass(frozen=True)
class Case:
    """What a registry holds, which returns what is pulled of it; how it answers; and what is expected of both.

    ``mirrors`` are the locations that a rule names, ``{}`` for the registry. ``code`` is that of ``verify``; ``podman``
    is whether podman pulls, where that is something else.
    """

    code: str = ""
    make: Callable[[Shelf], str] = lambda shelf: shelf.image()
    odd: Callable[[Asked], bool] = lambda asked: False
    mirrors: tuple[str, ...] = ("{}/org",)
    certificate: Callable[["Authorities"], bytes] | None = None
    deep: bool = False
    podman: bool | None = None

    @property
    def is_pulled(self) -> bool:
        return not self.code if self.podman is None else self.podman


@dataclass(frozen=True)
class Authority:
    """A CA; ``certificate`` is what nodes are given."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def name(word: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, word)])


def authority(word: str, days: int = 30) -> Authority:
    """Make a CA as openssl req -x509 does without a configuration: no key identifiers."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(key, issue(name(word), key, name(word), key, (x509.BasicConstraints(True, None), True), days=days))


def issue(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    *extensions: Extension,
    days: int = 30,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), now - timedelta(60), now + timedelta(days)
    )
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, is_critical)
    return builder.sign(issuer_key, hashes.SHA256())


@dataclass(frozen=True)
class Authorities:
    """The CAs of a bundle: two of one name, of which the younger one stands where it is found last."""

    first: Authority = field(default_factory=lambda: authority("example CA"))
    second: Authority = field(default_factory=lambda: authority("example CA"))
    expired: Authority = field(default_factory=lambda: authority("renewed CA", days=-1))
    renewed: Authority = field(default_factory=lambda: authority("renewed CA"))
    single: Authority = field(default_factory=lambda: authority("single CA"))
    unknown: Authority = field(default_factory=lambda: authority("example CA"))

    @property
    def bundle(self) -> bytes:
        given = (self.first, self.single, self.second, self.expired, self.renewed)
        return b"".join(one.certificate.public_bytes(Encoding.PEM) for one in given)


def leaf(
    which: Callable[[Authorities], Authority],
    *extensions: Extension,
    host: str = "localhost",
    days: int = 30,
    through: bool = False,
) -> Callable[[Authorities], bytes]:
    """Return what makes key and certificate of a server, with the intermediate CA that issued it, if ``through``."""

    def make(authorities: Authorities) -> bytes:
        signer = which(authorities)
        chain: list[x509.Certificate] = []
        if through:
            key = ec.generate_private_key(ec.SECP256R1())
            may_sign = (x509.BasicConstraints(True, None), True)
            between = issue(name("between"), key, signer.certificate.subject, signer.key, may_sign)
            chain, signer = [between], Authority(key, between)
        key = ec.generate_private_key(ec.SECP256R1())
        names = (x509.SubjectAlternativeName([x509.DNSName(host)]), False)
        own = issue(name("a server"), key, signer.certificate.subject, signer.key, names, *extensions, days=days)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return b"".join((private, *(one.public_bytes(Encoding.PEM) for one in (own, *chain))))

    return make


def first(authorities: Authorities) -> Authority:
    return authorities.first


def second(authorities: Authorities) -> Authority:
    return authorities.second


def expired(authorities: Authorities) -> Authority:
    return authorities.expired


def renewed(authorities: Authorities) -> Authority:
    return authorities.renewed


def single(authorities: Authorities) -> Authority:
    return authorities.single


def unknown(authorities: Authorities) -> Authority:
    return authorities.unknown


ANY_PURPOSE = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)
FOR_CLIENTS = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
SIGNS_ONLY = (x509.KeyUsage(*[False] * 5, True, *[False] * 3), True)


def token_service(status: int, body: bytes = b"") -> Callable[[Asked], bool]:
    def odd(asked: Asked) -> bool:
        if asked.path.startswith("/token"):
            return asked.give(status, body)
        if asked.headers["Authorization"] == "Bearer good":
            return False
        where = f'Bearer realm="http://{asked.headers["Host"]}/token",service="registry"'
        return asked.give(401, WWW_Authenticate=where)

    return odd


def answers(path: str, status: int, **headers: str) -> Callable[[Asked], bool]:
    return lambda asked: path in asked.path and asked.give(status, **headers)


def greeting(status: int, location: str = "", *, then: int = 404) -> Callable[[Asked], bool]:
    def odd(asked: Asked) -> bool:
        if asked.path == "/elsewhere":
            return asked.give(then)
        return asked.path == "/v2/" and asked.give(status, **({"Location": location} if location else {}))

    return odd


def config(**fields: Any) -> Callable[[Shelf], str]:
    return lambda shelf: shelf.image(config=fields)


def manifest(*, docker: bool = False, **fields: Any) -> Callable[[Shelf], str]:
    return lambda shelf: shelf.image(docker=docker, change=lambda made: made.update(fields))


def without_type(*, docker: bool) -> Callable[[Shelf], str]:
    return lambda shelf: shelf.image(docker=docker, change=lambda made: made.pop("mediaType"))


def of_layers(**fields: Any) -> Callable[[Shelf], str]:
    return lambda shelf: shelf.image(change=lambda made: made["layers"][0].update(fields))


def listed(*, docker: bool, has_type: bool) -> Callable[[Shelf], str]:
    def make(shelf: Shelf) -> str:
        digest = shelf.image(docker=docker)
        content, kind = shelf.content[digest]
        whole = f"{DOCKER}.distribution.manifest.list.v2+json" if docker else f"{OCI}.index.v1+json"
        child = {
            "mediaType": kind,
            "digest": digest,
            "size": len(content),
            "platform": {"os": "linux", "architecture": "amd64"},
        }
        fields = {"schemaVersion": 2, "manifests": [child], **({"mediaType": whole} if has_type else {})}
        return shelf.put(json.dumps(fields).encode(), whole)

    return make


def tagged(shelf: Shelf) -> str:
    shelf.image(tag="app")
    return "app"


def wrong_digest(asked: Asked) -> bool:
    if "/manifests/" not in asked.path:
        return False
    content, kind = type(asked).shelf.content["app"]
    return asked.give(200, content, Content_Type=kind, Docker_Content_Digest=f"sha256:{'0' * 64}")


def layer(content: Callable[[Shelf], bytes]) -> Callable[[Shelf], str]:
    return lambda shelf: shelf.image(layer=content(shelf))


CASES: dict[str, Case] = {
    "nothing is odd": Case(),
    "nothing is odd, Docker's types": Case(make=lambda shelf: shelf.image(docker=True)),
    # Certificates
    "a CA of a name of its own": Case(certificate=leaf(single)),
    "the first of two CAs of one name": Case(certificate=leaf(first)),
    "the second of two CAs of one name": Case(certificate=leaf(second)),
    "the second of two CAs of one name, through another CA": Case(certificate=leaf(second, through=True)),
    "a CA that was made again after it had expired": Case(certificate=leaf(renewed)),
    "a CA that has expired, and was made again": Case("certificate-out-of-date", certificate=leaf(expired)),
    "an unknown CA of the same name": Case("unknown-ca", certificate=leaf(unknown)),
    "the second of two CAs, another host": Case(
        "wrong-name-in-certificate", certificate=leaf(second, host="registry.example.com")
    ),
    "the second of two CAs, expired": Case("certificate-out-of-date", certificate=leaf(second, days=-1)),
    "the second of two CAs, not for servers": Case("certificate", certificate=leaf(second, FOR_CLIENTS)),
    "a certificate for any purpose": Case("certificate", certificate=leaf(single, ANY_PURPOSE), podman=True),
    "a certificate whose key signs only": Case("certificate", certificate=leaf(single, SIGNS_ONLY), podman=True),
    "a certificate for every name": Case("wrong-name-in-certificate", certificate=leaf(single, host="*"), podman=True),
    # Token services and first contact
    "a token service": Case(odd=token_service(200, b'{"token": "good"}')),
    "a token service that is not there": Case("no-token", odd=token_service(404)),
    "a token service that made something": Case("no-token", odd=token_service(201, b'{"token": "good"}')),
    "a token service without a token": Case("no-token", odd=token_service(200, b"{}")),
    "a token service with a page": Case("no-token", odd=token_service(200, b"<html>")),
    "a token service that fails": Case("registry-fails", odd=token_service(500)),
    "/v2/ fails": Case("registry-fails", odd=greeting(500)),
    "/v2/ sends elsewhere, where nothing is": Case("unreachable", odd=greeting(307, "/elsewhere")),
    "/v2/ sends elsewhere, where all is well": Case(odd=greeting(307, "/elsewhere", then=200)),
    "/v2/ sends elsewhere, where a login is": Case(odd=greeting(302, "/elsewhere", then=401)),
    "/v2/ sends nowhere": Case("unreachable", odd=greeting(302)),
    "/v2/ sends in a circle": Case("unreachable", odd=greeting(307, "/v2/")),
    "manifests fail": Case("registry-fails", odd=answers("/manifests/", 500)),
    "blobs fail": Case("registry-fails", odd=answers("/blobs/", 502)),
    # Configurations
    "a configuration whose date is none": Case("bad-blob", config(created="yesterday")),
    "a configuration whose date is a number": Case("bad-blob", config(created=12)),
    "a configuration whose date has no zone": Case("bad-blob", config(created="2024-01-01T00:00:00")),
    "a configuration with a date": Case(make=config(created="2024-01-01T00:00:00.123456789+02:00")),
    "a configuration without a date": Case(make=config(created=None)),
    "a configuration whose history is text": Case("bad-blob", config(history="none")),
    "a configuration whose history has no date": Case("bad-blob", config(history=[{"created": "never"}])),
    "a configuration whose history is of numbers": Case("bad-blob", config(history=[{"created_by": 1}])),
    "a configuration with a history": Case(
        make=config(history=[{"created": "2024-01-01T00:00:00Z", "created_by": "x", "empty_layer": True}, {}])
    ),
    "a configuration that is a list": Case("bad-blob", config(config=[])),
    "a configuration whose environment is text": Case("bad-blob", config(config={"Env": "A=B"})),
    "a configuration whose labels are numbers": Case("bad-blob", config(config={"Labels": {"a": 1}})),
    "a configuration whose ports are a list": Case("bad-blob", config(config={"ExposedPorts": ["80/tcp"]})),
    "a configuration whose fields are null": Case(
        make=config(config={"Env": None, "Labels": None, "User": None}, history=None, author=None)
    ),
    "a configuration with more fields": Case(make=config(config={"Healthcheck": {"Test": ["NONE"]}}, moby=[1])),
    "a configuration whose layers are text": Case("bad-blob", config(rootfs="layers")),
    "a Docker configuration whose date is none": Case(
        "bad-blob", lambda shelf: shelf.image(docker=True, config={"created": "yesterday"})
    ),
    # Manifests
    "a manifest without a type": Case(make=without_type(docker=False)),
    "a Docker manifest without a type": Case("not-an-image", without_type(docker=True)),
    "a list without a type": Case(make=listed(docker=False, has_type=False)),
    "a Docker list": Case(make=listed(docker=True, has_type=True)),
    "a Docker list without a type": Case(make=listed(docker=True, has_type=False)),
    "a manifest of version 1": Case("bad-manifest", manifest(schemaVersion=1), podman=True),
    "a manifest of version 3": Case("bad-manifest", manifest(schemaVersion=3), podman=True),
    "a Docker manifest of version 3": Case("bad-manifest", manifest(docker=True, schemaVersion=3), podman=True),
    "a layer whose size is below nothing": Case("bad-manifest", of_layers(size=-1), podman=True),
    "a tag whose answer names another digest": Case(make=tagged, odd=wrong_digest),
    # Layers
    "a layer of bytes": Case("bad-blob", layer(lambda shelf: b"no tar, " * 200), deep=True),
    "a layer of gzip of bytes": Case("bad-blob", layer(lambda shelf: gzip.compress(b"no tar, " * 200)), deep=True),
    "a layer that is not packed": Case(make=layer(lambda shelf: tar(shelf.word)), deep=True),
    "a layer whose gzip breaks off": Case(
        "bad-blob", layer(lambda shelf: gzip.compress(tar(shelf.word))[:-20]), deep=True
    ),
    "a layer without an end": Case(make=layer(lambda shelf: gzip.compress(tar(shelf.word)[:1024])), deep=True),
    "a layer of nothing": Case(make=layer(lambda shelf: gzip.compress(b"")), deep=True),
    "a layer of zstd that says gzip": Case(
        make=layer(lambda shelf: zstandard.ZstdCompressor().compress(tar(shelf.word))), deep=True
    ),
    "a layer of bzip2": Case(make=layer(lambda shelf: bz2.compress(tar(shelf.word))), deep=True),
    "a layer that is another than the configuration says": Case(
        make=config(rootfs={"type": "layers", "diff_ids": [f"sha256:{'1' * 64}"]}), deep=True
    ),
    # Mirrors
    "the first mirror has a port of nothing": Case(mirrors=("localhost:0/org", "{}/org")),
    "the first mirror has a port that is too large": Case(mirrors=("localhost:99999/org", "{}/org")),
    "the first mirror has a tag": Case(mirrors=("{}/org/app:app", "{}/org/app")),
    "the only mirror has a tag": Case("bad-rule", mirrors=("{}/org/app:app",)),
    "the first mirror has a tag, by tag": Case("bad-rule", make=tagged, mirrors=("{}/org/app:app", "{}/org/app")),
    "the first mirror is in upper case": Case("bad-rule", mirrors=("{}/Org", "{}/org")),
}


@dataclass(frozen=True)
class Answer:
    image: dict[str, Any]
    is_pulled: bool
    podman: str


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Answer]]:
    folder = tmp_path_factory.mktemp("at-once")
    conf, images, secret, certs = (folder / word for word in ("registries.conf", "images.txt", "auth.json", "certs"))
    authorities = Authorities()
    certs.mkdir()
    (certs / "ca.crt").write_bytes(authorities.bundle)
    secret.write_text('{"auths": {}}')
    names: dict[str, str] = {}
    rules: list[str] = []
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="node-", dir="/tmp") as home:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for variable in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
            patch.setenv(variable, str(folder))
        for number, (word, case) in enumerate(CASES.items()):
            shelf = Shelf(word, odd=case.odd)
            target = case.make(shelf)
            certificate = folder / f"{number}.pem"
            if case.certificate is not None:
                certificate.write_bytes(case.certificate(authorities))
            stack.enter_context(registry(shelf, certificate if case.certificate else None))
            source = f"case{number}.example.invalid"
            names[word] = f"{source}/org/app{'@' if target.startswith('sha256:') else ':'}{target}"
            prefix = (
                f"{source}/org/app"
                if case.mirrors[-1].endswith("app") or "app:" in case.mirrors[0]
                else f"{source}/org"
            )
            rules.append(f'[[registry]]\nlocation = "{prefix}"\n')
            secure = "false" if case.certificate else "true"
            rules += [
                f'[[registry.mirror]]\nlocation = "{mirror.format(shelf.host)}"\ninsecure = {secure}\n'
                for mirror in case.mirrors
            ]
        conf.write_text("".join(rules))
        images.write_text("".join(f"{image}\n" for image in names.values()))
        given = ("--images", images, "--registries-conf", conf, "--pull-secret", secret, "--ca", certs / "ca.crt")
        runs = [
            airferry("verify", *given, "--platform", "linux/amd64", "-o", "json", *more) for more in ((), ("--deep",))
        ]
        node = Podman(Path(home), conf)
        flags = ("--authfile", secret, "--cert-dir", certs, "--arch", "amd64", "--os", "linux")
        pulled = node("pull", *flags, *names.values())
        there = json.dumps(node.images())
    said = [{item["image"]: item for item in json.loads(run.out)["images"]} for run in runs]
    yield {
        word: Answer(said[case.deep][names[word]], names[word].partition("/")[0] + "/" in there, pulled.err)
        for word, case in CASES.items()
    }


@pytest.mark.parametrize("word", CASES)
def test_all_at_once(word: str, found: dict[str, Answer]) -> None:
    case, answer = CASES[word], found[word]
    host = answer.image["image"].partition("/")[0]
    told = "\n".join(line for line in answer.podman.splitlines() if f"{host}/" in line)
    assert answer.is_pulled is case.is_pulled, told
    assert answer.image["answer"] == ("no" if case.code else "yes"), (answer.image, told)
    assert answer.image["code"] == case.code, answer.image
