"""Options that many commands share, as groups: a command takes a group, and gets its values as one object."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from airferry.cli.log_lines import send_to_stderr
from airferry.cli.output import OutputFormat
from airferry.cli.progress import ProgressForm

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Function], Function]

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How registries are reached by commands that only read."""

    registry_config: Path | None
    certificate_authority: Path | None
    insecure: bool
    icsp_file: tuple[Path, ...]
    idms_file: tuple[Path, ...]
    itms_file: tuple[Path, ...]
    registries_conf: Path | None
    skip_verification: bool
    retry_times: int
    retry_delay: float
    patience: float


@dataclass(frozen=True, slots=True)
class TrustOptions:
    """Which certificates are trusted by commands that only prove credentials."""

    certificate_authority: Path | None
    insecure: bool


@dataclass(frozen=True, slots=True)
class SideOptions:
    """What differs between the two sides of a copy; each wins over the option without a side."""

    src_registry_config: Path | None
    dest_registry_config: Path | None
    src_certificate_authority: Path | None
    dest_certificate_authority: Path | None
    src_insecure: bool
    dest_insecure: bool
    quay_token_file: Path | None


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What is said, where and how.

    ``output`` is a value of :class:`OutputFormat` or a word of the command's own, ``progress`` of ProgressForm.
    """

    output: str
    progress: str
    log_level: str
    log_format: str

    @property
    def form(self) -> OutputFormat:
        """The form of the answer; a word of the command's own counts as text."""
        return OutputFormat(self.output) if self.output in tuple(OutputFormat) else OutputFormat.TEXT


def taking(
    name: str, cls: type[Any], options: Sequence[Decorator[Any]], *, first: Callable[[Any], None] | None = None
) -> Decorator[Any]:
    """Return a decorator that adds ``options`` and passes their values as ``name``, an object of ``cls``.

    ``first`` is called with that object before the command.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def command(**values: Any) -> Any:
            group = cls(**{field.name: values.pop(field.name) for field in fields(cls)})
            if first is not None:
                first(group)
            return function(**values, **{name: group})

        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _flag(name: str, help_text: str, *, hidden: bool = False) -> Decorator[Any]:
    return click.option(name, is_flag=True, help=help_text, hidden=hidden)


_TRUST: Final = [
    click.option("--certificate-authority", type=FILE, help="CA certificate to trust, besides those of the system."),
    _flag("--insecure", "Do not verify TLS, and allow plain HTTP."),
]

trusts = taking("trust", TrustOptions, _TRUST)

reads_registries = taking(
    "reading",
    ReadOptions,
    [
        click.option(
            "-a",
            "--registry-config",
            "--authfile",
            "registry_config",
            type=FILE,
            help="Pull secret or auth file with the credentials.",
        ),
        *_TRUST,
        click.option("--icsp-file", type=FILE, multiple=True, help="Read mirrors from ImageContentSourcePolicy files."),
        click.option("--idms-file", type=FILE, multiple=True, help="Read mirrors from ImageDigestMirrorSet files."),
        click.option("--itms-file", type=FILE, multiple=True, help="Read mirrors from ImageTagMirrorSet files."),
        click.option("--registries-conf", type=FILE, help="Read mirrors and blocked registries from this file."),
        _flag("--skip-verification", "Taken for oc's sake; digests are always checked.", hidden=True),
        click.option(
            "--retry-times",
            type=click.IntRange(0, 100),
            default=5,
            show_default=True,
            help="How often in a row a request is tried again that failed or broke off without getting further.",
        ),
        click.option(
            "--retry-delay",
            type=click.FloatRange(0, 3600),
            default=0.5,
            show_default=True,
            metavar="SECONDS",
            help="Wait before the first of them; it doubles with each.",
        ),
        click.option(
            "--patience",
            type=click.FloatRange(0),
            default=900,
            show_default=True,
            metavar="SECONDS",
            help="How long in all to wait for a registry that answers 429, as it asks to.",
        ),
    ],
)

has_two_sides = taking(
    "sides",
    SideOptions,
    [
        click.option(
            "--src-registry-config",
            "--src-authfile",
            "src_registry_config",
            type=FILE,
            help="Credentials for the source.",
        ),
        click.option(
            "--dest-registry-config",
            "--dest-authfile",
            "dest_registry_config",
            type=FILE,
            help="Credentials for the destination.",
        ),
        click.option("--src-certificate-authority", type=FILE, help="CA certificate of the source."),
        click.option("--dest-certificate-authority", type=FILE, help="CA certificate of the destination."),
        _flag("--src-insecure", "As --insecure, for the source only."),
        _flag("--dest-insecure", "As --insecure, for the destination only."),
        click.option(
            "--quay-token-file",
            type=FILE,
            envvar="AIRFERRY_QUAY_TOKEN_FILE",
            show_envvar=True,
            help="OAuth token of the destination, if that is a Quay: missing organizations are made with it.",
        ),
    ],
)


def says(*words: str) -> Decorator[Any]:
    """Return the decorator for output options; ``words`` are values of ``-o`` besides text, json and yaml.

    A command that takes them logs as it was told to, from its first line on.
    """
    return taking(
        "saying",
        OutputOptions,
        [
            click.option(
                "-o",
                "--output",
                type=click.Choice([*(form.value for form in OutputFormat), *words]),
                default=OutputFormat.TEXT.value,
                show_default=True,
                help="Form of the answer on stdout.",
            ),
            click.option(
                "--progress",
                type=click.Choice([form.value for form in ProgressForm]),
                default=ProgressForm.AUTO.value,
                show_default=True,
                help="Form of the progress on stderr: auto is a bar on a terminal and lines elsewhere.",
            ),
            click.option(
                "--log-level",
                type=click.Choice(["debug", "info", "warning", "error"]),
                default="error",
                show_default=True,
                help="Least level of log lines on stderr.",
            ),
            click.option(
                "--log-format",
                type=click.Choice(["text", "json"]),
                default="text",
                show_default=True,
                help="Form of log lines.",
            ),
        ],
        first=lambda saying: send_to_stderr(saying.log_level, saying.log_format),
    )
