"""One regression test for each pitfall of compat mode, named after it.

Those of strict mode stand in `test_pitfalls.py`. Each compares whole reports: what is
asserted besides says that the pitfall was met.
"""

import io
import re
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from frictionless import Resource, Schema
from packaging.requirements import Requirement

from compat_cases import Case
from compat_comparison import differences
from shahrdad.validators import Options, compat, validate
from shahrdad.validators.tokenize import Dialect, tokenize


def equal(data: bytes | str, *fields: dict[str, Any], **more: Any) -> Any:
    """Validate as frictionless does; return its task once the reports are equal."""
    content = data.encode() if isinstance(data, str) else data
    limit = more.pop("limit", 0)
    block_bytes = more.pop("block_bytes", 1 << 20)
    dialect = more.pop("dialect", None)
    expected_route = more.pop("route", "kernels")

    def resource() -> Any:
        made: Any = Resource(
            data=content, scheme="buffer", format="csv", encoding="utf-8", name="t"
        )
        made.schema = Schema.from_descriptor({"fields": list(fields), **more})
        if dialect is not None:
            made.dialect = dialect.to_copy()
        return made

    route, reason, _, different = differences(
        resource, limit_errors=limit, block_bytes=block_bytes
    )

    assert different is None
    assert expected_route == route, reason
    return resource().validate(limit_errors=limit or 10**6).task


def of(name: str, type_: str, **constraints: Any) -> dict[str, Any]:
    """Return a field."""
    return {"name": name, "type": type_, "constraints": constraints}


def rows_of(task: Any) -> list[tuple[str, int]]:
    """Return type and row of the errors."""
    return [(e.type, e.row_number) for e in task.errors if hasattr(e, "row_number")]


def test_nul_in_a_skipped_record() -> None:
    """A NUL in the header costs no row: Arrow's own skipping would lose the first."""
    task = equal("a\x00,b\nx,1\n2,2\n", of("a", "integer"), of("b", "integer"))

    assert ("type-error", 2) in rows_of(task)
    data = b"a\x00,\x00b\n1,2\n3,4\n"
    [batch] = tokenize(lambda: io.BytesIO(data), Dialect(), 2, skip=1)
    assert ["1", "3"] == batch.columns[0].to_pylist()


def test_year_0000() -> None:
    """Arrow reads 0000-01-01 as a date, Python does not."""
    text = "d\n" + "0000-01-01\n" * 3

    assert [("type-error", n) for n in (2, 3, 4)] == rows_of(
        equal(text, of("d", "date"))
    )


def test_zero_equals_minimum_in_compat() -> None:
    """Zeros at a bound do not use up the limit: the error behind them is reported."""
    text = "a\n" + "0\n" * 3_000 + "-1\n"

    task = equal(text, of("a", "integer", minimum=0), limit=10, block_bytes=64)

    assert [("constraint-error", 3_002)] == rows_of(task)


def test_snan_beyond_the_limit() -> None:
    """What would make the oracle raise does not matter behind the limit."""
    field = of("a", "number", minimum=0)

    task = equal("a\nx\ny\nsNaN\n", field, limit=2)

    assert [("type-error", 2), ("type-error", 3)] == rows_of(task)


def test_last_mapping_wins() -> None:
    """A text that is both true and false is false, for keys, too."""
    both = {"trueValues": ["1", "x"], "falseValues": ["1", "0"]}
    field = {**of("a", "boolean", unique=True), **both}

    assert [("unique-error", 3)] == rows_of(equal("a\n1\n0\nx\n", field))


def test_previous_occurrence() -> None:
    """The note names the last row with the same value, not the first."""
    task = equal("a\n1\n1\n1\n", of("a", "integer", unique=True))

    assert ["2", "3"] == [error.note.rpartition(" ")[2] for error in task.errors]


def test_equality_is_that_of_python() -> None:
    """1.0, 1.00 and 1 are one number; 007 and a Persian seven are 7; NaN is nothing."""
    numbers = equal("a\n1.0\n1.00\n1\nNaN\nNaN\n", of("a", "number", unique=True))
    integers = equal("a\n007\n۷\n 7\n", of("a", "integer", unique=True))

    assert [3, 4] == [number for _, number in rows_of(numbers)]
    assert [3, 4] == [number for _, number in rows_of(integers)]


def test_access_order() -> None:
    """Unique fields are read first, then keys, then the rest: so are their errors."""
    fields = (of("a", "integer"), of("b", "integer"), of("c", "integer", unique=True))

    task = equal("a,b,c\nx,y,z\n", *fields, primaryKey=["b"])

    # A row without any value of its key gets its cells' errors first.
    assert ["c", "b", "a"] == [
        e.field_name for e in task.errors if e.type != "primary-key"
    ]


def test_row_is_cut_in_its_middle_by_the_limit() -> None:
    """The last row counts, its later errors do not; the warning names the limit."""
    task = equal("a,b\nx,y\nx,y\n", of("a", "integer"), of("b", "integer"), limit=3)

    assert (3, 2) == (len(task.errors), task.stats["rows"])
    assert ["reached error limit: 3"] == task.warnings


def test_missing_values_before_the_type() -> None:
    """`missingValues: []` makes "" a value; a missing text is none for every type."""
    nothing = equal(
        'a,b\n"",1\n', of("a", "integer"), of("b", "integer"), missingValues=[]
    )
    dashes = equal(
        "a,b\n-,1\n", of("a", "date"), of("b", "integer"), missingValues=["-"]
    )

    assert [("type-error", 2)] == rows_of(nothing)
    assert [] == dashes.errors


def test_label_without_a_field() -> None:
    """A label more becomes a field of any type; a label less drops its field."""
    more = equal("a,b\n1,2\n", of("a", "integer"))
    less = equal("a\n1\n", of("a", "integer"), of("b", "integer", required=True))

    assert ["extra-label"] == [error.type for error in more.errors]
    assert ["missing-label"] == [error.type for error in less.errors]


def test_sniffer_decides_the_dialect() -> None:
    """Delimiter and space after it are what frictionless sniffs, whatever that is."""
    for text in ("a; b\n1; x\n2; y\n", "a|b\n1|2\n", "a\tb\n1\t2\n", "a, b\n1, 2\n"):
        equal(text, of("a", "integer"), of("b", "string"))


@pytest.mark.parametrize("pattern", ["x{2001}", "[^\\d]+", "(?=a)a", "a|b"])
def test_patterns_of_another_engine(pattern: str) -> None:
    """What RE2 does not compile, or reads otherwise, is matched by `re`."""
    field = of("a", "string", pattern=pattern)

    equal("a\na\nA\naxyz\n۱\n{2001}\n", field)


def test_quote_that_never_ends() -> None:
    """An open quotation mark at the end makes one long cell, as in `csv.reader`."""
    task = equal('a,b\n1,"x\n2,y\n', of("a", "integer"), of("b", "string", maxLength=1))

    assert [("constraint-error", 2)] == rows_of(task)


def test_quoted_line_breaks_count_one_record() -> None:
    """Rows are records: a cell with ten thousand line breaks is one of them."""
    long = "\n" * 10_000
    task = equal(f'a,b\n1,"{long}"\nx,y\n', of("a", "integer"), of("b", "string"))

    assert [("type-error", 3)] == rows_of(task)


@pytest.mark.parametrize("block_bytes", [16, 64, 1 << 20])
def test_read_ahead_of_ragged_rows(block_bytes: int) -> None:
    """Blocks of ragged rows alone, and rows that straddle, keep their numbers."""
    text = "a,b\n" + "1\n" * 60 + "1,2\n" + "x" * 200 + ",3\n1,2,3\n"

    equal(text, of("a", "integer"), of("b", "integer"), block_bytes=block_bytes)


def test_character_on_the_edge_of_a_block(tmp_path: Path) -> None:
    """Decoding in pieces splits no character, in UTF-16 and in windows-1256."""
    text = "a,b\n" + "".join(f"{n},پارک {n}\n" for n in range(3_000)) + "x,پ\n"
    fields = [of("a", "integer"), of("b", "string")]
    for encoding in ("utf-16", "cp1256", "utf-8-sig"):
        data = text.encode(encoding)
        case = Case({"fields": fields}, data, more={"encoding": encoding})
        case.write(tmp_path)
        route, _, count, different = differences(
            partial(case.resource, tmp_path), block_bytes=333
        )
        assert ("kernels", 1, None) == (route, count, different)


def test_crash_of_the_oracle_is_reported() -> None:
    """A table on which frictionless crashes gets a report that says so."""
    bound = of("a", "date", minimum="2020-02-30")
    pattern = of("a", "string", pattern="(b")
    for field in (bound, pattern):
        schema = Schema.from_descriptor({"fields": [field]})
        data: Any = {"data": b"a\n2020-01-01\n", "scheme": "buffer", "format": "csv"}
        with pytest.raises((TypeError, re.error)):
            Resource(**data, schema=schema).validate()

        report, route = compat.validate(Resource(**data, schema=schema))

        assert ["resource-error"] == [error.type for error in report.task.errors]
        assert "oracle-raises" == route.reason


# frictionless leaves the packed file itself open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", ["t.zip", "t.gz", "t.csv.zip", "t.parquet", "t.json"])
def test_file_that_is_not_what_its_name_says(tmp_path: Path, name: str) -> None:
    """Noise under any name gets a report, and a JSON file is never a descriptor."""
    (tmp_path / name).write_bytes(b'{"path": "other.csv"}\x00\xff')

    report = validate(
        tmp_path / name,
        schema={"fields": [of("a", "integer")]},
        options=Options(mode="compat"),
    )

    assert report.to_text("en")
    assert name == report.to_dict()["tasks"][0]["place"]


def test_nothing_that_is_needed_brings_pandas() -> None:
    """Arrow imports pandas where it is installed, which costs a second of a process.

    So no package that `shahrdad[node]` needs may bring it, at any distance.
    """
    known, waiting = set(), ["shahrdad[node]"]
    while waiting:
        wanted = Requirement(waiting.pop())
        for text in metadata.requires(wanted.name) or ():
            needed = Requirement(text)
            extras = wanted.extras or {""}
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in extras
            ):
                name = f"{needed.name}[{','.join(needed.extras)}]"
                if name not in known:
                    known.add(name)
                    waiting.append(name.replace("[]", ""))

    assert "frictionless[]" in known
    assert "pandas[]" not in known
