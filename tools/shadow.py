"""Run frictionless' own tests with our compat mode in their shadow, and count.

    python tools/shadow.py CHECKOUT     CHECKOUT/data has the files of its tests

The tests are those inside the installed frictionless; the files that they read are no
part of it and come from a checkout of its repository at the same version. They are
copied to a temporary folder, because some tests write among them. Tests that need more
packages than ours are left out, and so are those that need a network.

Exit: 0 when every repeated validation gave frictionless' report and at least
`KERNEL_RUNS_MIN` of them were made by the kernels, 1 otherwise.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import frictionless

ROOT = Path(__file__).parent.parent
KERNEL_RUNS_MIN = 100
PARTS = (  # where frictionless validates tables
    "actions",
    "checklist",
    "checks",
    "console",
    "detector",
    "dialect",
    "fields",
    "formats",
    "inquiry",
    "package",
    "report",
    "resource",
    "resources",
    "schema",
    "schemes",
    "table",
    "validator",
)


def shadowed(checkout: Path, arguments: list[str]) -> list[dict[str, Any]]:
    """Return the notes of a run of the tests."""
    suite = Path(frictionless.__file__).parent
    with tempfile.TemporaryDirectory(prefix="shadow-") as folder:
        shutil.copytree(checkout / "data", Path(folder) / "data")
        notes = Path(folder) / "notes.jsonl"
        subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-p", "shadow_plugin", "-q"),
                *("-p", "no:cacheprovider", "--noconftest", "-c", os.devnull),
                *("--continue-on-collection-errors", "--tb=no", "--no-header"),
                *("-m", "not ci and not vcr", "--rootdir", folder),
                *(str(suite / part) for part in PARTS),
                *arguments,
            ],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT / "tests"),
                "SHAHRDAD_SHADOW": str(notes),
            },
            check=False,  # their tests may fail here; ours to judge are the notes
        )
        return [json.loads(line) for line in notes.read_text().splitlines()]


def main() -> int:
    """Run, print the counts, and every difference whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--notes", type=Path, help="write the notes here, too")
    options, arguments = parser.parse_known_args()
    notes = shadowed(options.checkout, arguments)
    if options.notes is not None:
        options.notes.write_text("".join(json.dumps(note) + "\n" for note in notes))
    different = [note for note in notes if note["difference"] is not None]
    kernels = sum(note["route"] == "kernels" for note in notes)
    reasons = Counter(
        f"{note['route']}: {note['reason']}"
        for note in notes
        if note["route"] != "kernels"
    )
    print(f"{len(notes)} validations repeated, {len(different)} different")
    print(f"{kernels} by the kernels, {sum(n['descriptors'] for n in notes)} errors")
    for reason, count in reasons.most_common():
        print(f"  {count:4} {reason}")
    for note in different:
        print(json.dumps(note, indent=1, ensure_ascii=False))
    return 0 if not different and kernels >= KERNEL_RUNS_MIN else 1


if __name__ == "__main__":
    sys.exit(main())
