"""Compat mode: frictionless' descriptor, and a reason for every fallback."""

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from frictionless import Check, Checklist, Package, Resource, Schema

from shahrdad.validators import Options, compat, validate
from shahrdad.validators.oracle import safe_pattern

DIMENSIONS = {"type": "table-dimensions", "minRows": 1}
SCHEMA: dict[str, Any] = {
    "fields": [
        {
            "name": "id",
            "type": "integer",
            "constraints": {"required": True, "unique": True},
        },
        {"name": "v", "type": "number", "constraints": {"minimum": 0}},
        {"name": "d", "type": "date"},
        {"name": "t", "type": "string", "constraints": {"pattern": "[a-zا-ی]+"}},
    ],
    "primaryKey": "id",
}
TEXT = (
    "id,v,d,t\n1,1.5,2020-01-01,a\n\n1,-1,1404-01-01,B\n3,x\n"
    "4,1,2020-01-01,a,extra\n,,,\n5,1,,\n1,2,,\n,,,\n\n"
)


def plain(report: Any) -> Any:
    """Return a descriptor without the time it took."""
    found = json.loads(json.dumps(report.to_descriptor()))
    for stats in (found["stats"], *(task["stats"] for task in found["tasks"])):
        stats.pop("seconds")
    return found


def compare(folder: Path, data: bytes, **descriptor: Any) -> str:
    """Compare both reports of a file without a limit; return the route."""
    path = descriptor.pop("path", "t.csv")
    (folder / path).write_bytes(data)
    given = {"name": "t", "path": path, "type": "table", "schema": SCHEMA, **descriptor}

    def resource() -> Any:
        return Resource.from_descriptor(
            json.loads(json.dumps(given)), basepath=str(folder)
        )

    expected = resource().validate(limit_errors=10**6)
    actual, route = compat.validate(resource(), limit_errors=0)

    assert plain(expected) == plain(actual)
    return str(route)


@pytest.mark.parametrize(
    "descriptor",
    [
        {},
        {"dialect": {"delimiter": ";"}},
        {"dialect": {"header": False}},
        {"dialect": {"headerRows": [1, 2]}},
        {"dialect": {"headerRows": [2], "commentChar": "1"}},
        {"dialect": {"commentRows": [4, 5]}},
        {"dialect": {"skipBlankRows": True}},
        {"dialect": {"csv": {"quoteChar": "'"}}},
        {"dialect": {"csv": {"skipInitialSpace": True}}},
        {"dialect": {"csv": {"escapeChar": "\\"}}},
        {"path": "t.tsv"},
        {"rows": 3, "fields": 9, "bytes": 1, "hash": "md5:x"},
        {"hash": "sha1:x"},
    ],
    ids=str,
)
def test_kernels_cover_dialects_and_counts(
    tmp_path: Path, descriptor: dict[str, Any]
) -> None:
    """Header rows, comments, quotes, declared counts: by the kernels, and equal."""
    assert "kernels" == compare(tmp_path, TEXT.encode(), **descriptor)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1256"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_kernels_cover_encodings(tmp_path: Path, encoding: str, end: str) -> None:
    """Encodings that the oracle is told are decoded on the way."""
    text = TEXT.replace("a\n", "پارک\n").replace("\n", end)

    assert "kernels" == compare(tmp_path, text.encode(encoding), encoding=encoding)


# frictionless leaves the packed file itself open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_kernels_cover_packed_files(tmp_path: Path) -> None:
    """gz and single-member zip are read as streams."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("t.csv", TEXT)

    assert "kernels" == compare(tmp_path, gzip.compress(TEXT.encode()), path="t.csv.gz")
    assert "kernels" == compare(tmp_path, packed.getvalue(), path="t.csv.zip")


def test_tsv_line_ends_in_quotes_become_newlines(tmp_path: Path) -> None:
    """The oracle opens TSV with universal newlines, within quotes, too."""
    data = b'id\tv\td\tt\r\n1\t1\t\t"a\r\nb"\r\n2\t1\t\t"a\rb"\r\n'

    assert "kernels" == compare(tmp_path, data, path="t.tsv")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"limit_rows": 5}, "limit-rows"),
        ({"on_row": lambda row: None}, "on-row"),
        (
            {"checklist": Checklist(checks=[Check.from_descriptor(DIMENSIONS)])},
            "check:table-dimensions",
        ),
    ],
)
def test_fallback_says_why(tmp_path: Path, more: dict[str, Any], reason: str) -> None:
    """What the kernels do not do is done by frictionless, with the reason."""
    (tmp_path / "t.csv").write_text("id\n1\n")
    resource: Any = Resource("t.csv", basepath=str(tmp_path))
    _, route = compat.validate(resource, **more)

    assert ("oracle", reason) == (route.name, route.reason)


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (lambda: Resource(data=[["id"], [1]]), "inline-data"),
        (lambda: Resource(b'[{"a": 1}]', format="json"), "format:json"),
        (lambda: Resource(path="https://127.0.0.1:9/t.csv"), "remote"),
    ],
)
def test_sources_that_fall_back(resource: Any, reason: str) -> None:
    """Inline data, other formats and remote files go to the oracle."""
    _, route = compat.validate(resource())

    assert reason == route.reason


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A bad byte in mid-file restarts with the oracle, and nothing emitted is kept."""
    good = "id,v,d,t\n" + "".join(f"{n},1,2020-01-01,a\n" for n in range(4_000))

    assert "oracle (decode-error)" == compare(
        tmp_path, good.encode() + b"9999,\xff,,\n", encoding="utf-8"
    )


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 8, 13, 17, 18, 19, 1000])
def test_limit_cuts_where_the_oracle_cuts(tmp_path: Path, limit: int) -> None:
    """The last row is cut in its middle, and the warning is the oracle's."""
    (tmp_path / "t.csv").write_text(TEXT)

    def resource() -> Any:
        return Resource(
            "t.csv", basepath=str(tmp_path), schema=Schema.from_descriptor(SCHEMA)
        )

    expected = resource().validate(limit_errors=limit).task
    actual = compat.validate(resource(), limit_errors=limit)[0].task

    assert [e.to_descriptor() for e in expected.errors] == [
        e.to_descriptor() for e in actual.errors
    ]
    assert expected.warnings == actual.warnings
    assert expected.stats.get("rows") == actual.stats.get("rows")


def test_foreign_keys_between_resources(tmp_path: Path) -> None:
    """Single and composite keys into another resource and into the table itself."""
    (tmp_path / "a.csv").write_text("id,k,l\n1,x,1\n2,y,2\n3,,\n4,z,\n5,x,9\n")
    (tmp_path / "b.csv").write_text("k,l\nx,1\ny,2\n")
    fields = [{"name": "k", "type": "string"}, {"name": "l", "type": "integer"}]
    descriptor = {
        "name": "p",
        "resources": [
            {
                "name": "a",
                "type": "table",
                "path": "a.csv",
                "schema": {
                    "fields": [{"name": "id", "type": "integer"}, *fields],
                    "foreignKeys": [
                        {
                            "fields": ["k"],
                            "reference": {"resource": "b", "fields": ["k"]},
                        },
                        {
                            "fields": ["k", "l"],
                            "reference": {"resource": "b", "fields": ["k", "l"]},
                        },
                        {
                            "fields": ["l"],
                            "reference": {"resource": "", "fields": ["id"]},
                        },
                    ],
                },
            },
            {
                "name": "b",
                "type": "table",
                "path": "b.csv",
                "schema": {"fields": fields},
            },
        ],
    }

    def resource() -> Any:
        package = Package.from_descriptor(
            json.loads(json.dumps(descriptor)), basepath=str(tmp_path)
        )
        return package.get_resource("a")

    actual, route = compat.validate(resource())

    assert plain(resource().validate()) == plain(actual)
    assert "kernels" == route.name
    assert 4 == actual.stats["errors"]


def test_front_door_gives_the_descriptor_exactly(tmp_path: Path) -> None:
    """`to_dict` in mode compat is frictionless' descriptor; the text is for people."""
    path = tmp_path / "t.csv"
    path.write_text(TEXT)
    theirs = Resource(
        "t.csv", basepath=str(tmp_path), schema=Schema.from_descriptor(SCHEMA)
    )

    report = validate(path, schema=SCHEMA, options=Options(mode="compat"))

    expected, actual = plain(theirs.validate()), json.loads(report.to_json(stored=True))
    for stats in (actual["stats"], *(task["stats"] for task in actual["tasks"])):
        assert 0 == stats.pop("seconds")
    assert expected == actual
    assert expected["stats"]["errors"] == report.error_count
    assert "ردیف ۳" in report.to_text("fa")


@pytest.mark.parametrize(
    "pattern", ["[0-9]{4}", "a|b", r"\d+\.\d*", "[ا-ی]+", "(?:ab)*c??", "[^a-c]+"]
)
def test_patterns_that_both_read_alike(pattern: str) -> None:
    """The plain core of patterns is judged by RE2."""
    assert pattern == safe_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"[^\d]",
        r"\D",
        r"\S+",
        "(?i)a",
        "(?=a)",
        r"(a)\1",
        "a++",
        "^a",
        "a$",
        r"\bx",
        "[a-Z]",
        r"(?P<n>a)",
    ],
)
def test_patterns_left_to_python(pattern: str) -> None:
    """Negated escapes, flags, look-around, references and anchors go to `re`."""
    assert safe_pattern(pattern) is None
