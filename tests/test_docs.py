"""The documents are complete: every option and every command is described."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from shahrdad.node.command_table import COMMANDS
from shahrdad.node.config import Config

ROOT = Path(__file__).parent.parent
OPERATING = (ROOT / "docs" / "operating.md").read_text("utf-8")


def options(section: Any, prefix: str = "") -> list[str]:
    """Return the dotted names of all options, lists of sections as one."""
    found = []
    for item in fields(section):
        value = getattr(section, item.name)
        if is_dataclass(value) and not prefix:
            found += options(value, f"{item.name}.")
        elif item.name != "folder":
            found.append(f"{prefix}{item.name}")
    return found


@pytest.mark.parametrize("option", options(Config()))
def test_every_option_is_described(option: str) -> None:
    """An operator finds every option, its meaning and what it is trusted with."""
    assert f"`{option}`" in OPERATING


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    """`shahrdad --help` says a sentence about each."""
    _, line = COMMANDS[name]

    assert line.endswith(".")
    assert len(line) > 10
