"""Files become tables of text under the columns of a standard."""

import gzip
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shahrdad.datasets import templates
from shahrdad.datasets.errors import DataError, Reason
from shahrdad.datasets.standards import examples, families, load
from shahrdad.validators import validate
from shahrdad.validators.importing import open_table
from shahrdad.validators.limits import DEFAULT
from shahrdad.validators.normalise.columns import Normaliser
from shahrdad.validators.options import Options
from shahrdad.validators.questions import Answers, to_profile
from shahrdad.validators.text_table import CellKind, TextTable
from workbook_files import xlsx_of

LINES = load("budget_lines")
HEADER = ["کد ردیف", "شرح ردیف", "مصوب"]


def cells(table: TextTable) -> dict[str, list[Any]]:
    """Read a table to its end, as columns of text."""
    batches = list(table.batches)
    return {
        name: [cell for batch in batches for cell in batch.columns[at].to_pylist()]
        for at, name in enumerate(table.names)
    }


def normalised(table: TextTable, family: str) -> tuple[dict[str, list[Any]], list[str]]:
    """Read and normalise a table; return its columns, and the codes of all marks."""
    fields = {field.name: field for field in load(family).fields}
    normaliser = Normaliser(
        table.names,
        [fields.get(name) for name in table.names],
        table.settings,
        table.audit,
        standard=True,
    )
    columns: dict[str, list[Any]] = {name: [] for name in table.names}
    codes: list[str] = []
    for batch in table.batches:
        found = normaliser.apply(batch)
        codes += [mark.code for mark in found.marks]
        for name, column in zip(table.names, found.columns, strict=True):
            columns[name] += column.to_pylist()
    return columns, codes


def codes(table: TextTable) -> list[str]:
    """Return the codes of a table's findings."""
    return [found.code for found in table.findings]


@pytest.mark.parametrize("family", families())
def test_filled_template_needs_no_question(family: str) -> None:
    """A filled template of any standard is imported as what it was filled with."""
    standard = load(family)
    known = templates.Properties("9999", "million_rial", date(2025, 9, 22), 1404)
    content = templates.xlsx_template(standard, known, templates.example_rows(standard))
    table = open_table(content, standard=standard)
    found, marks = normalised(table, family)
    expected = cells(open_table(examples(family), standard=standard))

    assert table.questions is not None
    assert table.questions.none
    assert ([], []) == (marks, table.findings)
    assert ((1, 2), standard.field_names) == (table.source.header_rows, table.names)
    same = {
        name: expected[name]
        for name in expected
        if standard.field(name).type != "number"
        and standard.field(name).import_default is None
    }
    assert same == {name: found[name] for name in same}


@pytest.mark.parametrize("family", families())
def test_examples_and_csv_templates_need_no_question(family: str) -> None:
    """The example of a standard changes nowhere; its CSV template is recognised."""
    standard = load(family)
    table = open_table(examples(family), standard=standard)
    _, marks = normalised(table, family)
    empty = open_table(templates.csv_template(standard), standard=standard)

    assert ([], 0) == (marks, table.audit.changed())
    assert empty.questions is not None
    assert empty.questions.none
    assert standard.field_names == empty.names


def test_properties_fill_empty_cells() -> None:
    """What the sheet of properties states stands in for empty cells, and is counted."""
    row = dict(templates.example_rows(LINES)[0], city_code=None, fiscal_year=None)
    known = templates.Properties(
        "1346", "rial", None, 1404, {"budget_municipality_rial": "۱۲ همت"}
    )
    table = open_table(templates.xlsx_template(LINES, known, [row]), standard=LINES)
    found, _ = normalised(table, "budget_lines")

    assert (["1346"], ["1404"]) == (found["city_code"], found["fiscal_year"])
    assert 1 == table.audit.changed("city_code", "profile")
    assert {"budget_municipality_rial": "۱۲ همت"} == dict(table.declared)


def test_messy_sheet_leaves_questions() -> None:
    """Titles, a unit cell, strange headers: the certain is taken, the rest asked."""
    rows = [
        ["بودجه ۱۴۰۴", None, None, None],
        [None, None, "ارقام به میلیون ریال", None],
        [*HEADER, "درصد تحقق"],
        ["۱۱۰۱", "عوارض", "۱٬۲۰۰", "۱۲"],
        ["جمع کل", None, "۱٬۲۰۰", None],
    ]
    table = open_table(xlsx_of({"مصارف": rows}), standard=LINES)
    found = cells(table)

    assert table.questions is not None
    assert ("مصارف", (3,)) == (table.source.sheet, table.source.header_rows)
    assert {
        "line_code": ["۱۱۰۱"],
        "line_title": ["عوارض"],
        "approved_rial": ["۱٬۲۰۰"],
    } == {name: texts for name, texts in found.items() if any(texts)}
    assert set(found) - {"line_code", "line_title", "approved_rial"} == {
        field.name
        for field in LINES.fields
        if field.required and field.import_default is not None
    }
    assert ["درصد تحقق"] == [use.label for use in table.questions.asked]
    money = table.questions.money
    assert money is not None
    assert [("million_rial", "header-cell")] == [
        (one.unit, one.where) for one in money.proposals
    ]
    assert ("۱٬۲۰۰ میلیون ریال = ۱٬۲۰۰٬۰۰۰٬۰۰۰ ریال",) == money.worked
    assert "city_code" in table.questions.missing
    assert ["label-extra", "money-unit-missing", "row-total"] == codes(table)


def test_answers_become_a_profile_that_asks_nothing() -> None:
    """With the answers as a profile the same layout is imported without a question."""
    rows = [[*HEADER, "زیر موضوع", "یادداشت"], ["1", "a", "1,200", "t", "n"]]
    first = open_table(xlsx_of({"s": rows}), standard=LINES)
    assert first.questions is not None
    answers = Answers(
        columns={"زیر موضوع": "program_title"},
        keep=("یادداشت",),
        constants={"side": "use"},
        money_unit="million_rial",
    )
    profile = to_profile(
        "p",
        "budget_lines",
        "1.0.0",
        first.labels,
        first.questions.certain,
        answers,
        {"sheet": "s"},
    )
    again = open_table(xlsx_of({"s": rows}), standard=LINES, profile=profile)
    found, _ = normalised(again, "budget_lines")

    assert again.questions is not None
    assert ((), (), None) == (
        again.questions.proposed,
        again.questions.asked,
        again.questions.money,
    )
    assert (["1200000000"], ["use"], ["n"]) == (
        found["approved_rial"],
        found["side"],
        found["x_یادداشت"],
    )
    assert profile == json.loads(json.dumps(profile))


def test_changed_header_asks_again() -> None:
    """A header that is not the profile's is not read by guess."""
    profile = {
        "signature": HEADER,
        "columns": [{"to": "line_code", "from": "کد ردیف"}],
        "ignore": HEADER[1:],
        "money_unit": "rial",
    }
    text = ",".join([*HEADER, "متولی"]) + "\n1,a,2,b\n"
    with pytest.raises(DataError) as caught:
        open_table(text.encode(), standard=LINES, profile=profile)
    assert Reason.SOURCE_QUESTIONS == caught.value.reason


@pytest.mark.parametrize(
    ("header", "unit", "calendar"),
    [
        ("line_code,as_of_date,approved_rial", "rial", "gregorian"),
        ("کد ردیف,تاریخ وضعیت,مصوب (ریال)", "rial", "jalali"),
        ("کد ردیف,تاریخ وضعیت,مصوب", None, "jalali"),
        ("کد ردیف,تاریخ وضعیت,مصوب (میلیون ریال)", None, "jalali"),
    ],
)
def test_unit_and_calendar_without_an_answer(
    header: str, unit: str | None, calendar: str
) -> None:
    """Only the standard's own names and titles say the unit; a hint is a question."""
    table = open_table(f"{header}\n1,2,3\n".encode(), standard=LINES)

    assert (unit, calendar) == (table.settings.money_unit, table.settings.calendar)
    assert (unit is None) == ("money-unit-missing" in codes(table))


def test_totals_are_no_leaves() -> None:
    """Rows of totals are left out and reported; a title that begins alike is none."""
    text = (
        "کد ردیف,شرح ردیف,مصوب (ریال)\n1,جمع‌آوری پسماند,5\n,جمع کل,5\nجمع,,5\n7,جمع,5\n"
    )
    table = open_table(text.encode(), standard=LINES)
    found = cells(table)

    assert ["1", "7"] == found["line_code"]
    assert [(3, "جمع کل"), (4, "جمع")] == [
        (one.row, one.cell) for one in table.findings if one.code == "row-total"
    ]


def test_more_totals_than_are_named_are_counted() -> None:
    """Twenty are named with their text; of the rest the report gives the number."""
    text = "کد ردیف,شرح ردیف,مصوب (ریال)\n1,الف,5\n" + ",جمع,5\n" * 22
    report = validate(text.encode(), schema="budget_lines")
    found = [issue for issue in report.issues if issue.code == "row-total"]
    named = [issue for issue in found if issue.row is not None]
    (rest,) = [issue for issue in found if issue.row is None]

    assert 20 == len(named)
    assert "\u2068جمع\u2069" in report.message(named[0], "fa")
    assert "(+2)" in report.message(rest, "en")


def test_rows_that_the_profile_skips() -> None:
    """Patterns of the profile are matched against the first text of a row."""
    profile = {"source": {"skip_rows": ["^بخش"]}, "money_unit": "rial"}
    text = ",".join(HEADER) + "\nبخش اول,,\n1,a,2\n"
    found = cells(open_table(text.encode(), standard=LINES, profile=profile))

    assert ["1"] == found["line_code"]


def test_merged_sections_are_filled_down_in_codes() -> None:
    """A code merged downwards names each of its rows; an amount never does."""
    rows = [[*HEADER], ["1", "a", 5], [None, "b", None]]
    content = xlsx_of({"s": rows}, merged={"s": ["A2:A3", "C2:C3"]})
    table = open_table(content, standard=LINES, options=Options(unit="rial"))
    found = cells(table)

    assert (["1", "1"], ["5", ""]) == (found["line_code"], found["approved_rial"])
    assert "source-filled-down" in codes(table)


def test_typed_date_among_jalali_texts() -> None:
    """A date that the spreadsheet made of 99/12/29 is refused, not published."""
    rows = [
        ["کد ردیف", "تاریخ وضعیت", "شرح ردیف"],
        ["1", "1399/12/28", "a"],
        ["2", date(1999, 12, 29), "b"],
    ]
    table = open_table(xlsx_of({"s": rows}), standard=LINES)
    _, marks = normalised(table, "budget_lines")

    assert ["date-excel-date-mangled"] == marks


def test_sheet_choice() -> None:
    """One sheet with the header is taken; two are asked; a declared one is read."""
    table, other = [HEADER, ["1", "a", 2]], [["سلام", "دنیا"], ["1", "2"]]

    assert (
        "t"
        == open_table(xlsx_of({"o": other, "t": table}), standard=LINES).source.sheet
    )
    with pytest.raises(DataError) as two:
        open_table(xlsx_of({"t": table, "t (2)": table}), standard=LINES)
    assert (Reason.SOURCE_SHEET, "t, t (2) (= t)") == (
        two.value.reason,
        two.value.values["candidates"],
    )
    declared = open_table(
        xlsx_of({"t": table, "t (2)": table}),
        standard=LINES,
        options=Options(sheet="t (2)"),
    )
    assert "t (2)" == declared.source.sheet
    with pytest.raises(DataError):
        open_table(xlsx_of({"t": table}), standard=LINES, options=Options(sheet="no"))


def test_no_header() -> None:
    """A table without a recognisable header is refused with the nearest rows."""
    with pytest.raises(DataError) as caught:
        open_table(b"a,b,c\n1,2,3\n", standard=LINES)
    assert Reason.SOURCE_HEADER == caught.value.reason
    declared = open_table(
        b"a,b,c\n1,2,3\n", standard=LINES, options=Options(header_row=1)
    )
    assert {"a", "b", "c"}.isdisjoint(declared.source.mapping)
    assert {None} == set(declared.origins)


SAME = {"csv", "tsv", "gz", "utf-16", "json", "arrays", "jsonl", "parquet", "xlsx"}


@pytest.mark.parametrize("sort", sorted(SAME))
def test_one_table_in_every_format(sort: str, tmp_path: Path) -> None:
    """The same table comes out of every format, cell for cell."""
    rows = [
        {"نام": "کرمان", "شمار": 12, "سهم": 0.5},
        {"نام": "قم", "شمار": 7, "سهم": None},
    ]
    text = "نام,شمار,سهم\nکرمان,12,0.5\nقم,7,\n"
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    content = {
        "csv": text.encode("utf-8-sig"),
        "tsv": text.replace(",", "\t").encode(),
        "gz": gzip.compress(text.encode()),
        "utf-16": text.encode("utf-16"),
        "json": json.dumps(rows).encode(),
        "arrays": json.dumps(
            [list(rows[0]), *(list(row.values()) for row in rows)]
        ).encode(),
        "jsonl": "\n".join(json.dumps(row) for row in rows).encode(),
        "parquet": buffer.getvalue().to_pybytes(),
        "xlsx": xlsx_of({"s": [list(rows[0]), *(list(row.values()) for row in rows)]}),
    }[sort]
    path = tmp_path / "table"
    path.write_bytes(content)
    table = open_table(path)

    assert {"نام": ["کرمان", "قم"], "شمار": ["12", "7"], "سهم": ["0.5", ""]} == cells(
        table
    )
    assert [2, 3] == [
        int(row) for batch in open_table(path).batches for row in batch.rows
    ]


def test_numbers_of_json_keep_their_digits() -> None:
    """A number in JSON is text as written: a float would lose its digits."""
    table = open_table(b'[{"a": 12345678901234567890.10, "b": {"c": [1.0]}}]')
    batch = next(table.batches)

    assert [["12345678901234567890.10"], ['{"c":[1.0]}']] == [
        c.to_pylist() for c in batch.columns
    ]
    assert batch.kinds[0] is not None
    assert [CellKind.NUMBER] == batch.kinds[0].tolist()


@pytest.mark.parametrize("block", [16, 64, 1 << 20])
def test_ragged_and_blank_rows(block: int) -> None:
    """Rows that do not fit, and blank ones, keep their numbers in any block size."""
    text = 'a,b\n1,2\n\n3\n"x\ny",4\n5,6,7\n,\n8,9'
    batches = list(
        open_table(
            text.encode(), options=Options(block_bytes=block, delimiter=",")
        ).batches
    )

    assert [2, 5, 8] == [int(row) for batch in batches for row in batch.rows]
    assert [(4, ("3",)), (6, ("5", "6", "7"))] == [
        (ragged.row, ragged.cells) for batch in batches for ragged in batch.ragged
    ]
    assert [3, 7] == [row for batch in batches for row in batch.blank]
    assert ["1", "x\ny", "8"] == [
        c for batch in batches for c in batch.columns[0].to_pylist()
    ]


def test_endless_quote_is_refused() -> None:
    """A quote that never ends costs bounded memory, and names its row."""
    limits = replace(DEFAULT, row_bytes_max=1 << 20)
    text = b"a,b\n1,2\n" * 200_000 + b'3,"' + b"x,y\n" * 600_000
    with pytest.raises(DataError) as caught:
        list(open_table(text, limits=limits).batches)
    assert Reason.ROW_TOO_LONG == caught.value.reason


def test_long_cells_are_found() -> None:
    """A cell at the bound passes; one byte more is an error of its row."""
    limits = replace(DEFAULT, cell_bytes_max=100)
    text = f"a,b\n{'x' * 100},1\n{'y' * 101},2\n"
    table = open_table(text.encode(), limits=limits)
    found = [one for batch in table.batches for one in batch.findings]

    assert [("value-too-long", 3, 101)] == [
        (one.code, one.row, one.values["value"]) for one in found
    ]


def test_header_is_bounded() -> None:
    """Columns and bytes of a header are bounded on both sides."""
    wide = ",".join(f"c{at}" for at in range(20))
    content = f"{wide}\n{wide}\n".encode()
    size = len(wide.replace(",", ""))

    assert 20 == len(open_table(content, limits=replace(DEFAULT, columns_max=20)).names)
    assert 20 == len(
        open_table(content, limits=replace(DEFAULT, header_bytes_max=size)).names
    )
    for limits in (
        replace(DEFAULT, columns_max=19),
        replace(DEFAULT, header_bytes_max=size - 1),
    ):
        with pytest.raises(DataError) as caught:
            open_table(content, limits=limits)
        assert Reason.SOURCE_TOO_LARGE == caught.value.reason


def test_first_line_without_end_is_refused() -> None:
    """A file whose first line is longer than what is looked at is refused."""
    with pytest.raises(DataError) as caught:
        open_table(b"a," * 700_000)
    assert Reason.SOURCE_TOO_LARGE == caught.value.reason


def test_json_is_bounded() -> None:
    """Depth and length of JSON are bounded on both sides."""
    nested = b"[" * 3 + b"]" * 3
    content = b'[{"a": ' + nested + b"}]"

    assert ["[[[]]]"] == cells(
        open_table(content, limits=replace(DEFAULT, json_depth_max=3))
    )["a"]
    for limits in (
        replace(DEFAULT, json_depth_max=2),
        replace(DEFAULT, json_bytes_max=len(content) - 1),
    ):
        with pytest.raises(DataError) as caught:
            list(open_table(content, limits=limits).batches)
        assert Reason.SOURCE_TOO_LARGE == caught.value.reason
    with pytest.raises(DataError) as deep:
        open_table(b'[{"a": ' + b"[" * 99_999 + b"]" * 99_999 + b"}]")
    assert Reason.SOURCE_UNREADABLE == deep.value.reason


@pytest.mark.parametrize(
    ("match", "header", "expected"),
    [
        ("exact", "a,b", []),
        ("exact", "b,a", ["label-wrong"]),
        ("exact", "a,c", ["label-extra", "label-missing"]),
        ("equal", "b,a", []),
        ("subset", "a,b,c", ["label-extra"]),
        ("superset", "a,a", ["label-duplicate"]),
        ("partial", "c,d", ["label-extra", "label-extra", "label-missing"]),
        (["equal"], "b,a", []),
    ],
)
def test_header_of_another_schema(
    match: object, header: str, expected: list[str]
) -> None:
    """A schema that is not ours is matched by names, as its `fieldsMatch` says."""
    schema = {"fields": [{"name": "a"}, {"name": "b"}], "fieldsMatch": match}
    table = open_table(
        f"{header}\n1,2,3\n".encode(), descriptor=schema, options=Options(delimiter=",")
    )

    assert expected == codes(table)


def test_broken_bytes_do_not_end_the_reading() -> None:
    """A bad byte is one finding with its place; the rest is read with U+FFFD."""
    table = open_table(b"a,b\nx\xe9,1\ny,2\n", options=Options(encoding="utf-8"))

    assert ["x\ufffd", "y"] == cells(table)["a"]
    assert [("source-decode", 2)] == [(one.code, one.row) for one in table.findings]


def test_empty_files() -> None:
    """Nothing, a mark alone and blank lines alone hold no table."""
    for content in (b"", b"\xef\xbb\xbf", b"\n\n  \n", b"[]"):
        with pytest.raises(DataError) as caught:
            open_table(content)
        assert Reason.SOURCE_EMPTY == caught.value.reason
