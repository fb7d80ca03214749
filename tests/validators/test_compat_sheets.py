"""Workbooks in compat mode: the report of frictionless, by the kernels.

Invented workbooks with all kinds of cells and invented schemas; SHAHRDAD_FUZZ=N tries N
of them, from the seed SHAHRDAD_SEED on.
"""

import os
import random
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from frictionless import Dialect, Resource, Schema
from frictionless.formats import ExcelControl

from compat_comparison import differences
from invented_sheets import MAIN, Taste, invented, workbook_of
from shahrdad.validators import compat, compat_sheets
from shahrdad.validators.compat_bulk import validate_bulk

EXAMPLES = int(os.environ.get("SHAHRDAD_FUZZ", "50"))
SEED = int(os.environ.get("SHAHRDAD_SEED", "0"))
TYPES = (
    *("string", "integer", "number", "boolean", "date", "datetime", "time", "year"),
    *("any", "duration", "list"),
)
MISSING: list[list[str]] = [["", "-"], ["", "7", "true"], ["None"], [], ["", "0"]]
DIALECTS: list[dict[str, Any]] = [
    *({}, {}, {}, {}, {}),
    *({"skipBlankRows": True}, {"commentChar": "a"}, {"headerRows": [2]}),
    {"header": False},
]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Let frictionless and openpyxl warn of what they do not close or know."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def field_of(rng: random.Random, name: str) -> dict[str, Any]:
    """Invent a field."""
    kind = rng.choice(TYPES)
    constraints: dict[str, Any] = {}
    found: dict[str, Any] = {"name": name, "type": kind}
    for constraint in ("required", "unique"):
        if rng.random() < 0.2:
            constraints[constraint] = True
    if kind in ("integer", "number"):
        if rng.random() < 0.4:
            constraints["minimum"] = rng.choice((0, 5, 7, 38))
        if rng.random() < 0.2:
            constraints["enum"] = [7, 38, 0]
        if rng.random() < 0.2:
            found["bareNumber"] = False
    if kind == "number":
        more = rng.choice(({}, {}, {"groupChar": ","}, {"decimalChar": ","}))
        found.update(more, **({"floatNumber": True} if rng.random() < 0.2 else {}))
    if kind == "string" and rng.random() < 0.4:
        constraints.update(rng.choice(({"pattern": "[0-9]+"}, {"maxLength": 3})))
    return {**found, "constraints": constraints}


def schema_of(rng: random.Random) -> dict[str, Any]:
    """Invent a schema for the columns f1, f2 and so on."""
    count = rng.randint(1, 7)
    names = [f"f{at}" for at in range(1, count + 1)]
    found: dict[str, Any] = {"fields": [field_of(rng, name) for name in names]}
    if rng.random() < 0.3:
        found["missingValues"] = rng.choice(MISSING)
    if rng.random() < 0.3:
        found["primaryKey"] = rng.choice(([rng.choice(names)], names[:2]))
    if rng.random() < 0.2:
        reference = {"resource": "", "fields": [names[min(1, count - 1)]]}
        found["foreignKeys"] = [{"fields": ["f1"], "reference": reference}]
    return found


def case(seed: int, folder: Path) -> tuple[Callable[[], Resource], int]:
    """Write the workbook of a seed; return what makes its resource, and a limit."""
    rng = random.Random(seed)
    taste = Taste(
        odd=rng.choice((0, 0, 0, 0.02)),
        dated=rng.random() < 0.6,
        width=rng.choice((2, 4, 6)),
        height=rng.choice((4, 12, 40)),
    )
    path = folder / "w.xlsx"
    path.write_bytes(invented(seed, taste))
    schema, dialect = schema_of(rng), rng.choice(DIALECTS)
    inferred = rng.random() < 0.15

    def make() -> Resource:
        known: dict[str, Any] = (
            {} if inferred else {"schema": Schema.from_descriptor(schema)}
        )
        return Resource(
            path=path.name,
            basepath=str(folder),
            dialect=Dialect.from_descriptor(dialect),
            **known,
        )

    return make, rng.choice((1000, 1000, 3, 0))


def test_report_is_that_of_frictionless(tmp_path: Path) -> None:
    """Whatever workbook, schema and limit, the reports are equal; most by kernels."""
    routes: Counter[str] = Counter()
    for seed in range(SEED, SEED + EXAMPLES):
        make, limit = case(seed, tmp_path)
        route, reason, _, different = differences(make, limit_errors=limit)
        routes[route] += 1

        assert different is None, (seed, route, reason, different)
    assert routes["kernels"] > 3 * routes["oracle"], routes


def sheet_of(
    path: Path, rows: str, dimension: str = "", **known: Any
) -> Callable[[], Resource]:
    """Write a workbook of XML; return what makes its resource."""
    extent = f'<dimension ref="{dimension}"/>' if dimension else ""
    sheet = (
        f'<worksheet xmlns="{MAIN}">{extent}<sheetData>{rows}</sheetData></worksheet>'
    )
    path.write_bytes(workbook_of(sheet))

    def make() -> Resource:
        return Resource(path=path.name, basepath=str(path.parent), **known)

    return make


def column(*cells: str) -> str:
    """Return the rows of a sheet of one column: its header `n`, then cells."""
    header = '<c r="A1" t="inlineStr"><is><t>n</t></is></c>'
    rows = [f'<row r="1">{header}</row>']
    for number, cell in enumerate(cells, start=2):
        rows.append(f'<row r="{number}"><c r="A{number}"{cell}</c></row>')
    return "".join(rows)


FOUND = {
    "integers and floats are one key": column("><v>7</v>", "><v>7.0</v>", "><v>7</v>"),
    "true is one": column("><v>1</v>", ' t="b"><v>1</v>', ' t="b"><v>0</v>'),
    "a day and its text": column(' s="3"><v>45000</v>', ' t="str"><v>2023-03-15</v>'),
    "an error is a text": column(' t="e"><v>#REF!</v>', "><v>1</v>"),
    "a day that is none": column(' s="3"><v>2958466</v>', ' s="3"><v>-1</v>'),
    "an empty text is none": column(' t="str"><v></v>', "><v>1</v>"),
    "seventeen digits": column("><v>0.30000000000000004</v>", "><v>1E3</v>"),
}


@pytest.mark.parametrize(
    "kind", ["any", "integer", "number", "string", "date", "boolean"]
)
@pytest.mark.parametrize("name", FOUND)
def test_typed_cells_are_judged_as_frictionless_does(
    tmp_path: Path, name: str, kind: str
) -> None:
    """A number, a boolean or a date of a sheet is no text, and is not taken for one."""
    schema = {
        "fields": [{"name": "n", "type": kind, "constraints": {"unique": True}}],
        "missingValues": ["", "7"],
    }
    make = sheet_of(
        tmp_path / "t.xlsx", FOUND[name], schema=Schema.from_descriptor(schema)
    )
    route, _, _, different = differences(make, limit_errors=1000)

    assert ("kernels", None) == (route, different)


@pytest.mark.parametrize("dimension", ["", "A1", "A1:A2", "A1:C9", "B2:B3"])
def test_declared_extent_counts_as_it_does_for_openpyxl(
    tmp_path: Path, dimension: str
) -> None:
    """What a sheet says of its extent adds empty cells and hides rows, as there."""
    cells = ("><v>1</v>", "><v>2</v>", "><v>3</v>")
    make = sheet_of(tmp_path / "d.xlsx", column(*cells), dimension)
    route, _, _, different = differences(make, limit_errors=1000)

    assert ("kernels", None) == (route, different)


def test_far_extent_is_left_to_frictionless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many empty columns that an extent alone names are made by frictionless."""
    monkeypatch.setattr(compat_sheets, "EMPTY_COLUMNS_MAX", 3)
    for extent, route in (("A1:D2", "kernels"), ("A1:E2", "oracle (sheet-extent)")):
        make = sheet_of(tmp_path / "w.xlsx", column("><v>1</v>"), extent)

        assert route == str(compat.validate(make(), limit_errors=1000)[1])


@pytest.mark.parametrize("option", ["stringified", "preserve_formatting"])
def test_options_of_the_parser_are_left_to_frictionless(
    tmp_path: Path, option: str
) -> None:
    """A dialect that changes what a cell is makes frictionless run."""
    make = sheet_of(tmp_path / "o.xlsx", column("><v>1</v>"))
    resource = make()
    control = ExcelControl()
    setattr(control, option, True)
    resource.dialect = Dialect(controls=[control])

    assert "oracle (format:xlsx)" == str(compat.validate(resource)[1])


def test_bulk_lists_the_errors_of_a_workbook(tmp_path: Path) -> None:
    """Without a limit the errors of a workbook are the same as with one."""
    schema = Schema.from_descriptor({"fields": [{"name": "n", "type": "integer"}]})
    rows = column("><v>1</v>", ' t="str"><v>x</v>', ' t="b"><v>1</v>')
    bulk, route = validate_bulk(sheet_of(tmp_path / "b.xlsx", rows, schema=schema)())

    assert "kernels" == str(route)
    assert ["x", "True"] == bulk.error_table["cell"].to_pylist()
