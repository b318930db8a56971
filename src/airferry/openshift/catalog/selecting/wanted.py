"""What is wanted of a catalog: packages, channels, versions, and whether what they need comes along."""

from dataclasses import dataclass
from enum import StrEnum

from airferry.errors import UsageError
from airferry.openshift.version_range import VersionRange


class Depth(StrEnum):
    """How much of a channel: its newest version (of those in the range, where there is one), or all."""

    HEADS = "heads"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class WantedChannel:
    """A channel, and which versions of it; None for those that the package's wish says."""

    name: str
    versions: VersionRange | None = None


@dataclass(frozen=True, slots=True)
class WantedPackage:
    """A package: no ``channels`` stands for all of them, or for those with a version in the range.

    ``default_channel`` replaces the catalog's, "" keeps it.
    """

    name: str
    channels: tuple[WantedChannel, ...] = ()
    versions: VersionRange | None = None
    default_channel: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A wish; no ``packages`` stands for every one.

    ``depth`` None decides by what is named, as oc-mirror does and its users expect: every version in a range, the
    head where a package or channel is named without one, and everything where nothing is named, as ``oc`` does.
    """

    packages: tuple[WantedPackage, ...] = ()
    depth: Depth | None = None
    dependencies: bool = True

    @property
    def is_everything(self) -> bool:
        """Whether the catalog is wanted as it is."""
        return not self.packages and self.depth is not Depth.HEADS

    def depth_of(self, versions: VersionRange | None) -> Depth:
        """Return how much of a channel is wanted where ``versions`` says which."""
        if self.depth is not None:
            return self.depth
        return Depth.HEADS if self.packages and versions is None else Depth.ALL


def parse_wanted(
    packages: tuple[str, ...],
    channels: tuple[str, ...] = (),
    default_channels: tuple[str, ...] = (),
    *,
    depth: Depth | None = None,
    dependencies: bool = True,
) -> Wanted:
    """Return the wish that is spelt ``NAME[@RANGE]`` for packages and ``[PACKAGE:]NAME[@RANGE]`` for channels.

    A channel without package belongs to every package that is named. A package may be named by its channel alone.
    Raises UsageError, and MalformedError for a range.
    """
    named: dict[str, WantedPackage] = {}
    for text in packages:
        name, versions = _with_range(text, "--package")
        if name in named:
            raise UsageError(f"--package names {name} twice", hint="join ranges with ||: --package 'NAME@1.x || 3.x'")
        named[name] = WantedPackage(name, (), versions)
    inside: dict[str, list[WantedChannel]] = {}
    for package, rest in _owned(channels, named, "--channel"):
        name, versions = _with_range(rest, "--channel")
        if any(channel.name == name for channel in inside.setdefault(package, [])):
            raise UsageError(f"--channel names {package}:{name} twice", hint="join ranges with ||")
        inside[package].append(WantedChannel(name, versions))
    defaults = dict(_owned(default_channels, named, "--default-channel"))
    for package in inside:
        named.setdefault(package, WantedPackage(package))
    for package, channel in defaults.items():
        if package not in named:
            raise UsageError(
                f"--default-channel {package}:{channel} is of a package that is not wanted",
                hint=f"add --package {package}, or --channel {package}:{channel}",
            )
    return Wanted(
        tuple(
            WantedPackage(name, tuple(inside.get(name, ())), package.versions, defaults.get(name, ""))
            for name, package in named.items()
        ),
        depth,
        dependencies,
    )


def _owned(texts: tuple[str, ...], named: dict[str, WantedPackage], flag: str) -> list[tuple[str, str]]:
    """Return pairs of package and the rest; without a package, one for every package that is named."""
    pairs: list[tuple[str, str]] = []
    for text in texts:
        name, at, versions = text.partition("@")
        package, colon, channel = name.partition(":")
        if colon:
            pairs.append((package, channel + at + versions))
        elif named:
            pairs.extend((name, text) for name in named)
        else:
            raise UsageError(f"{flag} {text} does not say of which package", hint=f"such as {flag} PACKAGE:{text}")
    return pairs


def _with_range(text: str, flag: str) -> tuple[str, VersionRange | None]:
    name, at, versions = text.partition("@")
    if not name.strip():
        raise UsageError(f"{flag} {text!r} names nothing", hint=f"such as {flag} NAME, or {flag} 'NAME@>=1.2.0 <2.0.0'")
    return name.strip(), VersionRange.parse(versions) if at else None
