"""How every command behaves: flags as oc people write them, errors with hints, exit codes from the one table."""

import asyncio
import json
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from airferry.cli.terminal import harmless
from airferry.errors import AirferryError, ExitCode, UsageError

Result = TypeVar("Result")


class StoppedError(AirferryError):
    """The user stopped the run; what was done stays done."""

    code = "interrupted"


SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class OcCommand(click.Command):
    """A command that also takes ``--flag=true`` and ``--flag=false`` for flags without a value, as cobra does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Rewrite such flags to the form that click knows; a false flag is as if it were not there."""
        flags = {
            name
            for parameter in self.params
            if isinstance(parameter, click.Option) and parameter.is_flag
            for name in parameter.opts
        }
        rewritten = []
        for position, arg in enumerate(args):
            if arg == "--":
                rewritten += args[position:]
                break
            name, equals, value = arg.partition("=")
            if not equals or name not in flags or value not in ("true", "false"):
                rewritten.append(arg)
            elif value == "true":
                rewritten.append(name)
        return super().parse_args(ctx, rewritten)


class OcGroup(click.Group):
    """A group whose commands are :class:`OcCommand`, listed in the order of their definition."""

    command_class = OcCommand

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands as defined."""
        return list(self.commands)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run ``work`` to its end in the one event loop of this process."""
    import uvloop

    from airferry.cli import process
    from airferry.few_threads import FewThreads

    def new_loop() -> asyncio.AbstractEventLoop:
        loop = uvloop.new_event_loop()
        loop.set_default_executor(FewThreads(most=16))
        return loop

    process.prepare()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)


def finish(code: ExitCode) -> None:
    """End the command with ``code``; nothing happens for DONE."""
    if code is not ExitCode.DONE:
        raise click.exceptions.Exit(int(code))


def report_error(error: AirferryError, *, as_json: bool) -> None:
    """Print ``error`` on stderr: two paragraphs for people, one line of JSON for programs."""
    if as_json:
        body = {"code": error.code, "message": error.message, "hint": error.hint, "exit": int(error.exit_code)}
        print(json.dumps({"error": body}), file=sys.stderr)
        return
    print(harmless(f"error[{error.code}]: {error.message}"), file=sys.stderr)
    if error.hint:
        print(harmless(f"\nhint: {error.hint}"), file=sys.stderr)


def usage_error(error: click.ClickException) -> UsageError:
    """Return what click found wrong with the command line as one of our errors."""
    context = getattr(error, "ctx", None)
    hint = f"see '{context.command_path} --help'" if context is not None else None
    return UsageError(error.format_message(), hint=hint)
