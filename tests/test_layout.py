"""The repository keeps the shape that makes `shahrdad` one namespace."""

import ast
import tomllib
from pathlib import Path

import pytest
import validators

ROOT = Path(__file__).parent.parent
PORTIONS = ["proto", "datasets", "validators", "federation", "client", "node"]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.mark.parametrize("portion", PORTIONS)
def test_folder_is_no_package(portion: str) -> None:
    """An __init__.py there would hide the other portions, or a published package."""
    assert not (ROOT / portion / "__init__.py").exists()
    assert not (ROOT / portion / "shahrdad" / "__init__.py").exists()


@pytest.mark.parametrize("portion", PORTIONS)
def test_folder_holds_its_portion_alone(portion: str) -> None:
    """Code beside the portion would be left out of the wheel."""
    children = {path.name for path in (ROOT / portion).iterdir() if path.is_dir()}
    grandchildren = {path.name for path in (ROOT / portion / "shahrdad").iterdir()}

    assert {"shahrdad"} == children - {"__pycache__"}
    assert {portion} == grandchildren - {"__pycache__"}


@pytest.mark.parametrize("portion", PORTIONS)
def test_portion_is_typed(portion: str) -> None:
    """Type checkers read a portion only beside its py.typed."""
    assert (ROOT / portion / "shahrdad" / portion / "py.typed").exists()


@pytest.mark.parametrize("portion", PORTIONS)
def test_portion_imports_nothing_by_itself(portion: str) -> None:
    """`import shahrdad.federation.verify.entry` runs the portion's __init__.py first.

    Only the front doors may: the client, and validation (which loads on first use).
    """
    file = ROOT / portion / "shahrdad" / portion / "__init__.py"
    statements = ast.parse(file.read_text("utf-8")).body

    assert isinstance(statements[0], ast.Expr), "the docstring"
    assert portion in {"client", "validators"} or len(statements) == 1


def test_every_tool_knows_every_portion() -> None:
    """A portion that is left out of one list is not shipped, or not checked."""
    tool = PYPROJECT["tool"]
    checked = [portion for portion in PORTIONS if portion != "proto"]  # generated
    wheel = tool["hatch"]["build"]["targets"]["wheel"]

    assert sorted(PORTIONS) == sorted(wheel["dev-mode-dirs"])
    assert sorted(f"{p}/shahrdad" for p in PORTIONS) == sorted(wheel["packages"])
    assert sorted(f"shahrdad.{p}" for p in PORTIONS) == sorted(
        tool["importlinter"]["root_packages"]
    )
    assert sorted([*checked, "conftest.py", "tests", "tools"]) == sorted(
        tool["mypy"]["files"]
    )
    assert sorted([*PORTIONS, "tests"]) == sorted(tool["mypy"]["mypy_path"])
    assert sorted(tool["mypy"]["files"]) == sorted(tool["pyright"]["include"])
    assert sorted(tool["mypy"]["mypy_path"]) == sorted(tool["pyright"]["extraPaths"])
    assert sorted(f"{p}/shahrdad" for p in checked) == sorted(
        tool["ruff"]["namespace-packages"]
    )
    assert set(checked) <= set(tool["pytest"]["ini_options"]["testpaths"])


def test_published_validators_is_the_one_imported() -> None:
    """frictionless needs the published `validators`, not our folder of that name."""
    assert validators.email("it@example.org")
    assert validators.__file__ is not None
    assert ROOT / "validators" not in Path(validators.__file__).parents


def test_no_folder_of_tests_is_a_package() -> None:
    """tests/validators/__init__.py would hide the published `validators` in tests."""
    assert [] == list((ROOT / "tests").rglob("__init__.py"))
