"""What a file looks like before anybody says what its columns mean.

The wizard shows it: the first rows with the header that was found, the sheets where the
right one is not certain, and the questions that are open. It is made in a process of
its own with limits, as a validation is, since the file comes from outside.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import DataError, Reason, ShahrdadError

if TYPE_CHECKING:
    from shahrdad.datasets.standards import Standard
    from shahrdad.validators.options import Options
    from shahrdad.validators.text_table import TextTable

ROWS_SHOWN = 20
SHEETS_SHOWN = 12
SHEET_ROWS_SHOWN = 6
COLUMNS_SHOWN = 40
CELL_LETTERS_MAX = 120
SAMPLES = 3
CPU_SECONDS_MAX = 120
WALL_SECONDS_MAX = 180
UNITS_SHOWN = (
    *("rial", "toman", "thousand_rial", "million_rial", "million_toman"),
    *("milliard_rial", "milliard_toman"),
)
OPTIONS = ("encoding", "delimiter", "sheet", "header_row", "unit", "calendar")


def outline(
    file: Path,
    family: str,
    *,
    profile: Mapping[str, Any],
    options: Mapping[str, Any],
    population: int | None,
    profiles: Path | None = None,
) -> dict[str, Any]:
    """Describe a file, in a worker process with limits on memory and time.

    Args:
        file: The file.
        family: Of the standard that it is to be of.
        profile: What is known of its layout.
        options: How it is to be read; the members of `OPTIONS`.
        population: Of the city, for totals per head; None shows none.
        profiles: The folder of saved profiles, which may know the layout.

    Returns:
        `known`, the name of the saved profile or None; `error` None or {reason,
        values}; `reading` {format, sheet, header_rows, encoding, how, delimiter} or
        None; `sheets`, each {name, rows}; `head`, rows of texts; `labels`; `samples`
        by label; `questions` as `Questions.to_dict`;
        `per_head`, each {unit, rial, plausible}; `unknown`, texts of code columns that
        name no code, each {field, label, count, row, nearest}, once the columns are
        settled.

    Raises:
        DataError: SOURCE_UNREADABLE: the worker met a limit.
    """
    request = {
        "file": str(file.resolve()),
        "family": family,
        "profile": dict(profile),
        "options": {name: options.get(name) for name in OPTIONS},
        "population": population,
        "profiles": str(profiles.resolve()) if profiles else None,
    }
    with tempfile.TemporaryDirectory(prefix="shahrdad-outline-") as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "shahrdad.node.incoming.outline"],
                input=json.dumps(request).encode(),
                capture_output=True,
                timeout=WALL_SECONDS_MAX,
                cwd=folder,
                env={"PATH": "", "LANG": "C.UTF-8", "TMPDIR": folder, "HOME": folder},
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _unreadable(file, f"{WALL_SECONDS_MAX} s") from error
    if done.returncode != 0:
        raise _unreadable(file, f"exit {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def describe(request: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the file of a request; the worker's side."""
    from shahrdad.datasets import standards
    from shahrdad.validators.importing import open_table
    from shahrdad.validators.options import Options

    file = Path(request["file"])
    options = Options(**request["options"])
    standard = standards.load(request["family"])
    found: dict[str, Any] = {
        "known": _known(file, standard, request, options),
        "error": None,
        "reading": None,
        "sheets": [],
        "head": [],
        "labels": [],
        "samples": {},
        "questions": None,
        "per_head": [],
        "unknown": [],
    }
    try:
        table = open_table(
            file,
            standard=standard,
            profile=request["profile"],
            options=options,
        )
    except ShahrdadError as error:
        found["error"] = {"reason": error.reason.value, "values": dict(error.values)}
        return found | _looked_at(file, options, None)
    facts = table.source
    found["reading"] = {
        "format": facts.format,
        "sheet": facts.sheet,
        "header_rows": list(facts.header_rows),
        "encoding": facts.encoding.name if facts.encoding else None,
        "how": facts.encoding.how if facts.encoding else None,
        "delimiter": facts.dialect.delimiter if facts.dialect else None,
    }
    found["labels"] = list(table.labels)
    if table.questions is not None:
        found["questions"] = table.questions.to_dict()
    found |= _looked_at(file, options, facts.sheet)
    last = max(facts.header_rows, default=1)
    found["samples"] = _samples(found["head"][last:], table.labels)
    asked = table.questions
    if request["population"] and asked and asked.money:
        found["per_head"] = _per_head(table, request["population"])
    settled = asked is None or not (asked.proposed or asked.asked or asked.missing)
    if found["known"] or settled:
        found["unknown"] = _unknown(file, standard, request, options, found["known"])
    return found


def _unknown(
    file: Path,
    standard: "Standard",
    request: Mapping[str, Any],
    options: "Options",
    known: str | None,
) -> list[dict[str, Any]]:
    """Return the texts of code columns that name no code; codes, the nearest first."""
    from shahrdad.node.incoming.profiles import Profiles, with_constants
    from shahrdad.validators import label_questions
    from shahrdad.validators.importing import open_table

    profile = request["profile"]
    if known is not None:
        saved = Profiles(Path(request["profiles"])).get(known)
        profile = with_constants(saved.descriptor, profile.get("columns", ()))
    try:
        table = open_table(file, standard=standard, profile=profile, options=options)
        questions = label_questions.ask(table, standard.fields)
    except DataError:
        return []  # the result of the check says what it is
    return [
        {
            "field": one.field,
            "label": one.label,
            "count": one.count,
            "row": one.row,
            "nearest": [near.value for near in one.nearest],
        }
        for one in questions
        if len(one.label) <= CELL_LETTERS_MAX  # a whole sentence is no label
    ]


def _known(
    file: Path, standard: "Standard", request: Mapping[str, Any], options: "Options"
) -> str | None:
    """Return the name of the saved profile that was made for this layout."""
    from shahrdad.node.incoming.profiles import Profiles

    if not request["profiles"]:
        return None
    constants = request["profile"].get("columns", ())
    saved = Profiles(Path(request["profiles"])).match(
        file, standard, options, constants
    )
    return f"{saved.family}/{saved.name}" if saved is not None else None


def _looked_at(file: Path, options: "Options", sheet: str | None) -> dict[str, Any]:
    """Return the first rows of the sheet, or of all sheets where none is chosen."""
    from shahrdad.validators import raw_table
    from shahrdad.validators.container import look
    from shahrdad.validators.importing import WORKBOOKS
    from shahrdad.validators.limits import DEFAULT
    from shahrdad.validators.sheets import workbook as sheets
    from shahrdad.validators.source import Source

    source = Source.of(file, name=file.name, limits=DEFAULT)
    try:
        content = look(source, DEFAULT)
        if content.format not in WORKBOOKS:
            declared = raw_table.Declared(
                encoding=options.encoding, delimiter=options.delimiter
            )
            if content.format == "parquet":
                raw = raw_table.from_parquet(source, DEFAULT)
            elif content.format in ("json", "jsonl"):
                raw = raw_table.from_json(source, content, declared, DEFAULT)
            else:
                raw = raw_table.from_text(source, content, declared, DEFAULT)
            return {"head": _cut(raw.head[:ROWS_SHOWN])}
        workbook = sheets.open_workbook(source, content, DEFAULT)
        chosen = sheet or options.sheet
        names = [name for name in workbook.visible[:SHEETS_SHOWN] if name]
        listed = [
            {"name": name, "rows": _rows(workbook.read(name).rows, SHEET_ROWS_SHOWN)}
            for name in names
        ]
        if chosen not in workbook.names:
            return {"sheets": listed}
        rows = workbook.read(chosen).rows
        return {"sheets": listed, "head": _rows(rows, ROWS_SHOWN)}
    except ShahrdadError:
        return {}


def _rows(rows: Any, count: int) -> list[list[str]]:
    from shahrdad.validators.sheets.workbook import text_row

    return _cut([text_row(row) for row in rows[:count]])


def _cut(rows: list[list[str]]) -> list[list[str]]:
    """Return rows as a page shows them: so many columns, so many letters."""
    return [[cell[:CELL_LETTERS_MAX] for cell in row[:COLUMNS_SHOWN]] for row in rows]


def _samples(rows: list[list[str]], labels: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the first cells of each column that are not empty."""
    found: dict[str, list[str]] = {}
    for at, label in enumerate(labels):
        cells = [row[at] for row in rows if at < len(row) and row[at].strip()]
        found[label] = list(dict.fromkeys(cells))[:SAMPLES]
    return found


def _per_head(table: "TextTable", population: int) -> list[dict[str, Any]]:
    """Return what the first money column would be for each inhabitant, by unit."""
    from shahrdad.validators import money_question

    asked = table.questions
    if asked is None or asked.money is None:
        return []
    at = table.names.index(asked.money.columns[0])
    cells = [cell for batch in table.batches for cell in batch.columns[at].to_pylist()]
    total = money_question.total(cells, table.settings.decimal)
    units = dict.fromkeys((*asked.stated, *UNITS_SHOWN))
    year = asked.fiscal_years[0] if asked.fiscal_years else None
    found = money_question.per_head(total, units, population, year)
    return [
        {"unit": one.unit, "rial": one.rial, "plausible": one.plausible}
        for one in found
    ]


def _unreadable(file: Path, detail: str) -> DataError:
    return DataError(Reason.SOURCE_UNREADABLE, name=file.name, detail=detail)


def main() -> int:
    """Answer one request; the worker's side."""
    from shahrdad.validators.without_pandas import leave_pandas_out
    from shahrdad.validators.worker import WorkerLimits, limit_self

    leave_pandas_out()
    request = json.loads(sys.stdin.buffer.read())
    limit_self(WorkerLimits(cpu_seconds=CPU_SECONDS_MAX))
    sys.stdout.write(json.dumps(describe(request)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
