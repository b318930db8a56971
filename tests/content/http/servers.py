"""Servers on loopback for what only real sockets show: TLS, resets, silence. And Debian's docker-registry."""

import asyncio
import ipaddress
import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)
_TLS_HANDSHAKE = b"\x16"


@dataclass
class Pair:
    """A certificate with its key, as files and as objects."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    crt: Path
    pem_key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.crt, self.pem_key)
        return context


def make_pair(
    folder: Path,
    name: str,
    *,
    issuer: Pair | None = None,
    sans: tuple[str, ...] = ("127.0.0.1", "localhost"),
    is_ca: bool = False,
    starts: timedelta = timedelta(days=-1),
    ends: timedelta = timedelta(days=1),
) -> Pair:
    """Write NAME.crt and NAME.key; without an issuer it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + starts)
        .not_valid_after(NOW + ends)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName([_san(text) for text in sans]), critical=False)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    crt, pem_key = folder / f"{name}.crt", folder / f"{name}.key"
    crt.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem_key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Pair(certificate, key, crt, pem_key)


def _san(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


Handler = Callable[[str, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Is given the head of each request, and the connection to misbehave on."""


@asynccontextmanager
async def serve(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve on a free port; yields host:port."""
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            while True:
                first = await reader.readexactly(1)
                if first == _TLS_HANDSHAKE:
                    return  # somebody who tries https first; no end of lines will come to wait for
                head = first + await reader.readuntil(b"\r\n\r\n")
                await handler(head.decode(), reader, writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            connections.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tuple(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


def answer(writer: asyncio.StreamWriter, body: bytes = b"", status: str = "200 OK", **headers: str) -> None:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body)


async def always_ok(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    answer(writer, b'{"tags": ["v1"]}')


def program(name: str) -> str:
    """Return the path of a Debian program; absent it fails in CI and skips elsewhere."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed, and in CI it must be")
        pytest.skip(f"{name} is not installed")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def docker_registry(folder: Path, pair: Pair | None = None, htpasswd: Path | None = None) -> AsyncIterator[str]:
    """Run Debian's docker-registry with its files under ``folder``; yields host:port."""
    executable = program("docker-registry")
    host = f"127.0.0.1:{free_port()}"
    tls = f"\n  tls: {{certificate: {pair.crt}, key: {pair.pem_key}}}" if pair else ""
    auth = f"auth: {{htpasswd: {{realm: test, path: {htpasswd}}}}}\n" if htpasswd else ""
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\n{auth}"
        f"storage:\n  filesystem: {{rootdirectory: {folder}/data}}\n  delete: {{enabled: true}}\n"
        f"http:\n  addr: {host}{tls}\n"
    )
    log = (folder / "registry.log").open("wb")
    process = await asyncio.create_subprocess_exec(executable, "serve", str(config), stdout=log, stderr=log)
    log.close()
    try:
        await _listening(host, process, folder / "registry.log")
        yield host
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listening(host: str, process: asyncio.subprocess.Process, log: Path) -> None:
    name, _, port = host.partition(":")
    async with asyncio.timeout(20):
        while True:
            assert process.returncode is None, log.read_text()
            try:
                _, writer = await asyncio.open_connection(name, int(port))
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return
