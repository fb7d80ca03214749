"""Every format, in every container, from every sort of source, is the same table."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shahrdad.validators import Options, validate
from workbook_files import ods_of, xls_of, xlsx_of

ROWS = [(1, "کرمان"), (2, "یزد"), (3, "شیراز")]
SCHEMA: dict[str, Any] = {
    "fields": [{"name": "id", "type": "integer"}, {"name": "name", "type": "string"}],
    "primaryKey": "id",
}


def delimited(delimiter: str) -> bytes:
    """Return the table as text."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(
        [("id", "name"), *ROWS]
    )
    return out.getvalue().encode()


def parquet() -> bytes:
    """Return the table as Parquet."""
    out = io.BytesIO()
    table = pa.table({"id": [n for n, _ in ROWS], "name": [name for _, name in ROWS]})
    pq.write_table(table, out)
    return out.getvalue()


def ods() -> bytes:
    """Return the table as ODS."""

    def cell(value: object) -> str:
        if isinstance(value, int):
            return (
                f'<table:table-cell office:value-type="float" office:value="{value}"/>'
            )
        return (
            '<table:table-cell office:value-type="string">'
            f"<text:p>{value}</text:p></table:table-cell>"
        )

    rows = [("id", "name"), *ROWS]
    return ods_of(
        "".join(
            f"<table:table-row>{''.join(map(cell, row))}</table:table-row>"
            for row in rows
        )
    )


OBJECTS = [{"id": number, "name": name} for number, name in ROWS]
FORMATS: dict[str, Callable[[], bytes]] = {
    "csv": lambda: delimited(","),
    "tsv": lambda: delimited("\t"),
    "xlsx": lambda: xlsx_of({"s": [("id", "name"), *ROWS]}),
    "xls": lambda: xls_of([("id", "name"), *ROWS]),
    "ods": ods,
    "json": lambda: json.dumps(OBJECTS, ensure_ascii=False).encode(),
    "jsonl": lambda: "".join(
        json.dumps(row, ensure_ascii=False) + "\n" for row in OBJECTS
    ).encode(),
    "parquet": parquet,
}


def packed(content: bytes, container: str, name: str) -> bytes:
    """Return a file in a container."""
    if container == "gz":
        return gzip.compress(content, mtime=0)
    if container == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)
        return out.getvalue()
    return content


class Pipe(io.RawIOBase):
    """A stream that cannot be rewound, such as the body of a request."""

    def __init__(self, content: bytes) -> None:
        self._rest = io.BytesIO(content)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: object) -> int:
        """Give the next bytes."""
        return self._rest.readinto(cast(bytearray, buffer))


def given(content: bytes, sort: str, folder: Path) -> Any:
    """Return the bytes as a source of a sort."""
    if sort == "path":
        path = folder / "file"
        path.write_bytes(content)
        return path
    if sort == "stream":
        return io.BytesIO(content)
    if sort == "pipe":
        return cast(BinaryIO, io.BufferedReader(Pipe(content)))
    return content


@pytest.mark.parametrize("sort", ["path", "bytes", "stream", "pipe"])
@pytest.mark.parametrize("container", ["plain", "gz", "zip"])
@pytest.mark.parametrize("format_", FORMATS)
def test_table_is_the_same(
    format_: str, container: str, sort: str, tmp_path: Path
) -> None:
    """The typed rows do not depend on how the table came."""
    content = packed(FORMATS[format_](), container, f"table.{format_}")
    out = tmp_path / "out.parquet"
    report = validate(
        given(content, sort, tmp_path), schema=SCHEMA, parquet=out, options=Options()
    )

    assert [] == [(issue.code, issue.values) for issue in report.issues]
    assert ROWS == [tuple(row.values()) for row in pq.read_table(out).to_pylist()]


@pytest.mark.parametrize("sheet", [None, "second"])
def test_one_of_several_sheets(sheet: str | None) -> None:
    """Of several sheets the named one is read; without a name the report asks."""
    content = xlsx_of({"first": [("x",), (1,)], "second": [("id", "name"), *ROWS]})
    foreign = {"fields": [*SCHEMA["fields"]]}
    report = validate(content, schema=foreign, options=Options(sheet=sheet))

    assert report.valid
    assert "second" == report.source["sheet"]
