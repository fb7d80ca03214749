"""Whatever is typed, the command answers with a sentence and an exit code."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import command_words
from node_world import make_node
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.publish import publish

STRIDE = 1 if "SHAHRDAD_LONG" in os.environ else 613


def test_no_word_ends_in_a_traceback(tmp_path: Path) -> None:
    """Every option of every command, with each word of `command_words.JUNK`."""
    node = make_node(tmp_path)
    publish(node, handed(find_example("kerman", "budget-1404")))
    node.close()
    for name in ("budget-1404", "projects-bad"):
        shutil.copy(find_example("kerman", name).path, tmp_path)

    run = subprocess.run(
        [sys.executable, command_words.__file__, str(tmp_path), str(STRIDE)],
        capture_output=True,
        check=True,
        timeout=3000,
    )
    told = json.loads(run.stdout)

    assert [] == told["failed"]
    assert 0 < told["cases"]
