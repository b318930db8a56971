"""Documents are true: links lead somewhere, commands parse, the reference is the program's own."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from airferry.cli.command import SETTINGS
from airferry.cli.main import root
from airferry.errors import ERROR_CODES

TOP = Path(__file__).parents[2]
PAGES = sorted([TOP / "README.md", TOP / "CONTRIBUTING.md", *(TOP / "docs").rglob("*.md")])
BLOCK = re.compile(r"```[a-z]*\n(.*?)```", re.DOTALL)


def named(page: Path) -> str:
    return str(page.relative_to(TOP))


def commands_in(page: Path) -> list[str]:
    """Every ``airferry …`` line of the page's code blocks, continued lines joined, comments cut."""
    found = []
    for block in BLOCK.findall(page.read_text()):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            if line.strip().startswith("airferry "):
                found.append(line.strip())
    return found


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize(
    ("page", "line"),
    [pytest.param(page, line, id=f"{named(page)}: {line[:60]}") for page in PAGES for line in commands_in(page)],
)
def test_commands_in_documents_parse(page: Path, line: str) -> None:
    words = shlex.split(re.split(" [<>] ", line)[0], comments=True)[1:]
    parse(root, words, "airferry")


def parse(command: click.Command, words: list[str], name: str) -> None:
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        if words and words[0].startswith("-"):
            return
        child = command.get_command(context, words[0])
        assert child is not None, f"there is no command {name} {words[0]}"
        parse(child, words[1:], f"{name} {words[0]}")
    elif "--help" not in words:
        # Click keeps the names of the help option that a command was first made with, for all of the process.
        command.make_context(name, list(words), **SETTINGS).close()


def test_the_reference_is_the_programs_own() -> None:
    done = subprocess.run(
        [sys.executable, TOP / "docs" / "reference" / "generate.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_every_error_code_is_documented() -> None:
    page = (TOP / "docs" / "reference" / "exit-codes.md").read_text()
    assert [code for code in ERROR_CODES if f"| `{code}` |" not in page] == []


def test_every_command_has_an_example() -> None:
    without = []
    for path, command in walk(root, "airferry"):
        if not isinstance(command, click.Group) and "Example" not in (command.help or ""):
            without.append(path)
    assert without == []


def walk(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    found = [(path, command)]
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                found += walk(child, f"{path} {name}")
    return found


def test_examples_in_help_parse() -> None:
    for path, command in walk(root, "airferry"):
        for line in (command.help or "").splitlines():
            if line.strip().startswith("airferry "):
                words = shlex.split(re.split(" [<>] ", line.strip())[0])[1:]
                try:
                    parse(root, words, "airferry")
                except click.ClickException as error:
                    pytest.fail(f"{path}: {line.strip()}: {error.format_message()}")


def test_the_repository_names_no_path_of_a_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=TOP, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    texts = [TOP / name for name in listed if name.endswith((".py", ".md", ".toml", ".sh", "Makefile", "run"))]
    own = Path(__file__)
    offenders = [
        str(file)
        for file in texts
        if file != own and re.search(r"(?<![\w.-])/(work|farm)/|\.\./shared", file.read_text())
    ]
    assert offenders == []
