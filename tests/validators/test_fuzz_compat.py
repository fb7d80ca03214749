"""Compat mode against frictionless: invented schemas and files, equal reports.

SHAHRDAD_LONG=1 tries many more. Columns come in two kinds: of mixed texts, and of one
near-valid family each; only the second finds a guard that is too wide.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from frictionless import Resource
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shahrdad.validators import compat

EXAMPLES = int(os.environ.get("SHAHRDAD_FUZZ", 0)) or (
    20_000 if os.environ.get("SHAHRDAD_LONG") else 100
)
FAMILIES = {
    "integer": [
        "1",
        "0",
        "-1",
        "007",
        "+5",
        " 5",
        "5 ",
        "1_000",
        "۱۲",
        "0x1F",
        "1.0",
        "1e3",
        "",
        "9" * 20,
        "-0",
    ],
    "number": [
        "1.5",
        "0",
        "-0.0",
        ".5",
        "5.",
        "1e5",
        "NaN",
        "nan",
        "sNaN",
        "INF",
        "Infinity",
        "1,5",
        "1 000",
        "۱",
        " 2",
    ],
    "boolean": ["true", "false", "1", "0", "True", "yes", "TRUE", ""],
    "date": [
        "2020-01-31",
        "2020-02-30",
        "0000-01-01",
        "2020-1-5",
        "1404-06-08",
        " 2020-01-01",
        "2020/01/01",
        "20200101",
        "9999-12-31",
        "2020-02-29",
        "2021-02-29",
        "2020-01-01T00:00",
    ],
    "datetime": [
        "2020-01-31T10:00:00Z",
        "2020-01-31T10:00:00",
        "2020-01-31 10:00:00",
        "2020-01-31T25:00:00Z",
        "2020-02-30T10:00:00Z",
        "2020-01-31T10:00:00+03:30",
        "2020-01-31T10:00:00.123Z",
        "1404-02-31T10:00:00Z",
        "2020-01-31T10:00Z",
    ],
    "time": ["10:00:00", "25:00:00", "10:00", "10:00:00Z", "10:00:00.5", "1:00:00"],
    "year": ["2020", "999", "0000", "-999", "+999", "20201", " 202"],
    "yearmonth": ["2020-01", "2020-13", "2020-1", "20-01", "2020-00"],
    "string": [
        "a",
        "",
        " ",
        "abc",
        "شهر",
        "a@b.ir",
        "http://a.ir/x",
        "a b",
        "ab\ncd",
        '"',
        "x" * 30,
        "1",
    ],
    "any": ["a", "", "1"],
    "geopoint": ["1,2", "57.1, 30.2", "200,1", "a,b", "-1.5,-2"],
    "duration": ["P1D", "P", "PT3H", "1D"],
    "array": ["[1]", "{}", "[", "[]"],
    "object": ["{}", '{"a":1}', "[1]", ""],
}
BOUNDS: dict[str, list[Any]] = {
    "integer": ["0", 1, -1, 5],
    "number": [0, "0", 1.5, "1.5"],
    "date": ["2020-01-31", "2000-01-01"],
    "year": [2020, "2000"],
}
STRING_FORMATS = ["default", "default", "email", "uri", "uuid"]
PATTERNS = [
    "[a-z]+",
    "a|b",
    ".*",
    "[^a]+",
    "a{2,3}",
    "\\d+",
    "[0-9]{1,2}",
    "(ab|c)*",
    "^a",
    "\\S+",
    "[ا-ی]+",
]


@st.composite
def fields(draw: Any, number: int) -> dict[str, Any]:
    """Return a field, perhaps with constraints."""
    type_ = draw(st.sampled_from(sorted(FAMILIES)))
    field: dict[str, Any] = {"name": f"f{number}", "type": type_}
    constraints: dict[str, Any] = {}
    if draw(st.booleans()):
        constraints["required"] = True
    if draw(st.integers(0, 3)) == 0:
        constraints["unique"] = True
    if type_ in BOUNDS and draw(st.booleans()):
        name = draw(st.sampled_from(["minimum", "maximum"]))
        constraints[name] = draw(st.sampled_from(BOUNDS[type_]))
    if type_ == "string":
        field["format"] = draw(st.sampled_from(STRING_FORMATS))
        if draw(st.booleans()):
            constraints["pattern"] = draw(st.sampled_from(PATTERNS))
        if draw(st.booleans()):
            constraints["maxLength"] = draw(st.integers(0, 5))
        if draw(st.booleans()):
            constraints["minLength"] = draw(st.integers(0, 3))
    if type_ in ("integer", "string", "number") and draw(st.integers(0, 4)) == 0:
        constraints["enum"] = draw(
            st.lists(st.sampled_from(["1", "0", "5"]), min_size=1)
        )
    if type_ == "number" and draw(st.booleans()):
        field |= draw(
            st.sampled_from(
                [{"groupChar": ","}, {"decimalChar": ","}, {"bareNumber": False}]
            )
        )
    if type_ == "integer" and draw(st.integers(0, 3)) == 0:
        field["bareNumber"] = False
    if constraints:
        field["constraints"] = constraints
    return field


def quoted(cell: str) -> str:
    """Return a cell as a CSV file has it."""
    return (
        '"' + cell.replace('"', '""') + '"'
        if any(c in cell for c in ',"\n\r;')
        else cell
    )


@st.composite
def tables(draw: Any) -> tuple[dict[str, Any], bytes, int]:
    """Return a schema, a file and a limit of errors."""
    count = draw(st.integers(1, 4))
    schema: dict[str, Any] = {
        "fields": [draw(fields(number)) for number in range(count)]
    }
    if draw(st.integers(0, 2)) == 0:
        names = [field["name"] for field in schema["fields"]]
        schema["primaryKey"] = draw(
            st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)
        )
    if draw(st.integers(0, 3)) == 0:
        schema["missingValues"] = draw(
            st.sampled_from([["", "-"], ["NA"], [], ["0", ""]])
        )
    if draw(st.integers(0, 4)) == 0:
        key = [draw(st.sampled_from([field["name"] for field in schema["fields"]]))]
        target = [draw(st.sampled_from([field["name"] for field in schema["fields"]]))]
        schema["foreignKeys"] = [
            {"fields": key, "reference": {"resource": "", "fields": target}}
        ]
    mixed = sorted({text for texts in FAMILIES.values() for text in texts})
    pools = [
        draw(
            st.lists(
                st.sampled_from(FAMILIES[f["type"]] if draw(st.booleans()) else mixed),
                min_size=1,
                max_size=6,
            )
        )
        for f in schema["fields"]
    ]
    lines = [",".join(field["name"] for field in schema["fields"])]
    for _ in range(draw(st.integers(0, 12))):
        cells = [quoted(draw(st.sampled_from(pool))) for pool in pools]
        shape = draw(st.integers(0, 11))
        if shape == 0:
            cells = cells[:-1]
        elif shape == 1:
            cells.append("extra")
        elif shape == 2:
            cells = [""] * len(cells)
        lines.append(",".join(cells) if shape != 3 else "")
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = end.join(lines) + draw(st.sampled_from(["", end]))
    return schema, text.encode(), draw(st.sampled_from([0, 1, 2, 3, 1000]))


def plain(report: Any) -> dict[str, Any]:
    """Return a report's descriptor without what may differ."""
    found: dict[str, Any] = report.to_descriptor()
    found["stats"].pop("seconds")
    for task in found["tasks"]:
        stopped = any("reached error limit" in warning for warning in task["warnings"])
        for name in ("seconds", *(("bytes", "md5", "sha256") if stopped else ())):
            task["stats"].pop(name, None)
    return found


ROUTES = {"kernels": 0, "oracle": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the invented files."""
    return tmp_path_factory.mktemp("fuzz")


def check(folder: Path, schema: dict[str, Any], data: bytes, limit: int) -> str:
    """Compare both reports; return the route."""
    (folder / "table.csv").write_bytes(data)
    descriptor = {
        "name": "table",
        "path": "table.csv",
        "type": "table",
        "schema": schema,
    }

    def resource() -> Any:
        return Resource.from_descriptor(
            json.loads(json.dumps(descriptor)), basepath=str(folder)
        )

    try:
        expected = resource().validate(limit_errors=limit)
    except Exception as error:
        with pytest.raises(type(error)):
            compat.validate(resource(), limit_errors=limit)
        return "oracle"
    actual, route = compat.validate(resource(), limit_errors=limit)

    assert plain(expected) == plain(actual), (
        f"{route}\n{json.dumps(schema)}\n{data!r}\nlimit {limit}"
    )
    return route.name


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
@given(table=tables())
def test_report_is_that_of_frictionless(
    folder: Path, table: tuple[dict[str, Any], bytes, int]
) -> None:
    """Whatever the schema, the file and the limit are, the two reports are equal."""
    try:
        ROUTES[check(folder, *table)] += 1
    except Exception as error:
        if type(error).__name__ == "FrictionlessException":
            return
        raise


def test_kernels_did_most_of_it() -> None:
    """An engine that always falls back is identical, and worthless."""
    assert ROUTES["kernels"] > 2 * ROUTES["oracle"]
