"""The systemd unit of a registry, and the commands that let it in: firewall, SELinux, linger. Pure text.

Sources: systemd.service(5), systemd.exec(5), systemd.syntax(7).
"""

import ipaddress
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from airferry.errors import UsageError
from airferry.registry.settings import Settings, parse_listen

UNIT_NAME: Final = "airferry-registry.service"
_STOP_S: Final = 60
"""Longer than a stop ever takes: grace, and the time to put uploads on the disk."""

_HARDENED: Final = (
    "ProtectSystem=strict",
    "ProtectHome={home}",
    "PrivateTmp={tmp}",
    "PrivateDevices=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectControlGroups=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces=yes",
    "LockPersonality=yes",
)


@dataclass(frozen=True, slots=True)
class SystemdUnit:
    """A unit, the file it belongs into, and what to run, in this order, with a word on each."""

    text: str
    file: str
    commands: tuple[tuple[str, str], ...]

    @property
    def commented(self) -> str:
        """The unit with the commands as comments before it, so that it can be written to its file as it is."""
        lines = [f"# {self.file}", "#"]
        for why, command in self.commands:
            lines += [f"# {why}:", f"#   {command}"]
        return "\n".join(lines) + "\n\n" + self.text


def systemd_unit(settings: Settings, program: Sequence[str], *, is_user: bool, account: str | None) -> SystemdUnit:
    """Return the unit that serves ``settings.root`` (absolute) by ``program`` (absolute, with its first arguments).

    ``account`` is whose registry it is; a unit of a user's own names none. Raises UsageError for a path with a
    line break in it, which no unit can hold.
    """
    root = str(settings.root)
    if any(ord(character) < 32 for word in (*program, root) for character in word):
        raise UsageError("a unit cannot hold a path with a control character in it", hint="move the registry")
    start = _words([*program, "registry", "serve", "--root", root])
    again = _words([*program, "registry", "reload", "--root", root])
    _, port = parse_listen(settings.listen)
    service = [
        "Type=exec",
        f"ExecStart={start}",
        f"ExecReload={again}",
        "Restart=on-failure",
        "RestartSec=2",
        "KillSignal=SIGTERM",
        f"TimeoutStopSec={_STOP_S}",
        "LimitNOFILE=65536",
        "UMask=0077",
        "NoNewPrivileges=yes",
    ]
    if not is_user:
        home = "read-only" if _is_home(root) or _is_home(program[0]) else "yes"
        tmp = "no" if any(Path(root).is_relative_to(folder) for folder in ("/tmp", "/var/tmp")) else "yes"  # noqa: S108
        service += [f"User={_plain(account)}"] if account and account != "root" else []
        service += [line.format(home=home, tmp=tmp) for line in _HARDENED]
        service += [f"ReadWritePaths={_word(root)}"]
        service += ["AmbientCapabilities=CAP_NET_BIND_SERVICE"] if 0 < port < 1024 else []
    after = "" if is_user else "Wants=network-online.target\nAfter=network-online.target\n"
    target = "default.target" if is_user else "multi-user.target"
    text = (
        f"[Unit]\nDescription=airferry mirror registry in {_plain(root)}\n{after}"
        f"RequiresMountsFor={_word(root)}\n\n"
        "[Service]\n" + "".join(f"{line}\n" for line in service) + f"\n[Install]\nWantedBy={target}\n"
    )
    folder = "~/.config/systemd/user" if is_user else "/etc/systemd/system"
    commands = _commands(settings, program, is_user=is_user, account=account)
    return SystemdUnit(text, f"{folder}/{UNIT_NAME}", commands)


def _commands(
    settings: Settings, program: Sequence[str], *, is_user: bool, account: str | None
) -> tuple[tuple[str, str], ...]:
    root, file, sudo = shlex.quote(str(settings.root)), shlex.quote(program[0]), "sudo " if is_user else ""
    systemctl = "systemctl --user" if is_user else "systemctl"
    host, port = parse_listen(settings.listen)
    commands = [
        (
            "SELinux: systemd may start the program, the registry's files are a service's",
            f"{sudo}semanage fcontext -a -t bin_t {file} && {sudo}restorecon -v {file}",
        )
    ]
    if not is_user:
        pattern = shlex.quote(f"{settings.root}(/.*)?")
        commands.append(
            (
                "SELinux, where the registry lies outside /var and /srv, too",
                f"semanage fcontext -a -t var_lib_t {pattern} && restorecon -RF {root}",
            )
        )
    if _is_loopback(host):
        commands.append((f"No firewall command: {settings.listen} is reached from this machine only", "true"))
    else:
        commands.append(
            (
                "Let clients through the firewall",
                f"{sudo}firewall-cmd --permanent --add-port={port}/tcp && {sudo}firewall-cmd --reload",
            )
        )
    if is_user:
        commands.append(("Go on when nobody is logged in", f"sudo loginctl enable-linger {shlex.quote(account or '')}"))
    commands.append(
        ("Start it now and at every boot", f"{systemctl} daemon-reload && {systemctl} enable --now {UNIT_NAME}")
    )
    return tuple(commands)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_home(path: str) -> bool:
    return any(Path(path).is_relative_to(home) for home in ("/home", "/root", "/run/user"))


def _words(words: Sequence[str]) -> str:
    return " ".join(_word(word.replace("$", "$$")) for word in words)


def _word(word: str) -> str:
    """Return a word as systemd reads it: no specifier, no quote or backslash taken for one."""
    word = _plain(word)
    if word and all(character.isalnum() or character in "/._-+:=@,~%$" for character in word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plain(text: str) -> str:
    return text.replace("%", "%%")
