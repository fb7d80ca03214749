"""The entrance of the command: quick, complete, and completed by the shell."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest

from shahrdad.node.command_table import COMMANDS

CLI = [sys.executable, "-m", "shahrdad.node.cli"]


def ran(*words: str) -> str:
    """Return what a command prints."""
    return subprocess.run(
        [*CLI, *words], capture_output=True, check=True, text=True, timeout=60
    ).stdout


@pytest.mark.parametrize("word", ["version", "--version"])
def test_version_waits_for_no_library(word: str) -> None:
    """Not even the reader of commands is loaded."""
    code = (
        f"import sys\nsys.argv = ['shahrdad', {word!r}]\n"
        "from shahrdad.node.cli import main\nmain()\n"
        "print('cyclopts' in sys.modules, 'rich' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )

    assert [version("shahrdad"), "False False"] == run.stdout.splitlines()


def test_version_names_the_libraries_for_programs() -> None:
    """A fault report copies it."""
    found = json.loads(ran("version", "--json"))

    assert version("shahrdad") == found["version"]
    assert version("pyarrow") == found["pyarrow"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command(shell: str) -> None:
    """What a shell completes are the words of the table."""
    script = ran("completion", shell)

    assert all(name in script for name in COMMANDS)
