"""Who may know frictionless: the oracle and compat mode, and nobody else (design 3)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import shahrdad.validators

FOLDER = Path(shahrdad.validators.__file__).parent
MODULES = sorted(path for path in FOLDER.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Yield the top-level names of the modules that a module imports, anywhere."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: path.relative_to(FOLDER).as_posix()
)
def test_only_the_oracle_knows_frictionless(path: Path) -> None:
    """A new version of frictionless is met in `oracle.py` and `compat*.py` alone."""
    allowed = path.parent == FOLDER and (
        path.stem == "oracle" or path.stem.startswith("compat")
    )

    assert allowed or "frictionless" not in set(imported(path))
