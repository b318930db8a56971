"""The texts that lie beside extracted tools: README.md in each archive, release.txt, sha256sum.txt."""

from collections.abc import Mapping
from typing import Final

from airferry.oci import Digest
from airferry.openshift.release.installer import Tool

RELEASE_TEXT_NAME: Final = "release.txt"
CHECKSUMS_NAME: Final = "sha256sum.txt"

_ABOUT: Final = {
    "oc": (
        "OpenShift command line client",
        "`oc` is the command line client of OpenShift; `kubectl` is the same program under its other name.",
        "Put both into a folder of your PATH, then log in with `oc login https://API-SERVER:6443`.",
    ),
    "openshift-install": (
        "OpenShift installer",
        "`openshift-install` installs a cluster of exactly one release, which is written into the program.",
        "`./openshift-install version` prints that release; `./openshift-install create cluster` installs it.",
    ),
    "ccoctl": (
        "Cloud credential tool",
        "`ccoctl` makes the cloud resources that let a cluster use short-lived credentials.",
        "Put it into a folder of your PATH and see `ccoctl --help` for the clouds it knows.",
    ),
}


def readme_text(tool: Tool, version: str) -> str:
    """Return README.md for the archive of ``tool``; with CRLF line ends where the archive is for Windows."""
    family = next((name for name in _ABOUT if tool.command.startswith(name)), "openshift-install")
    if tool.command == "openshift-baremetal-install":
        family = "openshift-install"
    title, what, how = _ABOUT[family]
    if tool.inner_name != family:
        what = what.replace(f"`{family}`", f"`{tool.inner_name}`", 1)
        how = how.replace(f"./{family}", f"./{tool.inner_name}")
    lines = (f"# {title}", "", f"Taken out of the OpenShift release {version}.", "", what, "", how, "")
    return ("\r\n" if tool.os == "windows" else "\n").join(lines)


def release_text(description: str) -> str:
    """Return release.txt; ``description`` is the text about the release with pull specs."""
    return (
        "Tools of an OpenShift release\n"
        "-----------------------------\n\n"
        "The archives in this folder were taken out of the release described below, and the installer among\n"
        f"them installs exactly that release. `sha256sum -c {CHECKSUMS_NAME}` checks that they are whole.\n\n"
        "---\n\n"
        f"{description}"
    )


def checksums_text(files: Mapping[str, Digest]) -> str:
    """Return sha256sum.txt: release.txt first, then the other names sorted, in the format of sha256sum."""
    names = sorted(files, key=lambda name: (name != RELEASE_TEXT_NAME, name))
    return "".join(f"{files[name].hex}  {name}\n" for name in names)
