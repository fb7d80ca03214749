"""Unlimited runs without objects: the same JSON, byte for byte, and a table."""

import io
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from frictionless import Resource, Schema
from hypothesis import HealthCheck, Phase, given, settings

from compat_cases import Case, cases
from shahrdad.validators import Options, compat, compat_bulk, validate
from shahrdad.validators.compat_bulk import BulkReport, validate_bulk
from shahrdad.validators.compat_unlimited import UnlimitedReport

SCHEMA: dict[str, Any] = {
    "fields": [
        {"name": "id", "type": "integer", "constraints": {"unique": True}},
        {
            "name": "amount {note}",
            "type": "number",
            "constraints": {"required": True, "minimum": 0, "maximum": -1},
        },
        {
            "name": 't"\\',
            "type": "string",
            "constraints": {"maxLength": 2, "pattern": "[a-c{]+", "enum": ["a"]},
        },
    ],
    "primaryKey": ['t"\\', "id"],
}
TEXT = (
    'id,amount {note},"t""\\"\n'
    "1,1.5,a\nx,,{cell}\n2,-1,\u200cپ\U0001f600\n3,5,a,more\n4\n,,\n\n"
    '1,z,"say ""hi""\n{rowNumber}\\"\n5,7,a\n'
)


def written(report: BulkReport) -> str:
    """Return a report's JSON with 0 seconds."""
    text = report.to_json()
    seconds = {json.loads(text)["stats"]["seconds"]}
    for each in seconds:
        text = text.replace(f'"seconds": {json.dumps(each)}', '"seconds": 0')
    return text


def expected_of(report: Any) -> str:
    """Return what `json.dumps` makes of frictionless' report, with 0 seconds."""
    found = report.to_descriptor()
    for stats in (found["stats"], *(task["stats"] for task in found["tasks"])):
        stats["seconds"] = 0
    return json.dumps(found, ensure_ascii=False)


def table_of(text: str) -> Any:
    """Return a text as a resource."""
    return Resource(
        data=text.encode(),
        scheme="buffer",
        format="csv",
        encoding="utf-8",
        name="t",
        schema=Schema.from_descriptor(SCHEMA),
    )


def test_json_is_that_of_frictionless() -> None:
    """Notes, quotes, braces and letters of all planes: the bytes are the same."""
    expected = table_of(TEXT).validate(limit_errors=10**9)

    report, route = validate_bulk(table_of(TEXT))

    assert "kernels" == route.name
    assert expected_of(expected) == written(report)
    assert len(expected.task.errors) == report.error_count
    assert not report.valid


def test_table_has_every_error_of_a_row() -> None:
    """The error table: row, field, type, note and cell, in the order of the report."""
    listed = table_of(TEXT).validate(limit_errors=10**9).task.errors

    table = validate_bulk(table_of(TEXT))[0].error_table.to_pylist()

    assert [
        (e.row_number, getattr(e, "field_number", 0), e.type, e.note) for e in listed
    ] == [(e["row"], e["field"], e["type"], e["note"]) for e in table]
    assert [getattr(e, "cell", None) for e in listed] == [e["cell"] for e in table]


def test_valid_table_has_no_error() -> None:
    """Without errors the report is frictionless', too."""
    report, _ = validate_bulk(table_of('id,amount {note},"t""\\"\n'))

    assert (True, 0, 0) == (
        report.valid,
        report.error_count,
        report.error_table.num_rows,
    )


def test_rows_that_were_not_kept_are_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beyond the rows whose cells are kept, the file is read once more."""
    monkeypatch.setattr("shahrdad.validators.compat_scan.CANDIDATES_KEPT_MAX", 2)

    report, _ = validate_bulk(table_of(TEXT), block_bytes=64)

    assert expected_of(table_of(TEXT).validate(limit_errors=10**9)) == written(report)


def test_fallback_gives_the_same_report() -> None:
    """What the kernels do not read is written from frictionless' report."""
    rows = [["id", "a"], ["x", "1"]]
    schema = {"fields": [{"name": "id", "type": "year"}, {"name": "a", "type": "any"}]}

    def resource() -> Any:
        return Resource(data=rows, name="t", schema=Schema.from_descriptor(schema))

    report, route = validate_bulk(resource())

    assert "inline-data" == route.reason
    assert expected_of(resource().validate()) == written(report)
    assert [2] == report.error_table["row"].to_pylist()


def test_json_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each error is written by itself; no descriptor is made of a wrong cell."""
    text = 'id,amount {note},"t""\\"\n' + "".join(f"{n},x,bbb\n" for n in range(500))
    report, _ = validate_bulk(table_of(text))
    pieces: list[int] = []

    class File(io.StringIO):
        def write(self, text: str) -> int:
            pieces.append(len(text))
            return super().write(text)

    monkeypatch.setattr(compat_bulk, "_text", json.dumps)
    report.write_json(File())

    assert len(pieces) > 1_000
    assert max(pieces) < 2_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the invented files."""
    return tmp_path_factory.mktemp("bulk")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(case=cases())
def test_bulk_is_the_unlimited_report(folder: Path, case: Case) -> None:
    """Whatever the schema and the file are, both ways give one report."""
    case.write(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            resources = [case.resource(folder) for _ in range(2)]
        except Exception:
            return  # not a schema
        expected, _ = compat.validate(resources[0], limit_errors=0)
        report, _ = validate_bulk(resources[1], block_bytes=case.block_bytes)

    assert expected_of(expected) == written(report)


def at_the_front_door(path: Path, limit: int) -> Any:
    """Validate a file as the command does."""
    options = Options(mode="compat", limit_errors=limit)
    return validate(path, schema=SCHEMA, options=options)


def told(report: Any) -> Any:
    """Return the findings without what only a limited run keeps."""
    return sorted(
        (i.row or 0, i.code, i.field or "", i.value or "", str(i.values["value"]))
        for i in report.issues
    )


def test_the_front_door_without_a_limit_is_in_bulk(tmp_path: Path) -> None:
    """Limit 0 streams the descriptor that frictionless makes, with all findings."""
    path = tmp_path / "t.csv"
    path.write_text(TEXT, "utf-8")

    report, limited = at_the_front_door(path, 0), at_the_front_door(path, 10**6)
    file = io.StringIO()
    report.write_json(file)

    assert isinstance(report, UnlimitedReport)
    assert limited.to_dict(stored=True) == report.to_dict(stored=True)
    descriptor, streamed = limited.to_dict(), json.loads(file.getvalue())
    theirs = (descriptor, *descriptor["tasks"])
    for known, ours in zip(theirs, (streamed, *streamed["tasks"]), strict=True):
        known["stats"]["seconds"] = ours["stats"]["seconds"]
    assert json.dumps(descriptor, ensure_ascii=False) == file.getvalue()
    assert told(limited) == told(report)
    assert (limited.error_count, limited.rows) == (report.error_count, report.rows)


def test_the_front_door_without_a_limit_falls_back(tmp_path: Path) -> None:
    """What the kernels leave to frictionless, and what cannot be read at all."""
    path = tmp_path / "t.csv"
    path.write_bytes(TEXT.encode("utf-16"))

    for source in (path, tmp_path / "none.csv"):
        report, limited = at_the_front_door(source, 0), at_the_front_door(source, 10**6)

        assert limited.to_dict(stored=True) == report.to_dict(stored=True)
        assert told(limited) == told(report)
