"""The front door: what comes in, what reaches the sink, what is raised."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from frictionless import Report as FrictionlessReport

from shahrdad.validators import (
    Cancelled,
    CancelToken,
    Context,
    Options,
    Progress,
    Report,
    validate,
)

SCHEMA: dict[str, Any] = {
    "name": "things",
    "fieldsMatch": "superset",
    "fields": [
        {
            "name": "id",
            "title": "شناسه",
            "title_en": "Id",
            "type": "integer",
            "constraints": {"required": True},
        },
        {"name": "value", "type": "number", "constraints": {"minimum": 0}},
        {"name": "day", "type": "date"},
        {"name": "open", "type": "boolean"},
        {"name": "tags", "type": "list", "delimiter": ";"},
        {"name": "at", "type": "datetime"},
        {"name": "note", "type": "string"},
    ],
    "primaryKey": "id",
}
GOOD = (
    "id,value,day,open,tags,at,note\n"
    "1,1.5,2025-09-22,true,a;b,2025-09-22T10:00:00+03:30,متن\n"
    "2,,,false,,,\n"
).encode()


class Kept:
    """A sink that remembers everything."""

    def __init__(self) -> None:
        self.batches: list[pa.RecordBatch] = []
        self.ends: list[str] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Keep a batch."""
        self.batches.append(batch)

    def commit(self) -> None:
        """Note the valid end."""
        self.ends.append("commit")

    def abort(self) -> None:
        """Note the other end."""
        self.ends.append("abort")

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows."""
        return [row for batch in self.batches for row in batch.to_pylist()]


def run(data: bytes, **more: Any) -> Report:
    """Validate with the schema of this module."""
    return validate(data, schema=SCHEMA, **{"options": Options(delimiter=","), **more})


def test_typed_rows_reach_the_sink() -> None:
    """Values have the types of the published file, in the order of the schema."""
    sink = Kept()

    report = run(GOOD, sink=sink)

    assert report.valid
    assert ["commit"] == sink.ends
    types = {f.name: str(f.type) for f in sink.batches[0].schema}
    assert {
        "id": "int64",
        "value": "double",
        "day": "date32[day]",
        "open": "bool",
        "tags": "list<item: string>",
        "at": "timestamp[us, tz=UTC]",
        "note": "string",
    } == types
    first = sink.rows()[0]
    assert (1, 1.5, "2025-09-22", True, ["a", "b"], "2025-09-22T06:30:00+00:00") == (
        first["id"],
        first["value"],
        first["day"].isoformat(),
        first["open"],
        first["tags"],
        first["at"].isoformat(),
    )


@pytest.mark.parametrize("block", [64, 1 << 20])
def test_an_error_anywhere_aborts(block: int) -> None:
    """One wrong cell at the end: the sink is aborted, whatever it got before."""
    rows = "".join(f"{n},1,,,,,\n" for n in range(100))
    data = ("id,value,day,open,tags,at,note\n" + rows + "x,1,,,,,\n").encode()
    sink = Kept()

    report = run(data, sink=sink, options=Options(delimiter=",", block_bytes=block))

    assert not report.valid
    assert ["abort"] == sink.ends
    assert "x" not in str(sink.rows())


def test_a_repeated_key_aborts_at_the_end() -> None:
    """Errors that are known last forbid the commit, too."""
    sink = Kept()

    assert not run(GOOD + b"1,,,,,,\n", sink=sink).valid
    assert ["abort"] == sink.ends


def test_optional_columns_that_are_absent_are_null() -> None:
    """The sink gets every column of the schema; kept columns come after."""
    sink = Kept()

    run(b"id,note\n1,a\n", sink=sink)

    assert [f["name"] for f in SCHEMA["fields"]] == sink.batches[0].schema.names
    assert [{"id": 1, "note": "a"}] == [
        {k: v for k, v in row.items() if v is not None} for row in sink.rows()
    ]


def test_absent_required_column_is_one_error() -> None:
    """A lacking column is named once, not in every row."""
    report = run(b"value,note\n1,a\n2,b\n")

    assert ["label-missing"] == [i.code for i in report.issues if i.severity == "error"]


def test_blank_rows_reach_no_sink() -> None:
    """A blank row within the table is an error; those at its end are a warning."""
    sink = Kept()
    report = run(GOOD + b"\n,,,,,,\n", sink=sink)

    assert report.valid
    assert (2, 2) == (report.rows, len(sink.rows()))
    assert ["row-blank-trailing"] == [issue.code for issue in report.issues]
    assert ["row-blank"] == [i.code for i in run(GOOD + b"\n3,,,,,,\n").issues]


def test_parquet_appears_only_when_valid(tmp_path: Path) -> None:
    """The built-in sink names its file after a valid end, and leaves no other."""
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    run(GOOD, parquet=good)
    run(GOOD + b"x,,,,,,\n", parquet=bad)

    assert ["good.parquet"] == [path.name for path in tmp_path.iterdir()]
    assert [1, 2] == pq.read_table(good).column("id").to_pylist()


def test_published_file_is_valid_unchanged(tmp_path: Path) -> None:
    """What was written is valid when it is validated again without normalisation."""
    path = tmp_path / "t.parquet"
    run(GOOD, parquet=path)

    again = validate(path, schema=SCHEMA, options=Options(normalise=False))

    assert (True, 2) == (again.valid, again.rows)


@pytest.mark.parametrize("source", ["path", "str", "bytes", "file"])
def test_sources(source: str, tmp_path: Path) -> None:
    """A path, bytes and an open file are one table, also for a second look."""
    data = GOOD + b"1,,,,,,\n"
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    given: Any = {
        "path": path,
        "str": str(path),
        "bytes": data,
        "file": io.BytesIO(data),
    }[source]

    report = validate(given, schema=SCHEMA)

    assert [("key-primary", 4)] == [(issue.code, issue.row) for issue in report.issues]


def test_schema_from_a_file_and_by_family(tmp_path: Path) -> None:
    """A schema is a mapping, a file or the name of a family."""
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA), "utf-8")

    assert validate(GOOD, schema=path).schema == validate(GOOD, schema=SCHEMA).schema
    assert "projects" == validate(GOOD, schema="projects").schema["name"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"schema": "nowhere"},
        {"schema": SCHEMA, "context": {"city": "x"}},
        {"schema": SCHEMA, "profile": "nowhere.json"},
    ],
)
def test_misuse_raises(arguments: dict[str, Any]) -> None:
    """A mistake of the caller is raised, not reported."""
    with pytest.raises((ValueError, OSError)):
        validate(GOOD, **arguments)


@pytest.mark.parametrize(
    "mistake",
    [{"mode": "other"}, {"limit_errors": -1}, {"threads": 0}, {"block_bytes": 1}],
)
def test_options_refuse_nonsense(mistake: dict[str, Any]) -> None:
    """Options that make no sense are refused when they are made."""
    with pytest.raises(ValueError, match=r"\w"):
        Options(**mistake)


@pytest.mark.parametrize(
    ("schema", "code"),
    [
        ({}, "schema-invalid"),
        ({"fields": [{"type": "integer"}]}, "schema-invalid"),
        ({"fields": [{"name": "a", "type": "guess"}]}, "schema-invalid"),
        ({"fields": [{"name": "a"}, {"name": "a"}]}, "schema-invalid"),
        (
            {"fields": [{"name": "a", "type": "string"}], "primaryKey": "b"},
            "schema-invalid",
        ),
        (
            {
                "fields": [
                    {"name": "a", "type": "integer", "constraints": {"minimum": "x"}}
                ]
            },
            "schema-invalid",
        ),
        (
            {
                "fields": [
                    {
                        "name": "a",
                        "type": "boolean",
                        "trueValues": ["1"],
                        "falseValues": ["1"],
                    }
                ]
            },
            "schema-invalid",
        ),
        (
            {
                "fields": [
                    {
                        "name": "a",
                        "type": "string",
                        "categories": ["x"],
                        "constraints": {"enum": ["y"]},
                    }
                ]
            },
            "schema-invalid",
        ),
        (
            {
                "fields": [
                    {"name": "a", "type": "string", "constraints": {"pattern": "(?=x)"}}
                ]
            },
            "schema-pattern",
        ),
        (
            {
                "fields": [
                    {"name": "a", "type": "string", "constraints": {"pattern": "[z-a]"}}
                ]
            },
            "schema-pattern",
        ),
        (
            {
                "fields": [
                    {
                        "name": "a",
                        "type": "string",
                        "constraints": {"pattern": r"(a)\1"},
                    }
                ]
            },
            "schema-pattern",
        ),
    ],
)
def test_schema_faults_are_reported(schema: dict[str, Any], code: str) -> None:
    """A schema that is not one gives a report that says so."""
    report = validate(b"a\n1\n", schema=schema)

    assert [code] == [issue.code for issue in report.issues]


def test_limit_lists_fewer_and_counts_all() -> None:
    """Counts are exact whatever is listed."""
    data = b"id,value,day,open,tags,at,note\n" + b"x,,,,,,\n" * 50

    report = run(data, options=Options(delimiter=",", limit_errors=3))

    assert 50 == report.error_count
    assert [2, 3, 4] == [issue.row for issue in report.issues]
    assert report.to_dict()["shahrdad"]["counts"]["truncated"] is True
    assert 50 == report.error_table.num_rows


def test_progress_and_cancel() -> None:
    """Progress ends with `done`; a set token stops before the next batch."""
    told: list[Progress] = []
    token = CancelToken()
    sink = Kept()

    run(GOOD, on_progress=told.append)
    token.cancel()
    with pytest.raises(Cancelled):
        run(GOOD, cancel=token, sink=sink)

    assert ("done", 2) == (told[-1].stage, told[-1].rows)
    assert len(GOOD) == told[-1].bytes == told[-1].total
    assert 0 < told[0].bytes <= len(GOOD)
    assert ["abort"] == sink.ends


def test_a_failing_sink_is_aborted() -> None:
    """An error of our own side goes to the caller, after the abort."""

    class Broken(Kept):
        def write(self, batch: pa.RecordBatch) -> None:
            raise OSError("disk full")

    sink = Broken()
    with pytest.raises(OSError, match="disk full"):
        run(GOOD, sink=sink)

    assert ["abort"] == sink.ends


def test_report_is_that_of_frictionless_with_more() -> None:
    """Tools of frictionless read our report."""
    found = run(GOOD + b"x,-1,1404-01-01,,,,\n").to_dict()

    theirs = FrictionlessReport.from_descriptor(found)

    assert (False, 3) == (theirs.valid, theirs.stats["errors"])
    assert ["type-error", "constraint-error", "type-error"] == [
        error.type for error in theirs.tasks[0].errors
    ]


def test_money_dates_and_digits_are_normalised_for_a_standard() -> None:
    """A Persian file under a standard: rial, ISO dates, an audit of every change."""
    columns = {
        "city_code": ("کد شهر", "۱۳۴۶"),
        "project_id": ("شناسه", "P-1"),
        "title_fa": ("عنوان", "پارک"),
        "is_smart_city": ("هوشمند؟", "خیر"),
        "smart_domain": ("حوزه", "governance"),
        "status": ("مرحله", "implementation"),
        "owner_unit_id": ("کارفرما", "omran"),
        "physical_progress": ("پیشرفت", "۴۵٫۵"),
        "budget_rial": ("اعتبار", "۱٬۵۰۰"),
        "as_of_date": ("تاریخ", "۱۴۰۴/۰۶/۳۱"),
    }
    labels, cells = zip(*columns.values(), strict=True)
    sink = Kept()

    report = validate(
        (",".join(labels) + "\n" + ",".join(cells) + "\n").encode(),
        schema="projects",
        profile={
            "money_unit": "million_rial",
            "columns": [
                {"to": to, "from": label} for to, (label, _) in columns.items()
            ],
        },
        context=Context(city_code="1346", release_date="2025-10-01"),
        sink=sink,
    )

    assert report.valid, report.to_text("en")
    row = sink.rows()[0]
    assert ("1346", 1_500_000_000, "2025-09-22", 45.5, False) == (
        row["city_code"],
        row["budget_rial"],
        row["as_of_date"].isoformat(),
        row["physical_progress"],
        row["is_smart_city"],
    )
    steps = {(entry["column"], entry["step"]) for entry in report.normalisation}
    assert {
        ("city_code", "digits"),
        ("budget_rial", "money-unit"),
        ("as_of_date", "date"),
    } <= steps
