"""Let programs that others wrote judge a real node, and write down what they say.

    python tools/judge.py                   with the judges' own environment
    python tools/judge.py --write           also renew docs/judges.md

The node runs in this environment, with the example datasets of a city; the judges in
`.venv-judges`, which knows nothing of Shahrdad and speaks HTTP alone. CKAN pins what
the others want newer, so it has an environment of its own below that one; it and the
grammar of Power Query are installed here when they are missing.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parent.parent
JUDGES = ROOT / ".venv-judges"
CKAN = JUDGES / "ckan"
CKAN_NEEDS = ("ckan[requirements]==2.12.*", "ckanext-dcat==2.4.*", "pytest")
CKAN_ALONE = ("ckanext-datajson==0.1.*", "jsonschema>=4")  # it pins one of Python 2
CKAN_TESTS = ("tests/judges/test_ckan_harvester.py", "tests/judges/test_data_json.py")
GRAMMAR = "@microsoft/powerquery-parser"
GRAMMAR_FOLDER = ROOT / "build" / "judges"
FEEDVALIDATOR = os.environ.get("SHAHRDAD_FEEDVALIDATOR", "")
DOCUMENT = ROOT / "docs" / "judges.md"
BEGIN, END = "<!-- verdicts -->", "<!-- end of verdicts -->"
TOOLS = (  # as `pip` names them; their versions stand in the table
    "ckan",
    "ckanapi",
    "ckanext-datajson",
    "ckanext-dcat",
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
    "pyspark",
    "python-calamine",
    "rdflib",
    "redbot",
    "schemathesis",
)
COMMANDS = {  # what is no Python package, and how it tells its version
    "R": ("Rscript", "--version"),
    "Java": ("java", "-version"),
    "curl": ("curl", "--version"),
}


def install() -> None:
    """Install the judges that `make` does not."""
    python = CKAN / "bin" / "python"
    pip = [f"{python}", "-m", "pip", "install", "--quiet"]
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", CKAN], check=True)
        subprocess.run([*pip, *CKAN_NEEDS], check=True)
    if not [*CKAN.glob("lib/python*/site-packages/ckanext/datajson")]:
        harvester, schemas = CKAN_ALONE
        subprocess.run([*pip, "--no-deps", harvester], check=True)
        subprocess.run([*pip, schemas], check=True)
    if not (GRAMMAR_FOLDER / "node_modules" / GRAMMAR).is_dir() and shutil.which("npm"):
        npm = ["npm", "install", "--silent", "--prefix", f"{GRAMMAR_FOLDER}", GRAMMAR]
        subprocess.run(npm, check=True)


def judge(url: str, results: Sequence[Path], arguments: list[str]) -> int:
    """Run the judges of both environments; the results are written as JUnit XML."""
    settings = {
        **os.environ,
        "SHAHRDAD_JUDGE_URL": url,
        # CKAN brings plugins of its tests, which want its database.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    runs = (
        (JUDGES, ["tests/judges", *(f"--ignore={file}" for file in CKAN_TESTS)]),
        (CKAN, [*CKAN_TESTS]),
    )
    worst = 0
    for (environment, tests), file in zip(runs, results, strict=True):
        python = environment / "bin" / "python"
        command = [f"{python}", "-W", "ignore", "-m", "pytest"]
        options = [
            "--confcutdir=tests/judges",
            "-W",
            "ignore",
            "-p",
            "no:cacheprovider",
        ]
        told = ["-q", "-rs", f"--junitxml={file}"]
        run = subprocess.run(
            [*command, *tests, *options, *told, *arguments],
            cwd=ROOT,
            env=settings,
            check=False,
        )
        worst = max(worst, run.returncode)
    return worst


def versions() -> dict[str, str]:
    """Return the versions of the judges that are installed."""
    code = (
        "import importlib.metadata as m, json, sys\n"
        "def v(n):\n"
        "    try: return m.version(n)\n"
        "    except m.PackageNotFoundError: return ''\n"
        "print(json.dumps({n: v(n) for n in sys.argv[1:]}))"
    )
    found: dict[str, str] = {}
    for environment in (CKAN, JUDGES):
        command = [f"{environment / 'bin' / 'python'}", "-c", code, *TOOLS]
        run = subprocess.run(command, capture_output=True, check=True)
        found |= {name: text for name, text in json.loads(run.stdout).items() if text}
    for name, command_line in COMMANDS.items():
        if shutil.which(command_line[0]):
            run = subprocess.run(command_line, capture_output=True, check=True)
            number = re.search(rb"\d+(\.\d+)+", run.stdout + run.stderr)
            found[name] = number[0].decode() if number else "?"
    grammar = GRAMMAR_FOLDER / "node_modules" / GRAMMAR / "package.json"
    if grammar.exists():
        found[GRAMMAR] = json.loads(grammar.read_text("utf-8"))["version"]
    if FEEDVALIDATOR:
        found["w3c/feedvalidator"] = commit(Path(FEEDVALIDATOR))
    return dict(sorted(found.items(), key=lambda item: item[0].casefold()))


def commit(checkout: Path) -> str:
    """Return which commit a checkout is at; "?" where it is only a copy of files."""
    command = ["git", "-C", f"{checkout}", "rev-parse", "--short=12", "HEAD"]
    run = subprocess.run(command, capture_output=True, check=False, text=True)
    return run.stdout.strip() if (checkout / ".git").exists() else "?"


def verdicts(results: Iterable[Path]) -> str:
    """Return the tables of docs/judges.md."""
    lines = ["| judge | verdict |", "|---|---|"]
    points: dict[str, list[list[object]]] = {}
    roots = [ET.parse(file).getroot() for file in results]  # noqa: S314 (our own)
    for case in (case for root in roots for case in root.iter("testcase")):
        name = f"{case.get('classname', '').rpartition('.')[2]}: {case.get('name')}"
        lines.append(
            f"| {name.replace('test_', '').replace('_', ' ')} | {word(case)} |"
        )
        for item in case.iter("property"):
            if item.get("name") == "mqa":
                points = json.loads(item.get("value", "{}"))
    installed = [f"{name} {number}" for name, number in versions().items()]
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

    install()
    with tempfile.TemporaryDirectory() as folder:
        results = [Path(folder) / f"{name}.xml" for name in ("results", "ckan")]
        with serve_examples(Path(folder)) as url:
            code = judge(url, results, arguments)
        if options.write:
            renew(verdicts(results))
    return code


if __name__ == "__main__":
    sys.exit(main())
