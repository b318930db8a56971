"""The tools in a release: which component image holds which program, for which system, and under which name.

Source: the table of ``oc adm release extract``. Unlike there, a tool that cannot be had is always an error
(``oc`` ends well without writing a file for some of them), and so is an ``openshift-install`` without its markers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from airferry.errors import UsageError
from airferry.oci import Reference
from airferry.openshift.release.errors import ToolMissingError
from airferry.openshift.release.patching import RELEASE_ARCHITECTURE, RELEASE_IMAGE, RELEASE_VERSION, Marker
from airferry.openshift.release.payload import ReleasePayload

_INSTALLER_MARKERS: Final = (RELEASE_IMAGE, RELEASE_VERSION, RELEASE_ARCHITECTURE)
_CLIENT_MARKERS: Final = (RELEASE_VERSION,)


@dataclass(frozen=True, slots=True)
class Tool:
    """One program for one system. ``architecture`` is None where it is that of the release.

    ``path`` is inside the image of ``component``, relative. ``markers`` are replaced in it; where one is absent,
    that is an error if ``needs_markers``, else worth a warning. ``optional`` tools are left out of ``--tools``.
    ``inner_name`` is what the program is called inside the archive.
    """

    command: str
    component: str
    path: str
    os: str
    architecture: str | None
    archive: str
    inner_name: str
    markers: tuple[Marker, ...] = ()
    optional: bool = False

    @property
    def needs_markers(self) -> bool:
        """Whether the program is useless, or worse, without the release written into it."""
        return self.command.startswith("openshift-") and bool(self.markers)

    @property
    def is_newer(self) -> bool:
        """Whether only newer releases have it, so that "all tools" of an older one do without.

        Source: the targets that ``oc adm release extract`` passes over where the release lacks them.
        """
        from_artifacts = self.architecture is not None and (self.os, self.architecture) not in _FIRST_SYSTEMS
        return from_artifacts or ".rhel" in self.command or self.command == "ccoctl"

    @property
    def is_zip(self) -> bool:
        """Whether its archive is a zip, not a gzipped tar."""
        return self.archive.endswith(".zip")

    @property
    def has_kubectl(self) -> bool:
        """Whether its archive holds ``kubectl`` as a second name of the program."""
        return self.command.partition(".")[0] == "oc" and not self.is_zip

    def archive_name(self, version: str) -> str:
        """Return the archive's file name for ``version``."""
        return self.archive.replace("%s", version)

    def system(self, release_architecture: str) -> str:
        """Return os/architecture."""
        return f"{self.os}/{self.architecture or release_architecture}"


_FIRST_SYSTEMS: Final = (("darwin", "amd64"), ("windows", "amd64"))


def _client(path: str, os: str, architecture: str | None, archive: str, command: str = "oc") -> Tool:
    component = "cli" if architecture is None else "cli-artifacts"
    inner = "oc.exe" if os == "windows" else "oc"
    return Tool(command, component, path, os, architecture, archive, inner, _CLIENT_MARKERS)


def _installer(component: str, path: str, os: str, architecture: str | None, archive: str) -> Tool:
    return Tool(
        "openshift-install", component, path, os, architecture, archive, "openshift-install", _INSTALLER_MARKERS
    )


def _special_installer(command: str, archive: str) -> Tool:
    path = "usr/bin/openshift-install"
    return Tool(
        command, "baremetal-installer", path, "linux", None, archive, command, _INSTALLER_MARKERS, optional=True
    )


def _ccoctl(suffix: str, archive: str) -> Tool:
    command = f"ccoctl{suffix}"
    return Tool(command, "cloud-credential-operator", f"usr/bin/{command}", "linux", None, archive, "ccoctl")


_SHARE: Final = "usr/share/openshift"
_LINUX_CLIENTS: Final = tuple(
    _client(f"{_SHARE}/linux_{arch}/oc", "linux", arch, f"openshift-client-linux-{arch}-%s.tar.gz")
    for arch in ("amd64", "arm64", "ppc64le")
)
_RHEL_CLIENTS: Final = tuple(
    _client(
        f"{_SHARE}/linux_{arch}/oc.rhel{rhel}",
        "linux",
        arch,
        f"openshift-client-linux-{arch}-rhel{rhel}-%s.tar.gz",
        f"oc.rhel{rhel}",
    )
    for rhel in (8, 9)
    for arch in ("amd64", "arm64", "ppc64le", "s390x")
)

TOOLS: Final = (
    _client("usr/bin/oc", "linux", None, "openshift-client-linux-%s.tar.gz"),
    _client(f"{_SHARE}/mac/oc", "darwin", "amd64", "openshift-client-mac-%s.tar.gz"),
    _client(f"{_SHARE}/mac_arm64/oc", "darwin", "arm64", "openshift-client-mac-arm64-%s.tar.gz"),
    *_LINUX_CLIENTS,
    *_RHEL_CLIENTS,
    _client(f"{_SHARE}/windows/oc.exe", "windows", "amd64", "openshift-client-windows-%s.zip"),
    _installer("installer", "usr/bin/openshift-install", "linux", None, "openshift-install-linux-%s.tar.gz"),
    *(
        _installer(
            "installer-artifacts",
            f"{_SHARE}/{folder}/openshift-install",
            os,
            arch,
            f"openshift-install-{word}-%s.tar.gz",
        )
        for folder, os, arch, word in (
            ("mac", "darwin", "amd64", "mac"),
            ("mac_arm64", "darwin", "arm64", "mac-arm64"),
            ("linux_amd64", "linux", "amd64", "linux-amd64"),
            ("linux_arm64", "linux", "arm64", "linux-arm64"),
        )
    ),
    _special_installer("openshift-baremetal-install", "openshift-baremetal-install-linux-%s.tar.gz"),
    _special_installer("openshift-install-fips", "openshift-install-rhel-%s.tar.gz"),
    _ccoctl("", "ccoctl-linux-%s.tar.gz"),
    _ccoctl(".rhel8", "ccoctl-linux-rhel8-%s.tar.gz"),
    _ccoctl(".rhel9", "ccoctl-linux-rhel9-%s.tar.gz"),
)
"""Every tool that is known, in ``oc``'s order."""

_OS_WORDS: Final = {"mac": "darwin", "macos": "darwin"}


@dataclass(frozen=True, slots=True)
class System:
    """What ``--command-os`` asks for: ``os`` None means all; ``architecture`` None means the usual one."""

    os: str | None
    architecture: str | None = None

    @classmethod
    def parse(cls, text: str) -> "System":
        """Return what ``text`` spells, in any case: linux, mac, macOS, darwin, windows, os/arch, or ``*``.

        Raises UsageError.
        """
        if text == "*":
            return cls(None)
        os, slash, architecture = text.lower().partition("/")
        os = _OS_WORDS.get(os, os)
        if os not in ("linux", "darwin", "windows") or (slash and not architecture):
            raise UsageError(
                f"--command-os={text} is not a system",
                hint="use linux, mac, windows, OS/ARCH such as mac/arm64, or '*'",
            )
        return cls(os, architecture or None)


def select_command(command: str, system: System, release_architecture: str, release: str) -> tuple[Tool, ...]:
    """Return the tools that ``--command`` and ``--command-os`` mean; several only where the system is ``*``.

    ``release`` names the release in errors. Raises ToolMissingError when there is no such tool at all, none for
    that operating system, or none for that architecture.
    """
    known = [tool for tool in TOOLS if tool.command == command]
    for_os = [tool for tool in known if system.os in (None, tool.os)]
    if not for_os:
        raise ToolMissingError(
            f'command "{command}" does not exist in targets '
            f'or does not support the operating system "{system.os or "*"}"',
            hint=_hint(command, known),
        )
    if system.os is None:
        return _without_doubles(for_os, release_architecture)
    wanted = system.architecture or _usual_architecture(system.os, release_architecture)
    for tool in for_os:
        if (tool.architecture or release_architecture) == wanted:
            return (tool,)
    systems = ", ".join(sorted({tool.system(release_architecture) for tool in known}))
    raise ToolMissingError(
        f"the command '{command}' is not available for {system.os}/{wanted} on {release}",
        hint=f"it is for {systems}",
    )


def select_tools(system: System, release_architecture: str) -> tuple[Tool, ...]:
    """Return what ``--tools`` means: every tool for that system that is not optional."""
    wanted = [tool for tool in TOOLS if not tool.optional and system.os in (None, tool.os)]
    if system.os is not None:
        architecture = system.architecture or _usual_architecture(system.os, release_architecture)
        wanted = [tool for tool in wanted if (tool.architecture or release_architecture) == architecture]
    return _without_doubles(wanted, release_architecture)


def component_image(tool: Tool, payload: ReleasePayload) -> Reference:
    """Return the image, by digest, that holds ``tool``. Raises ToolMissingError when the release lacks it."""
    for component in payload.components:
        if component.name == tool.component:
            return component.image
    raise ToolMissingError(
        f'the image "{tool.component}" containing the desired command is not available',
        hint=f"release {payload.version} has no component of that name, so it cannot provide {tool.command}",
    )


def missing_file(tool: Tool, image: Reference) -> ToolMissingError:
    """Return the error for an image that does not hold the tool's file."""
    return ToolMissingError(
        f"image did not contain {tool.path}: {tool.command} is not in {image}",
        hint="this release does not provide the tool for that system; try another --command-os",
    )


def patch_values(tool: Tool, *, pullspec: str, version: str, platform: str) -> Mapping[Marker, str]:
    """Return what to write into the tool. ``platform`` is ``linux/amd64`` or ``multi (linux/amd64)``.

    ``pullspec`` is the release by digest in the repository it was read from: that pins the installer to it.
    """
    values = {RELEASE_IMAGE: pullspec, RELEASE_VERSION: version, RELEASE_ARCHITECTURE: platform}
    return {marker: values[marker] for marker in tool.markers}


def check_markers(tool: Tool, missing: Iterable[Marker]) -> str | None:
    """Return a warning when markers of a tool were not found, None when all were.

    Raises ToolMissingError for an installer: without the release's name it would install another release.
    """
    titles = ", ".join(marker.title for marker in missing)
    if not titles:
        return None
    if tool.needs_markers:
        raise ToolMissingError(
            f"{tool.command} has no place for: {titles}; it would not install this release",
            hint="the file in the image is not an installer that can be bound to a release",
        )
    return f"{tool.command} has no place for: {titles}; it will not report this release's version"


def _usual_architecture(os: str, release_architecture: str) -> str:
    return release_architecture if os == "linux" else "amd64"


def _without_doubles(tools: Iterable[Tool], release_architecture: str) -> tuple[Tool, ...]:
    """Leave out what names the release's own architecture where the same command has an entry that follows it."""
    listed = tuple(tools)
    following = {(tool.command, tool.os) for tool in listed if tool.architecture is None}
    return tuple(
        tool
        for tool in listed
        if not (tool.architecture == release_architecture and (tool.command, tool.os) in following)
    )


def _hint(command: str, known: Iterable[Tool]) -> str:
    systems = sorted({f"{tool.os}/{tool.architecture or 'the release'}" for tool in known})
    if systems:
        return f"{command} is for {', '.join(systems)}"
    return f"known tools: {', '.join(sorted({tool.command for tool in TOOLS}))}"
