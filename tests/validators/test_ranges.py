"""Ranges of a text, judged apart and put together: what one pass says, to the byte."""

import io
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.validators import Options, validate
from shahrdad.validators.ranges.found import RangeFound, values_of, values_text
from shahrdad.validators.ranges.judging import judge_range
from shahrdad.validators.ranges.merging import merge_ranges
from shahrdad.validators.ranges.plan import RangePlan, open_text, plan_ranges
from shahrdad.validators.ranges.windows import Range, Window, WindowStream, cut
from shahrdad.validators.source import Source
from shahrdad.validators.tokenize import Dialect, tokenize

BLOCK = 512
SCHEMA: dict[str, Any] = {
    "name": "units",
    "fields": [
        {"name": "id", "type": "string", "constraints": {"required": True}},
        {"name": "parent", "type": "string"},
        {"name": "amount", "type": "integer", "constraints": {"minimum": 0}},
        {"name": "on", "type": "date"},
    ],
    "primaryKey": "id",
    "uniqueKeys": [["parent", "amount"]],
    "foreignKeys": [
        {"fields": "parent", "reference": {"resource": "", "fields": "id"}}
    ],
}
BUDGET = (
    "city_code,fiscal_year,report_period,budget_stage,as_of_date,budget_scope,"
    "org_unit_id,side,economic_class,line_code,line_title,parent_line_code,"
    "is_subtotal,program_code,plan_code,payment_nature,approved_rial,actual_rial,notes"
)

# Batches have a price of their own, so those of a wide table are longer.
BUDGETS: dict[str, Any] = {"delimiter": None, "block_bytes": 3000}


class Rows:
    """A sink that keeps the rows."""

    def __init__(self) -> None:
        self.batches: list[pa.RecordBatch] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Keep some rows."""
        self.batches.append(batch)

    def commit(self) -> None:
        """Nothing is to do."""

    def abort(self) -> None:
        """Forget the rows."""
        self.batches = []


def source_of(plan: RangePlan, file: Path, part: Range) -> Source:
    """Return a file of which one range is read, from its text in UTF-8."""

    def opened() -> io.BufferedReader:
        if plan.decoded:
            with open_text(file, plan.encoding) as stream:
                text = stream.read()
        else:
            text = file.read_bytes()
        return WindowStream(io.BytesIO(text[part.start : part.end]), part.first_block)

    return Source(
        file.name,
        plan.facts,
        lambda: file.open("rb"),
        Window(part.rows_before, opened),
    )


def in_ranges(
    file: Path,
    schema: Any,
    context: Mapping[str, Any],
    profile: Mapping[str, Any] | None,
    options: Options,
) -> tuple[str, list[pa.RecordBatch], int]:
    """Return report, rows and number of ranges, each range through its bytes."""
    said: dict[str, Any] = {"schema": schema, "profile": profile, "options": options}
    size = max(2 * options.block_bytes, file.stat().st_size // 4)
    plan = plan_ranges(file, range_bytes=size, **said)
    assert plan is not None
    found: list[bytes] = []
    rows: list[pa.RecordBatch] = []
    said |= {"refs": {}, "context": context, "seed": plan.seed}
    for part in plan.ranges:
        sink = Rows()
        source = source_of(plan, file, part)
        found.append(judge_range(source, sink=sink, **said).to_bytes())
        rows += sink.batches
    loads = [lambda one=one: RangeFound.from_bytes(one) for one in found]
    report, _ = merge_ranges(file, parts=loads, **said)
    kept = rows if report.valid else []
    return report.to_json(stored=True), kept, len(plan.ranges)


def compare(
    folder: Path,
    text: str | bytes,
    schema: Any = SCHEMA,
    context: Mapping[str, Any] | None = None,
    profile: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Judge a text in one pass and in ranges; return the report that both gave."""
    file = folder / "units.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    chosen = Options(**{"delimiter": ",", "block_bytes": BLOCK, **options})
    sink, context = Rows(), dict(context or {})
    report = validate(
        file,
        schema=schema,
        profile=profile,
        context=context,
        options=chosen,
        sink=sink,
    )
    found, rows, count = in_ranges(file, schema, context, profile, chosen)

    assert report.to_json(stored=True) == found
    assert sink.batches == rows
    assert count > 1
    return report.to_dict(stored=True)


def units(count: int, seed: int = 1, **wrong: float) -> Iterator[str]:
    """Yield lines of a table of units, some of them wrong."""
    random_ = random.Random(seed)
    yield "id,parent,amount,on"
    for number in range(count):
        draw = {name: random_.random() < share for name, share in wrong.items()}
        id_ = f"u{random_.randrange(count) if draw.get('twice') else number}"
        parent = f"u{random_.randrange(count)}" if draw.get("child") else ""
        if draw.get("orphan"):
            parent = f"nobody{number % 3}"
        amount = "x" if draw.get("cell") else str(number)
        if draw.get("twice"):
            parent, amount = "u1", str(number % 9)
        line = f'"{id_}",{parent},{amount},2025-01-{number % 28 + 1:02}'
        if draw.get("ragged"):
            line += ",more"
        yield "" if draw.get("blank") else line


def budget(count: int, **changed: str) -> Iterator[str]:
    """Yield lines of a budget in Persian digits and Arabic letters."""
    yield BUDGET
    title = changed.get("title", "\u0643ارها\u064a عمران\u064a")
    for number in range(count):
        side, kind = ("source", "revenue") if number % 2 else ("use", "current_expense")
        yield (
            f"1346,۱۴۰۴,annual,approved,2025-03-20,municipality,mali,{side},{kind},"
            f"{number:06},{title} {number % 7},,false,0,0,mixed,"
            f"{changed.get('amount', '۱۲۰۰۰')},,"
        )


def codes(report: Mapping[str, Any]) -> dict[str, int]:
    """Return the counts of a report by code."""
    found: dict[str, int] = report["shahrdad"]["counts"]["by_code"]
    return found


def test_clean_table(tmp_path: Path) -> None:
    """A table without errors: the same report, and the same rows in the same order."""
    report = compare(tmp_path, "\n".join(units(300, child=0.5)) + "\n")
    assert report["valid"]


def test_wrong_table(tmp_path: Path) -> None:
    """Wrong cells, ragged and blank rows, repeated keys, parents that do not exist."""
    lines = units(
        400, cell=0.1, ragged=0.05, blank=0.1, twice=0.2, orphan=0.1, child=0.3
    )
    found = codes(compare(tmp_path, "\n".join(lines)))
    expected = {
        "cell-extra", "key-foreign", "key-primary", "key-unique", "row-blank",
        "type-integer",
    }  # fmt: skip
    assert expected <= found.keys()


@pytest.mark.parametrize("seed", range(3))
def test_blank_rows_at_the_ends_of_ranges(tmp_path: Path, seed: int) -> None:
    """Blank rows count as inner only when a row with a value follows anywhere."""
    lines = [*units(150, seed, blank=0.7), *[""] * 700, "z,,1,", *[",,,"] * 400]
    found = codes(compare(tmp_path, "\n".join(lines) + "\n"))
    assert found["row-blank"] >= 700
    assert 1 == found["row-blank-trailing"]


def test_quoted_line_ends(tmp_path: Path) -> None:
    """A line end within quotes ends no record, whatever the line end is."""
    lines = [
        f'"u{n}","","{n}",2025-01-01' if n % 3 else f'"u\n{n}\r\n""",,{n},'
        for n in range(300)
    ]
    compare(tmp_path, "id,parent,amount,on\r\n" + "\r\n".join(lines) + "\r\n")


def test_budget_normalised(tmp_path: Path) -> None:
    """Samples, distinct texts and rules of tables are those of one pass."""
    context = {"city_code": "1346", "release_date": "2025-04-01"}
    text = "\n".join(budget(200))
    report = compare(tmp_path, text, "budget_lines", context, **BUDGETS)
    steps = {entry["step"] for entry in report["shahrdad"]["normalisation"]}

    assert {"digits", "yeh", "kaf"} <= steps
    assert {"B1", "G2"} <= {rule["id"] for rule in report["shahrdad"]["rules"]}


def test_budget_with_findings_of_rules(tmp_path: Path) -> None:
    """Personal data stays masked, and rules describe the same rows."""
    context = {"city_code": "1347", "release_date": "2020-04-01"}
    lines = list(budget(150, title="همراه 09121234567"))
    lines += list(budget(150, amount="دوازده"))[1:]
    text = "\n".join(lines)
    report = compare(tmp_path, text, "budget_lines", context, **BUDGETS)
    rules = {rule["id"]: rule for rule in report["shahrdad"]["rules"]}

    assert "violated" == rules["G1"]["outcome"] == rules["G4"]["outcome"]
    assert "09121234567" not in str(report["tasks"][0]["errors"])


def test_rows_that_are_no_data(tmp_path: Path) -> None:
    """Totals between the rows, and a column without a label, are counted once."""
    lines = list(budget(120))
    lines[40:40] = lines[90:90] = [",,,,,,,,,,جمع کل,,,,,,5,,"] * 15
    context = {"city_code": "1346", "release_date": "2025-04-01"}
    report = compare(tmp_path, "\n".join(lines), "budget_lines", context, **BUDGETS)
    assert codes(report)["row-total"] == 21  # twenty by name, and how many more


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1256", "utf-16"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    """A byte order mark is left out; other encodings are decoded before the cuts."""
    text = "\n".join(budget(150, title="پروژه", amount="12")).replace("۱۴۰۴", "1404")
    context = {"city_code": "1346", "release_date": "2025-04-01"}
    compare(tmp_path, text.encode(encoding), "budget_lines", context, **BUDGETS)


@pytest.mark.parametrize(
    "text",
    [
        "id,parent,amount,on\n" + 'a"b,,1,\n' * 400,
        "id,parent,amount,on\r" + "a,,1,\r" * 400,
        'id,parent,amount,on\n"' + "a,,1,\n" * 400,
        "id,parent,amount,on\n" + "a,,1,\n" * 3,
        "id,parent,amount,on\n" + "a,,1,\n" * 400 + "b" * 2000,
        "id,parent,amount,on\n" + 'a, "b",1,\n' * 400,
    ],
    ids=["bare quote", "lone returns", "unclosed", "small", "long row", "space"],
)
def test_what_cannot_be_cut(tmp_path: Path, text: str) -> None:
    """Quotes that neither open nor close, lone returns and small files: one pass."""
    file = tmp_path / "units.csv"
    file.write_text(text, "utf-8", newline="")
    options = Options(block_bytes=BLOCK, delimiter=",")
    plan = plan_ranges(
        file, schema=SCHEMA, profile=None, options=options, range_bytes=1024
    )
    assert plan is None


def test_chained_rows_are_not_cut(tmp_path: Path) -> None:
    """A cell that takes the text above it needs the rows before."""
    file = tmp_path / "units.csv"
    file.write_text("\n".join(units(300)), "utf-8")
    profile = {"columns": [{"from": "id", "to": "id", "fill_down": True}]}
    options = Options(block_bytes=BLOCK, delimiter=",")
    plan = plan_ranges(
        file, schema=SCHEMA, profile=profile, options=options, range_bytes=1024
    )
    assert plan is None


CELLS = st.sampled_from(["", "ab", "1", "سلام", '"x\ny"', '"a""b"', '""', '","'])


@given(
    st.lists(st.lists(CELLS, min_size=0, max_size=3), min_size=1, max_size=40),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.integers(24, 70),
    st.integers(1, 3),
)
@settings(max_examples=100, deadline=None)
def test_batches_of_ranges_are_those_of_the_whole(
    rows: list[list[str]], end: str, ended: bool, block: int, blocks: int
) -> None:
    """However a text is cut, its ranges give the batches that one reading gives."""
    text = ("a,b" + end + end.join(map(",".join, rows)) + end * ended).encode()
    ranges = cut(io.BytesIO(text), ",", 2, 1, block, blocks)
    whole = Range(text.index(b"\n") + 1, len(text), 1, 0)

    def batches(parts: list[Range]) -> list[Any]:
        found = []
        for part in parts:
            data = text[part.start : part.end]
            for batch in tokenize(
                lambda data=data, part=part: WindowStream(  # type: ignore[misc]
                    io.BytesIO(data), part.first_block
                ),
                Dialect(),
                2,
                block_bytes=block,
            ):
                cells = [column.to_pylist() for column in batch.columns]
                number = batch.first_row + part.rows_before
                found.append((number, cells, batch.ragged))
        return found

    if ranges:
        assert batches([whole]) == batches(ranges)


def test_values_keep_their_types() -> None:
    """A sentence says the same of a decimal or a date that came from elsewhere."""
    from datetime import UTC, date, datetime
    from decimal import Decimal

    values = {
        "value": Decimal("1.50"),
        "expected": date(2025, 1, 2),
        "on": datetime(2025, 1, 2, tzinfo=UTC),
        "more": [1, "x", None],
    }
    assert values == values_of(values_text(values))
    with pytest.raises(TypeError):
        values_text({"value": object()})
