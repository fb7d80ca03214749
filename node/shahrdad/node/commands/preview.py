"""`shahrdad preview`: how a file is read, before anything is judged or published."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.console import Common, print_json

ROWS_SHOWN = 8
COLUMNS_SHOWN = 8


def preview(
    file: Path,
    *,
    standard: Annotated[str, Parameter(name=["--standard", "-s"])],
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    header_row: int | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Show what a file looks like: its format, its first rows, what its columns mean.

    No node is needed, and nothing is changed.

    Args:
        file: CSV, XLSX, XLS, ODS, JSON or Parquet.
        standard: The family that it is to be of: budget_lines, projects, …
        encoding: Encoding of the text, when it cannot be told.
        delimiter: Delimiter of the text, when it cannot be told.
        sheet: Sheet of the workbook.
        header_row: Row of the header, from 1.
    """
    from shahrdad.datasets.standards import load
    from shahrdad.node.incoming.outline import outline

    if not file.is_file():
        raise RequestError(Reason.FILE_NOT_FOUND, path=str(file))
    found = outline(
        file,
        load(standard).family,
        profile={},
        options={
            "encoding": encoding,
            "delimiter": delimiter,
            "sheet": sheet,
            "header_row": header_row,
        },
        population=None,
    )
    if common.json:
        print_json(found)
        return
    _tell(common, found if sheet is None else {**found, "sheets": []})
    common.next_step(
        f"shahrdad validate {file} --standard {standard}",
        f"shahrdad validate {file} --standard {standard}",
    )


def _tell(common: Common, found: Mapping[str, Any]) -> None:
    """Show how the file was read, its first rows, and what each column becomes."""
    reading = found["reading"] or {}
    facts = ("format", "sheet", "header_rows", "encoding", "delimiter")
    common.table(["", ""], [(name, reading.get(name)) for name in facts])
    for listed in found["sheets"]:
        common.say(f"برگهٔ {listed['name']}", f"Sheet {listed['name']}")
        _write_rows(listed["rows"])
    _write_rows(found["head"][:ROWS_SHOWN])
    common.table(["column", "becomes", "how"], list(_uses(found)))
    if found["error"] is not None:
        from shahrdad.datasets.errors import DataError

        error = found["error"]
        raise DataError(Reason(error["reason"]), **error["values"])


def _write_rows(rows: list[list[str]]) -> None:
    """Print the first columns of some rows."""
    for row in rows:
        sys.stdout.write("\t".join(row[:COLUMNS_SHOWN]) + "\n")


def _uses(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield each column with the field that it becomes, then what is missing."""
    asked = found["questions"]
    if asked is None:
        yield from ((label, label, "") for label in found["labels"])
        return
    for label, name in asked["certain"].items():
        yield label, name, "certain"
    for use in asked["proposed"]:
        yield use["label"], use["field"], f"proposed, {use['score']:.0%}"
    for label in asked["asked"]:
        yield label, "", "to be answered"
    for name in asked["missing"]:
        yield "", name, "missing"
