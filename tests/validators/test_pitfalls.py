"""One regression test for each pitfall that met the engine or those before it."""

import itertools
import json
import time
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from shahrdad.validators import Options, Report, validate
from shahrdad.validators.prefetch import prefetched
from shahrdad.validators.rules.tee import EXACT, _exact
from shahrdad.validators.tokenize import RowTooLongError, tokenize


def run(text: str | bytes, *fields: dict[str, Any], **more: Any) -> Report:
    """Validate a table whose fields are given."""
    data = text if isinstance(text, bytes) else text.encode()
    options = more.pop("options", Options(delimiter=","))
    return validate(data, schema={"fields": list(fields), **more}, options=options)


def codes(report: Report) -> list[tuple[str, int | None]]:
    """Return code and row of the findings."""
    return [(issue.code, issue.row) for issue in report.issues]


def integer(name: str = "a", **constraints: Any) -> dict[str, Any]:
    """Return an integer field."""
    return {"name": name, "type": "integer", "constraints": constraints}


def test_zero_equals_minimum() -> None:
    """Cells equal to a bound use up no limit: the real error behind them is found."""
    rows = "".join("0\n" for _ in range(5_000))

    report = run(f"a\n{rows}-1\n", integer(minimum=0))

    assert [("value-minimum", 5_002)] == codes(report)


def test_previous_block_is_not_read_ahead() -> None:
    """Ragged rows keep their numbers in files of many blocks."""
    lines = ["a,b", *[f"{n},1" if n % 50 else f"{n}" for n in range(1, 2_000)]]
    expected = [n + 1 for n in range(50, 2_000, 50)]
    for block in (64, 256, 1 << 20):
        options = Options(delimiter=",", block_bytes=block)
        report = run("\n".join(lines), integer("a"), integer("b"), options=options)
        assert expected == [i.row for i in report.issues if i.code == "cell-missing"]


def test_decimal_garbage() -> None:
    """Arrow turns 40 digits into another number; our exact column never asks it."""
    texts = pa.array(["1" * 40, "37.99", "1.5", None, "1e3"])
    values = pa.array([1e40, 37.99, 1.5, None, 1000.0])

    found = _exact(values, texts, Decimal).to_pylist()

    assert EXACT == pa.decimal128(38, 18)
    assert [None, Decimal("37.99"), Decimal("1.5"), None, Decimal(1000)] == found


def test_int64_sum_wraps() -> None:
    """DuckDB and our casts add four times 2^62 to 2^64."""
    table = pa.table({"a": pa.array([2**62] * 4, pa.int64())})
    connection = duckdb.connect()
    connection.register("t", table)

    assert (
        2**64
        == connection.execute("SELECT sum(a::DECIMAL(38, 6)) FROM t").fetchall()[0][0]
    )


def test_nan_beyond_a_bound() -> None:
    """NaN is on no side of a bound, and sNaN is not a number at all."""
    field = {"name": "a", "type": "number", "constraints": {"minimum": 0}}

    assert [("value-minimum", 2), ("type-number", 3)] == codes(
        run("a\nNaN\nsNaN\n1\n", field)
    )


def test_quote_of_ragged_rows() -> None:
    """A ragged row with quoted delimiters is cut by the whole dialect."""
    report = run('a,b\n"1,2",3\n"x,y"\n', {"name": "a", "type": "string"}, integer("b"))

    assert [("cell-missing", 3)] == codes(report)


def test_straddling_rows() -> None:
    """A row longer than a block makes the block grow, not the row vanish."""
    options = Options(delimiter=",", block_bytes=64)
    long = "x" * 10_000

    report = run(
        f'a,b\n1,y\n2,"{long}"\nz,y\n',
        integer("a"),
        {"name": "b", "type": "string"},
        options=options,
    )

    assert (3, [("type-integer", 4)]) == (report.rows, codes(report))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_byte_order_mark(mark: bytes) -> None:
    """A byte order mark is no part of the first label."""
    assert run(mark + b"a\n1\n", integer()).valid


def test_blank_lines() -> None:
    """Blank lines within the table are errors, at its end one warning."""
    report = run("a,b\n\n1,2\n\n\n3,4\n\n\n", integer("a"), integer("b"))

    assert [
        ("row-blank", 2),
        ("row-blank", 4),
        ("row-blank", 5),
        ("row-blank-trailing", None),
    ] == codes(report)
    assert 5 == report.rows


def test_missing_values_empty_list() -> None:
    """`missingValues: []` means that even "" is a value."""
    report = run('a,b\n"",1\n', integer("a"), integer("b"), missingValues=[])

    assert [("type-integer", 2)] == codes(report)


def test_field_missing_values_win() -> None:
    """A field's own missing values replace those of the schema."""
    fields = [{**integer("a"), "missingValues": ["-"]}, integer("b")]

    assert [("type-integer", 3)] == codes(
        run("a,b\n-,1\nNA,1\n", *fields, missingValues=["NA"])
    )


def test_hexadecimal_is_no_integer() -> None:
    """Arrow's cast takes 0x1F for 31; the engine does not."""
    assert [("type-integer", 2)] == codes(run("a\n0x1F\n10\n", integer()))


def test_february_never_becomes_march() -> None:
    """2020-02-30 is an error, not the first of March."""
    assert [("type-date", 2)] == codes(
        run("a\n2020-02-30\n", {"name": "a", "type": "date"})
    )


def test_jalali_year_in_a_gregorian_column() -> None:
    """A Jalali date is never taken for a day of the Middle Ages, real or not."""
    report = run(
        "a\n1404-06-08\n1404-02-31\n1402-12-30\n", {"name": "a", "type": "date"}
    )

    assert ["date-jalali-in-gregorian-column"] * 3 == [
        issue.code for issue in report.issues
    ]


def test_warnings_alone_are_valid() -> None:
    """A report with warnings only is valid."""
    report = run("a\n1\n\n", integer())

    assert (True, 1) == (report.valid, report.warning_count)


def test_backtracking_pattern_ends() -> None:
    """A pattern that would take Python for ever is judged by RE2."""
    field = {"name": "a", "type": "string", "constraints": {"pattern": "(a+)+b"}}
    started = time.monotonic()

    report = run("a\n" + "a" * 5_000 + "\n", field)

    assert [("value-pattern", 2)] == codes(report)
    assert time.monotonic() - started < 10


def test_deep_json_is_refused() -> None:
    """Nesting without end is an error of the cell, not of the engine."""
    report = run("a\n" + "[" * 50_000 + "\n", {"name": "a", "type": "array"})

    assert [("type-json", 2)] == codes(report)


def test_long_cell_is_named() -> None:
    """A cell above the bound is an error with its place."""
    report = run(
        'a,b\n1,"' + "x" * (1 << 21) + '"\n',
        integer("a"),
        {"name": "b", "type": "string"},
    )

    assert ["value-too-long"] == [issue.code for issue in report.issues]


def test_too_many_columns() -> None:
    """16,385 columns are refused before anything is read."""
    labels = ",".join(f"c{n}" for n in range(16_385))

    report = run(labels + "\n", integer("c1"))

    assert [("source-too-large", None)] == codes(report)


@pytest.mark.parametrize("seed", range(12))
def test_noise_is_no_traceback(seed: int) -> None:
    """Whatever the bytes, a report comes back with a code of the registry."""
    noise = bytes((seed * 131 + n * n * 7 + n // 3) % 256 for n in range(3_000))
    for data in (
        noise,
        b"a,b\n" + noise,
        b"PK\x03\x04" + noise,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + noise,
        b"PAR1" + noise,
        b"\x1f\x8b" + noise,
    ):
        report = validate(
            data, schema={"fields": [integer("a")]}, options=Options(limit_errors=5)
        )
        assert report.to_json()
        assert report.to_text("fa")


def test_every_block_size_gives_one_report() -> None:
    """Block sizes of 16 bytes to 1 MiB: byte-equal reports."""
    rows = ["a,b,c"]
    cells = ["1", "x", "", "-5", "شهر", '"q\nr"', "7"]
    rows += [
        ",".join(row)
        for row in itertools.islice(itertools.product(cells, repeat=3), 200)
    ]
    rows[50], rows[100] = "", "1,2,3,4"
    fields = [
        integer("a", required=True),
        {"name": "b", "type": "string"},
        integer("c", minimum=0),
    ]
    reports = {
        run(
            "\n".join(rows), *fields, options=Options(delimiter=",", block_bytes=block)
        ).to_json(stored=True)
        for block in (16, 64, 333, 4096, 1 << 20)
    }

    assert 1 == len(reports)
    assert json.loads(reports.pop())["stats"]["errors"] > 100


def test_typed_numbers_beyond_float_are_compared_exactly() -> None:
    """Sums of money beyond 2^53 rial differ by one rial and are found."""
    big = 2**53
    rule = {
        "name": "sum-columns-value",
        "params": {"column": "c", "columns": ["a", "b"]},
    }

    report = run(
        f"a,b,c\n{big},1,{big}\n{big},1,{big + 1}\n",
        integer("a"),
        integer("b"),
        integer("c"),
        custom_checks=[rule],
    )

    assert [2] == [issue.row for issue in report.issues]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_every_number_of_threads_gives_one_report(threads: int) -> None:
    """Reading ahead changes no report."""
    text = "a\n" + "".join(f"{n if n % 7 else 'x'}\n" for n in range(3_000))

    options = Options(delimiter=",", block_bytes=256, threads=threads)
    report = run(text, integer(unique=True), options=options)

    assert 429 == report.error_count
    assert [2, 9, 16] == [issue.row for issue in report.issues][:3]


def test_reader_errors_keep_their_place() -> None:
    """An error of the reading thread is raised after the items before it."""

    def items() -> Any:
        yield 1
        yield 2
        raise ValueError("three")

    got: list[int] = []
    with pytest.raises(ValueError, match="three"):
        got.extend(prefetched(items()))
    assert [1, 2] == list(itertools.islice(prefetched(items()), 2))


def test_row_that_never_ends_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quotation mark that is never closed is one error with its limit."""

    def cut(*arguments: Any, **more: Any) -> Any:
        yield from itertools.islice(tokenize(*arguments, **more), 1)
        raise RowTooLongError(64 << 20)

    monkeypatch.setattr("shahrdad.validators.raw_table.tokenize", cut)

    report = run("a,b\n1,2\n", integer("a"), integer("b"))

    assert ["row-too-long"] == [issue.code for issue in report.issues]
    assert 1 == report.rows


def test_what_the_engine_did_not_expect_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An unexpected error becomes `engine-error`; the sink is aborted."""
    monkeypatch.setattr(
        "shahrdad.validators.judging.Judge._judge_batch",
        lambda self, batch: 1 / 0,
    )

    report = run("a\n1\n", integer())

    assert ["engine-error"] == [issue.code for issue in report.issues]
    assert "ZeroDivisionError" in report.to_text("en")


def test_verdict_alone() -> None:
    """Without explanations a report holds counts, and lists nothing."""
    report = run("a\nx\ny\n", integer(), options=Options(delimiter=",", explain=False))

    assert (2, []) == (report.error_count, list(report.issues))
