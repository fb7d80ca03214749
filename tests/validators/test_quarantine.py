"""Quarantine: rows with errors go aside, and only a valid rest goes on."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shahrdad.datasets import standards
from shahrdad.validators import Cancelled, CancelToken, Options, Ref, Report, validate
from shahrdad.validators.quarantine import ROUNDS_MAX, is_allowed

SCHEMA: dict[str, Any] = {
    "name": "units",
    "fields": [
        {"name": "id", "type": "string", "title": "شناسه"},
        {"name": "parent", "type": "string"},
        {"name": "amount", "type": "integer"},
    ],
    "primaryKey": "id",
    "foreignKeys": [
        {"fields": "parent", "reference": {"resource": "", "fields": "id"}}
    ],
}
HEADER = "id,parent,amount\n"


class Quarantined:
    """What one run left behind.

    Attributes:
        stayed: Keys of the rows that reached the sink.
        aside: Row number and codes of those that were set aside.
    """

    def __init__(self, folder: Path, text: str, **more: Any) -> None:
        self.parquet, self.file = folder / "good.parquet", folder / "bad.parquet"
        more.setdefault("schema", SCHEMA)
        more.setdefault("options", Options(delimiter=","))
        self.report: Report = validate(
            text.encode(), parquet=self.parquet, quarantine=self.file, **more
        )
        self.member = self.report.to_dict()["shahrdad"]["quarantine"]

    @property
    def stayed(self) -> list[str]:
        """Read the keys of the rows that stayed."""
        if not self.parquet.exists():
            return []
        found: list[str] = pq.read_table(self.parquet).column("id").to_pylist()
        return found

    @property
    def table(self) -> pa.Table:
        """Read the file of the rows that were set aside."""
        return pq.read_table(self.file)

    @property
    def aside(self) -> dict[int, list[str]]:
        """Return the codes by row number."""
        columns = (self.table.column(name).to_pylist() for name in ("_row", "_codes"))
        return dict(zip(*columns, strict=True))


def test_rows_with_wrong_cells_go_aside(tmp_path: Path) -> None:
    """The others stay; the report still says that the table is not valid."""
    found = Quarantined(tmp_path, f"{HEADER}a,,1\nb,,x\nc,a,3\n")

    assert ["a", "c"] == found.stayed
    assert {3: ["type-integer"]} == found.aside
    assert (False, 3, 1) == (
        found.report.valid,
        found.report.rows,
        found.report.error_count,
    )


def test_the_report_names_count_and_hash(tmp_path: Path) -> None:
    """The hash is that of the file's bytes, and a second run writes the same bytes."""
    found = Quarantined(tmp_path, f"{HEADER}a,,1\nb,,x\nc,a,3\n")
    first = found.file.read_bytes()
    again = Quarantined(
        tmp_path,
        f"{HEADER}a,,1\nb,,x\nc,a,3\n",
        options=Options(delimiter=",", block_bytes=16, threads=1),
    )

    assert {"rows": 1, "sha256": hashlib.sha256(first).hexdigest()} == found.member
    assert first == again.file.read_bytes()


def test_ragged_and_blank_rows_go_aside(tmp_path: Path) -> None:
    """Short rows, long rows with their extra cells, blank rows among others."""
    found = Quarantined(tmp_path, f"{HEADER}a,,1\nb\nc,,3,more,yet\n\nd,a,4\n")

    assert ["a", "d"] == found.stayed
    assert {
        3: ["cell-missing"],
        4: ["cell-extra"],
        5: ["row-blank"],
    } == found.aside
    assert [None, ["more", "yet"], None] == found.table.column("_extra").to_pylist()


def test_texts_are_those_of_the_publisher(tmp_path: Path) -> None:
    """Every column as it was written, with its label, and all codes of a row."""
    found = Quarantined(tmp_path, f'{HEADER}a,,1\nb,none," ۱٫۵"\n')

    assert {3: ["key-foreign", "type-integer"]} == found.aside
    assert {"id": "b", "parent": "none", "amount": " ۱٫۵"} == {
        name: found.table.column(name)[0].as_py() for name in ("id", "parent", "amount")
    }
    assert b"id" == found.table.schema.field("id").metadata[b"label"]


def test_duplicates_found_at_the_end_never_reach_the_sink(tmp_path: Path) -> None:
    """The first row with a key stays; the later ones go aside."""
    found = Quarantined(tmp_path, f"{HEADER}a,,1\nb,,2\na,,3\na,,4\n")

    assert ["a", "b"] == found.stayed
    assert {4: ["key-primary"], 5: ["key-primary"]} == found.aside


def test_rows_that_refer_to_a_row_set_aside_follow_it(tmp_path: Path) -> None:
    """A child of a wrong parent is an orphan among the rows that stay."""
    found = Quarantined(tmp_path, f"{HEADER}a,,x\nb,a,2\nc,b,3\nd,,4\n")

    assert ["d"] == found.stayed
    assert {2: ["type-integer"], 3: ["key-foreign"], 4: ["key-foreign"]} == found.aside
    assert 3 == found.report.error_count


def test_a_chain_without_end_is_refused(tmp_path: Path) -> None:
    """After some rounds nothing is written, and the report says so."""
    chain = "".join(f"r{n},r{n - 1},1\n" for n in range(1, ROUNDS_MAX + 2))

    found = Quarantined(tmp_path, f"{HEADER}r0,,x\n{chain}z,,1\n")

    assert found.report.findings.by_code["engine-limit"]
    assert not list(tmp_path.iterdir())


def test_foreign_keys_to_another_table(tmp_path: Path) -> None:
    """A row that refers to nothing goes aside."""
    cities = tmp_path / "cities.parquet"
    pq.write_table(pa.table({"code": ["1346"]}), cities)
    reference = {"resource": "cities", "fields": "code"}
    keys = [{"fields": "parent", "reference": reference}]

    found = Quarantined(
        tmp_path,
        f"{HEADER}a,1346,1\nb,1,2\n",
        schema=SCHEMA | {"foreignKeys": keys},
        refs={"cities": Ref(cities)},
    )

    assert ["a"] == found.stayed
    assert {3: ["key-foreign"]} == found.aside


def test_no_row_is_wrong(tmp_path: Path) -> None:
    """All rows stay, and the file says that none was set aside."""
    found = Quarantined(tmp_path, f"{HEADER}a,,1\nb,a,2\n")

    assert found.report.valid
    assert ["a", "b"] == found.stayed
    assert (0, 0) == (found.table.num_rows, found.member["rows"])
    assert hashlib.sha256(found.file.read_bytes()).hexdigest() == found.member["sha256"]


def test_every_row_is_wrong(tmp_path: Path) -> None:
    """All go aside; an empty table makes no file."""
    found = Quarantined(tmp_path, f"{HEADER}a,,x\nb,,y\n")

    assert [2, 3] == list(found.aside)
    assert not found.parquet.exists()


def test_what_is_wrong_with_the_file_is_not_set_aside(tmp_path: Path) -> None:
    """A header that lacks a required column: nothing is written."""
    found = Quarantined(tmp_path, "parent,amount\n,1\n,x\n")

    assert {"rows": 0, "sha256": None} == found.member
    assert not list(tmp_path.iterdir())


RULES: dict[str, Any] = {
    "shahrdad": {},
    "custom_checks": [
        {
            "id": "R1",
            "name": "row-condition",
            "severity": "error",
            "params": {
                "if": {"column": "id", "op": "=", "value": "b"},
                "then": {"column": "amount", "op": ">", "value": 5},
            },
            "message": "b",
            "message_en": "b",
        },
        {
            "id": "T1",
            "name": "count-between",
            "severity": "error",
            "params": {"min": 2, "where": {"column": "amount", "op": "not-empty"}},
            "message": "n",
            "message_en": "n",
        },
    ],
}


def rules_of(report: Report) -> dict[str, str]:
    """Return the outcome of every rule."""
    return {outcome.id: outcome.outcome for outcome in report.rules}


def test_rules_of_tables_judge_the_rows_that_stay(tmp_path: Path) -> None:
    """A rule of rows sets its row aside; one of the table sees what is left."""
    found = Quarantined(tmp_path, f"{HEADER}a,,1\nb,,2\nc,,3\n", schema=SCHEMA | RULES)

    assert {"R1": "violated", "T1": "passed"} == rules_of(found.report)
    assert {3: ["rule:R1"]} == found.aside
    assert ["a", "c"] == found.stayed


def test_a_rule_that_more_rows_break_than_are_described(tmp_path: Path) -> None:
    """The report describes 10,000 of them; all go aside, and the count is exact."""
    rule = RULES["custom_checks"][0] | {
        "params": {"then": {"column": "amount", "op": ">", "value": 5}}
    }
    rows = "".join(f"r{n},,{6 if n % 100 == 0 else 1}\n" for n in range(10_500))

    found = Quarantined(
        tmp_path,
        HEADER + rows,
        schema=SCHEMA | {"shahrdad": {}, "custom_checks": [rule]},
    )

    assert 10_395 == found.member["rows"] == found.report.error_count
    assert {("rule:R1",)} == set(map(tuple, found.aside.values()))
    assert 105 == len(found.stayed)


def test_a_rule_of_the_table_that_the_rest_breaks(tmp_path: Path) -> None:
    """Then nothing is written: no row can be named that would mend it."""
    found = Quarantined(tmp_path, f"{HEADER}a,,1\nb,,2\n", schema=SCHEMA | RULES)

    assert {"R1": "violated", "T1": "violated"} == rules_of(found.report)
    assert not list(tmp_path.iterdir())


def test_a_worker_sets_the_same_rows_aside(tmp_path: Path) -> None:
    """Isolated or not: the same report and the same bytes."""
    (tmp_path / "here").mkdir()
    (tmp_path / "apart").mkdir()
    text = f"{HEADER}a,,1\nb,,x\na,,2\n"

    here = Quarantined(tmp_path / "here", text)
    apart = Quarantined(
        tmp_path / "apart", text, options=Options(delimiter=",", isolate=True)
    )

    assert here.report.to_json(stored=True) == apart.report.to_json(stored=True)
    assert here.file.read_bytes() == apart.file.read_bytes()
    assert here.stayed == apart.stayed == ["a"]
    assert ["bad.parquet", "good.parquet"] == sorted(
        path.name for path in (tmp_path / "apart").iterdir()
    )


def test_what_was_there_stays_when_it_fails(tmp_path: Path) -> None:
    """A cancelled run and a failing sink leave no file and touch none."""

    class Broken:
        def write(self, batch: pa.RecordBatch) -> None:
            raise OSError("disk full")

        def commit(self) -> None:
            raise AssertionError

        def abort(self) -> None:
            pass

    (tmp_path / "bad.parquet").write_text("before")
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        Quarantined(tmp_path, f"{HEADER}a,,1\nb,,x\n", cancel=token)
    with pytest.raises(OSError, match="disk full"):
        Quarantined(tmp_path, f"{HEADER}a,,1\nb,,x\n", sink=Broken())

    assert ["bad.parquet"] == [path.name for path in tmp_path.iterdir()]
    assert "before" == (tmp_path / "bad.parquet").read_text()


def test_a_standard_must_allow_it(tmp_path: Path) -> None:
    """Off by default: of the standards only those that say so; never in compat."""
    standard = standards.load("projects")
    ours = standard.schema["shahrdad"] | {"quarantine": True}

    with pytest.raises(ValueError, match="does not allow"):
        validate(b"", schema="projects", quarantine=tmp_path / "bad.parquet")
    with pytest.raises(ValueError, match="strict"):
        Quarantined(tmp_path, HEADER, options=Options(mode="compat"))

    assert not is_allowed(standard)
    assert is_allowed(standards.parse(standard.schema | {"shahrdad": ours}))
