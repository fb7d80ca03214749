"""The lines that a dataset's page offers run as they stand, in the tool they name."""

import csv
import html
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
GRAMMAR = ROOT / "build" / "judges" / "node_modules" / "@microsoft"
SNIPPET = re.compile(r"<summary[^>]*>([^<]+)</summary><pre[^>]*><code>([^<]+)</code>")
CHECK = """
const { DefaultSettings, TaskUtils } = require("@microsoft/powerquery-parser");
const queries = JSON.parse(require("fs").readFileSync(0, "utf8"));
for (const query of queries) {
  TaskUtils.tryLexParse(DefaultSettings, query).then((task) => {
    if (!TaskUtils.isParseStageOk(task)) {
      console.error(query, task.error && task.error.message);
      process.exitCode = 1;
    }
  });
}
"""


def snippets(served: Any, one: dict[str, Any]) -> dict[str, str]:
    """Return the lines of a dataset's page, by tool."""
    page = served.get(f"/en/d/{one['ref']}").decode()
    found = {tool: html.unescape(lines) for tool, lines in SNIPPET.findall(page)}
    assert found, one["ref"]
    return found


def rows(one: dict[str, Any]) -> int:
    """Return how many rows a snippet has to read: those of the first table."""
    return int(one["resources"][0]["rows"])


def run(command: list[str], text: str, folder: Path) -> str:
    """Run a program over lines; return what it prints."""
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
    )

    assert 0 == done.returncode, (text, done.stderr[-3_000:])
    return done.stdout


def run_python(lines: str, count: str, folder: Path) -> int:
    """Run Python lines in a fresh interpreter; return the number of rows.

    It ends at once: a thread of Arrow that still runs while Python tears itself down
    ends some interpreters with SIGABRT, after all was read.
    """
    end = f"import os\nprint({count}, flush=True)\nos._exit(0)\n"
    return int(run([sys.executable, "-"], f"{lines}\n{end}", folder))


def test_every_tool_is_offered(served: Any) -> None:
    """A reader finds the tool of the desk, of the laboratory and of the server."""
    (one, *_) = served.datasets

    assert {
        "curl",
        "pandas",
        "polars",
        "DuckDB",
        "R",
        "Spark",
        "Excel (Power Query)",
        "Power BI",
        "shahrdad.client",
    } == set(snippets(served, one))


def test_curl_downloads_the_table(served: Any, tmp_path: Path) -> None:
    """The file arrives under its own name, with all rows."""
    for one in served.datasets:
        run(["sh"], snippets(served, one)["curl"], tmp_path)
        file = tmp_path / f"{one['resources'][0]['name']}.csv"
        with file.open(encoding="utf-8", newline="") as text:
            found = len(list(csv.DictReader(text)))

        assert rows(one) == found, one["ref"]


@pytest.mark.parametrize(
    ("tool", "module", "count"),
    [
        ("pandas", "pandas", "len(df)"),
        ("polars", "polars", "df.height"),
        ("shahrdad.client", "shahrdad", "table.num_rows"),
    ],
)
def test_python_reads_tables(
    served: Any, tool: str, module: str, count: str, tmp_path: Path
) -> None:
    """Each snippet, in an interpreter of its own, has the rows of the catalog."""
    if find_spec(module) is None:
        pytest.skip(f"not installed among the judges: {module}")
    for one in served.datasets[:2]:
        found = run_python(snippets(served, one)[tool], count, tmp_path)

        assert rows(one) == found, one["ref"]


def test_whole_numbers_stay_whole_in_pandas(served: Any, tmp_path: Path) -> None:
    """A column of amounts with empty cells is not turned into floats."""
    pytest.importorskip("pandas", reason="judge not installed: pandas")
    (one,) = [one for one in served.datasets if one["family"]["id"] == "contracts"]
    kinds = json.loads(
        run(
            [sys.executable, "-"],
            "import json\n"
            + snippets(served, one)["pandas"]
            + "\nprint(json.dumps({name: str(kind) for name, kind in"
            " df.dtypes.items() if name.endswith('_rial')}))",
            tmp_path,
        )
    )

    assert kinds
    assert {"int64[pyarrow]"} == set(kinds.values())


def test_duckdb_reads_every_table(served: Any) -> None:
    """The one line is a query of its own."""
    duckdb = pytest.importorskip("duckdb", reason="judge not installed: duckdb")
    extension = pytest.importorskip(
        "duckdb_extension_httpfs", reason="judge not installed: duckdb httpfs"
    )
    file = next(Path(extension.__file__).parent.rglob("httpfs.duckdb_extension*"))
    database = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    # Elsewhere DuckDB fetches it at the first address.
    database.execute(f"LOAD '{file}'")
    for one in served.datasets:
        found = database.execute(snippets(served, one)["DuckDB"]).fetchall()

        assert rows(one) == len(found), one["ref"]


def test_r_reads_tables(served: Any, tmp_path: Path) -> None:
    """R's own reader gets all rows, and leaves codes as text."""
    if shutil.which("Rscript") is None:
        pytest.skip("judge not installed: R (Debian: r-base-core)")
    for one in served.datasets[:3]:
        lines = snippets(served, one)["R"]
        told = run(
            ["Rscript", "-"],
            f"{lines}\ncat(nrow(data), all(sapply(data[texts], is.character)))",
            tmp_path,
        )

        assert f"{rows(one)} TRUE" == told, one["ref"]


def test_spark_reads_a_table(served: Any, tmp_path: Path) -> None:
    """Spark fetches the file and reads it as Parquet."""
    if find_spec("py4j") is None:  # a client of Spark alone has none
        pytest.skip("judge not installed: pyspark")
    if shutil.which("java") is None:
        pytest.skip("judge not installed: Java 17, which Spark needs")
    (one, *_) = served.datasets
    found = run_python(snippets(served, one)["Spark"], "df.count()", tmp_path)

    assert rows(one) == found


@pytest.mark.parametrize("tool", ["Excel (Power Query)", "Power BI"])
def test_power_query_is_well_formed(served: Any, tool: str, tmp_path: Path) -> None:
    """The parser of Microsoft accepts the M of every dataset."""
    if not GRAMMAR.is_dir() or shutil.which("node") is None:
        pytest.skip("judge not installed: @microsoft/powerquery-parser")
    script = tmp_path / "check.cjs"
    script.write_text(CHECK, "utf-8")
    (tmp_path / "node_modules").symlink_to(GRAMMAR.parent)
    queries = [snippets(served, one)[tool] for one in served.datasets]

    run(["node", str(script)], json.dumps(queries), tmp_path)


@pytest.mark.parametrize("tool", ["Excel (Power Query)", "Power BI"])
def test_power_query_names_an_address_that_answers(served: Any, tool: str) -> None:
    """Root and path of `Web.Contents` together lead to the newest version."""
    for one in served.datasets:
        lines = snippets(served, one)[tool]
        root, path = re.findall(r'"((?:http|d/)[^"]*)"', lines)
        status, _ = served.ask(f"{root}/{path}")

        assert (200, served.url) == (status, root), one["ref"]
