"""The documents: examples run, commands exist, tables are true."""

import doctest
import re
import shlex
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import typer.main
from typer.testing import CliRunner
from videos import write_video

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


@pytest.fixture
def home(tmp_path, monkeypatch, shared_data, shared_models):
    """A folder with the pictures that the documents name."""
    rooms = sorted((shared_data / "eval" / "indoor-mix" / "rgb").glob("*.jpg"))
    street = shared_data / "eval" / "kitti-object" / "training" / "image_2" / "000008.png"
    (tmp_path / "photos").mkdir()
    for name, source in {
        "kitchen.jpg": rooms[-1],
        "room.jpg": rooms[-1],
        "my.jpg": rooms[0],
        "photos/a.jpg": rooms[1],
        "photos/b.jpg": rooms[2],
        "street.jpg": street,
    }.items():
        PIL.Image.open(source).convert("RGB").save(tmp_path / name)
    frame = np.array(PIL.Image.open(tmp_path / "street.jpg"))[:374]  # H.264 wants even sides
    write_video(tmp_path / "drive.mp4", [frame] * 6)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.shared
@pytest.mark.slow
def test_the_commands_of_the_readme_run(home):
    text = (ROOT / "README.md").read_text()
    lines = re.findall(r"^howfar [^`\n]*", text, re.MULTILINE)
    lines = [line for line in lines if not line.startswith("howfar serve")]  # it does not end
    assert len(lines) >= 8
    for line in lines:
        answer = CliRunner().invoke(
            app, [*shlex.split(line, comments=True)[1:], "--runtime", "onnx"]
        )
        assert answer.exit_code == 0, f"{line}: {answer.output} {answer.exception!r}"
    assert (home / "results" / "objects.csv").stat().st_size > 200


@pytest.mark.shared
@pytest.mark.slow
def test_the_python_of_the_readme_runs(home, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own example
    assert "chair" in capsys.readouterr().out
    assert (home / "out" / "kitchen.json").is_file()
