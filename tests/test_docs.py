"""The documents: examples run, commands exist, tables are true."""

import doctest
import re
from pathlib import Path

import pytest
import typer.main

from howfar.cli import app

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["docs/conventions.md"])
def test_examples_run(name):
    results = doctest.testfile(str(ROOT / name), module_relative=False)
    assert results.attempted > 5
    assert results.failed == 0


def commands():
    """Every `howfar ...` line in a code block of the documents."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for page in pages:
        for block in re.findall(r"```(?:sh|console)?\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.splitlines():
                if line.strip().startswith("howfar "):
                    yield pytest.param(line.strip(), id=f"{page.name}: {line.strip()[:50]}")


@pytest.mark.parametrize("line", list(commands()))
def test_documented_commands_parse(line):
    """The verb exists and knows every option that a document uses."""
    words = line.split("#")[0].split()[1:]
    command = typer.main.get_command(app)
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands"), f"no such verb: {line}"
    known = {name for parameter in command.params for name in parameter.opts}
    used = {word.split("=")[0] for word in words if word.startswith("--")}
    assert used <= known


def test_documented_files_exist():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"
