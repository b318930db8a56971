"""The root of the command line. Groups are imported when one of their commands is asked for."""

import importlib
import logging
import sys
from typing import Final

import click

from airferry.cli.command import SETTINGS, StoppedError, report_error, usage_error
from airferry.errors import AirferryError, ExitCode

_GROUPS: Final = {
    "demo": ("airferry.cli.demo", "The whole crossing on this machine, without internet."),
    "release": ("airferry.cli.release", "Look at, mirror and extract OpenShift releases."),
    "image": ("airferry.cli.image", "Mirror, copy, look at and extract any image."),
    "catalog": ("airferry.cli.catalog", "Look at, check, mirror and build operator catalogs."),
    "samples": ("airferry.cli.samples", "List, mirror and configure what the samples operator imports."),
    "secret": ("airferry.cli.secret", "Merge, show and check pull secrets."),
    "login": ("airferry.cli.login", "Prove credentials for a registry, then store them."),
    "registry": ("airferry.cli.registry", "Set up and serve a mirror registry."),
    "cluster": ("airferry.cli.cluster", "Generate, explain and check what a cluster is told about its mirror."),
    "verify": ("airferry.cli.verify", "Will this cluster be able to pull everything?"),
    "media": ("airferry.cli.media", "Look into, verify and serve a tree on disk."),
}

_HELP: Final = """Carries OpenShift releases and images into networks without internet.

Commands and flags are those of oc, without "adm"; see docs/concepts/differences-from-oc.md.

Example:

\b
  airferry release mirror 4.12.0 -a pull-secret.json --to-dir /media/usb
  airferry image mirror -a auth.json --from-dir /media/usb "file://openshift/release:4.12.0*" HOST:8443/ocp4/openshift4
"""


class LazyGroup(click.Group):
    """A group that knows the names and one-line helps of its commands, and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order people meet them."""
        return list(_GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command; None for an unknown name."""
        if cmd_name not in _GROUPS:
            return None
        module = importlib.import_module(_GROUPS[cmd_name][0])
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in _GROUPS.items()])


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from airferry import installed_version

        click.echo(f"airferry {installed_version()}")
        ctx.exit()


root = LazyGroup(
    "airferry",
    help=_HELP,
    no_args_is_help=True,
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Print the version and exit.",
        )
    ],
    context_settings=SETTINGS,
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code (docs/reference/exit-codes.md)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    as_json = _wants_json(arguments)
    try:
        result = root.main(arguments, prog_name="airferry", standalone_mode=False)
    except AirferryError as error:
        report_error(error, as_json=as_json)
        return int(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return int(ExitCode.USER)
    except click.ClickException as error:
        report_error(usage_error(error), as_json=as_json)
        return int(ExitCode.USER)
    except (KeyboardInterrupt, click.Abort):
        report_error(StoppedError("stopped", hint="the same command again goes on from here"), as_json=as_json)
        return int(ExitCode.USER)
    except BrokenPipeError:
        # The reader of our stdout went away (a pager, head): not worth a traceback.
        sys.stderr.close()
        return int(ExitCode.USER)
    except Exception as error:  # the last door: a bug is reported as one, never as a traceback by itself
        return _report_bug(error, as_json=as_json)
    return result if isinstance(result, int) else int(ExitCode.DONE)


def _report_bug(error: Exception, *, as_json: bool) -> int:
    """Say that we failed. The traceback goes to the log, for whoever set --log-level debug."""
    logging.getLogger("airferry").debug("unexpected failure", exc_info=error)
    failure = AirferryError(
        f"unexpected {type(error).__name__}: {error}",
        hint="this is a bug in airferry; run again with --log-level debug and report what it prints",
    )
    report_error(failure, as_json=as_json)
    return int(ExitCode.FAILED)


def _wants_json(arguments: list[str]) -> bool:
    """Whether errors should be JSON: decided before parsing, since parsing may be what fails."""
    joined = " ".join(arguments)
    return "-o json" in joined or "--output json" in joined or "--output=json" in joined or "-ojson" in joined
