"""Speed, as a ratio within one run: a slow or busy computer cannot fail it."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TOOL = ROOT / "tools" / "bench_validate.py"
ROWS = 200_000
ROUNDS = 3
RATIO_MAX = 3.5


def seconds_of(contender: str, path: Path) -> float:
    """Return the processor time of one contender, in a process of its own."""
    run = subprocess.run(
        [sys.executable, str(TOOL), "--measure", contender, "--file", str(path)],
        capture_output=True,
        check=True,
        text=True,
    )
    return float(json.loads(run.stdout.splitlines()[-1])["cpu"])


def test_validation_costs_a_small_multiple_of_reading(tmp_path: Path) -> None:
    """Strict validation takes at most `RATIO_MAX` times the CPU of pyarrow.csv alone.

    Both read the same table of 12 columns in turn; the medians are compared.
    """
    make = "import sys; from contracts_table import generate; from pathlib import Path;"
    make += f"generate(Path(sys.argv[1]), {ROWS}, 'clean')"
    subprocess.run(
        [sys.executable, "-c", make, str(tmp_path)], check=True, cwd=ROOT / "tools"
    )
    path = tmp_path / f"clean-{ROWS}.csv"
    turns = [
        (seconds_of("strict", path), seconds_of("pyarrow.csv", path))
        for _ in range(ROUNDS)
    ]
    ours, raw = (statistics.median(times) for times in zip(*turns, strict=True))

    assert ours / raw <= RATIO_MAX
