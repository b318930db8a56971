"""The tools inside a release, as programs that run anywhere: a shell script, then markers, then noise.

They keep the promise of the real ones: ``version`` prints what was written over their markers. Source: the
marker table of ``oc adm release extract`` (total lengths with both NULs: 327, 93 and 98 bytes; the value is written
from the marker's leading NUL on and ends with a NUL).
"""

from typing import Final

from airferry.lab.layer import Entry, File, Noise, Symlink, noise

IMAGE_MARKER: Final = b"\0_RELEASE_IMAGE_LOCATION_\0" + 300 * b"X" + b"\0"
VERSION_MARKER: Final = b"\0_RELEASE_VERSION_LOCATION_\0" + 64 * b"X" + b"\0"
ARCHITECTURE_MARKER: Final = b"\0_RELEASE_ARCHITECTURE_LOCATION_\0" + 64 * b"X" + b"\0"

_INSTALLER_FOLDERS: Final = ("mac", "mac_arm64", "linux_amd64", "linux_arm64")
_CLIENT_FOLDERS: Final = ("linux_amd64", "linux_arm64", "linux_ppc64le", "mac", "mac_arm64")

_READ: Final = """#!/bin/sh
# An airferry lab tool: it prints what was written over its own markers.
slot() { dd if="$0" bs=1 skip="$1" count="$2" 2>/dev/null | tr '\\000' '\\n' | head -n 1; }
"""

_INSTALLER: Final = (
    _READ
    + """image=$(slot @IMAGE@) version=$(slot @VERSION@) platform=$(slot @ARCHITECTURE@)
case "$1" in
version)
  echo "openshift-install ${version:-unreleased}"
  echo "built from commit @COMMIT@"
  if [ -n "$image" ]; then echo "release image $image"
  else echo "release image: none, this installer was not pinned to a release"; fi
  case "$platform" in
  "") echo "release architecture unknown" ;;
  multi*) echo "release architecture multi" ;;
  *) echo "release architecture ${platform#*/}" ;;
  esac ;;
*) echo "usage: openshift-install version" >&2; exit 1 ;;
esac
exit 0
"""
)

_CLIENT: Final = (
    _READ
    + """version=$(slot @VERSION@)
case "$1" in
version) echo "Client Version: ${version:-unreleased}"; echo "Kustomize Version: v4.5.7" ;;
*) echo "usage: oc version --client" >&2; exit 1 ;;
esac
exit 0
"""
)

_CCOCTL: Final = """#!/bin/sh
echo "ccoctl, built from commit @COMMIT@"
exit 0
"""


def openshift_install(key: str, commit: str, size_bytes: int) -> bytes:
    """Return an ``openshift-install`` of ``size_bytes`` with all three markers, unpatched; ``key`` picks the noise."""
    markers = IMAGE_MARKER + VERSION_MARKER + ARCHITECTURE_MARKER
    return _assemble(_INSTALLER, commit, markers, key, size_bytes)


def oc(key: str, commit: str, size_bytes: int) -> bytes:
    """Return an ``oc`` of ``size_bytes`` with the version marker, unpatched."""
    return _assemble(_CLIENT, commit, VERSION_MARKER, key, size_bytes)


def oc_exe(key: str, size_bytes: int) -> bytes:
    """Return an ``oc.exe``: it only looks like a Windows program, but its version marker is real."""
    head, at = b"MZ" + 58 * b"\0", _markers_at(size_bytes)
    end = _filler(f"{key}/end", size_bytes - at - len(VERSION_MARKER))
    return head + _filler(key, at - len(head)) + VERSION_MARKER + end


def ccoctl(key: str, commit: str, size_bytes: int) -> bytes:
    """Return a ``ccoctl``, which has no markers."""
    return _assemble(_CCOCTL, commit, b"", key, size_bytes)


def tool_files(component: str, key: str, commit: str, size_bytes: int) -> tuple[Entry, ...]:
    """Return the tools that ``component`` holds, at the paths where the real one holds them; none for most.

    Source: the tool table of ``oc adm release extract``. The variants for RHEL 8 and 9 are left out, as in 4.12.
    """
    share = "usr/share/openshift/"
    match component:
        case "installer" | "baremetal-installer":
            return (_program("usr/bin/openshift-install", openshift_install(key, commit, size_bytes)),)
        case "installer-artifacts":
            return tuple(
                _program(f"{share}{folder}/openshift-install", openshift_install(f"{key}/{folder}", commit, size_bytes))
                for folder in _INSTALLER_FOLDERS
            )
        case "cli":
            return (_program("usr/bin/oc", oc(key, commit, size_bytes)), Symlink("usr/bin/kubectl", "oc"))
        case "cli-artifacts":
            return (
                *(
                    _program(f"{share}{folder}/oc", oc(f"{key}/{folder}", commit, size_bytes))
                    for folder in _CLIENT_FOLDERS
                ),
                _program(f"{share}windows/oc.exe", oc_exe(f"{key}/windows", size_bytes)),
            )
        case "cloud-credential-operator":
            return (_program("usr/bin/ccoctl", ccoctl(key, commit, size_bytes)),)
        case _:
            return ()


def _program(path: str, content: bytes) -> File:
    return File(path, content, 0o755)


def _markers_at(size_bytes: int) -> int:
    """Return the offset in bytes of the markers: across a block boundary, where a careless search misses one."""
    return (64 if size_bytes >= 128 * 1024 else 8) * 1024 - 100


def _assemble(script: str, commit: str, markers: bytes, key: str, size_bytes: int) -> bytes:
    at = _markers_at(size_bytes)
    for name, marker in (("IMAGE", IMAGE_MARKER), ("VERSION", VERSION_MARKER), ("ARCHITECTURE", ARCHITECTURE_MARKER)):
        script = script.replace(f"@{name}@", f"{at + max(0, markers.find(marker))} {len(marker)}")
    head = script.replace("@COMMIT@", commit).encode()
    return head + _filler(key, at - len(head)) + markers + _filler(f"{key}/end", size_bytes - at - len(markers))


def _filler(key: str, size_bytes: int) -> bytes:
    return b"".join(noise(Noise(f"tool/{key}", size_bytes)))
