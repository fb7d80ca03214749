"""Let programs that others wrote judge a real node, and write down what they say.

    python tools/judge.py                   with the judges' own environment
    python tools/judge.py --write           also renew docs/judges.md

The node runs in this environment, with the example datasets of a city; the judges in
`.venv-judges`, which knows nothing of Shahrdad and speaks HTTP alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parent.parent
JUDGES = ROOT / ".venv-judges"
DOCUMENT = ROOT / "docs" / "judges.md"
BEGIN, END = "<!-- verdicts -->", "<!-- end of verdicts -->"
TOOLS = (  # as `pip` names them; their versions stand in the table
    "ckanapi",
    "delta-sharing",
    "duckdb",
    "feedparser",
    "frictionless",
    "jsonschema",
    "mlcroissant",
    "openapi-spec-validator",
    "pandas",
    "polars",
    "protego",
    "pyshacl",
    "python-calamine",
    "rdflib",
    "schemathesis",
)


def judge(url: str, results: Path, arguments: list[str]) -> int:
    """Run the judges against a node; results are written as JUnit XML."""
    python = JUDGES / "bin" / "python"
    environment = {**os.environ, "SHAHRDAD_JUDGE_URL": url}
    command = [str(python), "-m", "pytest", "tests/judges", "--confcutdir=tests/judges"]
    options = ["-p", "no:cacheprovider", "-q", "-rs", f"--junitxml={results}"]
    run = subprocess.run(
        [*command, *options, *arguments], cwd=ROOT, env=environment, check=False
    )
    return run.returncode


def versions() -> dict[str, str]:
    """Return the versions of the judges; "" for one that is not installed."""
    code = (
        "import importlib.metadata as m, json, sys\n"
        "def v(n):\n"
        "    try: return m.version(n)\n"
        "    except m.PackageNotFoundError: return ''\n"
        "print(json.dumps({n: v(n) for n in sys.argv[1:]}))"
    )
    python = JUDGES / "bin" / "python"
    run = subprocess.run([python, "-c", code, *TOOLS], capture_output=True, check=True)
    found: dict[str, str] = json.loads(run.stdout)
    return found


def verdicts(results: Path) -> str:
    """Return the tables of docs/judges.md."""
    lines = ["| judge | verdict |", "|---|---|"]
    points: dict[str, list[list[object]]] = {}
    for case in ET.parse(results).getroot().iter("testcase"):  # noqa: S314 (our own)
        name = f"{case.get('classname', '').rpartition('.')[2]}: {case.get('name')}"
        lines.append(
            f"| {name.replace('test_', '').replace('_', ' ')} | {word(case)} |"
        )
        for item in case.iter("property"):
            if item.get("name") == "mqa":
                points = json.loads(item.get("value", "{}"))
    installed = [f"{name} {number}" for name, number in versions().items() if number]
    parts = ["\n".join(lines), f"Versions: {', '.join(installed)}."]
    if points:
        parts.insert(1, mqa_table(points))
    return "\n\n".join(parts)


def word(case: ET.Element) -> str:
    """Return the verdict of one judge."""
    skipped = case.find("skipped")
    if skipped is not None:
        return f"skipped: {skipped.get('message', '')}"
    failed = case.find("failure") is not None or case.find("error") is not None
    return "**failed**" if failed else "passed"


def mqa_table(points: dict[str, list[list[object]]]) -> str:
    """Return the quality score, a line of the scheme a row, over all datasets."""
    lines = ["| group | what | points | lowest | highest |", "|---|---|---|---|---|"]
    rows = list(points.values())
    for place, (group, name, most, _) in enumerate(rows[0]):
        found = [float(str(row[place][3])) for row in rows]
        lines.append(f"| {group} | {name} | {most} | {min(found):g} | {max(found):g} |")
    totals = [sum(float(str(line[3])) for line in row) for row in rows]
    lines.append(f"| | **sum** | 405 | **{min(totals):g}** | **{max(totals):g}** |")
    return "\n".join(lines)


def renew(text: str) -> None:
    """Put the tables into the document, between its two marks."""
    document = DOCUMENT.read_text("utf-8")
    head, _, rest = document.partition(BEGIN)
    tail = rest.partition(END)[2]
    DOCUMENT.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}", "utf-8")


def main() -> int:
    """Serve a node, judge it, and tell."""
    parser = argparse.ArgumentParser(description="Judge a real node.")
    parser.add_argument("--write", action="store_true", help="renew docs/judges.md")
    options, arguments = parser.parse_known_args()
    if not (JUDGES / "bin" / "python").exists():
        sys.stderr.write("There are no judges yet; install them with: make judge\n")
        return 2
    sys.path.insert(0, str(ROOT / "tests"))
    from judged_node import serve_examples

    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        with serve_examples(Path(folder)) as url:
            code = judge(url, results, arguments)
        if options.write:
            renew(verdicts(results))
    return code


if __name__ == "__main__":
    sys.exit(main())
