"""The systemd unit: every line is one that systemd knows, and every path comes through as it is."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from airferry.errors import UsageError
from airferry.registry import Settings, SystemdUnit, systemd_unit

PROGRAM = ["/usr/local/bin/airferry"]
KNOWN = {
    "Unit": {"Description", "Wants", "After", "RequiresMountsFor"},
    "Service": {
        *("Type", "ExecStart", "ExecReload", "Restart", "RestartSec", "KillSignal", "TimeoutStopSec"),
        *("LimitNOFILE", "UMask", "NoNewPrivileges", "User", "ProtectSystem", "ProtectHome", "PrivateTmp"),
        *("PrivateDevices", "ProtectKernelTunables", "ProtectKernelModules", "ProtectControlGroups"),
        *("RestrictAddressFamilies", "RestrictNamespaces", "LockPersonality", "ReadWritePaths"),
        *("AmbientCapabilities",),
    },
    "Install": {"WantedBy"},
}
"""Sections and settings, from systemd.unit(5), systemd.service(5) and systemd.exec(5)."""


def unit(
    root: str = "/srv/registry",
    listen: str = "0.0.0.0:8443",
    *,
    is_user: bool = False,
    account: str | None = "registry",
    program: list[str] = PROGRAM,
) -> SystemdUnit:
    return systemd_unit(Settings(Path(root), listen), program, is_user=is_user, account=account)


def parsed(text: str) -> dict[str, dict[str, str]]:
    """The unit as systemd reads it: sections, each with settings that are known and stand there once."""
    sections: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), {})
            continue
        name, equals, value = line.partition("=")
        assert equals and value and name not in current, line
        current[name] = value
    assert set(sections) == set(KNOWN)
    for section, settings in sections.items():
        assert set(settings) <= KNOWN[section]
    return sections


def words(command: str) -> list[str]:
    """A command line of a unit, as systemd.syntax(7) splits it."""
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(command)]


def test_a_unit_of_the_system() -> None:
    service = parsed(unit().text)["Service"]
    assert words(service["ExecStart"]) == [*PROGRAM, "registry", "serve", "--root", "/srv/registry"]
    assert words(service["ExecReload"]) == [*PROGRAM, "registry", "reload", "--root", "/srv/registry"]
    assert service["User"] == "registry"
    assert service["ReadWritePaths"] == "/srv/registry"
    assert int(service["TimeoutStopSec"]) > 40, "longer than requests and uploads are waited for"
    assert "AmbientCapabilities" not in service
    assert parsed(unit().text)["Install"]["WantedBy"] == "multi-user.target"
    assert parsed(unit(listen="0.0.0.0:443").text)["Service"]["AmbientCapabilities"] == "CAP_NET_BIND_SERVICE"
    assert "User" not in parsed(unit(account="root").text)["Service"]
    assert parsed(unit("/home/ann/registry").text)["Service"]["ProtectHome"] == "read-only"
    assert parsed(unit("/tmp/registry").text)["Service"]["PrivateTmp"] == "no"


def test_a_unit_of_a_users_own_asks_for_nothing_that_needs_root() -> None:
    made = unit(is_user=True, account="ann")
    sections = parsed(made.text)
    assert sections["Install"]["WantedBy"] == "default.target"
    assert not {"User", "ProtectSystem", "PrivateDevices", "AmbientCapabilities"} & set(sections["Service"])
    assert made.file == "~/.config/systemd/user/airferry-registry.service"
    commands = [command for _, command in made.commands]
    assert "sudo loginctl enable-linger ann" in commands
    assert commands[-1].startswith("systemctl --user daemon-reload")


@pytest.mark.parametrize("name", ["a b", "100%", "$HOME", 'say "hi"', "back\\slash", "it's", "x;y"])
def test_paths_come_through_as_they_are(name: str) -> None:
    root = f"/srv/{name}"
    made = unit(root, program=[f"/opt/{name}/airferry"])
    started = words(parsed(made.text)["Service"]["ExecStart"])
    assert started == [f"/opt/{name}/airferry", "registry", "serve", "--root", root]
    for _, command in made.commands:
        assert shlex.split(command), "a shell can read it"


def test_a_path_that_no_unit_can_hold_is_refused() -> None:
    with pytest.raises(UsageError):
        unit("/srv/a\nExecStartPre=/bin/rm")


def test_the_firewall_is_opened_for_the_port_and_only_where_that_helps() -> None:
    commands = "\n".join(command for _, command in unit(listen="[::]:5000").commands)
    assert "firewall-cmd --permanent --add-port=5000/tcp && firewall-cmd --reload" in commands
    assert "semanage fcontext -a -t bin_t /usr/local/bin/airferry" in commands
    assert "restorecon -RF /srv/registry" in commands
    assert "firewall-cmd" not in "\n".join(command for _, command in unit(listen="127.0.0.1:8443").commands)


def test_the_commented_unit_is_the_unit() -> None:
    made = unit()
    assert parsed(made.commented) == parsed(made.text)
    assert all(line.startswith("#") for line in made.commented[: -len(made.text)].splitlines() if line)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
@pytest.mark.parametrize("is_user", [False, True], ids=["system", "user"])
def test_systemd_finds_nothing_wrong_with_it(is_user: bool, tmp_path: Path) -> None:
    made = unit(str(tmp_path), account="root", is_user=is_user, program=[shutil.which("true") or "/bin/true"])
    file = tmp_path / "airferry-registry.service"
    file.write_text(made.commented)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
