"""Files: ranges, digests, names, and what nobody may reach."""

import base64
import csv
import io
import json
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from http_world import PRIVATE_ORIGINAL, World
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.http.exports.workbook import write_workbook
from shahrdad.node.http.exports.writers import write_csv, write_excel_csv
from shahrdad.node.store.contract import Area, put_bytes

VERSION = "/d/kerman/budget-1404/v/2/budget-lines"


@pytest.fixture(scope="session")
def table(client: TestClient) -> dict[str, Any]:
    """The Parquet resource of the newest budget."""
    found = client.get("/v1/datasets/kerman/budget-1404").json()["resources"][0]
    found["path"] = found["url"].removeprefix("https://data.kerman.example")
    return dict(found)


@pytest.fixture(scope="session")
def content(client: TestClient, table: dict[str, Any]) -> bytes:
    """Its bytes."""
    return client.get(table["path"]).content


def test_object_is_served_whole(client: TestClient, table: dict[str, Any]) -> None:
    """The bytes have the digest of the record, and caches keep them for ever."""
    answer = client.get(table["path"])
    digest = Digest.of(answer.content)

    assert table["sha256"] == digest.hex
    assert f'"{digest.hex}"' == answer.headers["etag"]
    assert "public, max-age=31536000, immutable" == answer.headers["cache-control"]
    assert (
        f"sha-256=:{base64.b64encode(digest.raw).decode()}:"
        == answer.headers["repr-digest"]
    )
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert "sandbox; default-src 'none'" == answer.headers["content-security-policy"]
    assert 12 == pq.read_table(io.BytesIO(answer.content)).num_rows


@settings(deadline=None)  # of the machine's load, not of the node
@given(start=st.integers(0, 20_000), length=st.integers(1, 20_000))
def test_ranges_are_slices(
    client: TestClient, table: dict[str, Any], content: bytes, start: int, length: int
) -> None:
    """A range is exactly that slice, or 416 with the size."""
    header = {"Range": f"bytes={start}-{start + length - 1}"}
    answer = client.get(table["path"], headers=header)
    expected = content[start : start + length]

    if start >= len(content):
        assert 416 == answer.status_code
        assert f"bytes */{len(content)}" == answer.headers["content-range"]
    else:
        end = start + len(expected) - 1
        assert (206, expected) == (answer.status_code, answer.content)
        assert f"bytes {start}-{end}/{len(content)}" == answer.headers["content-range"]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("bytes=-4", 206),
        ("bytes=4-", 206),
        ("bytes=-0", 416),
        ("bytes=5-2", 200),
        ("bytes=0-1,4-5", 200),
        ("bytes=-", 200),
        ("rows=0-1", 200),
    ],
)
def test_forms_of_range(
    client: TestClient, table: dict[str, Any], content: bytes, header: str, status: int
) -> None:
    """Suffixes and open ends are ranges; lists and other texts give the whole."""
    answer = client.get(table["path"], headers={"Range": header})
    expected = {"bytes=-4": content[-4:], "bytes=4-": content[4:]}.get(header, content)

    assert status == answer.status_code
    if status != 416:
        assert expected == answer.content


def test_conditions(client: TestClient, table: dict[str, Any]) -> None:
    """304 for what one has; a range only of the file that one began with."""
    etag = f'"{table["sha256"]}"'
    unchanged = client.get(table["path"], headers={"If-None-Match": etag})
    same = client.get(table["path"], headers={"Range": "bytes=0-3", "If-Range": etag})
    other = client.get(table["path"], headers={"Range": "bytes=0-3", "If-Range": '"x"'})

    assert (304, etag, b"") == (
        unchanged.status_code,
        unchanged.headers["etag"],
        unchanged.content,
    )
    assert (206, 200) == (same.status_code, other.status_code)


def test_head_tells_the_length(client: TestClient, table: dict[str, Any]) -> None:
    """HEAD has the headers of GET: fsspec, DuckDB and QGIS depend on them."""
    answer = client.head(table["path"])

    assert (200, str(table["bytes"]), "bytes", b"") == (
        answer.status_code,
        answer.headers["content-length"],
        answer.headers["accept-ranges"],
        answer.content,
    )


def test_only_names_of_ours_are_answered(
    client: TestClient, table: dict[str, Any]
) -> None:
    """Nobody hands out `invoice.exe` from a city's own host."""
    folder = table["path"].rpartition("/")[0]

    assert 404 == client.get(f"{folder}/invoice.exe").status_code
    assert 404 == client.get(f"{folder}/kerman--budget-1404.html").status_code


def test_what_is_not_published_is_unreachable(client: TestClient, world: World) -> None:
    """Private, quarantined and unpublished objects have no address at all."""
    digests = [
        put_bytes(world.store, area, b"secret " + area.encode()) for area in Area
    ]
    digests.append(Digest.of(PRIVATE_ORIGINAL))
    names = ["kerman--budget-1404.parquet", "kerman--budget-1404--original.xlsx"]
    for digest in digests:
        paths = [f"/files/{digest.hex}/{name}" for name in names]
        paths.append(f"/mirror/object/{digest.hex[:2]}/{digest.hex}")
        paths.append(f"/mirror/private/{digest.hex[:2]}/{digest.hex}")
        assert {404} == {client.get(path).status_code for path in paths}


@pytest.mark.parametrize(
    "path",
    ["node.db", "..%2fnode.db", "object/%2e%2e/x", "log/x", "private/", "", "node"],
)
def test_mirror_has_no_other_file(client: TestClient, path: str) -> None:
    """The static tree answers to computed names alone."""
    assert 404 == client.get(f"/mirror/{path}").status_code


def test_mirror_serves_public_objects_by_range(
    client: TestClient, table: dict[str, Any]
) -> None:
    """A mirror reads objects by digest, whole or in part."""
    path = f"/mirror/object/{table['sha256'][:2]}/{table['sha256']}"
    answer = client.get(path, headers={"Range": "bytes=0-3"})

    assert (206, b"PAR1") == (answer.status_code, answer.content)


def test_formats_agree(client: TestClient) -> None:
    """Every format of a version has the same rows and the same integers."""
    csv_rows = list(csv.DictReader(io.StringIO(client.get(f"{VERSION}.csv").text)))
    json_rows = client.get(f"{VERSION}.json").json()
    lines = client.get(f"{VERSION}.ndjson").text.splitlines()
    book = openpyxl.load_workbook(io.BytesIO(client.get(f"{VERSION}.xlsx").content))
    excel = client.get(f"{VERSION}.excel.csv").content

    assert (
        12
        == len(csv_rows)
        == len(json_rows)
        == len(lines)
        == book.worksheets[0].max_row - 1
    )
    assert json_rows == [json.loads(line) for line in lines]
    assert [str(row["approved_rial"] or "") for row in json_rows] == [
        row["approved_rial"] for row in csv_rows
    ] or [row["approved_rial"] for row in json_rows] == [
        int(row["approved_rial"]) if row["approved_rial"] else None for row in csv_rows
    ]
    assert excel.startswith(b"\xef\xbb\xbf")
    assert book.worksheets[0].sheet_view.rightToLeft


def test_export_has_length_digest_and_persian_name(client: TestClient) -> None:
    """A derived file is a file like others: strong tag, length, ranges, two names."""
    answer = client.get(f"{VERSION}.csv")
    digest = Digest.of(answer.content)
    again = client.get(f"{VERSION}.csv", headers={"If-None-Match": f'"{digest.hex}"'})
    disposition = answer.headers["content-disposition"]

    assert "public, max-age=86400" == answer.headers["cache-control"]
    assert 304 == again.status_code
    assert 'filename="kerman--budget-1404--v2.csv"' in disposition
    assert "filename*=UTF-8''%D8%A8" in disposition
    assert ("kerman/budget-1404", "2", "12") == (
        answer.headers["x-shahrdad-ref"],
        answer.headers["x-shahrdad-version"],
        answer.headers["x-shahrdad-rows"],
    )


def test_latest_names_its_version_and_does_not_redirect(client: TestClient) -> None:
    """Power Query follows no redirect: latest answers 200 and says which it is."""
    answer = client.get("/d/kerman/budget-1404/latest/budget-lines.parquet")

    assert 200 == answer.status_code
    assert "public, no-cache" == answer.headers["cache-control"]
    assert (
        f"https://data.kerman.example{VERSION}.parquet"
        == answer.headers["content-location"]
    )


def test_permanent_address_negotiates(client: TestClient) -> None:
    """Browsers get a page, programs what they ask for, by header or by suffix."""
    page = client.get("/d/kerman/budget-1404", headers={"Accept-Language": "en"})
    by_header = client.get(
        "/d/kerman/budget-1404", headers={"Accept": "application/json"}
    )
    by_suffix = client.get("/d/kerman/budget-1404.json")
    package = client.get("/d/kerman/budget-1404/v/1.datapackage.json")

    assert (303, "https://data.kerman.example/en/d/kerman/budget-1404") == (
        page.status_code,
        page.headers["location"],
    )
    assert by_header.json() == by_suffix.json()
    assert 'rel="cite-as"' in by_header.headers["link"]
    assert "Accept" in by_header.headers["vary"]
    assert "1" == package.json()["version"]
    assert (
        406
        == client.get(
            "/d/kerman/budget-1404", headers={"Accept": "image/png"}
        ).status_code
    )
    assert 404 == client.get("/d/kerman/budget-1404.exe").status_code


def test_only_the_excel_form_is_guarded() -> None:
    """A text that a spreadsheet takes for a formula is quoted there, and only there."""
    texts = ["=1+1", "+a", "-b", "@c", "\tx", "plain", "", None]
    batch = pa.record_batch({"text": pa.array(texts), "number": pa.array([-1] * 8)})
    plain, excel = io.BytesIO(), io.BytesIO()
    write_csv(iter([batch]), ["text", "number"], plain)
    write_excel_csv(iter([batch]), ["text", "number"], excel)
    rows = list(csv.reader(io.StringIO(excel.getvalue()[3:].decode(), newline="")))
    kept = list(csv.reader(io.StringIO(plain.getvalue().decode(), newline="")))

    assert ["'=1+1", "'+a", "'-b", "'@c", "'\tx", "plain", "", ""] == [
        row[0] for row in rows[1:]
    ]
    assert [text or "" for text in texts] == [row[0] for row in kept[1:]]
    assert {"-1"} == {row[1] for row in rows[1:]}
    assert plain.getvalue().endswith(b'"",-1\r\n,-1\r\n')


def test_workbook_keeps_long_integers() -> None:
    """An integer that Excel would round is text; shorter ones are numbers."""
    batch = pa.record_batch({"amount": pa.array([28371400000000001, 12, None])})
    out = io.BytesIO()
    write_workbook(iter([batch]), batch.schema, ["مبلغ"], [], out, "fa")
    sheet = openpyxl.load_workbook(io.BytesIO(out.getvalue())).worksheets[0]

    assert ["مبلغ", "28371400000000001", 12] == [
        sheet.cell(row, 1).value for row in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/data.json",
        "/v1/datasets/kerman/budget-1404/export/budget-lines.csv?fields=side",
        "/v1/families/budget_lines/export.ndjson",
    ],
)
def test_head_of_what_is_made_when_asked_for_says_no_length(
    client: TestClient, path: str
) -> None:
    """A length of 0 would be a lie; the other headers are those of GET."""
    head, whole = client.head(path).headers, client.get(path).headers

    assert "content-length" not in head
    assert {*whole} - {"content-length", "repr-digest"} == {*head}


def test_arrow_stream_of_a_version_has_the_rows_of_its_parquet(
    client: TestClient,
) -> None:
    """A reader of streams gets the whole version, with length and digest."""
    path = "/d/kerman/budget-1404/v/2/budget-lines"
    stream, table = client.get(f"{path}.arrows"), client.get(f"{path}.parquet")
    rows = pa.ipc.open_stream(stream.content).read_all()

    assert "application/vnd.apache.arrow.stream" == stream.headers["content-type"]
    assert str(len(stream.content)) == stream.headers["content-length"]
    assert pq.read_table(io.BytesIO(table.content)).to_pylist() == rows.to_pylist()
