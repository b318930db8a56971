"""Every command explains itself, quickly, and with an example to copy."""

import subprocess
import sys

import click
import pytest

from airferry.cli.main import root
from failures.stage import airferry


def commands(group: click.Group, words: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    """Return every command that does something, with the words that name it."""
    context = click.Context(group)
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += commands(command, (*words, name))
        else:
            found.append(((*words, name), command))
    return found


COMMANDS = commands(root)
NAMED = pytest.mark.parametrize("words", [words for words, _ in COMMANDS], ids=" ".join)

HEAVY = ("aiohttp", "cryptography", "rich", "ruamel", "msgspec", "pysequoia", "structlog", "uvloop", "bcrypt", "yarl")


def test_all_commands_of_this_version_are_there() -> None:
    assert {" ".join(words) for words, _ in COMMANDS} >= {
        "demo",
        *(f"release {name}" for name in ("info", "mirror", "extract")),
        *(f"image {name}" for name in ("mirror", "copy", "info", "extract", "prune")),
        *(f"secret {name}" for name in ("merge", "show", "check")),
        "login",
        "verify",
        *(f"catalog {name}" for name in ("list", "check", "mirror", "build", "cache")),
        *(f"samples {name}" for name in ("list", "mirror", "config")),
        *(f"registry {name}" for name in ("init", "serve", "reload", "status", "unit", "probe")),
        *(f"cluster {name}" for name in ("registries-conf", "lint", "drain", "explain")),
        *(f"media {name}" for name in ("info", "verify", "serve")),
        *(f"cluster {name}" for name in ("install-config", "mirror-sets", "trust")),
    }


@NAMED
def test_every_command_has_help_with_an_example(words: tuple[str, ...]) -> None:
    text = airferry(*words, "--help").done().out
    assert text.startswith(f"Usage: airferry {' '.join(words)}")
    example = text.partition("Example")[2]
    assert f"  airferry {' '.join(words)}" in example
    assert airferry(*words, "-h").done().out == text


@pytest.mark.parametrize(
    "words",
    [(), ("release",), ("image",), ("secret",), ("registry",), ("media",), ("cluster",), ("catalog",), ("samples",)],
)
def test_a_group_lists_its_commands(words: tuple[str, ...]) -> None:
    text = airferry(*words, "--help").done().out
    prefix = len(words)
    for name in {found[prefix] for found, _ in COMMANDS if found[:prefix] == words}:
        assert f"\n  {name} " in text


@NAMED
def test_every_option_is_explained_or_hidden(words: tuple[str, ...]) -> None:
    command = dict(COMMANDS)[words]
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, f"{words}: {parameter.opts}"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["release", "mirror", "--help"], ["release", "nope"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from airferry.cli.main import main\n"
        f"main({arguments!r})\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print('loaded:', *loaded)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_no_command_at_all_shows_what_there_is() -> None:
    for words in ((), ("release",)):
        run = airferry(*words)
        assert run.code == 1
        assert "Commands:" in run.err and run.out == ""


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert airferry("--version").done().out == f"airferry {version('airferry')}\n"
