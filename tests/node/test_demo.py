"""`shahrdad demo`: the main job, whole, by the command that a newcomer types."""

import json
import subprocess
import sys
from pathlib import Path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "shahrdad.node.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_demo_runs_whole_and_leaves_nothing(tmp_path: Path) -> None:
    """Three cities publish, refuse, synchronise, withdraw, agree, read and verify."""
    ended = run("demo", "--json", "--quiet", "--folder", str(tmp_path / "demo"))

    assert 0 == ended.returncode, ended.stderr
    results = {
        event["step"]["en"]: event["result"]["en"] for event in json.loads(ended.stdout)
    }
    assert "20 datasets" in results["Publish the files of three cities"]
    assert results["Refuse a bad file"].endswith("nothing published")
    assert "all verified" in results["Synchronise again"]
    assert "the withdrawal reached all" in results["Compare the three nodes"]
    assert results["Read with DuckDB and pandas"].endswith("both tools agree")
    assert results["Verify a receipt offline"].startswith("the file holds")
    for city in ("kerman", "shiraz", "mashhad"):
        said = (tmp_path / "demo" / city / "node.log").read_text("utf-8")
        assert '"event": "stopped"' in said
        assert "Traceback" not in said
