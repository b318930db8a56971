"""The page that goes with a mirrored release: what to type on the far side, in which order. Same input, same bytes."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from airferry.oci import Digest

REGISTRY_PLACEHOLDER = "REGISTRY/REPOSITORY"

ON_THE_DISK = "$DISK"
"""Begins the paths of what lies on the disk; the page's first command gives it its value."""

_ACCESS = ("-a", "auth.json", "--certificate-authority", "ca.crt")


@dataclass(frozen=True, slots=True)
class RunBook:
    """What the page speaks of. Paths are as seen on the far side: from the folder in which one works, or ON_THE_DISK.

    ``disk`` is None when the release went straight into the registry; then ``tag`` is its tag there.
    ``registry`` is HOST[:PORT]/REPOSITORY, or the placeholder when it is not known yet. ``fragment`` is the file
    with the section for install-config.yaml, ``mirror_objects`` the files with cluster objects,
    ``signature_files`` the signature ConfigMaps. ``components`` counts the images besides the release image.
    ``tool`` is the name of the executable on the disk, None when it was not put there; ``verification_keys`` are
    names of key files, which are not on the disk: it cannot vouch for itself.
    """

    version: str
    arch: str
    digest: Digest
    components: int
    disk: str | None
    tag: str
    registry: str = REGISTRY_PLACEHOLDER
    repository_path: str = "openshift/release"
    fragment: str = "imageDigestSources.yaml"
    mirror_objects: tuple[str, ...] = ()
    signature_files: tuple[str, ...] = ()
    tool: str | None = None
    unverified: bool = False
    verification_keys: tuple[str, ...] = field(default=())


def print_runbook(book: RunBook) -> str:
    """Return the page as Markdown, ending in a newline."""
    sections = (_opening(book), _begin(book), _check(book), _load(book), _extract(book), _configure(book), _prove(book))
    return "\n".join(section for section in sections if section)


def _opening(book: RunBook) -> str:
    if book.disk is None:
        holder, way = "The mirror", "in a mirror registry"
    else:
        holder, way = "This disk", "from this disk to a mirror registry"
    lines = [
        f"# OpenShift {book.version} ({book.arch}) {way}",
        "",
        f"{holder} carries the release image and its {book.components} component images.",
        "",
        f"- release: `{book.digest}`",
    ]
    if book.disk is not None:
        lines.append(f"- on the disk: `file://{book.repository_path}:{book.tag}`")
    lines.append(f"- mirror: `{book.registry}`")
    if book.registry == REGISTRY_PLACEHOLDER:
        lines.append(
            f"\nReplace `{REGISTRY_PLACEHOLDER}` with your mirror, such as `mirror.example.com:8443/ocp4/openshift4`."
        )
    if book.unverified:
        needed = " `--allow-unverified` is needed below." if book.disk is not None else ""
        lines.append(f"\n**The signature of this release was not verified.**{needed}")
    return "\n".join(lines) + "\n"


def _begin(book: RunBook) -> str:
    if book.disk is None:
        return ""
    folder = f"~/openshift-{book.version}-{book.arch}"
    commands = ["DISK=$PWD", f"mkdir -p {folder} && cd {folder}"]
    if book.tool is not None:
        commands.append(_command(["cp", f"{ON_THE_DISK}/{book.tool}", "."]))  # disks are often mounted noexec
    text = (
        "In the folder that holds this page. Everything after it is done in a folder of its own: the disk may be\n"
        "read-only, and neither passwords nor the installer belong on it."
    )
    return "\n".join((_section("Begin", text, []) + "```", *commands, "```", ""))


def _check(book: RunBook) -> str:
    if book.disk is None:
        return ""
    return _section(
        "Check the disk",
        "Every byte is read and compared with its digest; a damaged file is named with the images it breaks.",
        [[*_program(book), "media", "verify", book.disk]],
    )


def _load(book: RunBook) -> str:
    if book.disk is None:
        return ""
    host = book.registry.split("/", 1)[0]
    command = [
        *_program(book),
        "release",
        "mirror",
        f"--from=file://{book.repository_path}:{book.tag}",
        f"--from-dir={book.disk}",
        f"--to={book.registry}",
        *_trust_options(book),
        *_ACCESS,
    ]
    keys = "".join(
        f"`{key}` is the key that the release was signed with; it is not on the disk, which cannot vouch for itself.\n"
        for key in book.verification_keys
    )
    return _section(
        "Load the mirror registry",
        f"{keys}`ca.crt` is the mirror's CA certificate; leave it out where this host trusts the mirror already.\n"
        "`login` asks for user and password and tries them first.\n"
        "If loading stops, the same command goes on from there.\n"
        f"Where there is no registry yet: `{_program_name(book)} registry serve --help`.",
        [[*_program(book), "login", host, *_ACCESS], command],
    )


def _extract(book: RunBook) -> str:
    command = [
        *_program(book),
        "release",
        "extract",
        "--command=openshift-install",
        f"--from={book.registry}@{book.digest}",
        *_ACCESS,
    ]
    return _section(
        "Take out the installer",
        f"It installs exactly this release, from the mirror. `./openshift-install version` must print {book.digest}.",
        [command, ["./openshift-install", "version"]],
    )


def _configure(book: RunBook) -> str:
    text = (
        f"For a new cluster, put the content of `{book.fragment}` into install-config.yaml, with the mirror's CA as\n"
        "`additionalTrustBundle` and its user in `pullSecret`."
    )
    objects = [["oc", "apply", "-f", name] for name in (*book.mirror_objects, *book.signature_files)]
    if objects:
        text += " For a cluster that runs already, apply the objects:"
    return _section("Tell the cluster about the mirror", text, objects)


def _prove(book: RunBook) -> str:
    if not book.mirror_objects:
        return ""
    update = [
        ["oc", "adm", "upgrade", "--allow-explicit-upgrade", f"--to-image={book.registry}@{book.digest}"],
    ]
    return _section(
        "Update a cluster that runs already",
        "Wait until the nodes have taken over the new registries.conf (`oc get machineconfigpool`), then:",
        update,
    )


def _program(book: RunBook) -> Sequence[str]:
    return (_program_name(book),)


def _program_name(book: RunBook) -> str:
    return "airferry" if book.tool is None else f"./{book.tool}"


def _trust_options(book: RunBook) -> list[str]:
    keys = [f"--verification-key={key}" for key in book.verification_keys]
    return [*keys, *(["--allow-unverified"] if book.unverified else [])]


def _section(title: str, text: str, commands: Sequence[Sequence[str]]) -> str:
    lines = [f"## {title}", "", text, ""]
    if commands:
        lines.extend(("```", *(_command(command) for command in commands), "```", ""))
    return "\n".join(lines)


def _command(words: Sequence[str]) -> str:
    """Return the words as typed in a shell; the placeholder and what is safe stay unquoted."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    before, variable, behind = word.partition(ON_THE_DISK)
    if not variable:
        return shlex.quote(word)
    return f'{before and shlex.quote(before)}"{ON_THE_DISK}"{behind and shlex.quote(behind)}'
