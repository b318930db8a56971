"""Three hosts on one machine: an upstream, a mirror that reaches it, and a node that reaches the mirror alone.

As network namespaces nothing is told apart by name or by time: the node has no route to the upstream, which goes on
serving the mirror. Where the machine makes no namespaces they are three addresses of its loopback, and the upstream
is cut off by being stopped. Nothing is written below /etc, and what is made is gone afterwards.
"""

import itertools
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.test_registry_and_media import serving

from .registries import Registry, docker_registry
from .strangers import Podman, Said, run

_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Host:
    """One of the hosts: where it is found, and the command that runs others there."""

    address: str
    within: tuple[str, ...] = ()

    def airferry(self, *arguments: object) -> Said:
        """Run a command of ours there, in a process of its own."""
        name, *command = (*self.within, sys.executable)
        return run(name, *command, "-m", "airferry", *arguments)

    def podman(self, folder: Path, registries_conf: Path) -> Podman:
        return Podman(folder, registries_conf, self.within)


@dataclass(frozen=True)
class Network:
    """The hosts, and whether the node is cut off from the upstream even while that serves others."""

    upstream: Host
    mirror: Host
    node: Host
    is_cut: bool


@contextmanager
def namespaces() -> Iterator[Network]:
    """Make three network namespaces: upstream — mirror — node, with a cable each and routes to neighbours alone."""
    with ExitStack() as stack:
        names = [stack.enter_context(_namespace(word)) for word in ("up", "mirror", "node")]
        upstream, mirror, node = names
        # The addresses are those that documentation may use; they are seen in these namespaces alone.
        _cable((upstream, "198.51.100.1/30"), (mirror, "198.51.100.2/30"))
        _cable((mirror, "192.0.2.1/30"), (node, "192.0.2.2/30"))
        addresses = ("198.51.100.1", "192.0.2.1", "192.0.2.2")
        made = [Host(at, ("ip", "netns", "exec", name)) for at, name in zip(addresses, names, strict=True)]
        yield Network(*made, is_cut=True)


@contextmanager
def loopback() -> Iterator[Network]:
    """Take three addresses of this machine's loopback."""
    yield Network(*(Host(f"127.0.0.{number}") for number in (2, 3, 4)), is_cut=False)


def makes_namespaces() -> bool:
    """Try whether this machine lets these tests make namespaces and cables, and run programs in them."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    try:
        with _namespace("try") as name:
            _ip("-n", name, "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", name)
            _ip("netns", "exec", name, "true")
    except subprocess.CalledProcessError:
        return False
    return True


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


@contextmanager
def _namespace(word: str) -> Iterator[str]:
    name = f"airferry-{os.getpid()}-{next(_NUMBERS)}-{word}"
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        _ip("netns", "delete", name)  # its cables go with it


def _cable(*ends: tuple[str, str]) -> None:
    """Lay a cable between two namespaces; each end has an address, and is called for its number there."""
    (near, _), (far, _) = ends
    names = [f"eth{next(_NUMBERS)}" for _ in ends]
    _ip("-n", near, "link", "add", names[0], "type", "veth", "peer", "name", names[1], "netns", far)
    for (namespace, address), name in zip(ends, names, strict=True):
        _ip("-n", namespace, "address", "add", address, "dev", name)
        _ip("-n", namespace, "link", "set", name, "up")


@contextmanager
def upstream_on(network: Network, folder: Path) -> Iterator[tuple[Registry, Callable[[], None]]]:
    """Serve the upstream; what is called without arguments cuts the node off from it, if it is not yet."""
    host = network.upstream
    with ExitStack() as stack:
        serves = stack.enter_context(ExitStack())
        registry = serves.enter_context(docker_registry(folder, address=host.address, within=host.within))

        def cut() -> None:
            if not network.is_cut:
                serves.close()
                taken = stack.enter_context(socket.socket())
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                # Bound and not listening: nobody else can take it meanwhile.
                taken.bind((host.address, int(registry.host.rpartition(":")[2])))

        yield registry, cut


@contextmanager
def mirror_on(network: Network, root: Path) -> Iterator[str]:
    """Serve a registry of ours, with a certificate for the mirror's address; gives address and port."""
    host = network.mirror
    flags = ("--root", root, "--listen", f"{host.address}:0", "--host", host.address, "--workers", 1)
    with serving("registry", "serve", *flags, within=host.within) as (url, _):
        yield url.removeprefix("https://")
