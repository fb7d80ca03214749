"""What an operator deploys, before the judges of containers and of compose files."""

import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
CONTAINER = Path(__file__).parents[2] / "deploy" / "container"


def judged(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a judge that is installed beside this Python."""
    if not (BIN / name).exists():
        pytest.skip(f"judge not installed: {name}")
    return subprocess.run(
        [BIN / name, *arguments], capture_output=True, check=False, text=True
    )


def test_containerfile_has_no_finding() -> None:
    """hadolint, without an exception."""
    run = judged("hadolint", "--no-color", str(CONTAINER / "Containerfile"))

    assert (0, "") == (run.returncode, run.stdout)


def test_compose_file_keeps_to_its_schema() -> None:
    """The schema of the Compose specification that check-jsonschema brings."""
    run = judged(
        "check-jsonschema",
        "--builtin-schema=vendor.compose-spec",
        str(CONTAINER / "compose.yaml"),
    )

    assert 0 == run.returncode, run.stdout + run.stderr
