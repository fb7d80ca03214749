"""package.zip: complete, reproducible, checked by what it holds itself."""

import hashlib
import io
import json
import zipfile

import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from http_world import World
from shared_data import SHARED, needs_shared

jsonschema = pytest.importorskip("jsonschema", reason="not installed: jsonschema")
ZIP = "/v1/datasets/kerman/budget-1404/v/2/package.zip"


@pytest.fixture(scope="module")
def content(client: TestClient) -> bytes:
    """The bytes of the zip."""
    return client.get(ZIP).content


@pytest.fixture(scope="module")
def archive(content: bytes) -> zipfile.ZipFile:
    """The zip, opened."""
    return zipfile.ZipFile(io.BytesIO(content))


def test_sums_name_every_file(archive: zipfile.ZipFile) -> None:
    """`sha256sum -c` succeeds, and nothing is left out of it."""
    lines = archive.read("SHA256SUMS").decode().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    others = {name for name in archive.namelist() if name != "SHA256SUMS"}
    found = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in others}

    assert sums == found


def test_entries_are_the_same_everywhere(archive: zipfile.ZipFile) -> None:
    """Sorted, stored, of 1980: no clock and no host in the bytes."""
    infos = archive.infolist()

    assert sorted(archive.namelist()) == archive.namelist()
    assert {((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED)} == {
        (info.date_time, info.compress_type) for info in infos
    }


def test_record_and_tables_are_the_published_ones(
    archive: zipfile.ZipFile, world: World
) -> None:
    """The record byte for byte; CSV and Parquet have the same rows."""
    _, version = world.catalog.version("kerman/budget-1404", 2)
    parquet = pq.read_table(io.BytesIO(archive.read("data/budget-lines.parquet")))
    csv = pc.read_csv(io.BytesIO(archive.read("data/budget-lines.csv")))

    assert world.catalog.body_bytes(version.digest) == archive.read("record.json")
    assert (12, parquet.schema.names) == (csv.num_rows, csv.schema.names)
    assert 12 == parquet.num_rows


@needs_shared
def test_descriptor_keeps_to_the_schema(archive: zipfile.ZipFile) -> None:
    """Data Package 2.0, with relative paths that are in the zip."""
    schema = SHARED / "conformance" / "datapackage" / "2.0" / "datapackage.json"
    body = json.loads(archive.read("datapackage.json"))
    judge = jsonschema.Draft7Validator(json.loads(schema.read_text("utf-8")))

    assert [] == [fault.message for fault in judge.iter_errors(body)]
    assert {one["path"] for one in body["resources"]} <= set(archive.namelist())


def test_readme_speaks_both_languages(archive: zipfile.ZipFile) -> None:
    """Each README names the dataset in its language."""
    assert "بودجهٔ ۱۴۰۴" in archive.read("README.fa.md").decode()
    assert "Budget 1404 of Kerman" in archive.read("README.en.md").decode()


def test_zip_is_a_file_like_any_other(client: TestClient, content: bytes) -> None:
    """Strong tag, ranges, digest, and the same bytes by its other address."""
    whole = client.head(ZIP)
    part = client.get(ZIP, headers={"Range": "bytes=2-9"})
    etag = f'"{hashlib.sha256(content).hexdigest()}"'
    again = client.get(ZIP, headers={"If-None-Match": etag})

    assert (etag, str(len(content))) == (
        whole.headers["etag"],
        whole.headers["content-length"],
    )
    assert (206, content[2:10], 304) == (
        part.status_code,
        part.content,
        again.status_code,
    )
    assert content == client.get("/d/kerman/budget-1404/v/2/package.zip").content


def test_newest_package_names_its_version(client: TestClient) -> None:
    """Without a number it is the newest, and says which one that is."""
    answer = client.get("/v1/datasets/kerman/budget-1404/package.zip")

    assert answer.headers["content-location"].endswith("/v/2/package.zip")
